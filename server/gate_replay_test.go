package server

import (
	"net"
	"testing"
	"time"

	"trunkline/codec"
)

// friends are a watcher, a recipient, and a phone whose first flight somebody has recorded.
type friends struct {
	t        testing.TB
	r        *running
	a        *phone
	wa       *wire // its connection
	recorded []byte
	b        *wire // who gets its messages
	watcher  *wire
}

// befriend has a come back with a ticket and one message in its first flight, which is recorded.
func befriend(t *testing.T, set func(*Config)) *friends {
	t.Helper()
	r := startNoise(t, func(c *Config) {
		c.LoginTimeout = Duration(300 * time.Millisecond)
		if set != nil {
			set(c)
		}
	})
	f := &friends{t: t, r: r, a: r.phone(t, 1, 0)}
	b, watcher := r.phone(t, 2, 0), r.phone(t, 3, 0)
	f.b, f.watcher = b.contact(), watcher.contact()
	f.a.contact().conn.Close()
	r.eventually(t, "a is gone", func(s Status) bool { return s.Sessions == 2 })
	var v *veil
	f.wa, v = f.a.resume(sendFrame(1, 2, "once"))
	f.recorded = v.bytes
	f.wa.expectTick(1)
	if d := f.b.take(); string(d.Blob) != "once" {
		t.Fatalf("b got %q", d.Blob)
	}
	f.wa.takeReceipt()
	f.watcher.write(must(codec.AppendSubscribe(nil, &codec.Subscribe{Op: 1, N: 1, Peers: codec.Peers(nil).Append(1)})))
	f.presence(1)
	return f
}

// presence waits for the watcher to hear of a.
func (f *friends) presence(state uint8) {
	f.t.Helper()
	p, err := codec.ParsePresence(f.watcher.expect(codec.KindPresence))
	if err != nil || p.Peer != 1 || p.State != state {
		f.t.Fatalf("presence %+v, %v; want state %d", p, err, state)
	}
}

// gone has a leave.
func (f *friends) gone() {
	f.t.Helper()
	f.wa.conn.Close()
	f.presence(0)
}

// replays writes what was recorded n times over connections of their own, and waits until the server has closed them.
func (f *friends) replays(n int, b []byte) {
	f.t.Helper()
	var conns []net.Conn
	for range n {
		conns = append(conns, f.r.replay(f.t, b))
	}
	for _, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(patience)) // a failure shows in Read
		buf := make([]byte, 4096)
		for {
			if _, err := c.Read(buf); err != nil {
				if ne, ok := err.(net.Error); ok && ne.Timeout() {
					f.t.Fatal("the server keeps a replay open")
				}
				break
			}
		}
		c.Close()
	}
}

// nothing checks that neither friend has heard anything: what they ask is answered at once.
func (f *friends) nothing() {
	f.t.Helper()
	for _, w := range []*wire{f.b, f.watcher} {
		w.write(codec.AppendPing(nil))
		if fr, err := w.frame(); err != nil || fr.Kind != codec.KindPong {
			f.t.Fatalf("user %d got %v, %v", w.user, describe(fr), err)
		}
	}
}

// stillThere checks that a's connection works and that its next message is taken as the second one.
func (f *friends) stillThere() {
	f.t.Helper()
	f.wa.ping()
	f.wa.expectTick(f.wa.send(2, "two"))
	if d := f.b.take(); string(d.Blob) != "two" || d.ID != 2 {
		f.t.Fatalf("b got %q, id %d", d.Blob, d.ID)
	}
	f.wa.takeReceipt()
}

// firstFlight is the recorded bytes without the records that followed.
func (f *friends) firstFlight() []byte {
	n := 8 + int(f.recorded[6])<<8 + int(f.recorded[7])
	return f.recorded[:n]
}

func TestAReplayedFirstFlightDoesNothingToWhoIsConnected(t *testing.T) {
	for _, place := range []string{PlaceHome, PlaceAccept} {
		t.Run(place, func(t *testing.T) {
			noLeaks(t)
			f := befriend(t, func(c *Config) { c.Loops, c.Place = 3, place })
			f.replays(20, f.firstFlight())
			f.nothing()
			f.stillThere()
			f.replays(20, f.recorded) // with the record that had confirmed it: under other keys it is not authentic
			f.nothing()
			if s := f.r.Status(); s.Closes[codec.CodeReplaced.String()] != 0 || s.MessagesIn != 2 {
				t.Errorf("replaced %d, messages %d", s.Closes[codec.CodeReplaced.String()], s.MessagesIn)
			}
		})
	}
}

func TestAReplayedFirstFlightIsNobodysPresenceAndTakesNothingOfWhoIsAway(t *testing.T) {
	noLeaks(t)
	f := befriend(t, nil)
	f.gone()
	f.b.expectTick(f.b.send(1, "for a"))
	f.replays(20, f.firstFlight())
	f.nothing()
	f.wa, _ = f.a.resume()
	f.presence(1)
	if d := f.wa.take(); string(d.Blob) != "for a" {
		t.Errorf("a got %q", d.Blob)
	}
	f.b.takeReceipt()
	f.stillThere()
}

func TestAFirstFlightThatAnotherDeliversFirstIsTakenOnceAndTheClientComesThrough(t *testing.T) {
	noLeaks(t)
	f := befriend(t, func(c *Config) { c.LoginTimeout = Duration(5 * time.Second) })
	f.gone()
	i, flight := f.a.flight(sendFrame(2, 2, "two"))
	thief := f.r.replay(t, flight)
	defer thief.Close()
	if d := f.b.take(); string(d.Blob) != "two" || d.ID != 2 {
		t.Fatalf("b got %q, id %d", d.Blob, d.ID)
	}
	w, v := f.a.dial()
	f.a.finish(v, i, flight)
	w.write(nil)
	if s := f.a.success(w); s.UpHigh != 1 && s.UpHigh != 2 {
		t.Errorf("SUCCESS says %d", s.UpHigh)
	}
	f.presence(1)
	w.takeReceipt() // of "two": its tick is not lost
	w.cseq = 2
	w.expectTick(w.send(2, "three"))
	if d := f.b.take(); string(d.Blob) != "three" || d.ID != 3 {
		t.Errorf("b got %q, id %d: a message came twice", d.Blob, d.ID)
	}
}

func TestAReplayAfterARestartTakesNothingTwice(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	f := befriend(t, func(c *Config) { c.Data = dir })
	recorded, a := f.firstFlight(), f.a
	f.r.drain(t)
	r := startNoise(t, func(c *Config) { c.Data, c.LoginTimeout = dir, Duration(300*time.Millisecond) })
	f.r, a.r = r, r
	f.replays(10, recorded)
	if s := r.Status(); s.MessagesIn != 0 || s.QueueEntries != 0 {
		t.Errorf("a replay brought %d messages, %d wait", s.MessagesIn, s.QueueEntries)
	}
	w, _ := a.resume()
	w.ping()
}
