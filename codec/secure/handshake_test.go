package secure

import (
	"bytes"
	"testing"
)

func TestBothEndsOfAContactHaveTheSameKeys(t *testing.T) {
	client, server := newRig(t).contact(t)
	checkTalk(t, &client, &server)
}

func TestBothEndsOfAResumeHaveTheSameKeys(t *testing.T) {
	r := newRig(t)
	for _, early := range []string{"", "x", "a HELLO and two SENDs", string(make([]byte, EarlyBytesMax))} {
		client, server, input := r.resume(t, []byte(early))
		got, left, err := readAll(&server, input)
		if string(got) != early || left != 0 || err != nil || server.Confirmed() {
			t.Fatalf("%d bytes of early data: got %d, left %d, %v, confirmed %v", len(early), len(got), left, err, server.Confirmed())
		}
		checkTalk(t, &client, &server)
	}
}

// checkTalk sends records both ways.
func checkTalk(t *testing.T, client, server *Link) {
	t.Helper()
	if !client.Keyed() || !server.Keyed() || client.Confirmed() || server.Confirmed() {
		t.Fatal("a fresh link is keyed and not confirmed")
	}
	up := seal(t, client, nil, "", "to the server", "again")
	down := seal(t, server, nil, "to the client")
	if got, left, err := readAll(server, up); string(got) != "to the serveragain" || left != 0 || err != nil {
		t.Fatalf("server got %q, left %d, %v", got, left, err)
	}
	if got, left, err := readAll(client, down); string(got) != "to the client" || left != 0 || err != nil {
		t.Fatalf("client got %q, left %d, %v", got, left, err)
	}
	if !client.Confirmed() || !server.Confirmed() {
		t.Fatal("a record did not confirm")
	}
}

