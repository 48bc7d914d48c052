package shard

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/store"
)

// square is one loop on which many people stand who watch each other: each is watched by `watchers` others. It has no sockets: what a session
// is written is counted, and a device acknowledges what it is delivered.
type square struct {
	quietHost
	*Shard
	t        testing.TB
	now      int64
	users    int
	presence int // frames written
	delivers int
	ticks    int
	owed     []owedAck
	frame    []byte
	cseq     []uint64
	active   []uint8
	wakes    int
	turns    []time.Duration
}

type owedAck struct {
	conn Conn
	seq  uint64
}

func connOf(i int) Conn { return Conn(1)<<32 | Conn(i) }

const squareUser = 10_000

func newSquare(t testing.TB, users, watchers int, set func(c *Config)) *square {
	q := &square{t: t, now: testNow, users: users, cseq: make([]uint64, users), active: make([]uint8, users)}
	cfg := Config{Placement: Placement{Seed: 1, Loops: 1}, Incarnation: 7, Queue: store.NewMailboxes(), Open: true, KeepaliveMs: 1 << 40}
	set(&cfg)
	q.Shard = New(cfg, q)
	for i := range users {
		q.active[i] = 1
		q.Open(q.now, connOf(i), false)
		q.say(i, must(codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: squareUser + uint64(i)})))
	}
	for i := range users {
		for w := 0; w < watchers; {
			v := codec.Subscribe{Op: 1}
			for ; w < watchers && v.N < codec.SubscribePeersMax; w, v.N = w+1, v.N+1 {
				v.Peers = v.Peers.Append(squareUser + uint64((i+1+w)%users))
			}
			q.say(i, must(codec.AppendSubscribe(nil, &v)))
		}
	}
	if n := q.Stats().Watches; n != int64(users*watchers) {
		t.Fatalf("%d watches of %d", n, users*watchers)
	}
	for q.turn(0, 0); q.Stats().PresenceWaiting > 0; {
		q.turn(0, 0)
	}
	q.presence, q.delivers, q.ticks, q.turns = 0, 0, 0, q.turns[:0]
	return q
}

// Send implements Host: it counts, and remembers what is to be acknowledged.
func (q *square) Send(conn Conn, b []byte) error {
	for len(b) > 0 {
		f, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil || used == 0 {
			q.t.Fatal(err)
		}
		switch f.Kind {
		case codec.KindPresence:
			q.presence++
		case codec.KindDeliver:
			q.delivers++
			v, _ := codec.ParseDeliver(f)
			q.owed = append(q.owed, owedAck{conn, v.Seq})
		case codec.KindReceipt:
			v, _ := codec.ParseReceipt(f)
			q.owed = append(q.owed, owedAck{conn, v.Seq})
		case codec.KindAck:
			q.ticks++
		}
		b = b[used:]
	}
	return nil
}

func (q *square) WakeAt(int64) { q.wakes++ }

func (q *square) say(i int, frames []byte) {
	if n := q.Data(q.now, connOf(i), frames); n != len(frames) {
		q.t.Fatalf("%d of %d bytes of user %d were taken", n, len(frames), i)
	}
}

// turn is a millisecond of the loop: so many people look at their devices or do no longer, so many write to somebody.
func (q *square) turn(flips, messages int) {
	q.now++
	start := time.Now()
	for n := range flips {
		i := (int(q.now)*flips + n) % q.users
		q.active[i] ^= 1
		q.frame = must(codec.AppendState(q.frame[:0], &codec.State{Active: q.active[i]}))
		q.say(i, q.frame)
	}
	for n := range messages {
		i := (int(q.now)*messages + n) % q.users
		q.cseq[i]++
		v := codec.Send{Cseq: q.cseq[i], To: squareUser + uint64((i+7)%q.users), N: 1, Parts: parts("hello, how are you?")}
		q.frame = must(codec.AppendSend(q.frame[:0], &v))
		q.say(i, q.frame)
	}
	q.Tick(q.now)
	for _, o := range q.owed {
		q.frame = must(codec.AppendAck(q.frame[:0], &codec.Ack{Seq: o.seq}))
		q.Data(q.now, o.conn, q.frame)
	}
	q.owed = q.owed[:0]
	q.turns = append(q.turns, time.Since(start))
}

// sorted is how long turns took, shortest first.
func (q *square) sorted() []time.Duration {
	slices.Sort(q.turns)
	return q.turns
}

