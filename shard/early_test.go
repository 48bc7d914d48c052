package shard

import (
	"testing"

	"trunkline/codec"
)

// earlyStep is one thing that a mailbox is told, and what comes of it.
type earlyStep struct {
	kind  messageKind // attach, detach or confirm
	early bool
	gen   uint16
	epoch uint64
	other bool // the HELLO speaks of other data

	want  messageKind // of the answer to this connection; 0: none
	state mailboxState
}

// TestWhichFirstFlightsAreTakenAtOnce walks sequences at one mailbox that has generation 9 and has been left; each attach comes
// over a connection of its own, what follows it over the same one.
func TestWhichFirstFlightsAreTakenAtOnce(t *testing.T) {
	flight := func(epoch uint64, want messageKind, state mailboxState) earlyStep {
		return earlyStep{kind: msgAttach, early: true, gen: testGen, epoch: epoch, want: want, state: state}
	}
	login := func(epoch uint64, want messageKind) earlyStep {
		return earlyStep{kind: msgAttach, gen: testGen, epoch: epoch, want: want, state: mailboxOnline}
	}
	leave := earlyStep{kind: msgDetach, state: mailboxOffline}
	confirm := earlyStep{kind: msgConfirm, state: mailboxOnline}
	for name, steps := range map[string][]earlyStep{
		"a newer one is taken, confirmed and left": {
			flight(6, msgAttached, mailboxEarly), confirm, leave, flight(7, msgAttached, mailboxEarly), leave,
		},
		"one that was seen is not taken again": {
			flight(6, msgAttached, mailboxEarly), leave, flight(6, msgHold, mailboxOffline), flight(5, msgHold, mailboxOffline),
		},
		"one that was held was not seen": {
			login(6, msgAttached), flight(7, msgHold, mailboxOnline), {kind: msgConfirm, state: mailboxOnline},
			{kind: msgDetach, state: mailboxOnline}, login(8, msgAttached), leave, flight(9, msgAttached, mailboxEarly),
		},
		"a login with a lower epoch does not let older flights through": {
			login(7, msgAttached), leave, login(3, msgAttached), leave, flight(5, msgHold, mailboxOffline),
			flight(7, msgHold, mailboxOffline), flight(8, msgAttached, mailboxEarly),
		},
		"an early one does not give way to another early one, and does to a login": {
			flight(6, msgAttached, mailboxEarly), flight(7, msgHold, mailboxEarly), login(7, msgAttached),
		},
		"a login that its client has given up since does not replace its newer flight": {
			flight(7, msgAttached, mailboxEarly),
			{kind: msgAttach, gen: testGen, epoch: 6, want: msgRefused, state: mailboxEarly},
		},
		"another generation, none, and other data wait": {
			{kind: msgAttach, early: true, gen: testGen - 1, epoch: 6, want: msgHold, state: mailboxOffline},
			{kind: msgAttach, early: true, gen: testGen + 1, epoch: 6, want: msgHold, state: mailboxOffline},
			{kind: msgAttach, early: true, epoch: 6, want: msgHold, state: mailboxOffline},
			{kind: msgAttach, early: true, gen: testGen, epoch: 6, other: true, want: msgHold, state: mailboxOffline},
		},
	} {
		s := quietShard()
		m := mailboxIn(s, mailboxOffline)
		conn := Conn(0)
		for i, st := range steps {
			if st.kind == msgAttach {
				conn++
			}
			msg := message{kind: st.kind, user: m.user, conn: conn, gen: st.gen, peer: here, seq: st.epoch, first: m.acked, last: m.mark}
			if st.early {
				msg.code = attachEarly
			}
			if st.other {
				msg.peer++
			}
			if got := tellAbout(s, &m, msg); got.kind != st.want || m.state != st.state {
				t.Errorf("%s: step %d is answered with %q in state %d, want %q in state %d", name, i+1,
					messageKindNames[got.kind], m.state, messageKindNames[st.want], st.state)
			}
		}
	}
}

