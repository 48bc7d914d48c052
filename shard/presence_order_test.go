package shard

import "testing"

func TestARoundStepsOverAWatcherThatLeavesWhereItStands(t *testing.T) {
	q := newSquare(t, 6, 5, func(*Config) {})
	c := q.subjects.At(q.watched[squareUser])
	c.cursor = q.watches.At(c.first).next
	w := *q.watches.At(c.cursor)
	q.dropWatch(&message{user: squareUser, conn: w.conn})
	if c.cursor != w.next || w.next == 0 {
		t.Errorf("the round goes on at %d, want %d", c.cursor, w.next)
	}
}

func TestWhatComesWhileOlderPresenceIsHeldIsHeldToo(t *testing.T) {
	s, p, _ := limitedSession(t, Rate{})
	s.subscribe(&p, testPeer)
	p.flags |= flagHolding
	s.stepped(&p, testNow, event{kind: evMessage, message: &message{kind: msgPresence, peer: testPeer, code: 1}})
	if len(s.out.output()) != 0 || s.out.held.at != p.subs || s.out.held.code != 1 {
		t.Errorf("%d bytes were written, %+v held", len(s.out.output()), s.out.held)
	}
}
