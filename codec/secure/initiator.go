package secure

import (
	"io"

	"github.com/flynn/noise"
)

// Initiator is the client's side, between its flight and the reply. It belongs to one goroutine and to one flight.
type Initiator struct {
	curve curve
	hs    *noise.HandshakeState
}

// StartContact begins with a device's key and the server's pinned one. flight has its head: 104 bytes. random nil is the system's.
// Errors: ErrPrivateKey, ErrHandshake (a server key of low order).
func StartContact(device *PrivateKey, server *PublicKey, random io.Reader) (i *Initiator, flight []byte, err error) {
	if isZero((*[32]byte)(device)) {
		return nil, nil, ErrPrivateKey
	}
	i = &Initiator{}
	pair, err := i.curve.setStatic(device)
	if err != nil {
		return nil, nil, err
	}
	flight = appendOwnHead(nil, FlightContact, contactBytes)
	config := noise.Config{Pattern: noise.HandshakeIK, StaticKeypair: pair, PeerStatic: server[:]}
	return i.start(config, flight, nil, random)
}

// StartResume begins with a ticket; early is whole frames, at most EarlyBytesMax. random nil is the system's.
// Errors: ErrEarlyTooLarge, ErrTicket (of another length than TicketBytes).
func StartResume(ticket []byte, psk *[32]byte, early []byte, random io.Reader) (i *Initiator, flight []byte, err error) {
	if len(early) > EarlyBytesMax {
		return nil, nil, ErrEarlyTooLarge
	}
	if len(ticket) != TicketBytes {
		return nil, nil, ErrTicket
	}
	flight = make([]byte, 0, earlyAt+len(early)+TagBytes)
	flight = appendOwnHead(flight, FlightResume, resumeBytesMin+len(early))
	flight = append(flight, ticket...)
	return new(Initiator).start(noise.Config{Pattern: noise.HandshakeNN, PresharedKey: psk[:]}, flight, early, random)
}

// start writes message 1 behind what is said in the clear, which is the rest of the prologue.
func (i *Initiator) start(config noise.Config, clear, payload []byte, random io.Reader) (*Initiator, []byte, error) {
	config.CipherSuite = newSuite(&i.curve)
	config.Random = source(random)
	config.Initiator = true
	config.Prologue = appendPrologue(nil, clear)
	hs, err := noise.NewHandshakeState(config)
	if err != nil {
		return nil, nil, err
	}
	flight, _, _, err := hs.WriteMessage(clear, payload)
	if err != nil {
		return nil, nil, ErrHandshake
	}
	i.hs = hs
	return i, flight, nil
}

// Finish takes the body of a FlightAccepted. The caller then seals a first record at once (an empty one if it has nothing to say): it confirms.
// Errors: ErrHandshake (forged, or of a server that has not the key or the ticket's secret).
func (i *Initiator) Finish(body []byte) (Link, error) {
	if len(body) != acceptedBytes {
		return Link{}, ErrHandshake
	}
	_, seal, open, err := i.hs.ReadMessage(nil, body)
	if err != nil {
		return Link{}, ErrHandshake
	}
	return Link{sealKey: seal.UnsafeKey(), openKey: open.UnsafeKey()}, nil
}
