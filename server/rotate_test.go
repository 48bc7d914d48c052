package server

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/codec/secure"
)

// ticketOf seals a ticket with the current key.
func ticketOf(t *testing.T, k *Keyring) []byte {
	t.Helper()
	keys := k.Tickets()
	b, err := keys.Seal(nil, &secure.Ticket{User: 1001, Gen: 1}, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func opens(k *Keyring, ticket []byte) bool {
	keys := k.Tickets()
	_, err := keys.Open(ticket)
	return err == nil
}

func TestARotatedServerKeyIsCertifiedForThoseWhoPinnedTheOldOne(t *testing.T) {
	dir, old := newKeysDir(t)
	ticket := ticketOf(t, old)
	k, err := RotateKeys(dir, RotateServer)
	if err != nil {
		t.Fatal(err)
	}
	if k.ServerKey().Static == old.ServerKey().Static || k.ServerKey().Operator != old.ServerKey().Operator {
		t.Errorf("from %v to %v", old.ServerKey(), k.ServerKey())
	}
	pinned := old.ServerKey()
	if c := k.Certificate(); c.Verify(pinned.Operator[:], uint64(time.Now().Unix())) != nil || c.Static != k.ServerKey().Static {
		t.Error("a client with the old pin would turn away")
	}
	if !opens(k, ticket) {
		t.Error("a resume ticket ended with the server key")
	}
	if again := openKeys(t, dir); !sameKeys(k, again) {
		t.Error("what was rotated is not what is kept")
	}
}

func TestARotatedOperatorKeyIsAnotherIdentity(t *testing.T) {
	dir, old := newKeysDir(t)
	ticket := ticketOf(t, old)
	k, err := RotateKeys(dir, RotateOperator)
	if err != nil {
		t.Fatal(err)
	}
	c := k.Certificate()
	if c.Verify(old.Operator(), c.NotBefore) == nil || c.Verify(k.Operator(), c.NotBefore) != nil || k.ServerKey().Static == old.ServerKey().Static {
		t.Error("the old operator's key still counts, or the new one does not")
	}
	if opens(k, ticket) {
		t.Error("a ticket of the old identity opens")
	}
}

func TestACrashInTheMiddleOfANewOperatorIsNamedAndFinished(t *testing.T) {
	dir, _ := newKeysDir(t)
	other, err := newOperator()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.write(dir); err != nil { // and here it crashed
		t.Fatal(err)
	}
	for _, what := range []Rotation{RotateServer, RotateCertificate} {
		if _, err := RotateKeys(dir, what); !errors.Is(err, ErrKeysBroken) {
			t.Errorf("rotate %s certified with a key that nobody pinned: %v", what, err)
		}
	}
	if _, err := OpenKeys(dir); !errors.Is(err, ErrKeysBroken) || !strings.Contains(err.Error(), "trunkline keys rotate operator --force") {
		t.Errorf("got %v", err)
	}
	if _, err := RotateKeys(dir, RotateOperator); err != nil {
		t.Error(err)
	}
	openKeys(t, dir)
}

func TestAnOperatorsKeyAloneMakesAServerKey(t *testing.T) {
	dir, k := newKeysDir(t)
	if err := os.Remove(filepath.Join(dir, serverFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(dir); !errors.Is(err, ErrKeysBroken) || !strings.Contains(err.Error(), "trunkline keys rotate server --keys "+dir) {
		t.Errorf("got %v", err)
	}
	again, err := RotateKeys(dir, RotateServer)
	if err != nil || again.ServerKey().Operator != k.ServerKey().Operator {
		t.Errorf("got %v", err)
	}
}

func TestRotatingByHandEndsEveryTicketAlsoForARunningServer(t *testing.T) {
	dir, running := newKeysDir(t)
	ticket := ticketOf(t, running)
	if _, err := RotateKeys(dir, RotateTickets); err != nil {
		t.Fatal(err)
	}
	if !opens(running, ticket) {
		t.Fatal("the running server has other keys before it asked")
	}
	changed, err := running.RotateTickets(time.Now(), time.Hour)
	if !changed || err != nil || opens(running, ticket) || running.Tickets() != openKeys(t, dir).Tickets() {
		t.Errorf("changed %v, %v", changed, err)
	}
	if running.Tickets().Previous != (secure.TicketKey{}) {
		t.Error("a previous key is left: one that nobody drew would open what anybody forges")
	}
	if changed, err := running.RotateTickets(time.Now(), time.Hour); changed || err != nil {
		t.Errorf("nothing changed, but: %v, %v", changed, err)
	}
}

func TestTicketKeysThatAreGoneAreMadeAnew(t *testing.T) {
	dir, k := newKeysDir(t)
	if err := os.Remove(filepath.Join(dir, ticketsFile)); err != nil {
		t.Fatal(err)
	}
	again := openKeys(t, dir)
	if again.Tickets().Current.ID == 0 || again.Tickets() == k.Tickets() || again.Tickets() != openKeys(t, dir).Tickets() {
		t.Errorf("got %d", again.Tickets().Current.ID)
	}
}

func TestOnlyKnownKeysOfADirectoryThatIsThereAreRotated(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	if _, err := RotateKeys(dir, RotateServer); !errors.Is(err, ErrKeysMissing) {
		t.Errorf("got %v, want ErrKeysMissing", err)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("a directory was made for keys that are not there")
	}
	if _, err := RotateKeys(dir, "everything"); !errors.Is(err, ErrRotation) || !strings.Contains(err.Error(), "[tickets certificate server operator]") {
		t.Errorf("got %v, want ErrRotation", err)
	}
	dir, _ = newKeysDir(t)
	lock, err := lockKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	for _, what := range Rotations() {
		if _, err := RotateKeys(dir, what); !errors.Is(err, ErrDataLocked) {
			t.Errorf("rotate %s beside another change: %v", what, err)
		}
	}
}

func TestTicketKeysRotateWhenTheyAreDueAndNeverByASteppedClock(t *testing.T) {
	const every = 24 * time.Hour
	start := time.Unix(1_700_000_000, 0)
	for _, row := range []struct {
		name    string
		steps   []time.Duration // since the start, each asked in turn
		rotates []bool
	}{
		{"a key rotates when it is as old as a rotation, and not before", []time.Duration{0, every - time.Second, every, every + time.Second}, []bool{false, false, true, false}},
		{"a clock that is stepped back never rotates", []time.Duration{0, -time.Hour, -1000 * every, 0}, []bool{false, false, false, false}},
		{"a clock that is stepped forward by an hour rotates nothing that is young", []time.Duration{0, time.Hour, 0, time.Hour}, []bool{false, false, false, false}},
		{"a clock that is stepped far forward rotates once", []time.Duration{0, 10 * every, 10*every + time.Hour, 11 * every}, []bool{false, true, false, true}},
		{"a clock that jumps to and fro rotates once", []time.Duration{10 * every, 0, 10 * every, 0, 10 * every}, []bool{true, false, false, false, false}},
	} {
		t.Run(row.name, func(t *testing.T) {
			k, err := newKeys(start)
			if err != nil {
				t.Fatal(err)
			}
			for i, since := range row.steps {
				before, ticket := k.Tickets(), ticketOf(t, k)
				changed, err := k.RotateTickets(start.Add(since), every)
				if err != nil || changed != row.rotates[i] || (k.Tickets() != before) != changed {
					t.Fatalf("after %s: changed %v, %v; want %v", since, changed, err, row.rotates[i])
				}
				if !opens(k, ticket) {
					t.Fatalf("after %s: a ticket of just now does not open", since)
				}
			}
		})
	}
}

func TestAClockSteppedBetweenTwoRunsEndsNoYoungTicket(t *testing.T) {
	const every = 24 * time.Hour
	made := time.Now()
	for _, row := range []struct {
		name  string
		clock time.Duration // of the second run, since the keys were made
		due   bool
	}{
		{"a key is due after a rotation and the slack", every + TicketClockSlack, true},
		{"an hour of it may be the clock's", every + TicketClockSlack - time.Second, false},
		{"a clock behind makes no key older", -every, false},
		{"a clock that is years ahead rotates", 100 * 365 * every, true},
		{"a clock that is beyond all reckoning rotates", 290 * 365 * every, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir, k := newKeysDir(t)
			ticket := ticketOf(t, k)
			second := &Keyring{dir: dir}
			if err := second.openTickets(made.Add(row.clock)); err != nil {
				t.Fatal(err)
			}
			// The keys were made up to a second before or after `made`.
			changed, err := second.RotateTickets(made.Add(row.clock).Add(2*time.Second*boolFactor(row.due)), every)
			if err != nil || changed != row.due {
				t.Fatalf("changed %v, %v; want %v", changed, err, row.due)
			}
			if !opens(second, ticket) {
				t.Error("the ticket does not open")
			}
		})
	}
}

// boolFactor is 1 for true and 0 for false.
func boolFactor(b bool) time.Duration {
	if b {
		return 1
	}
	return 0
}

func TestARotationIsOnDiskBeforeItIsUsed(t *testing.T) {
	dir, k := newKeysDir(t)
	later := time.Now().Add(48 * time.Hour)
	before := k.Tickets()
	path := filepath.Join(dir, ticketsFile)
	blocked := path + ".new"
	if err := os.MkdirAll(filepath.Join(blocked, "in the way"), 0o700); err != nil {
		t.Fatal(err)
	}
	if changed, err := k.RotateTickets(later, time.Hour); err == nil || changed || k.Tickets() != before {
		t.Fatalf("rotated without a place for it: %v, %v", changed, err)
	}
	if err := os.RemoveAll(blocked); err != nil {
		t.Fatal(err)
	}
	if changed, err := k.RotateTickets(later, time.Hour); err != nil || !changed {
		t.Fatalf("%v, %v", changed, err)
	}
	if k.Tickets() != openKeys(t, dir).Tickets() || k.Tickets().Previous != before.Current {
		t.Error("what is used is not what is kept")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if changed, err := k.RotateTickets(later.Add(48*time.Hour), time.Hour); !errors.Is(err, ErrKeysExposed) || changed {
		t.Errorf("a file that others read: %v, %v", changed, err)
	}
	if age := k.TicketKeyAge(later.Add(time.Hour)); age != time.Hour {
		t.Errorf("the key is %s old", age)
	}
}

func TestTicketKeysThatAreNotDueNeedNoLock(t *testing.T) {
	dir, k := newKeysDir(t)
	lock, err := lockKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	before, later := k.Tickets(), time.Now().Add(48*time.Hour)
	if changed, err := k.RotateTickets(time.Now(), time.Hour); changed || err != nil {
		t.Errorf("not due: %v, %v", changed, err)
	}
	if changed, err := k.RotateTickets(later, time.Hour); changed || !errors.Is(err, ErrDataLocked) || k.Tickets() != before {
		t.Errorf("due beside another change: %v, %v", changed, err)
	}
	if err := errors.Join(lock.Close(), os.Remove(filepath.Join(dir, ticketsFile))); err != nil {
		t.Fatal(err)
	}
	if changed, err := k.RotateTickets(time.Now(), time.Hour); changed || err != nil || k.Tickets() != before {
		t.Errorf("a file that is gone ends the keys in use: %v, %v", changed, err)
	}
	if changed, err := k.RotateTickets(later, time.Hour); !changed || err != nil || k.Tickets() != openKeys(t, dir).Tickets() {
		t.Errorf("the rotation does not bring the file back: %v, %v", changed, err)
	}
}
