package secure

import (
	"bytes"
	"errors"
	"testing"
)

// rig is a server and a device that know each other.
type rig struct {
	server, device PrivateKey
	static         PublicKey // the server's
	responder      *Responder
	keys           TicketKeys
}

func newRig(tb testing.TB) *rig {
	tb.Helper()
	r := &rig{server: PrivateKey{1: 1}, device: PrivateKey{1: 2}}
	r.static = r.server.Public()
	var err error
	if r.responder, err = NewResponder(&r.server, nil); err != nil {
		tb.Fatal(err)
	}
	if err := r.keys.Rotate(1_700_000_000, nil); err != nil {
		tb.Fatal(err)
	}
	return r
}

// startContact begins a first contact with the pinned key.
func (r *rig) startContact(tb testing.TB) (*Initiator, []byte) {
	tb.Helper()
	i, flight, err := StartContact(&r.device, &r.static, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return i, flight
}

// finish takes a server's accepted flight.
func finish(tb testing.TB, i *Initiator, reply []byte) Link {
	tb.Helper()
	parsed, used, err := ParseReply(reply)
	if err != nil || used != len(reply) || parsed.Kind != FlightAccepted {
		tb.Fatalf("reply %+v, used %d of %d, %v", parsed, used, len(reply), err)
	}
	link, err := i.Finish(parsed.Body)
	if err != nil {
		tb.Fatal(err)
	}
	return link
}

func (r *rig) contact(tb testing.TB) (client, server Link) {
	tb.Helper()
	i, flight := r.startContact(tb)
	reply, peer, server, err := r.responder.Contact(nil, flight)
	if err != nil || peer != r.device.Public() {
		tb.Fatalf("peer %x, %v", peer, err)
	}
	return finish(tb, i, reply), server
}

// ticket seals one for the device.
func (r *rig) ticket(tb testing.TB) (sealed []byte, psk [32]byte) {
	tb.Helper()
	t := Ticket{User: 1001, Gen: 7, Issued: 1_700_000_000, Expires: 1_700_604_800, PSK: [32]byte{9, 8, 7}}
	sealed, err := r.keys.Seal(nil, &t, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return sealed, t.PSK
}

func (r *rig) startResume(tb testing.TB, early []byte) (i *Initiator, flight []byte, psk [32]byte) {
	tb.Helper()
	sealed, psk := r.ticket(tb)
	i, flight, err := StartResume(sealed, &psk, early, nil)
	if err != nil {
		tb.Fatal(err)
	}
	return i, flight, psk
}

// resume gives the server's input too: what lies behind the flight's handshake.
func (r *rig) resume(tb testing.TB, early []byte) (client, server Link, input []byte) {
	tb.Helper()
	i, flight, _ := r.startResume(tb, early)
	t, err := r.keys.Open(FlightTicket(flight))
	if err != nil {
		tb.Fatal(err)
	}
	reply, server, at, err := r.responder.Resume(nil, flight, &t.PSK)
	if err != nil {
		tb.Fatal(err)
	}
	return finish(tb, i, reply), server, flight[at:]
}

// seal adds records to dst, one for each plaintext.
func seal(tb testing.TB, k *Link, dst []byte, plains ...string) []byte {
	tb.Helper()
	for _, p := range plains {
		var err error
		if dst, err = k.Seal(dst, []byte(p)); err != nil {
			tb.Fatal(err)
		}
	}
	return dst
}

// readAll takes everything that input holds, record by record, until nothing whole is there.
func readAll(k *Link, input []byte) (all []byte, left int, err error) {
	input = bytes.Clone(input)
	for {
		plain, at, err := k.Plain(input)
		if err != nil {
			return all, len(input), err
		}
		all = append(all, plain...)
		if len(plain) == 0 {
			return all, len(input) - at, nil
		}
		input = input[at+len(plain)+k.Consume(len(plain)):]
	}
}

// wantErr stops a test whose error is another one.
func wantErr(tb testing.TB, what string, err, want error) {
	tb.Helper()
	if !errors.Is(err, want) || want == nil && err != nil {
		tb.Errorf("%s: %v, want %v", what, err, want)
	}
}

// flip returns b with one bit changed.
func flip(b []byte, bit int) []byte {
	out := bytes.Clone(b)
	out[bit/8] ^= 1 << (bit % 8)
	return out
}

// noRandom is a source that has run dry.
type noRandom struct{}

var errDry = errors.New("no randomness left")

func (noRandom) Read([]byte) (int, error) { return 0, errDry }
