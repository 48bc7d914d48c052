package bench

import (
	"crypto/rand"
	"fmt"
	"io"

	"trunkline/codec/secure"
	"trunkline/netpoll"
)

// veil is the encrypted transport of one loop's sessions. It belongs to the loop.
//
// What a connection keeps lies in links, without pointers; what a handshake needs lies in pending until the answer comes; what
// a device needs to come back lies in devices. A flight that was prepared is in ready until it is answered, so that the keys of
// a storm are drawn before it.
type veil struct {
	random  io.Reader
	device  secure.PrivateKey // of every device of the run
	server  secure.PublicKey
	resume  bool          // use tickets where there are any
	links   []secure.Link // by the connection's slot
	pending map[netpoll.ConnID]*secure.Initiator
	ready   map[uint32]preparedFlight // by the session's index
	record  []byte                    // one write
	early   []byte
}

// preparedFlight is a resume flight with what is needed to read its answer.
type preparedFlight struct {
	initiator *secure.Initiator
	bytes     []byte
}

// device is what a client keeps between connections. No pointers, 160 bytes.
type device struct {
	incarnation uint64
	seen        uint64 // highest seq delivered
	ticked      uint64 // the server's mark
	epoch       uint32 // of the last attempt
	gen         uint16
	hasTicket   bool
	psk         [32]byte
	ticket      [secure.TicketBytes]byte
}

func newVeil(firstUser uint64, server secure.PublicKey) *veil {
	return &veil{
		random: rand.Reader, device: deviceKey(firstUser), server: server,
		pending: map[netpoll.ConnID]*secure.Initiator{}, ready: map[uint32]preparedFlight{},
	}
}

// open makes room for a connection in slot and forgets what was there.
func (v *veil) open(slot uint32) {
	for int(slot) >= len(v.links) {
		v.links = append(v.links, secure.Link{})
	}
	v.links[slot] = secure.Link{}
}

// seal puts frames into one record. The result is valid until the next call.
func (v *veil) seal(slot uint32, frames []byte) ([]byte, error) {
	var err error
	v.record, err = v.links[slot].Seal(v.record[:0], frames)
	return v.record, err
}

// contact begins a handshake with the server's static key.
func (v *veil) contact(id netpoll.ConnID) ([]byte, error) {
	i, flight, err := secure.StartContact(&v.device, &v.server, v.random)
	if err != nil {
		return nil, fmt.Errorf("contact flight: %w", err)
	}
	v.pending[id] = i
	return flight, nil
}

// prepare makes a resume flight whose early data is hello.
func (v *veil) prepare(d *device, hello []byte) (preparedFlight, error) {
	i, flight, err := secure.StartResume(d.ticket[:], &d.psk, hello, v.random)
	if err != nil {
		return preparedFlight{}, fmt.Errorf("resume flight: %w", err)
	}
	return preparedFlight{i, flight}, nil
}

// finish ends a handshake: from now on records.
func (v *veil) finish(id netpoll.ConnID, body []byte) error {
	i := v.pending[id]
	if i == nil {
		return fmt.Errorf("an answer to a flight that was not sent")
	}
	delete(v.pending, id)
	link, err := i.Finish(body)
	v.links[id.Slot()] = link
	return err
}
