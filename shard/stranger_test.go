package shard

import (
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/store"
)

// club is a group on the rig's loop, with members who live there too. What strangers and members who mean harm may do to it is tried here.
type club struct {
	*diskRig
	place   uint64
	members []uint64 // the first one is its admin
}

func newClub(t *testing.T, size int, change func(c *Config)) *club {
	t.Helper()
	c := &club{diskRig: newDiskRig(t, change)}
	for user := uint64(1001); len(c.members) < size; user++ {
		if c.home(user) == 0 {
			c.enrol(user, 0, connA+Conn(len(c.members)), 1)
			c.members = append(c.members, user)
		}
	}
	token := uint64(1)
	for c.home(c.groupPlace(c.members[0], token)) != 0 {
		token++
	}
	c.place = c.groupPlace(c.members[0], token)
	c.ask(0, &iq.Request{Op: iq.OpGroupCreate, Token: token, Users: c.members[1:]})
	c.settle()
	if g := c.groups[c.place]; g == nil || len(g.members) != size {
		t.Fatalf("no group: %+v", g)
	}
	return c
}

// settle has the disk answer and write until nothing is on its way.
func (c *club) settle() {
	for range 3 {
		c.settleLoads(1000)
		c.settleDisk()
	}
}

// ask has a member ask the group for something.
func (c *club) ask(who int, r *iq.Request) {
	r.Ref = 1
	if r.Op != iq.OpGroupCreate {
		r.Group = groupID(c.place)
	}
	c.say(message{
		kind: msgAsk, user: c.place, peer: c.members[who], conn: connA + Conn(who), code: uint8(r.Op), last: 1,
		payload: must(iq.AppendRequest(nil, r)),
	})
}

// code is what the last answer to a member says.
func (c *club) code(t *testing.T, who int) codec.ErrorCode {
	t.Helper()
	answers := c.sheet(connA + Conn(who)).answers
	if len(answers) == 0 {
		t.Fatal("no answer")
	}
	var tape codec.Tape
	var a iq.Answer
	f, _, err := codec.Next([]byte(answers[len(answers)-1]), codec.FrameBytesMax)
	if err == nil {
		_, err = iq.ParseReply(&tape, f, &a, &iq.Notice{})
	}
	if err != nil {
		t.Fatal(err)
	}
	return a.Code
}

// waiting is how many entries wait in a mailbox of the rig.
func (r *diskRig) waiting(place uint64, device uint8) (n int) {
	r.disk.queue.Scan(place, device, 0, func(*store.Entry, []byte) bool { n++; return true })
	return n
}

func TestReceiptsDoNotReachTheServersOwnMailboxes(t *testing.T) {
	c := newClub(t, 2, nil)
	user := c.members[1]
	c.SetPolicy(c.now, user, &Policy{Version: 1, Blocked: []uint64{9}}, Reply{})
	for _, device := range []uint8{store.DevicePending, store.DeviceState} {
		before := c.waiting(user, device)
		c.say(message{kind: msgReceipt, user: user, device: device, peer: 2002, first: 1, last: 1, seq: 5, code: uint8(codec.ReceiptRead)})
		if c.said[msgStored] == nil || c.said[msgStored].seq != 5 {
			t.Fatal("the reader is not answered")
		}
		delete(c.said, msgStored)
		if n := c.waiting(user, device); n != before {
			t.Errorf("device %d has %d entries, had %d", device, n, before)
		}
	}
}

func TestMarksThatSayNothingAreNotSaved(t *testing.T) {
	c := newClub(t, 2, nil)
	g := c.groups[c.place]
	for _, from := range []uint64{2002, c.members[0]} {
		c.say(message{kind: msgMark, user: c.place, peer: from, first: g.members[0].delivered, code: uint8(codec.ReceiptDelivered)})
		if g.dirtyMs != 0 {
			t.Errorf("a mark of %d that moves nothing has the group saved", from)
		}
	}
	g.take(sentBy{user: c.members[0], cseq: 1})
	c.say(message{kind: msgMark, user: c.place, peer: c.members[1], first: g.seq, code: uint8(codec.ReceiptRead)})
	if g.dirtyMs == 0 {
		t.Error("a mark that moves is not saved")
	}
}

