package shard

import (
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// TestAnswersThatWaitAreBoundedAndDoNotPileUp: a disk that refuses lets no answer go, and one that works late for each lets memory go behind them.
func TestAnswersThatWaitAreBoundedAndDoNotPileUp(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	frame := must(iq.AppendAnswer(nil, &iq.Answer{Ref: 1, Op: iq.OpPrivacySet}))
	for n := range 10 * repliesMax { // there is always one that waits
		r.notedIn = uint64(n + 2)
		r.replyLater(Reply{Conn: connA, Frame: frame})
		r.replies.l[r.replies.head].turn = 0
		r.reply()
		if n == 0 {
			r.replyLater(Reply{Conn: connA, Frame: frame})
		}
	}
	if n := len(r.replies.l); n > 4 {
		t.Errorf("%d places for %d that wait", n, n-r.replies.head)
	}
	for range repliesMax + 3 {
		r.notedIn = everything
		r.replyLater(Reply{Conn: connA, Frame: frame})
	}
	if n := len(r.replies.l) - r.replies.head; n != repliesMax || r.stats.RepliesDropped < 3 {
		t.Errorf("%d wait, %d dropped", n, r.stats.RepliesDropped)
	}
	r.endLater(Reply{Conn: connA})
	if n := len(r.replies.l) - r.replies.head; n != repliesMax+1 {
		t.Error("the end of a removed device's connection was one too many")
	}
	for i := range r.replies.l {
		r.replies.l[i].turn = 0
	}
	if r.reply(); len(r.replies.l) != 0 || r.replies.bytes != 0 {
		t.Errorf("%d wait with %d bytes when all is durable", len(r.replies.l), r.replies.bytes)
	}
	big := make([]byte, codec.FrameBytesMax)
	for range 2 * repliesBytesMax / len(big) {
		r.replyLater(Reply{Conn: connA, Frame: big})
	}
	if n := len(r.replies.l); n != repliesBytesMax/len(big) || r.replies.bytes != n*len(big) {
		t.Errorf("%d answers with %d bytes wait", n, r.replies.bytes)
	}
	for i := range len(r.replies.l) - 1 {
		r.replies.l[i].turn = 0
	}
	r.reply()
	if r.replies.bytes != len(big) {
		t.Errorf("%d bytes are counted of one that waits", r.replies.bytes)
	}
	r.replies.l[r.replies.head].turn = 0
	r.reply()
	r.replyLater(Reply{Conn: connA, Frame: frame})
	if len(r.replies.l) != 1 || r.replies.bytes != len(frame) {
		t.Errorf("%d answers with %d bytes wait behind those", len(r.replies.l), r.replies.bytes)
	}
}

// TestARequestCostsWhatItNames: many users in one are not one control.
func TestARequestCostsWhatItNames(t *testing.T) {
	s := New(Config{
		Placement: Placement{Seed: 1, Loops: 2}, Incarnation: 7, OwnerEpoch: 1, Queue: quietShard().cfg.Queue, Open: true, Controls: Rate{PerSecond: 10, Burst: 40},
	}, quietHost{})
	s.Tick(testNow)
	onlineMailbox(t, s, userOn(s.cfg.Placement, 0))
	users := make([]uint64, iq.UsersMax)
	for i := range users {
		users[i] = uint64(5001 + i)
	}
	place := s.groupPlace(1, 1)
	ask, err := iq.AppendRequest(nil, &iq.Request{Ref: 1, Op: iq.OpGroupAdd, Group: groupID(place), Users: users})
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Data(testNow, testConn, ask); n != len(ask) {
		t.Fatalf("the first one is not taken: %d of %d bytes", n, len(ask))
	}
	if n := s.Data(testNow, testConn, ask); n != 0 || s.stats.Throttled != 1 {
		t.Errorf("the second one is taken at once: %d bytes, throttled %d times", n, s.stats.Throttled)
	}
	later := int64(testNow + 33*100)
	if n := s.Data(later, testConn, ask); n != len(ask) {
		t.Errorf("the second one is not taken in its time: %d of %d bytes", n, len(ask))
	}
	ping := codec.AppendPing(nil)
	if n := s.Data(later, testConn, ping); n != len(ping) {
		t.Errorf("a PING waits: %d bytes", n)
	}
}