func TestEveryChangedBitOfAContactFlightIsRefused(t *testing.T) {
	r := newRig(t)
	_, flight := r.startContact(t)
	for bit := 0; bit < 8*len(flight); bit += 1 + bit/64*4 { // each bit of the head, then every fifth and rarer
		reply, _, link, err := r.responder.Contact([]byte("before"), flip(flight, bit))
		if err == nil || string(reply) != "before" || link.Keyed() {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	if _, _, _, err := r.responder.Contact(nil, flight); err != nil {
		t.Errorf("after all these, the true flight: %v", err)
	}
}

func TestEveryChangedByteOfAResumeFlightIsRefused(t *testing.T) {
	r := newRig(t)
	_, flight, psk := r.startResume(t, []byte("early data"))
	for i := range flight {
		changed := flip(flight, 8*i+i%8)
		before := bytes.Clone(changed)
		reply, link, _, err := r.responder.Resume([]byte("before"), changed, &psk)
		if err == nil || string(reply) != "before" || link.Keyed() || !bytes.Equal(changed, before) {
			t.Fatalf("byte %d: %v", i, err)
		}
	}
	if _, _, _, err := r.responder.Resume(nil, flight, &psk); err != nil {
		t.Errorf("after all these, the true flight: %v", err)
	}
}

func TestFlightsOfAnotherLengthThanTheirHeadSaysAreRefused(t *testing.T) {
	r := newRig(t)
	_, contact := r.startContact(t)
	_, resume, psk := r.startResume(t, []byte("early"))
	for n := range contact {
		_, _, _, err := r.responder.Contact(nil, contact[:n])
		wantErr(t, "a cut contact flight", err, ErrFlightLength)
	}
	for n := range resume {
		_, _, _, err := r.responder.Resume(nil, resume[:n], &psk)
		wantErr(t, "a cut resume flight", err, ErrFlightLength)
	}
	_, _, _, err := r.responder.Contact(nil, append(contact, 0))
	wantErr(t, "a contact flight with a byte behind it", err, ErrFlightLength)
	_, _, _, err = r.responder.Contact(nil, resume)
	wantErr(t, "a resume flight taken for a contact", err, ErrFlightKind)
	_, _, _, err = r.responder.Resume(nil, contact[:104], &psk)
	wantErr(t, "a contact flight taken for a resume", err, ErrFlightKind)
}

func TestEveryChangedBitOfTheReplyIsRefused(t *testing.T) {
	r := newRig(t)
	_, flight := r.startContact(t)
	reply, _, _, err := r.responder.Contact(nil, flight)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(reply) {
		i, again := r.startContact(t) // a reply to another flight is refused like a changed one
		changed := reply
		if bit%4 == 0 {
			if changed, _, _, err = r.responder.Contact(nil, again); err != nil {
				t.Fatal(err)
			}
			changed = flip(changed, bit)
		}
		parsed, used, err := ParseReply(changed)
		if err != nil || used == 0 || parsed.Kind != FlightAccepted {
			continue // refused, or another flight, which gives no keys
		}
		if link, err := i.Finish(parsed.Body); err != ErrHandshake || link.Keyed() {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
}

func TestFinishRefusesAnotherLength(t *testing.T) {
	i, _ := newRig(t).startContact(t)
	for _, n := range []int{0, 31, 32, 47, 49, 65_535} {
		_, err := i.Finish(make([]byte, n))
		wantErr(t, "a body of another length", err, ErrHandshake)
	}
}

func TestAClientThatPinnedAnotherKeyIsRefused(t *testing.T) {
	r := newRig(t)
	other := PrivateKey{1: 3}
	r.static = other.Public()
	_, flight := r.startContact(t)
	_, _, _, err := r.responder.Contact(nil, flight)
	wantErr(t, "a flight for another static key", err, ErrHandshake)
}

func TestAServerWithoutTheKeyCanNotAnswer(t *testing.T) {
	r, impostor := newRig(t), newRig(t)
	i, flight, psk := r.startResume(t, []byte("early"))
	psk[31] ^= 1
	_, _, _, err := impostor.responder.Resume(nil, bytes.Clone(flight), &psk)
	wantErr(t, "a resume with another psk", err, ErrHandshake)
	_, other, otherPSK := impostor.startResume(t, nil)
	reply, _, _, err := impostor.responder.Resume(nil, other, &otherPSK)
	if err != nil {
		t.Fatal(err)
	}
	_, err = i.Finish(reply[HeadBytes:])
	wantErr(t, "a reply made for another flight", err, ErrHandshake)
}

// A first flight can be sent again by anybody who saw it. The server can't tell from the flight, but whoever sends it has
// no keys: nothing that was captured is a record under the new ones, and the link stays unconfirmed.
func TestAReplayedFirstFlightNeverConfirms(t *testing.T) {
	r := newRig(t)
	i, contact := r.startContact(t)
	reply, _, server, err := r.responder.Contact(nil, contact)
	if err != nil {
		t.Fatal(err)
	}
	client := finish(t, i, reply)
	records := seal(t, &client, nil, "a HELLO", "a SEND")
	_, _, second, err := r.responder.Contact(nil, contact)
	if err != nil || second == server {
		t.Fatalf("the second answer has the same keys, or %v", err)
	}
	checkNeverConfirms(t, &second, records)

	i, resume, psk := r.startResume(t, []byte("a HELLO"))
	reply, server, _, err = r.responder.Resume(nil, bytes.Clone(resume), &psk)
	if err != nil {
		t.Fatal(err)
	}
	client = finish(t, i, reply)
	records = seal(t, &client, nil, "", "a SEND")
	_, second, at, err := r.responder.Resume(nil, resume, &psk)
	if err != nil || second == server {
		t.Fatalf("the second answer has the same keys, or %v", err)
	}
	checkNeverConfirms(t, &second, append(resume[at:], records...))
}

func checkNeverConfirms(t *testing.T, k *Link, input []byte) {
	t.Helper()
	copyOfLink := *k
	if ok, err := copyOfLink.Confirm(bytes.Clone(input)); ok || err != ErrRecord || copyOfLink.Confirmed() {
		t.Errorf("Confirm says %v, %v", ok, err)
	}
	if _, _, err := readAll(k, input); err != ErrRecord || k.Confirmed() {
		t.Errorf("reading: %v, confirmed %v", err, k.Confirmed())
	}
}

func TestStartRefusesWhatItCanNotSay(t *testing.T) {
	r := newRig(t)
	sealed, psk := r.ticket(t)
	_, _, err := StartResume(sealed, &psk, make([]byte, EarlyBytesMax+1), nil)
	wantErr(t, "one byte too much early data", err, ErrEarlyTooLarge)
	_, _, err = StartResume(sealed[1:], &psk, nil, nil)
	wantErr(t, "a short ticket", err, ErrTicket)
	_, _, err = StartContact(&PrivateKey{}, &r.static, nil)
	wantErr(t, "no device key", err, ErrPrivateKey)
	_, err = NewResponder(&PrivateKey{}, nil)
	wantErr(t, "no server key", err, ErrPrivateKey)
}

func TestWithoutRandomnessThereIsNoHandshake(t *testing.T) {
	r := newRig(t)
	sealed, psk := r.ticket(t)
	if _, _, err := StartContact(&r.device, &r.static, noRandom{}); err == nil {
		t.Error("a contact began")
	}
	if _, _, err := StartResume(sealed, &psk, nil, noRandom{}); err == nil {
		t.Error("a resume began")
	}
	dry, err := NewResponder(&r.server, noRandom{})
	if err != nil {
		t.Fatal(err)
	}
	_, flight := r.startContact(t)
	if _, _, link, err := dry.Contact(nil, flight); err == nil || link.Keyed() {
		t.Error("a contact was answered")
	}
	if _, err := GenerateKey(noRandom{}); err != errDry {
		t.Errorf("a key was drawn: %v", err)
	}
}
