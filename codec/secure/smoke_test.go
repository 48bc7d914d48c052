package secure

import (
	"bytes"
	"testing"
)

func TestSmoke(t *testing.T) {
	server, _ := GenerateKey(nil)
	device, _ := GenerateKey(nil)
	pub := server.Public()
	r, err := NewResponder(&server, nil)
	if err != nil {
		t.Fatal(err)
	}
	i, flight, err := StartContact(&device, &pub, nil)
	if err != nil || len(flight) != 104 {
		t.Fatal(err, len(flight))
	}
	reply, peer, l, err := r.Contact(nil, flight)
	if err != nil || peer != device.Public() {
		t.Fatal(err)
	}
	rep, used, err := ParseReply(reply)
	if err != nil || used != len(reply) {
		t.Fatal(err)
	}
	c, err := i.Finish(rep.Body)
	if err != nil {
		t.Fatal(err)
	}
	rec, _ := c.Seal(nil, []byte("hello"))
	rec, _ = c.Seal(rec, nil)
	if ok, err := l.Confirm(rec); !ok || err != nil {
		t.Fatal(err)
	}
	plain, at, err := l.Plain(rec)
	if string(plain) != "hello" || at != 2 || err != nil {
		t.Fatal(plain, at, err)
	}
	if l.Consume(2) != 0 {
		t.Fatal()
	}
	rest := rec[4:]
	plain, at, err = l.Plain(rest)
	if string(plain) != "llo" || at != 0 || err != nil || l.Consume(3) != 16 {
		t.Fatal(plain, at, err)
	}
	plain, at, err = l.Plain(rest[19:])
	if len(plain) != 0 || at != 18 || err != nil {
		t.Fatal(plain, at, err)
	}
	var keys TicketKeys
	if err := keys.Rotate(1, nil); err != nil {
		t.Fatal(err)
	}
	tk := Ticket{User: 1, PSK: [32]byte{1}}
	sealed, err := keys.Seal(nil, &tk, nil)
	if err != nil || len(sealed) != 91 {
		t.Fatal(err)
	}
	i, flight, err = StartResume(sealed, &tk.PSK, []byte("early"), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := keys.Open(FlightTicket(flight))
	if err != nil || got != tk {
		t.Fatal(err)
	}
	reply, l, at, err = r.Resume(nil, flight, &got.PSK)
	if err != nil {
		t.Fatal(err)
	}
	plain, n, err := l.Plain(flight[at:])
	if string(plain) != "early" || n != 0 || err != nil || l.Consume(5) != 16 || l.Confirmed() {
		t.Fatal(plain, n, err)
	}
	if c, err = i.Finish(reply[8:]); err != nil {
		t.Fatal(err)
	}
	out, _ := l.Seal(nil, []byte("x"))
	if plain, _, err := c.Plain(out); !bytes.Equal(plain, []byte("x")) || err != nil {
		t.Fatal(err)
	}
}
