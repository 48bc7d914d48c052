package server

import (
	"slices"
	"strings"
	"testing"
	"time"

	"trunkline/codec"
)

// refusal reads on until the client is refused something for a while.
func (w *wire) refusal() codec.Error {
	w.t.Helper()
	for {
		f, err := w.frame()
		if err != nil {
			w.t.Fatalf("user %d waits for a refusal: %v", w.user, err)
		}
		if f.Kind != codec.KindError {
			continue
		}
		e, err := codec.ParseError(f)
		if err != nil || e.Code != codec.CodeRateLimited || e.RetryAfterMs == 0 {
			w.t.Fatalf("user %d is refused with %+v, %v", w.user, e, err)
		}
		return e
	}
}

func TestAFloodOfMessagesIsSlowedAndANeighbourTalksOn(t *testing.T) {
	noLeaks(t)
	const burst, perSecond, flood = 20, 100, 64
	r := start(t, func(c *Config) { c.Messages = Rate{PerSecond: perSecond, Burst: burst} })
	neighbours := r.converse(t, 1)
	w := r.login(t, 11, 0)
	began := time.Now()
	var frames []byte
	for cseq := uint64(1); cseq <= flood; cseq++ {
		frames = append(frames, sendFrame(cseq, 12, "much")...)
	}
	w.write(frames)
	if e := w.refusal(); e.Ref != burst+1 {
		t.Errorf("the first that is refused is %d, want %d", e.Ref, burst+1)
	}
	for next := uint64(burst + 1); next <= flood; { // it does not wait as told, and gains nothing by that
		w.write(sendFrame(next, 12, "more"))
		f, err := w.frame()
		if err != nil {
			t.Fatal(err)
		}
		if tick, err := codec.ParseTick(f); f.Kind == codec.KindAck && err == nil {
			next = max(next, tick.UpHigh+1)
		}
		if f.Kind == codec.KindError && next%8 == 0 {
			neighbours.talk() // ten messages a second each, within their own rate
		}
		if taken, most := next-1, burst+1+uint64(time.Since(began).Seconds()*perSecond*1.1); taken > most {
			t.Fatalf("%d were taken within %s, the rate allows %d", taken, time.Since(began), most)
		}
		if neighbours.turns > burst-2 {
			neighbours = r.converse(t, uint64(100+2*next))
		}
	}
	r.eventually(t, "all was taken in the end", func(s Status) bool { return s.Limited.Messages > 0 && s.QueueEntries == flood })
}

func TestANewConnectionBringsNoNewBurst(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.Messages = Rate{PerSecond: 1, Burst: 5} })
	w := r.login(t, 11, 0)
	began := time.Now()
	for range 5 {
		w.expectTick(w.send(12, "x"))
	}
	again := r.dial(t)
	again.hello(codec.Hello{Version: codec.Version, User: 11, Gen: w.gen, Incarnation: w.inc, Ticked: 5, Epoch: 2})
	for range 50 {
		again.send(12, "x")
	}
	e := again.refusal()
	if most := 7 + uint64(time.Since(began).Seconds()); e.Ref < 6 || e.Ref > most {
		t.Errorf("refused at %d, want 6 to %d", e.Ref, most)
	}
}

func TestStrangersAreWrittenToAtTheRateOfConversations(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.Conversations = Rate{PerSecond: 1, Burst: 3} })
	w := r.login(t, 11, 0)
	for to := uint64(21); ; to++ {
		w.cseq++
		w.write(sendFrame(w.cseq, to, "hello, stranger"))
		f, err := w.frame()
		if err != nil {
			t.Fatal(err)
		}
		if f.Kind == codec.KindError {
			break
		}
		if to > 40 {
			t.Fatal("twenty strangers within moments")
		}
	}
	w.write(sendFrame(w.cseq, 21, "hello again")) // in the place of what was refused: this one is known
	w.expectTick(w.cseq)
	for range 50 {
		w.expectTick(w.send(21, "and again"))
	}
	asked := r.login(t, 21, 0)
	asked.take()
	for range 20 {
		asked.expectTick(asked.send(11, "an answer"))
	}
	r.eventually(t, "the refusal is counted, and answers are not", func(s Status) bool {
		return s.Limited.Conversations == 1 && s.Limited.Begun >= 3 && s.Limited.Messages == 0
	})
}

