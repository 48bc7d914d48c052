package shard

import (
	"testing"

	"trunkline/codec"
)

// limitedSession is a session that is open, on a shard whose controls are limited.
func limitedSession(t *testing.T, r Rate) (s *Shard, p session, frame func([]byte, error) event) {
	s = quietShard()
	s.controls = newLimit(r)
	p = sessionIn(s, sessionOpen)
	p.heardMs, p.pushed = moment(testNow), 9
	return s, p, func(b []byte, err error) event {
		f, used, bad := codec.Next(b, codec.FrameBytesMax)
		if err != nil || bad != nil {
			t.Fatal(err, bad)
		}
		return event{kind: evFrame, frame: f, used: used}
	}
}

func (s *Shard) stepped(p *session, now int64, ev event) {
	s.out.reset()
	p.step(now, &ev, &s.world, &s.out)
}

func TestAControlThatWaitsForRoomCountsOnce(t *testing.T) {
	s, p, frame := limitedSession(t, Rate{PerSecond: 1, Burst: 2})
	ack := frame(codec.AppendAck(nil, &codec.Ack{Seq: 9}))
	s.leastRoom = 0
	for range 100 {
		if s.stepped(&p, testNow, ack); !s.out.leave || !s.out.redeliver {
			t.Fatal("an ACK is taken without room for its second ticks, or not looked at again")
		}
	}
	s.leastRoom = StepBytesMax
	if s.stepped(&p, testNow, ack); s.out.leave || len(s.out.posts) != 1 || s.out.posts[0].message.kind != msgAck {
		t.Errorf("with room the ACK led to %+v", s.out.posts)
	}
	if p.flags&flagThrottled != 0 || s.stats.Throttled != 0 {
		t.Error("it was counted as a flood")
	}
}

func TestWhatComesTooSoonIsReadWhenItsTimeHasCome(t *testing.T) {
	s, p, frame := limitedSession(t, Rate{PerSecond: 4, Burst: 2})
	ping, ack := frame(codec.AppendPing(nil), nil), frame(codec.AppendAck(nil, &codec.Ack{Seq: 9}))
	s.stepped(&p, testNow, ping)
	s.stepped(&p, testNow, ping)
	s.stepped(&p, testNow, ack)
	if !s.out.leave || s.out.redeliver || s.out.timerMs != 250 {
		t.Fatalf("leave %v, redeliver %v, timer %d; want it left for 250 ms", s.out.leave, s.out.redeliver, s.out.timerMs)
	}
	deliver, err := codec.AppendDeliver(nil, &codec.Deliver{Seq: 10, From: 1, Gen: 1, ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	push := message{kind: msgPush, last: 10, payload: deliver}
	if s.stepped(&p, testNow+10, event{kind: evMessage, message: &push}); s.out.timerMs != -1 || len(s.out.output()) == 0 {
		t.Errorf("a push while it waits set the timer to %d and wrote %d bytes", s.out.timerMs, len(s.out.output()))
	}
	if s.stepped(&p, testNow+250, event{kind: evTimer}); !s.out.redeliver || s.out.timerMs <= 250 {
		t.Errorf("at its time: redeliver %v, timer %d", s.out.redeliver, s.out.timerMs)
	}
	if s.stepped(&p, testNow+250, ack); s.out.leave || len(s.out.posts) != 1 || s.stats.Throttled != 1 {
		t.Errorf("left %v, posts %+v, %d throttled", s.out.leave, s.out.posts, s.stats.Throttled)
	}
}

func TestARepeatedSendCountsASixteenth(t *testing.T) {
	s, p, _ := limitedSession(t, Rate{PerSecond: 1, Burst: 2})
	p.home = 0
	p.mark = 100
	repeats := 0
	for range 1_000 {
		s.out.reset()
		if !p.admit(testNow, 50, p.user, &s.world, &s.out) {
			break
		}
		repeats++
	}
	if repeats != 32 {
		t.Errorf("%d repeats in a burst of two", repeats)
	}
	for cseq := uint64(101); cseq < 101+UplinkEntriesMax; cseq++ {
		if s.out.reset(); !p.admit(testNow, cseq, p.user, &s.world, &s.out) {
			t.Fatalf("cseq %d, which is new, waits", cseq)
		}
	}
}
