package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"trunkline/bench/peers/wire"
)

// newTestCrowd is a crowd of MQTT users with a broker that does what the test wants.
func newTestCrowd(t *testing.T, b *fakeBroker, users int) (context.Context, *crowd) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	t.Cleanup(cancel)
	c, err := newCrowd(startBroker(t, b), wire.MQTT{}, users)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return ctx, c
}

func TestPairsTalkAndEveryMessageIsCounted(t *testing.T) {
	ctx, c := newTestCrowd(t, &fakeBroker{}, 20)
	if err := c.enter(ctx, 0, 20); err != nil {
		t.Fatal(err)
	}
	talk := newTalk(c, 10, 200)
	c.begin(talk)
	for _, p := range []play{{inflight: 1}, {inflight: 16}, {rate: 2000}} {
		m, err := talk.run(ctx, &fakeMeter{}, p, 20*time.Millisecond, 200*time.Millisecond)
		if err != nil {
			t.Fatalf("%+v: %v", p, err)
		}
		if m.Messages == 0 || m.CPU != time.Millisecond || m.Seconds < 0.2 {
			t.Errorf("%+v: %+v", p, m)
		}
		if p.rate > 0 && float64(m.Messages) > 1.5*float64(p.rate)*m.Seconds {
			t.Errorf("paced %d: %d messages in %.2f s", p.rate, m.Messages, m.Seconds)
		}
		if lost, doubled, skipped := talk.check(); lost+doubled+skipped != 0 {
			t.Errorf("%+v: %d lost, %d doubled, %d skipped", p, lost, doubled, skipped)
		}
	}
}

func TestAPairKeepsAsManyUnderWayAsItShould(t *testing.T) {
	c := &crowd{dialect: wire.MQTT{}, members: []*member{{}, {Session: wire.Session{Index: 1}}}}
	talk := newTalk(c, 1, 200)
	talk.inflight, talk.running = 3, true
	talk.pump(0)
	if p := talk.pairs[0]; p.sent != 3 {
		t.Fatalf("%d sent", p.sent)
	}
	talk.Accepted(&c.members[0].Session, 3) // taken, and not there yet
	if p := talk.pairs[0]; p.sent != 3 || p.done != 0 {
		t.Fatalf("%d sent, %d done before anything has arrived", p.sent, p.done)
	}
	blob := make([]byte, 200)
	fill(blob, 0, 1)
	talk.Arrived(&c.members[1].Session, blob)
	if p := talk.pairs[0]; p.sent != 4 || p.done != 1 {
		t.Fatalf("%d sent, %d done after one has arrived", p.sent, p.done)
	}
	for seq := uint32(2); seq <= 4; seq++ {
		fill(blob, 0, seq)
		talk.Arrived(&c.members[1].Session, blob)
	}
	if p := talk.pairs[0]; p.done != 3 { // the fourth has arrived, and its sender has not heard of it
		t.Fatalf("%d done, 3 are taken", p.done)
	}
}

func TestAWriterKeepsAsManyUnderWayAsItShould(t *testing.T) {
	c := &crowd{dialect: wire.MQTT{}}
	for i := range 3 {
		c.members = append(c.members, &member{Session: wire.Session{Index: i}})
	}
	a := newAway(c, backlog{Users: 2, Messages: 10}, 1, 16, 200)
	a.pump(0)
	if w := a.writers[0]; w.sent != 16 || w.user != 0 || w.seq != 9 { // in turns over its users
		t.Fatalf("%+v", w)
	}
	a.Accepted(&c.members[2].Session, 5)
	if w := a.writers[0]; w.sent != 20 || w.seq != 11 { // there are no more
		t.Fatalf("%+v", w)
	}
}

