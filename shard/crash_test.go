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
	if s.lookup(testConn) != nil || s.stats.Sessions != 0 || s.stats.LoggedIn != 0 {
		t.Errorf("the session is still there")
	}
	tellMailbox(s, message{kind: msgRoute, user: user, peer: testPeer, peerGen: 2, seq: 1, parts: 1, payload: parts("x")})
	if m.state != mailboxOffline {
		t.Errorf("its mailbox was not told at the first push")
	}
}

// TestLoggedInCountsOpenSessions drives one connection through the shard's front door.
func TestLoggedInCountsOpenSessions(t *testing.T) {
	for name, end := range map[string]func(s *Shard){
		"the connection is gone":            func(s *Shard) { s.Closed(testNow, testConn) },
		"the client has sent its last byte": func(s *Shard) { s.HalfClosed(testNow, testConn) },
		"it is idle":                        func(s *Shard) { s.Timer(testNow+10*KeepaliveMsDefault, testConn) },
		"its bytes are no frame":            func(s *Shard) { s.Data(testNow, testConn, []byte{0xFF, 0xFF, 0xFF, 0xFF}) },
		"another connection takes its slot": func(s *Shard) { s.Open(testNow, testConn+1<<32, false) },
		"its step crashed": func(s *Shard) {
			s.doing = doing{machine: doingSession, conn: testConn, event: evFrame}
			s.Recover(testNow)
		},
		"its end crashed": func(s *Shard) {
			s.doing = doing{machine: doingSession, conn: testConn, event: evClosed}
			s.Recover(testNow)
		},
	} {
		s := quietShard()
		s.Open(testNow, testConn, false)
		if st := s.Stats(); st.Sessions != 1 || st.LoggedIn != 0 {
			t.Errorf("%s: %d sessions, %d logged in before the HELLO", name, st.Sessions, st.LoggedIn)
		}
		hello, err := codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: userOn(s.cfg.Placement, 0)})
		if err != nil {
			t.Fatal(err)
		}
		s.Data(testNow, testConn, hello)
		if n := s.Stats().LoggedIn; n != 1 {
			t.Errorf("%s: %d logged in after the HELLO, want 1", name, n)
		}
		end(s)
		s.Closed(testNow, testConn)
		if n := s.Stats().LoggedIn; n != 0 {
			t.Errorf("%s: %d logged in afterwards, want 0", name, n)
		}
	}
}

// TestAStepThatPanicsIsNotCounted has the end of a session fail between its step and its commit.
func TestAStepThatPanicsIsNotCounted(t *testing.T) {
	s, _, _, _ := brokenShard(t)
	p := s.lookup(testConn)
	func() {
		defer func() { _ = recover() }()
		kick := &message{kind: msgKick, code: 200} // above the table of codes: the step crashes while it closes
		s.stepSession(testNow, testConn, &event{kind: evMessage, message: kick})
	}()
	if s.session.state != sessionClosing || p.state != sessionOpen || s.stats.LoggedIn != 1 {
		t.Fatalf("the step came to state %d, the record is in %d, %d logged in", s.session.state, p.state, s.stats.LoggedIn)
	}
	s.Recover(testNow)
	if st := s.Stats(); st.LoggedIn != 0 || st.Panics != 1 {
		t.Errorf("%d logged in, %d panics", st.LoggedIn, st.Panics)
	}
}