func TestAFloodOfControlsIsReadAtItsRateAndLosesNothing(t *testing.T) {
	noLeaks(t)
	const burst, perSecond, pings = 10, 100, 60
	r := start(t, func(c *Config) { c.Controls = Rate{PerSecond: perSecond, Burst: burst} })
	w := r.login(t, 11, 0)
	began := time.Now()
	var frames []byte
	for range pings {
		frames = codec.AppendPing(frames)
	}
	w.write(append(frames, sendFrame(1, 12, "behind them")...))
	r.eventually(t, "it is not read on", func(s Status) bool { return s.Limited.Controls > 0 })
	for range pings {
		w.expect(codec.KindPong)
	}
	w.expectTick(1)
	if took, least := time.Since(began), (pings-burst-1)*time.Second/perSecond; took < least*9/10 {
		t.Errorf("%d pings took %s, the rate has it %s", pings, took, least)
	}
	if st := r.Status(); len(st.Closes) != 0 {
		t.Errorf("closed: %v", st.Closes)
	}
}

func TestMoreDevicesOfAUserThanMayBeConnectedComeBackLater(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.UserSessions = 2 })
	first := r.login(t, 11, 0)
	r.login(t, 11, 1)
	third := r.dial(t)
	third.write(must(codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: 11, Device: 2})))
	if e := third.expectError(codec.CodeSessionLimit); time.Duration(e.RetryAfterMs)*time.Millisecond < 30*time.Second {
		t.Errorf("come back after %d ms", e.RetryAfterMs)
	}
	third.expectClosed()
	r.login(t, 12, 0).ping() // another user has places of its own
	first.ping()
	_ = first.conn.Close()
	r.eventually(t, "one has left", func(s Status) bool { return s.Sessions == 2 && s.Limited.Sessions == 1 })
	r.login(t, 11, 2).ping()
}

// That GOAWAYs come one after another is shown where the clock is a fake one: shard/testdata/drain_paced.txt.
func TestADrainIsPacedAndReturnsAreSpread(t *testing.T) {
	noLeaks(t)
	const sessions, perSecond = 40, 40
	r := start(t, func(c *Config) { c.DrainTimeout = Duration(patience) })
	for loop := range 2 {
		for range 50 * costSmoothing { // as if handshakes were dear
			r.capacity.note(loop, true, 2*time.Second*HandshakeShareDefault/100/perSecond)
		}
	}
	var clients []*wire
	for user := range uint64(sessions) {
		clients = append(clients, r.login(t, 100+user, 0))
	}
	waits := make(chan time.Duration, sessions)
	for _, w := range clients {
		go func() { // ends with the connection's GOAWAY, or its end
			f, err := w.frame()
			g, bad := codec.ParseGoAway(f)
			if err != nil || bad != nil {
				g.RetryAfterMs = 0
			}
			waits <- time.Duration(g.RetryAfterMs) * time.Millisecond
			_ = w.conn.Close()
		}()
	}
	r.stop()
	var wait []time.Duration
	for range sessions {
		wait = append(wait, <-waits)
	}
	r.drain(t)
	slices.Sort(wait)
	if wait[0] < RetryAfterMin || wait[sessions-1] > RetryAfterMin+2*time.Second {
		t.Errorf("clients are to come back after %s to %s", wait[0], wait[sessions-1])
	}
	if log := r.log.String(); !strings.Contains(log, "pace=1s") || !strings.Contains(log, "returns_per_second=40") {
		t.Errorf("forty sessions and forty returns a second make a pace of a second; the log says\n%s", log)
	}
	if st := r.capacity.queued(time.Now()); st <= 0 || st > RetryAfterMax {
		t.Errorf("the queue of returns is %s long", st)
	}
}