func TestWhatABrokerLosesOrRepeatsIsSeen(t *testing.T) {
	for _, b := range []*fakeBroker{{dropEach: 50}, {twice: true}} {
		ctx, c := newTestCrowd(t, b, 4)
		c.stall = 300 * time.Millisecond
		if err := c.enter(ctx, 0, 4); err != nil {
			t.Fatal(err)
		}
		talk := newTalk(c, 2, 200)
		c.begin(talk)
		if _, err := talk.run(ctx, &fakeMeter{}, play{rate: 1000}, 0, 300*time.Millisecond); err != nil {
			t.Fatal(err)
		}
		lost, doubled, _ := talk.check()
		if (b.dropEach > 0) != (lost > 0) || b.twice != (doubled > 0) {
			t.Errorf("drops each %d, sends twice %v: %d lost, %d doubled", b.dropEach, b.twice, lost, doubled)
		}
	}
}

func TestAUserWhoIsAwayGetsEverything(t *testing.T) {
	ctx, c := newTestCrowd(t, &fakeBroker{}, 8)
	a := newAway(c, backlog{Users: 5, Messages: 101}, 3, 16, 200)
	if len(a.writers) != 3 {
		t.Fatalf("%d writers", len(a.writers))
	}
	if err := a.know(ctx); err != nil {
		t.Fatal(err)
	}
	m, err := a.queue(ctx, &fakeMeter{})
	if err != nil || m.Messages != 505 || m.CPU != time.Millisecond {
		t.Fatalf("queue: %+v, %v", m, err)
	}
	if got := a.arrived.Load(); got != 0 {
		t.Fatalf("%d have arrived at users who are away", got)
	}
	if m, err = a.drain(ctx, &fakeMeter{}); err != nil || m.Messages != 505 {
		t.Fatalf("drain: %+v, %v", m, err)
	}
	if lost, doubled, skipped := a.check(); lost+doubled+skipped != 0 {
		t.Fatalf("%d lost, %d doubled, %d skipped", lost, doubled, skipped)
	}
}

func TestABacklogThatIsCutIsLostAndNoError(t *testing.T) {
	ctx, c := newTestCrowd(t, &fakeBroker{dropEach: 10}, 4)
	c.stall = 300 * time.Millisecond
	a := newAway(c, backlog{Users: 2, Messages: 100}, 2, 16, 200)
	if err := a.know(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := a.queue(ctx, &fakeMeter{}); err != nil {
		t.Fatal(err)
	}
	if _, err := a.drain(ctx, &fakeMeter{}); err != nil {
		t.Fatal(err)
	}
	if lost, _, skipped := a.check(); lost != 20 || skipped == 0 {
		t.Fatalf("%d lost, %d skipped", lost, skipped)
	}
}

func TestAServerThatHangsUpIsAnError(t *testing.T) {
	b := &fakeBroker{}
	ctx, c := newTestCrowd(t, b, 2)
	if err := c.enter(ctx, 0, 2); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	_ = b.conns[0].Close()
	b.mu.Unlock()
	never := func() bool { return false }
	if err := c.until(ctx, c.ready.Load, never, "nothing"); err == nil || !strings.Contains(err.Error(), "closed the connection") {
		t.Fatalf("error %v", err)
	}
}

func TestPayloads(t *testing.T) {
	b := make([]byte, 200)
	fill(b, 7, 9)
	if lane, seq, err := parse(b); lane != 7 || seq != 9 || err != nil {
		t.Fatalf("lane %d, seq %d, %v", lane, seq, err)
	}
	for i := range b {
		c := append([]byte{}, b...)
		c[i] ^= 1
		if _, _, err := parse(c); err == nil {
			t.Fatalf("a payload with a wrong byte %d passes", i)
		}
	}
	if _, _, err := parse(b[:10]); err == nil {
		t.Fatal("a short payload passes")
	}
}

func TestALane(t *testing.T) {
	var l lane
	for _, seq := range []uint32{1, 2, 2, 5, 4, 6} {
		l.take(seq)
	}
	if l.arrived != 4 || l.doubled != 2 || l.skipped != 2 {
		t.Fatalf("%+v", l)
	}
}