// A hundred thousand changes a second are told at the configured rate, and every message is taken and delivered as without them.
func TestAStampedeOfPresenceIsToldAtTheRate(t *testing.T) {
	const users, watchers, rate, turns = 400, 100, 5_000, 500
	var with, without *square
	for _, flips := range []int{0, 100} {
		q := newSquare(t, users, watchers, func(c *Config) { c.PresenceRate = Rate{PerSecond: rate, Burst: 50} })
		for range turns {
			q.turn(flips, 20)
		}
		if flips > 0 {
			with = q
		} else {
			without = q
		}
	}
	if with.delivers != without.delivers || with.ticks != without.ticks || with.delivers != 20*turns {
		t.Errorf("%d messages delivered and %d ticks, without presence %d and %d", with.delivers, with.ticks, without.delivers, without.ticks)
	}
	if most := rate*turns/1_000 + 50; with.presence > most || with.presence < most*8/10 {
		t.Errorf("%d presence frames in %d ms at %d a second", with.presence, turns, rate)
	}
	if with.Stats().PresenceMerged == 0 || with.wakes == 0 {
		t.Errorf("%d changes merged, %d wakes", with.Stats().PresenceMerged, with.wakes)
	}
	for with.now += PresenceWindowMsDefault; with.Stats().PresenceWaiting > 0; {
		with.turn(0, 0)
	}
	for i := range users {
		at := with.watched[squareUser+uint64(i)]
		for w := with.subjects.At(at).first; w != 0; w = with.watches.At(w).next {
			if told := with.watches.At(w).told; (told == toldThere) != (with.active[i] == 1) {
				t.Fatalf("of user %d, active %d, a watcher was told last %d", i, with.active[i], told)
			}
		}
	}
}

// A turn of a millisecond with 100 messages, alone, beside one user in a turn whose 200 watchers are told, and beside 100,000 changes a second. Figures
// are of turns: what a message waits for at most.
func BenchmarkMessagesBesidePresence(b *testing.B) {
	for _, row := range []struct {
		name            string
		flips, messages int
		rate            Rate
	}{
		{"messages alone", 0, 100, Rate{}},
		{"one of 200 watchers", 1, 100, Rate{PerSecond: 20_000, Burst: 20_000}},
		{"one of 200 watchers, no rate", 1, 100, Rate{}},
		{"stampede", 100, 100, Rate{PerSecond: 20_000, Burst: 20_000}},
		{"stampede, no messages", 100, 0, Rate{PerSecond: 20_000, Burst: 20_000}},
	} {
		b.Run(row.name, func(b *testing.B) {
			q := newSquare(b, 2_000, 200, func(c *Config) { c.PresenceRate = row.rate })
			for b.Loop() {
				q.turn(row.flips, row.messages)
			}
			turns := q.sorted()
			n := float64(len(turns))
			b.ReportMetric(float64(turns[len(turns)/2].Microseconds()), "p50-us")
			b.ReportMetric(float64(turns[len(turns)*99/100].Microseconds()), "p99-us")
			b.ReportMetric(float64(q.presence)/n*1_000, "frames/s")
			b.ReportMetric(float64(q.delivers)/n*1_000, "messages/s")
		})
	}
}

// One change of presence, by how many watch and whether the rate lets them be told.
func BenchmarkPresenceFlip(b *testing.B) {
	for _, watchers := range []int{0, 1, 200} {
		b.Run(fmt.Sprintf("%d watchers", watchers), func(b *testing.B) {
			q := newSquare(b, 1_000, watchers, func(c *Config) { c.PresenceRate = Rate{PerSecond: 20_000, Burst: 20_000} })
			n := 0
			for b.Loop() {
				if n++; n%100 == 0 { // 100,000 a second
					q.now++
					q.Tick(q.now)
				}
				i := n % q.users
				q.active[i] ^= 1
				q.frame = must(codec.AppendState(q.frame[:0], &codec.State{Active: q.active[i]}))
				q.say(i, q.frame)
			}
			b.ReportMetric(float64(q.presence)/float64(n), "frames/op")
		})
	}
}

func BenchmarkTyping(b *testing.B) {
	q := newSquare(b, 1_000, 0, func(*Config) {})
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		if i := n % q.users; i == 0 {
			q.now += typingRepeatMs
			q.Tick(q.now)
		}
		i := n % q.users
		q.frame = must(codec.AppendTyping(q.frame[:0], &codec.Typing{Peer: squareUser + uint64((i+1)%q.users), State: 1}))
		q.say(i, q.frame)
	}
}

// BenchmarkWatch is one user that a session watches and no longer, among as many watchers as there can be.
func BenchmarkWatch(b *testing.B) {
	q := newSquare(b, WatchersMax-1, 1, func(*Config) {})
	on := must(codec.AppendSubscribe(nil, &codec.Subscribe{Op: 1, N: 1, Peers: codec.Peers(nil).Append(squareUser)}))
	off := must(codec.AppendSubscribe(nil, &codec.Subscribe{Op: 0, N: 1, Peers: codec.Peers(nil).Append(squareUser)}))
	for i := 1; i < q.users; i++ {
		q.say(i, on)
	}
	b.ReportAllocs()
	for b.Loop() {
		q.say(0, on)
		q.say(0, off)
	}
}

func TestNothingOfPresenceIsAllocatedForEachFrame(t *testing.T) {
	q := newSquare(t, 300, 100, func(c *Config) { c.PresenceWindowMs = 1 })
	for range 3_000 {
		q.turn(3, 0)
	}
	i := 0
	if n := testing.AllocsPerRun(1_000, func() { i++; q.turn(3, 0) }); n > 1 { // the list of turns grows now and then
		t.Errorf("%v allocations for a turn with three changes and 300 frames", n)
	}
}