func TestWhoIsGoneIsNotAddedToGroups(t *testing.T) {
	c := newClub(t, 2, nil)
	gone := c.members[1] + 1
	for c.home(gone) != 0 {
		gone++
	}
	c.enrol(gone, 0, connA+7, 0)
	c.ask(0, &iq.Request{Op: iq.OpGroupAdd, Users: []uint64{gone}})
	if c.settle(); !c.groups[c.place].has(gone) {
		t.Fatal("not added while it is there")
	}
	c.ask(0, &iq.Request{Op: iq.OpGroupRemove, Users: []uint64{gone}})
	c.settle()
	c.Forget(c.now, gone, Reply{})
	c.settle()
	if c.users.first(gone) == 0 {
		t.Fatal("nothing remembers that it is gone")
	}
	c.ask(0, &iq.Request{Op: iq.OpGroupAdd, Users: []uint64{gone}})
	if c.settle(); c.groups[c.place].has(gone) {
		t.Error("who is gone is in a group again")
	}
}

func TestAMessageToMembersWhoAreAwayWaitsOnce(t *testing.T) {
	const away, blob = 200, 30_000
	c := newClub(t, 2, nil)
	var users []uint64
	for i := range uint64(away) {
		users = append(users, 9<<16|i) // the loads stay without an answer
	}
	b := appendItem(appendIDs(nil, users), &fanItem{peer: c.members[0], cseq: 1, flags: codec.FlagGroup, payload: make([]byte, groupHeadBytes+blob)})
	c.say(message{kind: msgFan, user: c.place, first: 99, flags: codec.FlagGroup, payload: b})
	if n := c.Stats().ParkedUsers; n != away {
		t.Fatalf("%d users are parked", n)
	}
	if n := c.Stats().ParkedBytes; n < blob || n > blob+away*200 {
		t.Errorf("%d bytes wait for a payload of %d", n, blob)
	}
	c.settle()
	if n := c.Stats().ParkedBytes; n != 0 || len(c.fans) != 0 {
		t.Errorf("%d bytes and %d messages wait when all have come", n, len(c.fans))
	}
	if n := c.waiting(9<<16+7, 0); n != 1 {
		t.Errorf("%d entries for one of them", n)
	}
}

func TestADamagedGroupAnswersEverybody(t *testing.T) {
	c := newClub(t, 2, nil)
	place := c.place + 1
	for c.home(place) != 0 {
		place++
	}
	c.parkFor(place).damaged = true
	c.ready = append(c.ready, place)
	for _, m := range []message{
		{kind: msgMark, user: place, peer: 2002, peerGen: 1, first: 1, seq: 9, code: uint8(codec.ReceiptRead)},
		{kind: msgMark, user: place, peer: 2002, first: 1, code: uint8(codec.ReceiptDelivered)},
		{kind: msgParted, user: place, peer: 2002},
	} {
		c.Message(c.now, 1, appendMessage(nil, &m))
	}
	c.tick(0)
	if m := c.said[msgStored]; m == nil || m.seq != 9 || m.user != 2002 || m.gen != 1 {
		t.Errorf("who has read in it is answered %+v: its cseq stands for ever", m)
	}
	if m := c.said[msgPart]; m != nil {
		t.Errorf("who is in a group that can't be read was told that it left: %+v", m)
	}
}

