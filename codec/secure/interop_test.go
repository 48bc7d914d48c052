package secure

import (
	"bytes"
	"encoding/binary"
	"testing"

	"github.com/flynn/noise"
)

// foreign is a client or a server that was made of package noise as it is, and of the document.
type foreign struct {
	curve  noise.DHFunc
	static PrivateKey
	claim  []byte // the public key it names; nil: its own
}

func (p foreign) config(pattern noise.HandshakePattern, clear []byte) noise.Config {
	return noise.Config{
		CipherSuite: noise.NewCipherSuite(p.curve, noise.CipherChaChaPoly, noise.HashSHA256),
		Pattern:     pattern,
		Prologue:    append([]byte("trunkline"), clear...),
	}
}

func (p foreign) pair() noise.DHKey {
	public := p.static.Public()
	if p.claim != nil {
		return noise.DHKey{Private: p.static[:], Public: p.claim}
	}
	return noise.DHKey{Private: p.static[:], Public: public[:]}
}

func contactHead() []byte { return []byte{'T', 'L', 1, 1, 1, 0, 0, 96} }

// contact writes a first flight that is bound to a head, and sends it with the head of version 1.
func (p foreign) contact(t *testing.T, server PublicKey, boundTo []byte) (*noise.HandshakeState, []byte) {
	t.Helper()
	config := p.config(noise.HandshakeIK, boundTo)
	config.Initiator = true
	config.StaticKeypair = p.pair()
	config.PeerStatic = server[:]
	return write(t, config, contactHead(), nil)
}

func (p foreign) resume(t *testing.T, ticket []byte, psk [32]byte, early []byte) (*noise.HandshakeState, []byte) {
	t.Helper()
	clear := []byte{'T', 'L', 1, 1, 2, 0}
	clear = binary.BigEndian.AppendUint16(clear, uint16(91+32+16+len(early)))
	clear = append(clear, ticket...)
	config := p.config(noise.HandshakeNN, clear)
	config.Initiator = true
	config.PresharedKey = psk[:]
	return write(t, config, clear, early)
}

func write(t *testing.T, config noise.Config, clear, payload []byte) (*noise.HandshakeState, []byte) {
	t.Helper()
	hs, err := noise.NewHandshakeState(config)
	if err != nil {
		t.Fatal(err)
	}
	flight, _, _, err := hs.WriteMessage(bytes.Clone(clear), payload)
	if err != nil {
		t.Fatal(err)
	}
	return hs, flight
}

func TestAnUnmodifiedNoiseInitiatorMakesAContact(t *testing.T) {
	r := newRig(t)
	peer := foreign{curve: noise.DH25519, static: r.device}
	hs, flight := peer.contact(t, r.static, contactHead())
	reply, static, link, err := r.responder.Contact(nil, flight)
	if err != nil || static != r.device.Public() {
		t.Fatalf("peer %x, %v", static, err)
	}
	payload, up, down, err := hs.ReadMessage(nil, reply[HeadBytes:])
	if err != nil || len(payload) != 0 {
		t.Fatalf("payload %x, %v", payload, err)
	}
	checkForeignTalk(t, up, down, &link)
}

func TestAnUnmodifiedNoiseInitiatorResumes(t *testing.T) {
	r := newRig(t)
	sealed, psk := r.ticket(t)
	hs, flight := foreign{curve: noise.DH25519}.resume(t, sealed, psk, []byte("early data"))
	reply, link, at, err := r.responder.Resume(nil, flight, &psk)
	if err != nil {
		t.Fatal(err)
	}
	if got, left, err := readAll(&link, flight[at:]); string(got) != "early data" || left != 0 || err != nil {
		t.Fatalf("early data %q, left %d, %v", got, left, err)
	}
	_, up, down, err := hs.ReadMessage(nil, reply[HeadBytes:])
	if err != nil {
		t.Fatal(err)
	}
	checkForeignTalk(t, up, down, &link)
}

func TestAnUnmodifiedNoiseResponderAnswers(t *testing.T) {
	r := newRig(t)
	server := foreign{curve: noise.DH25519, static: r.server}
	i, flight := r.startContact(t)
	config := server.config(noise.HandshakeIK, flight[:8])
	config.StaticKeypair = server.pair()
	seal, open, link := answerForeign(t, config, i, flight[8:], "")
	checkForeignTalk(t, seal, open, &link)

	i, flight, psk := r.startResume(t, []byte("early data"))
	config = server.config(noise.HandshakeNN, flight[:8+91])
	config.PresharedKey = psk[:]
	seal, open, link = answerForeign(t, config, i, flight[8+91:], "early data")
	checkForeignTalk(t, seal, open, &link)
}

func answerForeign(t *testing.T, config noise.Config, i *Initiator, message []byte, want string) (seal, open *noise.CipherState, link Link) {
	t.Helper()
	hs, err := noise.NewHandshakeState(config)
	if err != nil {
		t.Fatal(err)
	}
	payload, _, _, err := hs.ReadMessage(nil, message)
	if err != nil || string(payload) != want {
		t.Fatalf("payload %q, %v", payload, err)
	}
	body, open, seal, err := hs.WriteMessage(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	if link, err = i.Finish(body); err != nil {
		t.Fatal(err)
	}
	return seal, open, link
}

// checkForeignTalk sends records between a link and the two cipher states at the other end.
func checkForeignTalk(t *testing.T, seal, open *noise.CipherState, link *Link) {
	t.Helper()
	for _, text := range []string{"first", "", "third"} {
		sealed, err := seal.Encrypt(nil, nil, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		record := append(binary.BigEndian.AppendUint16(nil, uint16(len(sealed))), sealed...)
		if got, left, err := readAll(link, record); string(got) != text || left != 0 || err != nil {
			t.Fatalf("got %q, left %d, %v", got, left, err)
		}
		record, err = link.Seal(nil, []byte(text))
		if err != nil || int(binary.BigEndian.Uint16(record)) != len(record)-2 {
			t.Fatalf("record %x, %v", record, err)
		}
		if got, err := open.Decrypt(nil, nil, record[2:]); string(got) != text || err != nil {
			t.Fatalf("got %q, %v", got, err)
		}
	}
}

// A client of a later version said something else in the clear, and somebody on the way made version 1 of it: the handshake
// is bound to what was said.
func TestAHeadThatWasRewrittenOnTheWayIsRefused(t *testing.T) {
	r := newRig(t)
	peer := foreign{curve: noise.DH25519, static: r.device}
	for i := range HeadBytes {
		said := contactHead()
		said[i] ^= 2
		_, flight := peer.contact(t, r.static, said)
		_, _, _, err := r.responder.Contact(nil, flight)
		wantErr(t, "a rewritten head", err, ErrHandshake)
	}
	_, flight, psk := r.startResume(t, nil)
	other, _ := r.ticket(t)
	copy(FlightTicket(flight), other)
	_, _, _, err := r.responder.Resume(nil, flight, &psk)
	wantErr(t, "another ticket with the same secret", err, ErrHandshake)
}
