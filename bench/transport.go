package bench

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"trunkline/codec/secure"
)

// Transport is how the generator speaks with the server.
type Transport string

// The transports. Both runs `bench connect` twice and compares.
const (
	Plain Transport = "plain"
	Noise Transport = "noise"
	Both  Transport = "both"
)

// TransportDefault is what a run without --transport uses.
const TransportDefault = Plain

// checkTransport refuses words that are none.
func checkTransport(t Transport) error {
	switch t {
	case Plain, Noise, "":
		return nil
	}
	return fmt.Errorf("%w: transport %q; it is plain or noise here", ErrInput, string(t))
}

// deviceKey is the static key of all devices of one run: every process of the run makes the same one from the first user.
// Keys that anybody can compute are right here, for nobody but the run uses these users.
func deviceKey(firstUser uint64) secure.PrivateKey {
	b := binary.BigEndian.AppendUint64([]byte("trunkline bench device "), firstUser)
	return secure.PrivateKey(sha256.Sum256(b))
}

// learnServerKey asks a server for its static key, on first trust: a flight for another key is answered with the
// certificate, which names the right one. Nobody checks who signed it: a load generator has nothing to hide.
func learnServerKey(ctx context.Context, addr string) (key secure.PublicKey, err error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	device, err := secure.GenerateKey(rand.Reader)
	if err != nil {
		return key, fmt.Errorf("%w: draw a key: %w", ErrGenerator, err)
	}
	wrong := device.Public() // a key that is no server's
	_, flight, err := secure.StartContact(&device, &wrong, rand.Reader)
	if err != nil {
		return key, fmt.Errorf("%w: contact flight: %w", ErrGenerator, err)
	}
	for {
		r, err := askFlight(ctx, addr, flight)
		switch {
		case err != nil:
			return key, fmt.Errorf("%w: ask %s for its key: %w", ErrServer, addr, err)
		case r.Kind == secure.FlightCertificate:
			return r.Certificate.Static, nil
		case r.Kind != secure.FlightRefusal || r.RetryAfterMs == 0:
			return key, fmt.Errorf("%w: %s answered a contact flight for a wrong key with flight %#x, code %d", ErrServer, addr, r.Kind, r.Code)
		}
		if err := sleep(ctx, time.Duration(r.RetryAfterMs)*time.Millisecond); err != nil {
			return key, err
		}
	}
}

// askFlight sends one flight on a connection of its own and reads the answer.
func askFlight(ctx context.Context, addr string, flight []byte) (r secure.Reply, err error) {
	d := net.Dialer{Timeout: dialTimeout}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return r, err
	}
	defer c.Close()
	if end, ok := ctx.Deadline(); ok {
		_ = c.SetDeadline(end)
	}
	if _, err := c.Write(flight); err != nil {
		return r, err
	}
	b := make([]byte, 0, flightAnswerBytesMax)
	for {
		n, err := c.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
		r, used, wrong := secure.ParseReply(b)
		switch {
		case used > 0 || wrong != nil:
			return r, wrong
		case err != nil:
			return r, err
		case len(b) == cap(b):
			return r, fmt.Errorf("%d bytes are no answer", len(b))
		}
	}
}