func TestChangesStopWithIntake(t *testing.T) {
	c := newClub(t, 2, nil)
	c.disk.news = append(c.disk.news, &store.News{Kind: store.NewsTrouble, Stopped: true})
	c.tick(0)
	records := len(c.disk.records)
	for i := range 20 {
		c.ask(0, &iq.Request{Op: iq.OpGroupSubject, Text: string(rune('a' + i))})
		c.ask(0, &iq.Request{Op: iq.OpGroupAdd, Users: []uint64{c.members[1]}})
	}
	if n := len(c.disk.records) - records; n != 0 || c.code(t, 0) != codec.CodeServerFull {
		t.Errorf("%d records for a disk that refuses; answered %v", n, c.code(t, 0))
	}
	c.ask(0, &iq.Request{Op: iq.OpGroupInfo})
	if code := c.code(t, 0); code != codec.CodeNone {
		t.Errorf("to look is answered with %v", code)
	}
	g := c.groups[c.place]
	g.take(sentBy{user: c.members[0], cseq: 1})
	c.say(message{kind: msgMark, user: c.place, peer: c.members[1], first: g.seq, code: uint8(codec.ReceiptRead)})
	records = len(c.disk.records)
	for range 4 {
		c.tick(markSaveMs)
	}
	if n := len(c.disk.records) - records; n != 0 {
		t.Errorf("marks are saved with %d records", n)
	}
	c.disk.news = append(c.disk.news, &store.News{Kind: store.NewsTrouble})
	c.tick(0)
	c.tick(0)
	if n := len(c.disk.records) - records; n == 0 || g.dirtyMs != 0 {
		t.Errorf("marks are not saved when the trouble is over")
	}
	c.ask(0, &iq.Request{Op: iq.OpGroupSubject, Text: "again"})
	if c.settle(); c.code(t, 0) != codec.CodeNone {
		t.Errorf("when the trouble is over: %v", c.code(t, 0))
	}
}

func TestRequestsThatWaitAreBounded(t *testing.T) {
	c := newClub(t, 2, nil)
	g := c.groups[c.place]
	g.pending = append(g.pending, outgoing{sent: true, answers: 1, round: 77, seq: 1}) // somebody's loop does not answer
	about := string(make([]byte, 0, 200))
	for len(about) < 200 {
		about += "x"
	}
	for range 5_000 {
		c.ask(0, &iq.Request{Op: iq.OpGroupSubject, Text: about})
	}
	if n := c.Stats().ParkedBytes; n > 2*parkedAsksBytesMax {
		t.Errorf("%d bytes of requests wait", n)
	}
	if code := c.code(t, 0); code != codec.CodeRateLimited {
		t.Errorf("the last one is answered with %v", code)
	}
	for who := range 3 {
		c.say(message{kind: msgRoute, user: c.place, peer: c.members[0], peerGen: 1, seq: uint64(1 + who), flags: codec.FlagGroup, parts: 1, payload: oneParted("x")})
	}
	c.said = map[messageKind]*message{}
	c.say(message{kind: msgFanned, user: c.place, first: 77})
	for range 3_000 {
		c.settleDisk()
		if c.parked[c.place] == nil {
			break
		}
	}
	if m := c.said[msgStored]; c.parked[c.place] != nil || m == nil || m.seq != 3 {
		t.Errorf("what waits does not go on: %+v", m)
	}
}

func TestAParkingThatIsNeverEmptyStaysSmall(t *testing.T) {
	c := newClub(t, 2, nil)
	p := c.parkFor(c.place)
	m := message{kind: msgRoute, user: c.place, peer: 1, seq: 1, parts: 1, payload: oneParted(string(make([]byte, 1_000)))}
	c.keepParked(p, &m)
	for range 1_000 {
		c.keepParked(p, &m)
		p.pop()
	}
	if n := len(p.b); n > 64<<10 {
		t.Errorf("%d bytes for one message", n)
	}
	if msg, _ := p.front(); parseMessage(&m, msg) != nil || len(p.b)-p.head != parkedHeaderBytes+len(msg) || m.user != c.place {
		t.Errorf("the one that waits is %+v", m)
	}
	if c.parkedBytes != int64(cap(p.b)) {
		t.Errorf("%d bytes are counted of %d", c.parkedBytes, cap(p.b))
	}
}

