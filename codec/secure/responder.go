package secure

import (
	"io"

	"github.com/flynn/noise"
)

// Responder is the server's side of both handshakes. It belongs to one goroutine.
type Responder struct {
	curve    curve
	suite    noise.CipherSuite
	static   noise.DHKey
	random   io.Reader
	prologue []byte // reused
	early    []byte // reused: where early data is decrypted before it is put in place
}

// NewResponder makes one for a static key. random nil is the system's. Errors: ErrPrivateKey (all zero: it was never set).
func NewResponder(static *PrivateKey, random io.Reader) (*Responder, error) {
	if isZero((*[32]byte)(static)) {
		return nil, ErrPrivateKey
	}
	r := &Responder{random: source(random)}
	pair, err := r.curve.setStatic(static)
	if err != nil {
		return nil, err
	}
	r.static = pair
	r.suite = newSuite(&r.curve)
	return r, nil
}

// Contact answers a contact flight (head included): reply is appended to dst (head included), peer is the device's static key.
// Four multiplications on the curve and one for the ephemeral key. With an error dst is returned as it was.
// Errors: those of ParseHead, ErrHandshake (wrong server key, forged).
func (r *Responder) Contact(dst, flight []byte) (reply []byte, peer PublicKey, link Link, err error) {
	if err := checkFlight(flight, FlightContact); err != nil {
		return dst, PublicKey{}, Link{}, err
	}
	hs, err := r.begin(noise.HandshakeIK, flight[:HeadBytes], nil)
	if err != nil {
		return dst, PublicKey{}, Link{}, err
	}
	if _, _, _, err := hs.ReadMessage(nil, flight[HeadBytes:]); err != nil {
		return dst, PublicKey{}, Link{}, ErrHandshake
	}
	if reply, link, err = answer(dst, hs); err != nil {
		return dst, PublicKey{}, Link{}, err
	}
	return reply, PublicKey(hs.PeerStatic()), link, nil
}

// Resume answers a resume flight with the psk of its ticket. The early data is decrypted in place: flight[at:at+n] is plaintext then, the
// tag behind it is skipped by the link, and the link's Plain gives it for an input that starts at flight[at]. Without early data at is
// the end of the flight. Two multiplications on the curve. With an error dst is returned as it was, and the flight is unchanged.
// Errors: those of ParseHead, ErrHandshake (wrong psk, forged).
func (r *Responder) Resume(dst, flight []byte, psk *[32]byte) (reply []byte, link Link, at int, err error) {
	if err := checkFlight(flight, FlightResume); err != nil {
		return dst, Link{}, 0, err
	}
	hs, err := r.begin(noise.HandshakeNN, flight[:resumeBodyAt], psk)
	if err != nil {
		return dst, Link{}, 0, err
	}
	// The handshake hashes the ciphertext after decrypting it: it can't be overwritten before.
	early, _, _, err := hs.ReadMessage(r.early[:0], flight[resumeBodyAt:])
	if err != nil {
		return dst, Link{}, 0, ErrHandshake
	}
	r.early = early[:0]
	if reply, link, err = answer(dst, hs); err != nil {
		return dst, Link{}, 0, err
	}
	if len(early) == 0 {
		return reply, link, len(flight), nil
	}
	copy(flight[earlyAt:], early)
	link.setRest(len(early))
	return reply, link, earlyAt, nil
}

func (r *Responder) begin(pattern noise.HandshakePattern, clear []byte, psk *[32]byte) (*noise.HandshakeState, error) {
	r.prologue = appendPrologue(r.prologue[:0], clear)
	config := noise.Config{CipherSuite: r.suite, Random: r.random, Pattern: pattern, Prologue: r.prologue}
	if psk != nil {
		config.PresharedKey = psk[:]
	} else {
		config.StaticKeypair = r.static
	}
	return noise.NewHandshakeState(config)
}

// answer writes message 2 behind its head, which ends both handshakes.
func answer(dst []byte, hs *noise.HandshakeState) ([]byte, Link, error) {
	reply, open, seal, err := hs.WriteMessage(appendOwnHead(dst, FlightAccepted, acceptedBytes), nil)
	if err != nil {
		return dst, Link{}, ErrHandshake // the peer's ephemeral key is of low order
	}
	return reply, Link{sealKey: seal.UnsafeKey(), openKey: open.UnsafeKey()}, nil
}

// checkFlight holds a whole flight against its head.
func checkFlight(flight []byte, kind FlightKind) error {
	h, ok, err := ParseHead(flight)
	if err != nil {
		return err
	}
	if !ok || len(flight) != HeadBytes+int(h.Length) {
		return ErrFlightLength
	}
	if h.Kind != kind {
		return ErrFlightKind
	}
	return nil
}
