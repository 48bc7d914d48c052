package shard

import (
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

// brokenQueue panics in Append while broken is above zero, after `skip` of them went well.
type brokenQueue struct {
	Queue
	skip, broken int
}

func (q *brokenQueue) Append(e *store.Entry, payload []byte) error {
	if q.skip--; q.skip < 0 && q.broken > 0 {
		q.broken--
		panic("broken")
	}
	return q.Queue.Append(e, payload)
}

// survive takes a message as the host would: a panic is followed by Recover.
func survive(s *Shard, m message) {
	defer func() {
		if recover() != nil {
			s.Recover(testNow)
		}
	}()
	tellMailbox(s, m)
}

func brokenShard(t *testing.T) (s *Shard, q *brokenQueue, m *mailbox, user uint64) {
	s = quietShard()
	q = &brokenQueue{Queue: store.NewMailboxes()}
	s.cfg.Queue = q
	user = userOn(s.cfg.Placement, 0)
	return s, q, s.mailboxes.At(onlineMailbox(t, s, user)), user
}

func rejectionOf(user, cseq uint64) message {
	return message{kind: msgRejected, user: user, gen: testGen, seq: cseq, code: uint8(codec.CodeMailboxFull)}
}

func TestAnAnswerThatCrashesOnceIsTakenTheSecondTime(t *testing.T) {
	s, q, m, user := brokenShard(t)
	m.inflight = 1
	q.broken = 1
	survive(s, rejectionOf(user, 1))
	if m.mark != 1 || m.rejections != 1 || s.stats.Panics != 1 {
		t.Errorf("mark %d, %d rejections, %d panics", m.mark, m.rejections, s.stats.Panics)
	}
}

func TestAnAnswerThatCrashesTwiceLeavesNothingInFlight(t *testing.T) {
	s, q, m, user := brokenShard(t)
	m.inflight = 1
	q.broken = 2
	survive(s, rejectionOf(user, 1))
	if m.mark != 0 || m.inflight != 0 || m.rejections != 0 || s.stats.Panics != 2 {
		t.Errorf("mark %d, in flight %b, %d rejections, %d panics", m.mark, m.inflight, m.rejections, s.stats.Panics)
	}
	if p := s.lookup(testConn); p.state != sessionClosing {
		t.Errorf("its client is not sent away: it would not send that cseq again")
	}
}

func TestACseqWhoseAnswerWasLostIsRoutedAgain(t *testing.T) {
	s, _, m, user := brokenShard(t)
	m.inflight, m.done = 0, 2 // cseq 1 was given back, cseq 2 is done
	s.out.reset()
	send := message{kind: msgSend, user: user, conn: testConn, seq: 1, peer: testPeer, parts: 1, payload: parts("x")}
	m.step(testNow, &mailboxEvent{kind: evMessage, message: &send, index: 1}, &s.world, &s.out)
	if m.inflight != 1 || len(s.out.posts) != 1 || s.out.posts[0].message.kind != msgRoute {
		t.Errorf("in flight %b, posts %+v", m.inflight, s.out.posts)
	}
}

func TestAReceiptThatCrashesTwiceIsDroppedAndAnswered(t *testing.T) {
	s, q, m, user := brokenShard(t)
	q.broken = 2
	survive(s, message{kind: msgReceipt, user: user, gen: testGen, peer: testPeer, first: 1, last: 1, seq: 4, code: uint8(codec.ReceiptRead)})
	if m.notices != 0 || s.stats.ReceiptsDropped != 1 || s.stats.Panics != 2 {
		t.Errorf("%d notices, %d dropped, %d panics", m.notices, s.stats.ReceiptsDropped, s.stats.Panics)
	}
}

func TestAMailboxIsCountedAnewWhenAStepCrashesHalfway(t *testing.T) {
	s, q, m, user := brokenShard(t)
	m.inflight = 7
	tellMailbox(s, rejectionOf(user, 2))
	tellMailbox(s, rejectionOf(user, 3))
	q.skip, q.broken = 1, 2 // of the three rejections that pass with cseq 1, the second and with the next try the first
	survive(s, rejectionOf(user, 1))
	if n := q.Stats().Entries; n == 0 || int(m.rejections) != n || int(m.notices) != n {
		t.Errorf("%d rejections and %d notices for %d entries", m.rejections, m.notices, n)
	}
	if e, ok := q.Last(user, 0); ok && e.Seq > m.last {
		t.Errorf("the newest entry %x is above the last seq given out %x", e.Seq, m.last)
	}
}

func TestASessionThatCrashesWhileItIsClosedIsDropped(t *testing.T) {
	s, _, m, user := brokenShard(t)
	s.doing = doing{machine: doingSession, conn: testConn, event: evClosed}
	s.Recover(testNow)
	if s.lookup(testConn) != nil || s.stats.Sessions != 0 {
		t.Errorf("the session is still there")
	}
	tellMailbox(s, message{kind: msgRoute, user: user, peer: testPeer, peerGen: 2, seq: 1, parts: 1, payload: parts("x")})
	if m.state != mailboxOffline {
		t.Errorf("its mailbox was not told at the first push")
	}
}