// tellAbout steps the mailbox and returns the first answer to the message's connection.
func tellAbout(s *Shard, m *mailbox, msg message) message {
	s.out.reset()
	m.step(testNow, &mailboxEvent{kind: evMessage, message: &msg, index: 1}, &s.world, &s.out)
	for i := range s.out.posts {
		if p := s.out.posts[i].message; p.conn == msg.conn {
			return p
		}
	}
	return message{}
}

// TestAHeldFlightChangesNothing compares whole records.
func TestAHeldFlightChangesNothing(t *testing.T) {
	for _, state := range []mailboxState{mailboxOffline, mailboxEarly, mailboxOnline} {
		s := quietShard()
		m := mailboxIn(s, state)
		before, stats := m, s.Stats()
		got := tellAbout(s, &m, message{
			kind: msgAttach, code: attachEarly, user: m.user, conn: 77, gen: testGen, peerGen: testGen + 1, peer: here, first: m.last, last: 60, seq: 5,
		})
		if stats.EarlyHeld++; got.kind != msgHold || m != before || len(s.out.posts) != 1 || len(s.out.queue) != 0 || s.Stats() != stats {
			t.Errorf("in state %d: answer %q, from %+v to %+v", state, messageKindNames[got.kind], before, m)
		}
	}
}

// TestAHeldFlightMakesNoMailbox: a replay of a device that the server has forgotten leaves no user behind.
func TestAHeldFlightMakesNoMailbox(t *testing.T) {
	s := quietShard()
	s.current = message{kind: msgAttach, code: attachEarly, user: userOn(s.cfg.Placement, 0), conn: testConn, gen: testGen, peer: here, seq: 5}
	s.take(testNow)
	s.drainLocal(testNow)
	if st := s.Stats(); st.Users != 0 || st.EarlyHeld != 1 {
		t.Errorf("%d users, %d held", st.Users, st.EarlyHeld)
	}
}

// accountAttempt is one HELLO of a device whose generation an account keeps.
type accountAttempt struct {
	account, gen uint16
	token        uint64 // with gen 0
	ticked       uint64

	want codec.ErrorCode
	mark uint64
}

// TestTheAccountNamesTheGeneration walks sequences of HELLOs with ascending epochs; between them cseqs up to 20 are taken.
func TestTheAccountNamesTheGeneration(t *testing.T) {
	for name, attempts := range map[string][]accountAttempt{
		"registered, with the first SUCCESS lost": {
			{account: 9, token: 5}, {account: 9, token: 5, mark: 20}, {account: 9, gen: 9, ticked: 3, mark: 20},
		},
		"registered anew": {
			{account: 9, token: 5}, {account: 10, token: 6}, {account: 10, gen: 10, mark: 20},
			{account: 9, gen: 9, want: codec.CodeGenerationStale}, {account: 9, token: 5, want: codec.CodeGenerationStale},
		},
		"the data is younger than the account": {
			{account: 9, gen: 9, ticked: 7, mark: 7}, {account: 9, gen: 9, mark: 20},
		},
		"the data is younger, and a HELLO with the token comes late": {
			{account: 9, gen: 9, ticked: 7, mark: 7}, {account: 9, token: 5, mark: 20},
		},
		"the generations wrap": {
			{account: 65_535, token: 5}, {account: 1, token: 6}, {account: 65_535, gen: 65_535, want: codec.CodeGenerationStale},
			{account: 1, gen: 1, mark: 20}, {account: 32_768, token: 7}, {account: 1, gen: 1, want: codec.CodeGenerationStale},
		},
		"the accounts have lost their count": {
			{account: 9, token: 5}, {account: 9, token: 6}, {account: 9, gen: 9, mark: 20},
		},
	} {
		s := quietShard()
		m := mailbox{user: 1001, state: mailboxOffline, last: testSeqBase, acked: testSeqBase, sent: testSeqBase}
		for i, a := range attempts {
			msg := message{
				kind: msgAttach, user: m.user, conn: Conn(i + 1), peerGen: a.account, gen: a.gen, peer: here, first: a.token, last: a.ticked,
				seq: uint64(i + 1),
			}
			got := tellAbout(s, &m, msg)
			if code := codec.ErrorCode(got.code); code != a.want {
				t.Errorf("%s: attempt %d is answered with %v, want %v", name, i+1, code, a.want)
				continue
			}
			if a.want == codec.CodeNone && (got.gen != a.account || got.first != a.mark) {
				t.Errorf("%s: attempt %d got generation %d and mark %d, want %d and %d", name, i+1, got.gen, got.first, a.account, a.mark)
			}
			m.mark = 20
		}
	}
}

