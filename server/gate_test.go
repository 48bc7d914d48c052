package server

import (
	"testing"
	"time"

	"trunkline/codec"
)

func TestTwoPeopleTalkOverTheEncryptedTransport(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(*Config)
	}{
		{"one loop", func(c *Config) { c.Loops = 1 }},
		{"four loops, connections move home", func(c *Config) { c.Loops = 4 }},
		{"four loops, connections stay", func(c *Config) { c.Loops, c.Place = 4, PlaceAccept }},
		{"gnet's poller", func(c *Config) { c.Poller = "gnet" }},
		{"a data directory", func(c *Config) { c.Data = t.TempDir() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			noLeaks(t)
			r := startNoise(t, row.set)
			for i := range 6 {
				a, b := r.phone(t, uint64(100+2*i), 0), r.phone(t, uint64(101+2*i), 0)
				p := &pair{t: t, a: a.contact(), b: b.contact()}
				for range 4 {
					p.talk()
				}
				a.seen, b.seen = p.a.seen, p.b.seen
				p.a.conn.Close()
				p.a, _ = a.resume()
				p.talk()
				p.b.conn.Close()
				p.b, _ = b.resume()
				p.talk()
			}
			r.eventually(t, "all is acknowledged", func(s Status) bool { return s.MessagesAcked == 6*6*2 && s.QueueEntries == 0 && s.Panics == 0 })
		})
	}
}

func TestWhatWaitedComesWithTheFirstRoundTripAndEarlyMessagesAreTaken(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, nil)
	a, b := r.phone(t, 1, 0), r.phone(t, 2, 0)
	wa, wb := a.contact(), b.contact()
	wb.conn.Close()
	r.eventually(t, "b is gone", func(s Status) bool { return s.Sessions == 1 })
	wa.expectTick(wa.send(2, "while you were away"))

	w, v := b.dial()
	i, flight := b.flight(sendFrame(1, 1, "early"))
	b.finish(v, i, flight)
	b.success(w) // and nothing was written but the flight
	if d := w.take(); string(d.Blob) != "while you were away" {
		t.Errorf("got %q", d.Blob)
	}
	w.expectTick(1)
	if d := wa.take(); string(d.Blob) != "early" || d.ID != 1 {
		t.Errorf("got %q, id %d", d.Blob, d.ID)
	}
	if rc := w.takeReceipt(); rc.Kind != codec.ReceiptDelivered || rc.Last != 1 {
		t.Errorf("receipt %+v", rc)
	}
}

func TestAHalfOpenConnectionGivesItsWindowBackOnceAndInOrder(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, func(c *Config) { c.AckTimeout = Duration(400 * time.Millisecond) })
	a, b := r.phone(t, 1, 0), r.phone(t, 2, 0)
	wa, old := a.contact(), b.contact()
	const messages = 5
	send := func() {
		for i := range messages {
			wa.send(2, string(rune('a'+i)))
		}
	}
	all := func(w *wire) {
		t.Helper()
		for i := range messages {
			if d := w.take(); string(d.Blob) != string(rune('a'+i)) {
				t.Fatalf("message %d is %q", i, d.Blob)
			}
			wa.takeReceipt()
		}
		b.seen = w.seen
		w.write(codec.AppendPing(nil))
		if f, err := w.frame(); err != nil || f.Kind != codec.KindPong { // nothing comes twice
			t.Fatalf("got %s, %v", describe(f), err)
		}
	}
	send()
	old.expect(codec.KindDeliver) // and from now on nobody is at the other end, which TCP does not know
	w, _ := b.resume()
	all(w)
	old.expectClosed()

	send() // again, and this time nobody comes back until the server has noticed
	w.expect(codec.KindDeliver)
	r.eventually(t, "the dead session is closed", func(s Status) bool { return s.Closes[codec.CodeAckTimeout.String()] == 1 })
	w.expectClosed()
	w, _ = b.resume()
	all(w)
}
