package testkit

import (
	"trunkline/codec"
	"trunkline/shard"
)

// The clients of a World with Options.Proven do what an encrypted transport has them do: they prove who they are, and those
// that have a generation speak in their first flight, as early data.

// deviceAccount is what the registrar of a World keeps of a device.
type deviceAccount struct {
	gen   uint16
	token uint64
}

// register gives a device a new generation, or the same one again for the same token.
func (w *World) register(name deviceName, token uint64) uint16 {
	a, ok := w.accounts[name]
	switch {
	case !ok:
		a = deviceAccount{gen: uint16(w.Random.Uint32()), token: token}
	case a.token != token:
		a = deviceAccount{gen: a.gen + 1, token: token}
	}
	if a.gen == 0 {
		a.gen = 1
	}
	w.accounts[name] = a
	return a.gen
}

// prove has the transport say who the client is.
func (c *Client) prove() {
	if !c.World.opts.Proven {
		return
	}
	id := shard.Identity{User: c.User, Device: c.Device, Gen: c.Kept.Gen, Early: c.Kept.Gen != 0}
	if id.Gen == 0 {
		id.Gen = c.World.register(deviceName{c.User, c.Device}, c.Kept.Token)
	}
	c.conn.Identify(id)
}

// checkAccount holds the generation of a SUCCESS against the registrar's.
func (c *Client) checkAccount(gen uint16) {
	if a := c.World.accounts[deviceName{c.User, c.Device}]; c.World.opts.Proven && a.gen != gen {
		c.fault("logged in with generation %d, the account has %d", gen, a.gen)
	}
}

// pushEarly puts the SENDs that the outbox begins with behind the HELLO.
func (c *Client) pushEarly() {
	if !c.World.opts.Proven || c.Kept.Gen == 0 {
		return
	}
	size := 0
	for _, s := range c.Kept.Outbox {
		f, used, err := codec.Next(s.Frame, codec.FrameBytesMax)
		size += used
		if err != nil || f.Kind != codec.KindSend || s.Cseq > c.Kept.Ticked+shard.UplinkEntriesMax || size > flightBytesMax {
			return
		}
		c.conn.Write(s.Frame)
		c.earlyUpTo = s.Cseq
	}
}

// Confirm answers the server's flight.
func (c *Client) Confirm() {
	if c.conn != nil && c.conn.identity != nil {
		c.conn.Confirm()
	}
}

// Attempt makes another connection that never arrives, while the one that is there goes on: what a listener has of it.
func (c *Client) Attempt() (f Flight, ok bool) {
	conn, loggedIn, earlyUpTo := c.conn, c.loggedIn, c.earlyUpTo
	c.loggedIn = false
	c.hello()
	f, ok = c.Flight()
	c.conn.Drop()
	c.conn, c.loggedIn, c.earlyUpTo = conn, loggedIn, earlyUpTo
	return f, ok
}

// Flight is the first flight of the client's connection, if it has early data.
func (c *Client) Flight() (f Flight, ok bool) {
	if c.conn == nil || c.conn.identity == nil || !c.conn.identity.Early {
		return Flight{}, false
	}
	return c.conn.Flight(), true
}
