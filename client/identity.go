package client

import (
	"crypto/ed25519"
	"crypto/rand"
	"fmt"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// Identity is what the encrypted transport knows a device by, and what the device knows of its server. The plain transport
// leaves it empty. It holds secrets: a State keeps it where nobody else reads.
//
// Key and SignSeed are drawn once and durable before a server sees anything of them. A device that loses them is another
// device to its server, and needs a token to register again.
type Identity struct {
	Key      secure.PrivateKey // X25519: proves the device
	SignSeed [32]byte          // Ed25519: signs links of companion devices
	Server   secure.ServerKey  // pinned; Static zero: none yet. Operator zero: a new static key can't be proved
	Ticket   Ticket
}

// Ticket lets a device come back in one round trip. The newest one counts.
type Ticket struct {
	Sealed  [secure.TicketBytes]byte // opaque
	PSK     [32]byte
	Expires int64 // unix seconds; 0: no ticket
}

// usable says whether the ticket may be shown. A clock that is wrong costs one round trip: the server refuses the ticket.
func (t *Ticket) usable(now time.Time) bool { return now.Unix() < t.Expires }

// empty says that nothing was drawn yet.
func (id *Identity) empty() bool { return id.Key == secure.PrivateKey{} }

// draw makes the device's keys.
func (id *Identity) draw() error {
	key, err := secure.GenerateKey(rand.Reader)
	if err != nil {
		return fmt.Errorf("draw the device's key: %w", err)
	}
	if _, err := rand.Read(id.SignSeed[:]); err != nil {
		return fmt.Errorf("draw the device's key: %w", err)
	}
	id.Key = key
	return nil
}

// expect takes the server's key that the application names. A pinned key that the same operator has certified since stays.
func (id *Identity) expect(k secure.ServerKey) {
	certified := k.Operator != [32]byte{} && id.Server.Operator == k.Operator
	if id.Server == k || certified {
		return
	}
	if id.Server.Static != k.Static {
		id.Ticket = Ticket{} // another server's
	}
	id.Server = k
}

// pinned says whether the server's key is known.
func (id *Identity) pinned() bool { return id.Server.Static != secure.PublicKey{} }

// signer is the key that signs links of companions.
func (id *Identity) signer() ed25519.PrivateKey { return ed25519.NewKeyFromSeed(id.SignSeed[:]) }

// prepareIdentity has snap hold keys, and the server's when that is known, durable before any server sees them.
func prepareIdentity(cfg *config, snap *Snapshot) error {
	if cfg.transport == transportPlain {
		return nil
	}
	id := snap.Identity
	if cfg.serverKey != nil {
		id.expect(*cfg.serverKey)
	}
	if !id.pinned() && !cfg.trustFirst {
		return ErrServerKeyMissing
	}
	if id.empty() {
		if err := id.draw(); err != nil {
			return err
		}
	}
	return commitIdentity(cfg.state, snap, cfg.user, cfg.device, id)
}

// commitIdentity makes id durable, before a client runs on the state.
func commitIdentity(state State, snap *Snapshot, user uint64, device uint8, id Identity) error {
	if id == snap.Identity {
		return nil
	}
	snap.Identity = id
	snap.Marks.User, snap.Marks.Device = user, device
	if err := state.Commit(&Change{Marks: snap.Marks, Identity: &id}); err != nil {
		return fmt.Errorf("%w: %w", ErrState, err)
	}
	return nil
}

// stageIdentity adds the identity as it is now to the next commit. The mutex is held.
func (c *Client) stageIdentity() {
	id := c.identity
	c.journal.staged.Identity = &id
	c.journal.touch(c.cfg.now())
}

// pin makes the server's new static key durable.
func (c *Client) pin(static secure.PublicKey) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identity.Server.Static = static
	c.stageIdentity()
	return c.commit()
}

// dropTicket forgets a ticket that the server refused, unless a newer one has come.
func (c *Client) dropTicket(refused *Ticket) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.identity.Ticket == *refused {
		c.identity.Ticket = Ticket{}
		c.stageIdentity()
	}
}

// handleTicket keeps a TICKET. It waits for the next commit: a process that loses it has the one before, or none.
func (c *Client) handleTicket(f codec.Frame) error {
	v, err := codec.ParseTicket(f)
	if err != nil {
		return fmt.Errorf("%w: TICKET: %w", ErrProtocol, err)
	}
	if c.cfg.transport == transportPlain || len(v.Sealed) != secure.TicketBytes {
		return fmt.Errorf("%w: TICKET of %d bytes", ErrProtocol, len(v.Sealed))
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.identity.Ticket = Ticket{
		Sealed: [secure.TicketBytes]byte(v.Sealed), PSK: v.PSK, Expires: c.cfg.now().Unix() + int64(v.LifetimeSec),
	}
	c.stageIdentity()
	c.poke()
	return nil
}
