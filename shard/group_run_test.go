package shard

import (
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

// balky is a Queue that panics, or has no room, when a message with one of some cseqs is appended; once or always.
type balky struct {
	*store.Mailboxes
	cseqs  []uint64
	always bool
	user   uint64 // 0: whoever it is for
	err    error  // instead of a panic
}

func (q *balky) balk(e *store.Entry) error {
	at := slices.Index(q.cseqs, e.First)
	if at < 0 || q.user != 0 && q.user != e.User || e.Device != 0 {
		return nil
	}
	if !q.always {
		q.cseqs = slices.Delete(q.cseqs, at, at+1)
	}
	if q.err == nil {
		panic("on purpose")
	}
	return q.err
}

func (q *balky) Append(e *store.Entry, payload []byte) error {
	if err := q.balk(e); err != nil {
		return err
	}
	return q.Mailboxes.Append(e, payload)
}

func (q *balky) AppendShared(e *store.Entry, of store.Key, lane int) error {
	if err := q.balk(e); err != nil {
		return err
	}
	return q.Mailboxes.AppendShared(e, of, lane)
}

// runClub is a club whose members have nothing unacknowledged, on a Queue that can be told to balk.
func runClub(t *testing.T, size int) (*club, *balky) {
	t.Helper()
	q := &balky{}
	c := newClub(t, size, func(cfg *Config) { q.Mailboxes = cfg.Queue.(*store.Mailboxes); cfg.Queue = q })
	for i, user := range c.members {
		m := c.mailboxes.At(c.find(user, 0, 0))
		c.say(message{kind: msgAck, user: user, conn: m.conn, first: m.last})
		*c.sheet(connA + Conn(i)) = sheet{}
	}
	return c, q
}

// strangersRun is a run of messages from somebody who is not among the members: cseqs 2001 and up.
func strangersRun(users []uint64, items, payloadBytes int) []byte {
	b := appendIDs(nil, users)
	for i := range uint64(items) {
		b = appendItem(b, &fanItem{peer: 9009, cseq: 2001 + i, flags: codec.FlagGroup, payload: make([]byte, groupHeadBytes+payloadBytes)})
	}
	return b
}

// fanOut gives a run to the club's loop, as another loop's group does.
func (c *club) fanOut(b []byte) {
	defer func() {
		if recover() != nil {
			c.Recover(c.now)
		}
	}()
	c.say(message{kind: msgFan, user: c.place, first: 99, flags: codec.FlagGroup, payload: b})
}

// rising says whether numbers rise, which they do not when something was shown twice or out of order.
func rising(seqs []uint64) bool {
	for i := 1; i < len(seqs); i++ {
		if seqs[i] <= seqs[i-1] {
			return false
		}
	}
	return true
}

// TestAPanicInTheMiddleOfARunSilencesNobody: what was kept before it is pushed, and so is what comes later.
func TestAPanicInTheMiddleOfARunSilencesNobody(t *testing.T) {
	for at := range uint64(3) {
		c, q := runClub(t, 2)
		user, to := c.members[1], c.sheet(connA+1)
		q.cseqs, q.user = []uint64{2001 + at}, user
		c.fanOut(strangersRun(c.members[1:], 3, 10))
		c.settle()
		c.fanOut(strangersRun(c.members[1:], 1, 10))
		c.tick(1000)
		m := c.mailboxes.At(c.find(user, 0, 0))
		if want := 4 + int(at); m.sent != m.last || len(to.frames) != want || !rising(to.frames) || int(m.window) != want || int(m.entries) != want {
			t.Errorf("panic at %d: %d frames, want %d; sent %x of %x, window %d, %d entries", at, len(to.frames), want, m.sent, m.last, m.window, m.entries)
		}
		c.say(message{kind: msgAck, user: user, conn: connA + 1, first: m.last})
		if m := c.mailboxes.At(c.find(user, 0, 0)); m.window != 0 || m.windowBytes != 0 || m.entries != 0 || m.bytes != 0 || len(c.fans) != 0 {
			t.Errorf("panic at %d: %+v, %d fans", at, m, len(c.fans))
		}
	}
}

// TestOneMessageThatCannotBeGivenOutTakesNoOthersWithIt: the rest of its run goes out, and the group is answered once.
func TestOneMessageThatCannotBeGivenOutTakesNoOthersWithIt(t *testing.T) {
	c, q := runClub(t, 3)
	q.cseqs, q.always, q.user = []uint64{2005}, true, c.members[1]
	c.said[msgFanned] = nil
	c.fanOut(strangersRun(c.members, fanItemsMax, 10))
	c.settle()
	for i, want := range []int{fanItemsMax, fanItemsMax - 1, fanItemsMax - 1} { // the third is behind the one who can't have it
		seen := map[uint64]bool{}
		c.cfg.Queue.Scan(c.members[i], 0, 0, func(e *store.Entry, _ []byte) bool {
			seen[e.First] = e.First > 2000
			return true
		})
		if len(seen) != want {
			t.Errorf("member %d has %d of %d", i, len(seen), fanItemsMax)
		}
	}
	if m := c.said[msgFanned]; m == nil || m.first != 99 || m.user != c.place || len(c.fans) != 0 || c.stats.GroupMissed != 1 {
		t.Errorf("answer %+v, %d fans, %d missed", m, len(c.fans), c.stats.GroupMissed)
	}
}

// TestARunThatFindsNoMemoryLeavesOutWhatHasNoRoom: before and behind it everything is as if it had not been.
func TestARunThatFindsNoMemoryLeavesOutWhatHasNoRoom(t *testing.T) {
	c, q := runClub(t, 2)
	q.cseqs, q.user, q.err = []uint64{2002}, c.members[1], store.ErrFull
	c.fanOut(strangersRun(c.members[1:], 3, 10))
	c.settle()
	m, to := c.mailboxes.At(c.find(c.members[1], 0, 0)), c.sheet(connA+1)
	if m.entries != 2 || m.window != 2 || m.sent != m.last || len(to.frames) != 2 || to.frames[1] != to.frames[0]+1 || to.pushed != to.frameBytes || c.stats.GroupMissed != 1 {
		t.Errorf("%d entries, window %d, frames %x, %d of %d bytes, %d missed", m.entries, m.window, to.frames, to.frameBytes, to.pushed, c.stats.GroupMissed)
	}
}

// TestTheFramesOfARunAreJoinedUpToABound: in few messages, each frame once and in order, and the client may acknowledge all.
func TestTheFramesOfARunAreJoinedUpToABound(t *testing.T) {
	c, _ := runClub(t, 2)
	c.fanOut(strangersRun(c.members[1:], fanItemsMax, 3_000))
	m, to := c.mailboxes.At(c.find(c.members[1], 0, 0)), c.sheet(connA+1)
	if len(to.seqs) != 2 || len(to.frames) != fanItemsMax || !rising(to.frames) || to.seqs[1] != to.frames[fanItemsMax-1] || !slices.Contains(to.frames, to.seqs[0]) {
		t.Errorf("%d messages with frames %x, up to %x", len(to.seqs), to.frames, to.seqs)
	}
	if to.largest > pushBytesMax || int(m.window) != fanItemsMax || m.sent != m.last {
		t.Errorf("%d bytes in one, window %d, sent %x of %x", to.largest, m.window, m.sent, m.last)
	}
}

// TestARunKeepsToTheCreditOfASession: what has no room there is pushed when there is some.
func TestARunKeepsToTheCreditOfASession(t *testing.T) {
	c, _ := runClub(t, 2)
	mesh, room := c.mesh, 2*pushCost(groupHeadBytes+1_900)
	c.mesh = tightMesh{mesh, room}
	to := c.sheet(connA + 1)
	c.Message(c.now, 1, appendMessage(nil, &message{
		kind: msgFan, user: c.place, first: 99, flags: codec.FlagGroup, payload: strangersRun(c.members[1:], fanItemsMax, 1_900),
	}))
	if len(to.frames) != 2 {
		t.Errorf("%d frames with %d bytes of credit", len(to.frames), room)
	}
	c.mesh = mesh
	c.settle()
	if len(to.frames) != fanItemsMax || !rising(to.frames) {
		t.Errorf("%d frames came in the end", len(to.frames))
	}
}

type tightMesh struct {
	Mesh
	room int
}

func (m tightMesh) Credit(int) int { return m.room }

// TestAGroupThatIsMadeAnewWaitsForTheJournal: what was thrown away by a panic may not be durable yet.
func TestAGroupThatIsMadeAnewWaitsForTheJournal(t *testing.T) {
	c, _ := runClub(t, 2)
	durable, to := c.disk.durable, c.sheet(connA+1)
	c.Message(c.now, 1, appendMessage(nil, &message{
		kind: msgRoute, user: c.place, peer: c.members[0], peerGen: 1, seq: 1, flags: codec.FlagGroup, parts: 1, payload: oneParted("hello"),
	}))
	c.current, c.doing = message{kind: msgMark, user: c.place, peer: c.members[0]}, doing{machine: doingUser}
	c.Recover(c.now)
	c.tick(1)
	if len(to.frames) != 0 || c.disk.durable != durable {
		t.Errorf("%d frames before its turn is durable", len(to.frames))
	}
	if c.settle(); len(to.frames) != 1 {
		t.Errorf("%d frames when it is", len(to.frames))
	}
}

// TestAMessageOfARunWaitsForThoseWhoAreReadToo: the group is answered when they have everything, also when the run had to be taken apart.
func TestAMessageOfARunWaitsForThoseWhoAreReadToo(t *testing.T) {
	for _, crash := range []bool{false, true} {
		c, q := runClub(t, 2)
		if crash {
			q.cseqs, q.user = []uint64{2002}, c.members[1]
		}
		c.said[msgFanned] = nil
		away := uint64(9 << 16)
		c.fanOut(strangersRun([]uint64{c.members[1], away}, 3, 10))
		if c.said[msgFanned] != nil {
			t.Error("answered before everybody has it")
		}
		for range 3 {
			c.settleLoads(1000)
		}
		if n := c.waiting(away, 0); n != 3 || c.said[msgFanned] == nil || c.said[msgFanned].first != 99 || len(c.fans) != 0 || c.stats.ParkedBytes != 0 {
			t.Errorf("crash %v: %d wait, answer %+v, %d fans", crash, n, c.said[msgFanned], len(c.fans))
		}
	}
}

// TestAChangeThatDidNotHappenGoesOutInNoRun: it lies among what waits until that is gone.
func TestAChangeThatDidNotHappenGoesOutInNoRun(t *testing.T) {
	c, _ := runClub(t, 2)
	g := c.groups[c.place]
	for cseq := range uint64(3) {
		c.Message(c.now, 1, appendMessage(nil, &message{
			kind: msgRoute, user: c.place, peer: c.members[0], peerGen: 1, seq: cseq + 1, flags: codec.FlagGroup, parts: 1, payload: oneParted("hello"),
		}))
	}
	g.pending = slices.Delete(g.pending, 1, 2) // as takeUp leaves one out
	c.settle()
	var cseqs []uint64
	c.cfg.Queue.Scan(c.members[1], 0, 0, func(e *store.Entry, _ []byte) bool {
		cseqs = append(cseqs, e.First)
		return true
	})
	if !slices.Equal(cseqs, []uint64{1, 3}) || len(g.pending) != 0 {
		t.Errorf("members have %d, %d wait", cseqs, len(g.pending))
	}
}

func TestWhatMakesARun(t *testing.T) {
	many := func(n int, change func(i int, o *outgoing)) (list []outgoing) {
		for i := range n {
			o := outgoing{seq: uint64(i + 1), turn: 1, bytes: 200}
			change(i, &o)
			list = append(list, o)
		}
		return list
	}
	for name, c := range map[string]struct {
		members, want int
		list          []outgoing
	}{
		"all that wait":              {10, 5, many(5, func(int, *outgoing) {})},
		"so many at most":            {10, fanItemsMax, many(40, func(int, *outgoing) {})},
		"not what is not durable":    {10, 3, many(5, func(i int, o *outgoing) { o.turn = uint64(1 + 9*(i/3)) })},
		"nothing is durable":         {10, 0, many(5, func(_ int, o *outgoing) { o.turn = 10 })},
		"so many bytes at most":      {10, 3, many(5, func(_ int, o *outgoing) { o.bytes = 10_000 })},
		"one that is larger":         {10, 1, many(5, func(_ int, o *outgoing) { o.bytes = 60_000 })},
		"so many frames at most":     {16_384, 2, many(5, func(_ int, o *outgoing) { o.bytes = 120 })},
		"a change that removes":      {10, 1, many(5, func(i int, o *outgoing) { o.left = []uint64{7}[:max(0, 1-i)] })},
		"not a change that removes":  {10, 2, many(5, func(i int, o *outgoing) { o.left = []uint64{7}[:i/2%2] })},
		"those that go already":      {10, 2, many(5, func(i int, o *outgoing) { o.round = uint64(7 + i/2) })},
		"those, whatever is durable": {10, 2, many(2, func(_ int, o *outgoing) { o.round, o.turn = 7, 10 })},
	} {
		g := &groupHome{pending: c.list}
		g.members = make([]member, c.members)
		if n := g.runAt(0, 5); n != c.want {
			t.Errorf("%s: %d, want %d", name, n, c.want)
		}
	}
}

// TestALoopWithoutRoomGetsARunOnce: the others have it, and nothing is done with before both have answered.
func TestALoopWithoutRoomGetsARunOnce(t *testing.T) {
	c, _ := runClub(t, 2)
	g := c.groups[c.place]
	away := uint64(5_001)
	for c.home(away) != 1 {
		away++
	}
	g.members = append(g.members, member{user: away})
	g.byLoop = nil
	c.full = true // the other loop's inbox
	mesh := c.mesh
	c.mesh = tightMesh{mesh, 0}
	for cseq := range uint64(3) {
		c.Message(c.now, 1, appendMessage(nil, &message{
			kind: msgRoute, user: c.place, peer: c.members[0], peerGen: 1, seq: cseq + 1, flags: codec.FlagGroup, parts: 1, payload: oneParted("hello"),
		}))
	}
	c.said[msgFan] = nil
	c.settle()
	if c.said[msgFan] != nil || len(g.pending) != 3 {
		t.Fatalf("given to a loop without room: %+v, %d wait", c.said[msgFan], len(g.pending))
	}
	c.mesh, c.full = mesh, false
	c.tick(1000)
	m := c.said[msgFan]
	if m == nil || len(g.pending) != 3 {
		t.Fatalf("given %+v, %d wait", m, len(g.pending))
	}
	c.said[msgFan] = nil
	c.tick(1000)
	c.settle()
	if n := len(c.sheet(connA + 1).frames); c.said[msgFan] != nil || n != 3 {
		t.Errorf("it was given twice: %d frames for a member here", n)
	}
	c.say(message{kind: msgFanned, user: c.place, first: m.first})
	if len(g.pending) != 0 {
		t.Errorf("%d wait when all have answered", len(g.pending))
	}
}