func TestWhatAGroupShowsWaitsForNoRoom(t *testing.T) {
	c := newClub(t, 2, nil)
	stale := message{
		kind: msgRoute, user: c.place, peer: c.members[1], peerGen: 1, seq: 4, flags: codec.FlagGroup, parts: 1, payload: oneParted("x"), last: namesVersion,
	}
	c.groups[c.place].epoch = 2
	elsewhere := userOn(c.cfg.Placement, 1)
	c.groups[c.place].members = append(c.groups[c.place].members, member{user: elsewhere, since: 1, delivered: 1, read: 1})
	stale.peer = elsewhere
	for _, full := range []bool{true, false} {
		c.full, c.said = full, map[messageKind]*message{}
		c.ask(0, &iq.Request{Op: iq.OpGroupInfo})
		if code := c.code(t, 0); (code == codec.CodeRateLimited) != full {
			t.Errorf("full %v: to look is answered with %v", full, code)
		}
		c.say(stale)
		if c.said[msgRejected] == nil {
			t.Errorf("full %v: a sender that knows an old epoch is not told", full)
		}
		if (c.said[msgTell] == nil) != full {
			t.Errorf("full %v: the group is shown: %+v", full, c.said[msgTell])
		}
	}
}

func TestWhoIsNoMemberForgetsTheGroup(t *testing.T) {
	for _, op := range []iq.Op{iq.OpGroupInfo, iq.OpGroupLeave} {
		c := newClub(t, 2, nil)
		stray := c.members[1] + 1
		for c.home(stray) != 0 {
			stray++
		}
		c.members = append(c.members, stray)
		c.enrol(stray, 0, connA+2, 1)
		c.say(message{kind: msgInvite, user: stray, peer: 77, first: c.place}) // a crash takes the change that it agreed to
		if u := c.states[stray]; u == nil || !u.in(c.place) {
			t.Fatal("it did not agree")
		}
		c.asked[c.place] = 1
		c.ask(2, &iq.Request{Op: op})
		if c.states[stray] == nil {
			t.Errorf("%v: it forgets a group that is about to add it", op)
		}
		c.asked[c.place] = 0
		c.ask(2, &iq.Request{Op: op})
		if code := c.code(t, 2); code != codec.CodeNotMember || c.states[stray] != nil {
			t.Errorf("%v is answered with %v; it has %+v", op, code, c.states[stray])
		}
		c.ask(1, &iq.Request{Op: iq.OpGroupInfo})
		if c.states[c.members[1]] == nil {
			t.Errorf("a member forgets its group")
		}
	}
}

func TestARemovalIsToldAgainAfterACrash(t *testing.T) {
	c := newClub(t, 2, nil)
	elsewhere := userOn(c.cfg.Placement, 1)
	g := c.groups[c.place]
	g.enter([]uint64{elsewhere}, iq.RoleMember)
	c.saveGroup(g)
	c.ask(0, &iq.Request{Op: iq.OpGroupRemove, Users: []uint64{elsewhere}})
	if m := c.said[msgPart]; m == nil || m.user != elsewhere {
		t.Fatalf("who was removed is told %+v", m)
	}
	c.settleDisk()
	c.said = map[messageKind]*message{}
	c.start(2, nil)
	c.settle()
	if m := c.said[msgPart]; m == nil || m.user != elsewhere || m.peer != c.place {
		t.Errorf("after a crash who was removed is told %+v", m)
	}
}