// TestAGenerationOfNoAccountGivesWay: a mailbox that was used before there were accounts has any number.
func TestAGenerationOfNoAccountGivesWay(t *testing.T) {
	s := quietShard()
	m := mailbox{user: 1001, state: mailboxOffline, last: testSeqBase, acked: testSeqBase, sent: testSeqBase}
	tellAbout(s, &m, message{kind: msgAttach, user: m.user, conn: 1, first: 5})
	m.gen, m.registered = 30_000, 30_000
	got := tellAbout(s, &m, message{kind: msgAttach, user: m.user, conn: 2, peerGen: 1, first: 6, seq: 2})
	if got.kind != msgAttached || got.gen != 1 {
		t.Errorf("answered with %q and generation %d", messageKindNames[got.kind], got.gen)
	}
}

// TestAConfirmationThatCrashesSendsTheClientAway: its session is open and its mailbox would stay early for ever.
func TestAConfirmationThatCrashesSendsTheClientAway(t *testing.T) {
	s := quietShard()
	user := userOn(s.cfg.Placement, 0)
	index := onlineMailbox(t, s, user)
	m := s.mailboxes.At(index)
	m.state = mailboxEarly
	s.current = message{kind: msgConfirm, user: user, conn: testConn, hint: index}
	s.mailboxEv = mailboxEvent{kind: evMessage, index: index, message: &s.current}
	s.doing = doing{machine: doingMailbox, event: evMessage}
	s.Recover(testNow)
	if p := s.lookup(testConn); p.state != sessionClosing || m.state != mailboxOffline {
		t.Errorf("the session is in state %d, the mailbox in %d", p.state, m.state)
	}
}

// TestIdentifyIsForLivingConnections: late and wrong calls leave no trace.
func TestIdentifyIsForLivingConnections(t *testing.T) {
	s := quietShard()
	s.Identify(testNow, testConn, Identity{User: 5, Early: true})
	s.Confirm(testNow, testConn)
	if st := s.Stats(); st.Sessions != 0 || st.Unexpected != 0 {
		t.Errorf("%d sessions, %d unexpected", st.Sessions, st.Unexpected)
	}
	s.Open(testNow, testConn, false)
	s.Identify(testNow, testConn, Identity{})
	if p := s.lookup(testConn); p.user != 0 || s.stats.Unexpected != 1 {
		t.Errorf("nobody is user %d, %d unexpected", p.user, s.stats.Unexpected)
	}
}

// TestWhoMaySayLongFrames: behind the HELLO of a proven generation lie SENDs, behind that of a stranger nothing until SUCCESS.
func TestWhoMaySayLongFrames(t *testing.T) {
	for _, row := range []struct {
		state sessionState
		gen   uint64
		max   int
	}{
		{sessionHandshaking, 0, codec.PreLoginFrameBytesMax},
		{sessionHandshaking, 5, codec.PreLoginFrameBytesMax},
		{sessionAttaching, 0, codec.PreLoginFrameBytesMax},
		{sessionAttaching, 5, codec.FrameBytesMax},
		{sessionEarly, 5, codec.FrameBytesMax},
		{sessionOpen, 0, codec.FrameBytesMax},
	} {
		p := session{state: row.state, mark: row.gen}
		if got := p.frameMax(); got != row.max {
			t.Errorf("%s with generation %d: frames of %d bytes, want %d", sessionStateNames[row.state], row.gen, got, row.max)
		}
	}
}
