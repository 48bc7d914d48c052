package client

import "trunkline/codec"

// activity is what the application has said about somebody looking.
type activity uint8

const (
	activityUnsaid activity = iota // a server takes it that somebody is
	activityNone
	activityLooking
)

// SetActive tells the server whether a person is looking, now and after every reconnect. While nobody does, others see this device as not there, and
// presence and typing wait. Errors: ErrClosed.
func (c *Client) SetActive(active bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return err
	}
	said := activityNone
	if active {
		said = activityLooking
	}
	if said != c.active {
		c.active, c.activeSaid = said, false
		c.poke()
	}
	return nil
}

// appendState says it on this connection, once. The mutex is held.
func (w *writer) appendState() {
	c := w.c
	if c.active == activityUnsaid || c.activeSaid {
		return
	}
	v := codec.State{}
	if c.active == activityLooking {
		v.Active = 1
	}
	b, err := codec.AppendState(w.buf, &v)
	if err != nil {
		c.log.Error("state", "err", err) // one of two values: a bug
	}
	w.buf = b
	c.activeSaid = true
}