func TestWhoDeletesItsAccountIsNotAddedByWhatItAgreedTo(t *testing.T) {
	c := newClub(t, 2, nil)
	leaver := c.members[1] + 1
	for c.home(leaver) != 0 {
		leaver++
	}
	c.enrol(leaver, 0, connA+7, 1)
	elsewhere := userOn(c.cfg.Placement, 1)
	c.ask(0, &iq.Request{Op: iq.OpGroupAdd, Users: []uint64{leaver, elsewhere}})
	c.Forget(c.now, leaver, Reply{})
	c.settle()
	c.say(message{kind: msgInvited, user: c.place, peer: elsewhere, seq: c.asks})
	c.settle()
	if g := c.groups[c.place]; g.has(leaver) || !g.has(elsewhere) {
		t.Errorf("members: %+v", g.members)
	}
}

func TestChangesThatWaitForConsentAreBounded(t *testing.T) {
	c := newClub(t, 2, nil)
	elsewhere := userOn(c.cfg.Placement, 1)
	for n := range uint64(askingMax + 10) {
		c.asking[1_000_000+n] = &asking{}
		if len(c.asking) == askingMax {
			break
		}
	}
	c.ask(0, &iq.Request{Op: iq.OpGroupAdd, Users: []uint64{elsewhere}})
	if code := c.code(t, 0); code != codec.CodeServerFull {
		t.Errorf("over %d it is answered with %v", askingMax, code)
	}
	delete(c.asking, 1_000_000)
	before := len(c.sheet(connA).answers)
	c.ask(0, &iq.Request{Op: iq.OpGroupAdd, Users: []uint64{elsewhere}})
	if len(c.sheet(connA).answers) != before || len(c.asking) != askingMax {
		t.Errorf("below it, it is answered with %v", c.code(t, 0))
	}
}

func TestWhatWaitsForMembersIsBoundedInBytes(t *testing.T) {
	c := newClub(t, 2, func(cfg *Config) { cfg.MailboxBytesMax = 10_000 })
	g := c.groups[c.place]
	g.pending = append(g.pending, outgoing{sent: true, answers: 1, round: 77, seq: 1}) // somebody's loop does not answer
	blob := string(make([]byte, 1_000))
	for cseq := range uint64(20) {
		c.say(message{
			kind: msgRoute, user: c.place, peer: c.members[0], peerGen: 1, seq: cseq + 1, flags: codec.FlagGroup, parts: 1, payload: oneParted(blob),
		})
	}
	if m := c.said[msgRejected]; m == nil || codec.ErrorCode(m.code) != codec.CodeMailboxFull || len(g.pending) > 12 {
		t.Errorf("%d messages of 1 KB wait; %+v", len(g.pending), m)
	}
}

func TestAnEarlyFlightIsToldOfAnOldEpoch(t *testing.T) {
	w := quietShard()
	s := session{state: sessionEarly, flags: flagEarly}
	var out effects
	out.reset()
	before := w.stats.Unexpected
	s.earlyMessage(testNow, &message{kind: msgFrames, payload: []byte("notice")}, &w.world, &out)
	if w.stats.Unexpected != before || string(out.output()) != "notice" {
		t.Errorf("it is told %q", out.output())
	}
}

func TestAFloodInAGroupLeavesRoomForOthers(t *testing.T) {
	c := newClub(t, 2, func(cfg *Config) { cfg.MailboxEntriesMax = 400 })
	away, flooder := c.members[1], uint64(2002)
	for cseq := range uint64(500) {
		b := appendItem(appendIDs(nil, []uint64{away}), &fanItem{peer: flooder, cseq: cseq + 1, flags: codec.FlagGroup, payload: make([]byte, groupHeadBytes+10)})
		c.say(message{kind: msgFan, user: c.place, first: 99, flags: codec.FlagGroup, payload: b})
	}
	waits := c.waiting(away, 0)
	if waits < 300 || waits > 360 {
		t.Errorf("%d of 400 wait from one sender", waits)
	}
	c.route(4004, away, 1)
	if n := c.waiting(away, 0); n != waits+1 {
		t.Errorf("somebody else's message finds no room: %d wait, %d did", n, waits)
	}
}
