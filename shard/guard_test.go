package shard

import (
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

// scriptedGuard answers what it is told to, and writes down what it is asked.
type scriptedGuard struct {
	verdict Verdict
	asked   []Attempt
}

func (g *scriptedGuard) Judge(_ int64, a *Attempt) Verdict {
	g.asked = append(g.asked, *a)
	return g.verdict
}

func (g *scriptedGuard) Report(int64, uint64, uint64) {}

// guardedRig is one attached mailbox of a loop with a guard.
type guardedRig struct {
	s *Shard
	m mailbox
	g *scriptedGuard
}

func newGuardedRig() *guardedRig {
	r := &guardedRig{g: &scriptedGuard{}}
	p := Placement{Seed: 1, Loops: 2}
	r.s = New(Config{
		Placement: p, Incarnation: 7, OwnerEpoch: 1, Queue: store.NewMailboxes(), Open: true, Guard: r.g,
		Messages: Rate{PerSecond: 1, Burst: 3}, Conversations: Rate{PerSecond: 1, Burst: 2},
	}, quietHost{})
	r.s.Tick(testNow)
	r.m = mailbox{user: userOn(p, 0), gen: 3, state: mailboxOnline, conn: 5, device: 2}
	return r
}

// send has the client send a message, and answers what was posted.
func (r *guardedRig) send(kind messageKind, cseq, peer uint64) []postEffect {
	msg := message{kind: kind, user: r.m.user, device: 2, peer: peer, seq: cseq, first: 1, last: 1, parts: 1, payload: codec.Parts{}.Append(codec.Part{Blob: []byte("hello")})}
	if kind == msgRead {
		msg.parts, msg.payload, msg.code = 0, nil, uint8(codec.ReceiptRead)
	}
	r.s.out.reset()
	r.m.uplink(testNow, &mailboxEvent{kind: evMessage, message: &msg}, &r.s.world, &r.s.out)
	if r.s.out.hasMet {
		r.s.pairs.enter(r.s.out.met)
	}
	return r.s.out.posts
}

// TestAGuardIsAskedOnceForEachSend, with what it has to know; not for receipts, nor for what is sent again while it is on its way.
func TestAGuardIsAskedOnceForEachSend(t *testing.T) {
	r := newGuardedRig()
	r.s.births.enter(testNow-5_000, r.m.user, 2)
	r.send(msgSend, 1, 77)
	r.send(msgSend, 1, 77)
	r.send(msgSend, 2, 77)
	r.send(msgRead, 3, 77)
	want := Attempt{User: r.m.user, Device: 2, Peer: 77, Bytes: 9, First: true, SeenSec: testNow/1_000 - 5}
	if len(r.g.asked) != 2 || r.g.asked[0] != want || r.g.asked[1].First {
		t.Errorf("asked %+v, want %+v and one that is not the first", r.g.asked, want)
	}
	if n := len(r.s.out.posts); n != 1 || r.s.out.posts[0].message.kind != msgReceipt {
		t.Errorf("the receipt led to %+v", r.s.out.posts)
	}
}

// TestWhatAGuardDelaysHasHappenedNot: it is refused for a while, costs nothing of the rates, and begins no conversation.
func TestWhatAGuardDelaysHasHappenedNot(t *testing.T) {
	r := newGuardedRig()
	r.g.verdict = Verdict{Code: codec.CodeRateLimited, RetryMs: 12_345, Rule: ruleReceivers}
	for range 10 {
		posts := r.send(msgSend, 1, 77)
		if len(posts) != 1 || posts[0].message.kind != msgSoft || posts[0].message.timeSec != 12_345 || codec.ErrorCode(posts[0].message.code) != codec.CodeRateLimited {
			t.Fatalf("posted %+v", posts)
		}
	}
	if r.m.inflight != 0 || r.m.mark != 0 || r.s.stats.Conversations != 0 || r.s.stats.Guarded[ruleReceivers] != 10 {
		t.Errorf("mailbox %+v, %d conversations, %v guarded", r.m, r.s.stats.Conversations, r.s.stats.Guarded)
	}
	r.g.verdict = Verdict{}
	if posts := r.send(msgSend, 1, 77); len(posts) != 1 || posts[0].message.kind != msgRoute || !r.g.asked[10].First {
		t.Errorf("then posted %+v", posts)
	}
}

// TestWhatAGuardRefusesIsRejected: the cseq is done, and nothing of it goes anywhere.
func TestWhatAGuardRefusesIsRejected(t *testing.T) {
	r := newGuardedRig()
	r.g.verdict = Verdict{Code: codec.CodeRefused, Rule: 200}
	posts := r.send(msgSend, 1, codec.UserMax+5)
	for _, p := range posts {
		if p.message.kind == msgRoute {
			t.Errorf("it goes on: %+v", p.message)
		}
	}
	q := r.s.out.queue
	if len(q) != 1 || q[0].entry.Kind != entryRejected || codec.ErrorCode(q[0].entry.Code) != codec.CodeRefused || q[0].entry.First != 1 {
		t.Fatalf("kept %+v", q)
	}
	if r.m.mark != 1 || r.s.out.hasMet || r.s.stats.Rejections[codec.CodeRefused] != 1 || r.s.stats.Guarded[len(r.s.stats.Guarded)-1] != 1 {
		t.Errorf("mark %d, met %v, guarded %v", r.m.mark, r.s.out.hasMet, r.s.stats.Guarded)
	}
}

// TestWhatGoesNowhereIsNotJudged: a SEND that the session has found wrong is rejected whatever the guard says.
func TestWhatGoesNowhereIsNotJudged(t *testing.T) {
	r := newGuardedRig()
	msg := message{kind: msgSend, user: r.m.user, device: 2, peer: 77, seq: 1, code: uint8(codec.CodeTooLarge)}
	r.s.out.reset()
	r.m.uplink(testNow, &mailboxEvent{kind: evMessage, message: &msg}, &r.s.world, &r.s.out)
	if len(r.g.asked) != 0 || r.m.mark != 1 {
		t.Errorf("asked %+v, mark %d", r.g.asked, r.m.mark)
	}
}

// TestADeviceIsNewFromItsFirstLogin; one that is not remembered was there for long.
func TestADeviceIsNewFromItsFirstLogin(t *testing.T) {
	r := newGuardedRig()
	if sec := r.s.births.seen(5, 1); sec != longAgo {
		t.Errorf("a stranger was first seen at %d", sec)
	}
	r.s.out.reset()
	r.m.begin(9, 0, &r.s.out)
	if !r.s.out.born {
		t.Error("a new generation is no birth")
	}
	r.s.out.reset()
	if r.m.begin(9, 44, &r.s.out); r.s.out.born {
		t.Error("a generation that was adopted with its mark is a birth")
	}
	for device := range uint8(4) {
		r.s.births.enter(testNow, 5, device)
	}
	if r.s.births.seen(5, 3) != testNow/1_000 || r.s.births.seen(5, 4) != longAgo || r.s.births.seen(6, 3) != longAgo {
		t.Error("devices are taken for each other")
	}
}
