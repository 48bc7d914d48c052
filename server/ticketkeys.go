package server

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strconv"
	"time"

	"trunkline/codec/secure"
)

// Tickets are the keys of resume tickets, a copy of its own for each loop: ask again after RotateTickets said that they changed.
func (k *Keyring) Tickets() secure.TicketKeys { return *k.tickets.Load() }

// TicketKeyAge is how old the current ticket key is.
func (k *Keyring) TicketKeyAge(now time.Time) time.Duration {
	k.rotating.Lock()
	defer k.rotating.Unlock()
	return max(k.age+now.Sub(k.known), 0)
}

// RotateTickets makes a new current key when the present one is as old as every, durably before it is used, and keeps the one
// before. It also takes over what `trunkline keys rotate tickets` wrote meanwhile. changed says that Tickets has new keys.
// It reads a file each time and so belongs to no loop. After an error the keys are what they were: call again later.
//
// Clocks: within a run of the process age is counted by the monotonic clock, so stepping the wall clock changes nothing. A
// key from before the start has the age that the wall clock says, less TicketClockSlack: after a clock was stepped forward by up
// to an hour no ticket dies younger than one rotation. Stepped further, the present key becomes the previous one and still opens
// its tickets. A clock that was stepped back makes a key younger, at most as if it were new: it never rotates.
func (k *Keyring) RotateTickets(now time.Time, every time.Duration) (changed bool, err error) {
	k.rotating.Lock()
	defer k.rotating.Unlock()
	if k.dir == "" {
		return k.rotateDue(now, every)
	}
	if changed, err := k.adoptFile(now); changed || err != nil || !k.due(now, every) {
		return changed, err
	}
	lock, err := lockKeys(k.dir)
	if err != nil {
		return false, err
	}
	if changed, err = k.adoptFile(now); !changed && err == nil {
		changed, err = k.rotateDue(now, every)
	}
	return changed, errors.Join(err, lock.Close())
}

// adoptFile puts the keys of the file in force when they are others. A file that is gone is no reason to stop: the next rotation
// writes it.
func (k *Keyring) adoptFile(now time.Time) (changed bool, err error) {
	onDisk, err := readTickets(k.dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil || *onDisk == *k.tickets.Load():
		return false, err
	}
	k.adopt(onDisk, now)
	return true, nil
}

// due says that the current key is as old as every.
func (k *Keyring) due(now time.Time, every time.Duration) bool {
	return k.age+now.Sub(k.known) >= every
}

// rotateDue rotates when it is time to. The caller holds rotating and, for keys in a directory, their lock.
func (k *Keyring) rotateDue(now time.Time, every time.Duration) (bool, error) {
	if !k.due(now, every) {
		return false, nil
	}
	next := *k.tickets.Load()
	if err := next.Rotate(now.Unix(), rand.Reader); err != nil {
		return false, fmt.Errorf("rotate ticket keys: %w", err)
	}
	if k.dir != "" {
		if err := writeTickets(k.dir, &next); err != nil {
			return false, err
		}
	}
	k.adopt(&next, now)
	return true, nil
}

// adopt puts keys in force. Their age is the wall clock's word, less the slack for keys that were not made just now.
func (k *Keyring) adopt(t *secure.TicketKeys, now time.Time) {
	k.tickets.Store(t)
	age := now.Unix() - t.Current.Created
	age = min(max(age, 0), int64(TicketAgeMax/time.Second)) // a nonsense date must not overflow
	k.known, k.age = now, max(time.Duration(age)*time.Second-TicketClockSlack, 0)
}

// openTickets reads the ticket keys of the directory, or makes them.
func (k *Keyring) openTickets(now time.Time) error {
	t, err := readTickets(k.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return k.makeTickets(now)
	}
	if err != nil {
		return err
	}
	k.adopt(t, now)
	return nil
}

// makeTickets draws ticket keys for a directory that has none.
func (k *Keyring) makeTickets(now time.Time) error {
	lock, err := lockKeys(k.dir)
	if err != nil {
		return err
	}
	t, err := readTickets(k.dir) // another process may have been faster
	if errors.Is(err, fs.ErrNotExist) {
		if t, err = freshTickets(0, now); err == nil {
			err = writeTickets(k.dir, t)
		}
	}
	if err = errors.Join(err, lock.Close()); err != nil {
		return err
	}
	k.adopt(t, now)
	return nil
}

// freshTickets are a current key with the id behind last, and no previous one: no ticket that was issued before opens.
func freshTickets(last uint8, now time.Time) (*secure.TicketKeys, error) {
	t := &secure.TicketKeys{Current: secure.TicketKey{ID: last}}
	if err := t.Rotate(now.Unix(), rand.Reader); err != nil {
		return nil, fmt.Errorf("draw ticket keys: %w", err)
	}
	t.Previous = secure.TicketKey{}
	return t, nil
}

func (k *Keyring) writeTickets() error { return writeTickets(k.dir, k.tickets.Load()) }

func writeTickets(dir string, t *secure.TicketKeys) error {
	lines := []keyLine{ticketLine("current", &t.Current)}
	if t.Previous.ID != 0 {
		lines = append(lines, ticketLine("previous", &t.Previous))
	}
	return replaceKeyFile(dir, ticketsFile, formatKeyFile("trunkline ticket keys: id, made at (unix seconds), secret", lines...))
}

func readTickets(dir string) (*secure.TicketKeys, error) {
	path := filepath.Join(dir, ticketsFile)
	text, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	t, err := parseTickets(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w; without the file new ones are made", ErrKeysBroken, path, err)
	}
	return t, nil
}

func parseTickets(text string) (*secure.TicketKeys, error) {
	lines, err := parseKeyFile(text, "current", "previous")
	if err != nil {
		return nil, err
	}
	t := &secure.TicketKeys{}
	if err := parseTicketKey(&t.Current, lines["current"]); err != nil {
		return nil, err
	}
	if words, there := lines["previous"]; there {
		if err := parseTicketKey(&t.Previous, words); err != nil {
			return nil, err
		}
	}
	if t.Current.ID == t.Previous.ID {
		return nil, errors.New("both keys have one id")
	}
	return t, nil
}

func parseTicketKey(t *secure.TicketKey, words []string) error {
	if len(words) == 0 {
		return errors.New("a key is missing")
	}
	id, err := strconv.ParseUint(words[0], 10, 8)
	if err != nil || id == 0 {
		return errors.New("a key's id is not a number from 1 to 255")
	}
	t.ID = uint8(id)
	if t.Created, err = parseUnixWord(words, 1); err != nil {
		return err
	}
	return hexWord(t.Secret[:], words, 2)
}
