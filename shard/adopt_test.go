package shard

import (
	"testing"

	"trunkline/codec"
)

// attempt is one HELLO at a mailbox.
type attempt struct {
	gen         uint16
	incarnation uint64
	token       uint64 // with gen 0, else downSeq
	ticked      uint64
	epoch       uint32

	want    codec.ErrorCode
	wantGen uint16
	mark    uint64
}

const here = 7 // the incarnation of quietShard

// TestWhoMaySpeakForADevice walks sequences of HELLOs; each comes over a connection of its own, the one before still attached.
func TestWhoMaySpeakForADevice(t *testing.T) {
	probe := mailbox{user: 1001}
	s := quietShard()
	first := probe.nextGen(&s.world)
	for name, attempts := range map[string][]attempt{
		"a token that comes again gets the same generation": {
			{token: 5, wantGen: first}, {token: 5, wantGen: first}, {token: 6, wantGen: first + 1}, {token: 6, wantGen: first + 1},
		},
		"no token is never the same one": {
			{wantGen: first}, {wantGen: first + 1},
		},
		"a token of the upper half alone counts": {
			{token: 5 << 40, wantGen: first}, {token: 5 << 40, wantGen: first},
		},
		"a late first HELLO does not replace its successor": {
			{token: 5, epoch: 2, wantGen: first}, {token: 5, epoch: 1, want: codec.CodeReplaced},
		},
		"a late HELLO does not replace its successor": {
			{token: 5, epoch: 1, wantGen: first}, {gen: first, incarnation: here, epoch: 3, wantGen: first},
			{gen: first, incarnation: here, epoch: 2, want: codec.CodeReplaced},
			{gen: first, incarnation: here, epoch: 3, wantGen: first},
		},
		"a token of an earlier registration registers anew": {
			{token: 5, wantGen: first}, {token: 6, wantGen: first + 1}, {token: 5, wantGen: first + 2},
		},
		"the lower of two generations of this data is stale": {
			{token: 5, wantGen: first}, {token: 6, wantGen: first + 1},
			{gen: first, incarnation: here, want: codec.CodeGenerationStale},
		},
		"older data: generation and mark are adopted, a higher one over a lower": {
			{gen: 100, incarnation: 3, ticked: 9, wantGen: 100, mark: 9}, {gen: 99, incarnation: 3, want: codec.CodeGenerationStale},
			{gen: 101, incarnation: 4, ticked: 2, wantGen: 101, mark: 2},
		},
		"what was registered here does not give way to older data": {
			{token: 5, wantGen: first}, {gen: first + 9, incarnation: 3, want: codec.CodeGenerationStale},
		},
		"what was adopted says nothing about what was given out": {
			{gen: 40_000, incarnation: 3, wantGen: 40_000}, {token: 5, wantGen: first},
		},
		"a mark of the same generation only rises": {
			{gen: 100, incarnation: 3, ticked: 9, wantGen: 100, mark: 9},
			{gen: 100, incarnation: here, ticked: 4, wantGen: 100, mark: 9},
			{gen: 100, incarnation: here, ticked: 12, wantGen: 100, mark: 12},
		},
		"a downSeq that was never given out": {
			{gen: 100, incarnation: 3, wantGen: 100}, {gen: 100, incarnation: here, token: 1 << 50, want: codec.CodeAckInvalid},
		},
	} {
		m := mailbox{user: 1001, state: mailboxOffline, last: testSeqBase, acked: testSeqBase, sent: testSeqBase}
		for i, a := range attempts {
			answer := greetMailbox(s, &m, a, Conn(i+1))
			if code := codec.ErrorCode(answer.code); code != a.want {
				t.Errorf("%s: attempt %d answered with %v, want %v", name, i+1, code, a.want)
				continue
			}
			if a.want == codec.CodeNone && (answer.gen != a.wantGen || answer.first != a.mark) {
				t.Errorf("%s: attempt %d got generation %d and mark %d, want %d and %d", name, i+1, answer.gen, answer.first, a.wantGen, a.mark)
			}
		}
	}
}

// greetMailbox steps a HELLO and returns what its session is told.
func greetMailbox(s *Shard, m *mailbox, a attempt, conn Conn) message {
	msg := message{
		kind: msgAttach, user: m.user, conn: conn, gen: a.gen, peer: a.incarnation, first: a.token, last: a.ticked, seq: uint64(a.epoch),
	}
	s.out.reset()
	m.step(testNow, &mailboxEvent{kind: evMessage, message: &msg, index: 1}, &s.world, &s.out)
	for i := range s.out.posts {
		if p := s.out.posts[i].message; p.conn == conn {
			return p
		}
	}
	return message{}
}

func TestGenerationsWrapWithoutZero(t *testing.T) {
	s := quietShard()
	m := mailbox{user: 1001, registered: 65_535}
	if got := m.nextGen(&s.world); got != 1 {
		t.Errorf("after 65535 comes %d", got)
	}
	for user := uint64(1); user < 10_000; user++ {
		m := mailbox{user: user}
		if got := m.nextGen(&s.world); got < 1 || got > 32_768 {
			t.Fatalf("the first generation of user %d is %d", user, got)
		}
	}
}
