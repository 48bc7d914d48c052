package shard

import (
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

func oneParted(text string) codec.Parts {
	return codec.Parts(nil).Append(codec.Part{Blob: []byte(text)})
}

// settleLoads ticks until the shard asks for nothing more.
func (r *diskRig) settleLoads(piece int) {
	for range 100 {
		if len(r.disk.loads) == 0 {
			return
		}
		r.disk.answer(piece)
		r.tick(0)
	}
}

// login attaches a device that knows so much.
func (r *diskRig) login(user uint64, conn Conn, gen uint16, acked, ticked, epoch uint64) {
	r.say(message{kind: msgAttach, user: user, conn: conn, gen: gen, peer: 7, first: acked, last: ticked, seq: epoch})
	r.settleLoads(1000)
	if gen == 0 {
		r.disk.sync()
		r.tick(0)
		r.settleLoads(1000)
	}
}

func (r *diskRig) route(from, to, cseq uint64) {
	r.say(message{kind: msgRoute, user: to, peer: from, peerGen: 1, seq: cseq, timeSec: uint32(r.now / 1000), parts: 1, payload: oneParted("text")})
	r.settleLoads(1000)
}

const connA = Conn(1<<32 | 5)

func TestATickWaitsForTheJournal(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	gen := r.mailboxes.At(r.find(user, 0, 0)).gen
	r.say(message{kind: msgSend, user: user, conn: connA, seq: 1, peer: 2002, parts: 1, payload: oneParted("x")})
	r.say(message{kind: msgStored, user: user, gen: gen, seq: 1, parts: 1})
	r.tick(0)
	if len(r.sheet(connA).ticks) != 0 {
		t.Fatal("ticked before the journal had it")
	}
	r.disk.sync()
	r.tick(0)
	if got := r.sheet(connA).ticks; !slices.Equal(got, []uint64{1}) {
		t.Fatalf("ticks %v once it is durable, want 1", got)
	}
	if last := r.disk.records[len(r.disk.records)-1]; last.Kind != store.RecordMark || last.Head.Mark != 1 {
		t.Errorf("the mark was noted as %+v", last)
	}
}

func TestSuccessTellsADurableMarkOnly(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	gen := r.mailboxes.At(r.find(user, 0, 0)).gen
	r.say(message{kind: msgSend, user: user, conn: connA, seq: 1, peer: 2002, parts: 1, payload: oneParted("x")})
	r.say(message{kind: msgStored, user: user, gen: gen, seq: 1, parts: 1})
	r.login(user, connA+1, gen, 0, 0, 2)
	if got := r.sheet(connA + 1).attached; !slices.Equal(got, []uint64{0}) {
		t.Fatalf("SUCCESS tells %v of a mark that is not durable", got)
	}
	r.disk.sync()
	r.tick(0)
	if got := r.sheet(connA + 1).ticks; !slices.Equal(got, []uint64{1}) {
		t.Errorf("ticks %v once it is durable, want 1", got)
	}
}

func TestARejectionIsATickAndWaitsToo(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	r.say(message{kind: msgSend, user: user, conn: connA, seq: 1, code: uint8(codec.CodeInvalidReceiver)})
	r.route(2002, user, 1) // behind it, and with it
	if r.sheet(connA).pushed != 0 {
		t.Fatal("a rejection was pushed before the journal had it")
	}
	r.disk.sync()
	r.tick(0)
	if s := r.sheet(connA); len(s.seqs) == 0 || s.seqs[len(s.seqs)-1] != r.mailboxes.At(r.find(user, 0, 0)).last {
		t.Errorf("pushed %v once it is durable", s.seqs)
	}
}

func TestANewGenerationIsToldWhenItIsDurable(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.route(2002, user, 1)
	r.say(message{kind: msgAttach, user: user, conn: connA, peer: 7, first: 99, seq: 1})
	r.settleLoads(1000)
	r.route(2002, user, 2)
	if s := r.sheet(connA); len(s.attached) != 0 || s.pushed != 0 {
		t.Fatal("a generation was told before the journal had it")
	}
	r.say(message{kind: msgAttach, user: user, conn: connA + 1, peer: 7, first: 99, seq: 2}) // its client has given up and asks again
	if s := r.sheet(connA + 1); len(s.attached) != 0 {
		t.Fatal("it was told the second connection")
	}
	r.disk.sync()
	r.tick(0)
	if s := r.sheet(connA + 1); len(s.attached) != 1 || s.pushed == 0 || len(r.sheet(connA).attached) != 0 {
		t.Errorf("attached %v, %d bytes pushed once it is durable", s.attached, s.pushed)
	}
}

func TestDeliveryDoesNotWait(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	r.route(2002, user, 1)
	if r.sheet(connA).pushed == 0 {
		t.Error("a direct message waits for the journal")
	}
}

// waiting is a rig where so many messages wait for a user, written back and out of memory.
func waiting(t *testing.T, n int) (r *diskRig, user uint64) {
	t.Helper()
	r = newDiskRig(t, nil)
	user = userOn(r.cfg.Placement, 0)
	for i := range n {
		r.route(2002, user, uint64(i+1))
	}
	r.tick(5_001)
	r.disk.write()
	r.tick(0)
	m := r.mailboxes.At(r.find(user, 0, 0))
	l := r.ledgers.At(m.ledger)
	if !l.clean() || !r.evictable(m, l) {
		t.Fatalf("not written back: %+v", l)
	}
	r.cool(m, l)
	if n := r.cfg.Queue.Stats().Entries; n != 0 {
		t.Fatalf("%d entries are still in memory", n)
	}
	return r, user
}

func TestColdEntriesComeInPiecesAndInOrder(t *testing.T) {
	r, user := waiting(t, 200)
	r.route(2002, user, 201) // newer than what is cold
	conn, acked := connA, uint64(0)
	r.say(message{kind: msgAttach, user: user, conn: conn, peer: 7, seq: 1})
	r.disk.sync()
	r.tick(0)
	m := r.mailboxes.At(r.find(user, 0, 0))
	for range 1_000 {
		if len(r.disk.loads) > 0 {
			r.disk.answer(7)
			r.tick(0)
			continue
		}
		seqs := r.sheet(conn).seqs
		if len(seqs) == 0 || seqs[len(seqs)-1] == acked {
			break
		}
		acked = seqs[len(seqs)-1]
		r.say(message{kind: msgAck, user: user, conn: conn, first: acked})
	}
	if seqs := r.sheet(conn).seqs; !slices.IsSorted(seqs) || seqs[len(seqs)-1] != m.last {
		t.Fatalf("pushed up to %v of %d", seqs[len(seqs)-1], m.last)
	}
	if m.entries != 0 || r.stats.CacheMisses != 200 || r.stats.MessagesOut != 201 {
		t.Errorf("%d left, %d misses, %d out; want 0, 200, 201", m.entries, r.stats.CacheMisses, r.stats.MessagesOut)
	}
	r.tick(5_001)
	r.disk.write()
	r.tick(0)
	if n := len(r.disk.kept[store.Key{User: user}]); n != 0 || m.ledger != 0 {
		t.Errorf("%d entries left on disk, ledger %d", n, m.ledger)
	}
}

// TestAPongComesBehindWhatTheDiskHas: a client that asks whether it is up to date must not hear so before its mailbox was read.
func TestAPongComesBehindWhatTheDiskHas(t *testing.T) {
	r, user := waiting(t, 3)
	r.start(2, nil)
	r.say(message{kind: msgAttach, user: user, conn: connA, peer: 7, first: 1, seq: 1})
	r.disk.answer(1000) // the heads
	r.tick(0)
	r.disk.sync()
	r.tick(0)
	r.say(message{kind: msgPing, user: user, conn: connA})
	if s := r.sheet(connA); len(s.attached) != 1 || s.pushed != 0 || s.ponged != 0 {
		t.Fatalf("attached %v, %d bytes pushed, %d times answered before the entries were read", s.attached, s.pushed, s.ponged)
	}
	r.disk.loads = nil
	r.disk.news = append(r.disk.news, &store.News{Kind: store.NewsEntries, User: user, Failed: store.LoadRetry})
	r.tick(0)
	if r.sheet(connA).ponged != 1 {
		t.Fatal("who asks is left without an answer when the disk does not answer")
	}
	r.tick(loadRetryMs + 1)
	r.say(message{kind: msgPing, user: user, conn: connA})
	r.settleLoads(1000)
	if s := r.sheet(connA); s.pushed == 0 || s.ponged != 2 {
		t.Errorf("%d bytes pushed, %d times answered", s.pushed, s.ponged)
	}
}

// TestWhatComesForAColdMailboxLeavesMemoryToo: again and again, or memory fills up with what came last.
func TestWhatComesForAColdMailboxLeavesMemoryToo(t *testing.T) {
	r, user := waiting(t, 3)
	for round := range uint64(3) {
		r.route(2002, user, 10+round)
		r.tick(5_001)
		r.disk.write()
		r.tick(0)
		m := r.mailboxes.At(r.find(user, 0, 0))
		if l := r.ledgers.At(m.ledger); !r.evictable(m, l) || len(r.evictables) == 0 {
			t.Fatalf("round %d: what came last stays in memory: %+v", round, l)
		}
		r.cool(m, r.ledgers.At(m.ledger))
	}
	r.login(user, connA, 0, 0, 0, 1)
	if r.stats.MessagesOut != 6 || r.cfg.Queue.Stats().Entries != 6 {
		t.Errorf("%d of 6 came back", r.stats.MessagesOut)
	}
}

func TestARestartFindsWhatWaits(t *testing.T) {
	r, user := waiting(t, 3)
	last := r.mailboxes.At(r.find(user, 0, 0)).last
	r.start(2, nil)
	r.route(2002, user, 4)
	r.login(user, connA, 0, 0, 0, 1)
	s := r.sheet(connA)
	if len(s.seqs) == 0 || s.seqs[len(s.seqs)-1] != 2<<seqCounterBits+1 {
		t.Fatalf("pushed %v, want up to the first seq of the new epoch", s.seqs)
	}
	if r.stats.MessagesOut != 4 || last >= 2<<seqCounterBits {
		t.Errorf("%d messages came out", r.stats.MessagesOut)
	}
}

// TestALoginThatAcknowledgesWhatIsColdTellsTheSenders: who came back after a restart and acknowledges what it had got.
func TestALoginThatAcknowledgesWhatIsColdTellsTheSenders(t *testing.T) {
	r, user := waiting(t, 3)
	h := r.disk.heads[user][0]
	r.disk.heads[user][0].Gen, r.disk.heads[user][0].Registered = 5, 5
	r.start(2, nil)
	r.login(user, connA, 5, h.Last, 0, 1)
	m := r.mailboxes.At(r.find(user, 0, 0))
	if m.entries != 0 || m.acked != h.Last || r.stats.MessagesAcked != 3 {
		t.Errorf("%d left, acked %x, %d second ticks", m.entries, m.acked, r.stats.MessagesAcked)
	}
}

func TestWhatComesForAUserThatIsLoadingIsParkedInOrder(t *testing.T) {
	r, user := waiting(t, 1)
	r.start(2, nil)
	for i := range 5 {
		r.say(message{kind: msgRoute, user: user, peer: 3003, peerGen: 1, seq: uint64(i + 1), parts: 1, payload: oneParted("p")})
	}
	r.say(message{kind: msgAttach, user: user, conn: connA, peer: 7, seq: 1})
	r.say(message{kind: msgDetach, user: user, conn: connA}) // gone before it was there
	if len(r.disk.loads) != 1 || r.stats.Parked != 7 {
		t.Fatalf("%d loads, %d parked", len(r.disk.loads), r.stats.Parked)
	}
	r.settleLoads(1000)
	m := r.mailboxes.At(r.find(user, 0, 0))
	if m.entries != 6 || m.state != mailboxOffline || len(r.parked) != 0 || r.parkedBytes != 0 {
		t.Errorf("%d wait, state %d, %d users parked with %d bytes", m.entries, m.state, len(r.parked), r.parkedBytes)
	}
}

func TestALoadThatFailsIsTriedAgain(t *testing.T) {
	r, user := waiting(t, 1)
	r.start(2, nil)
	r.say(message{kind: msgRoute, user: user, peer: 3003, peerGen: 1, seq: 1, parts: 1, payload: oneParted("p")})
	r.disk.loads = nil
	r.disk.news = append(r.disk.news, &store.News{Kind: store.NewsUser, User: user, Failed: store.LoadRetry})
	r.tick(0)
	r.tick(loadRetryMs + 1)
	r.settleLoads(1000)
	if index := r.find(user, 0, 0); index == 0 || r.mailboxes.At(index).entries != 2 {
		t.Error("the message is not there after the second try")
	}
}

func TestWhatIsDamagedIsNotServedAndNothingIsPutBehindIt(t *testing.T) {
	r, user := waiting(t, 1)
	r.start(2, nil)
	r.say(message{kind: msgRoute, user: user, peer: 3003, peerGen: 1, seq: 1, parts: 1, payload: oneParted("p")})
	r.say(message{kind: msgAttach, user: user, conn: connA, peer: 7, seq: 1})
	r.disk.loads = nil
	r.disk.news = append(r.disk.news, &store.News{Kind: store.NewsUser, User: user, Failed: store.LoadDamaged})
	r.tick(0)
	if s := r.sheet(connA); len(s.attached) != 0 || len(s.refused) != 1 || r.find(user, 0, 0) != 0 {
		t.Errorf("attached %v, refused %v", s.attached, s.refused)
	}
}

func TestIntakeStopsWhileTheDiskRefuses(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	r.disk.news = append(r.disk.news, &store.News{Kind: store.NewsTrouble, Stopped: true})
	r.tick(0)
	peer := user + 1
	for r.cfg.Placement.Home(peer) != 0 {
		peer++
	}
	r.say(message{kind: msgSend, user: user, conn: connA, seq: 1, peer: peer, parts: 1, payload: oneParted("x")})
	if r.stats.Refusals != 1 {
		t.Fatalf("%d refusals while the disk refuses", r.stats.Refusals)
	}
	r.route(2002, user, 1) // taken elsewhere before that was known
	if r.sheet(connA).pushed == 0 {
		t.Error("delivery from memory has stopped too")
	}
	r.disk.news = append(r.disk.news, &store.News{Kind: store.NewsTrouble})
	r.tick(0)
	r.say(message{kind: msgSend, user: user, conn: connA, seq: 1, peer: peer, parts: 1, payload: oneParted("x")})
	if r.stats.Refusals != 1 {
		t.Error("it goes on refusing")
	}
}

func TestTheLowWaterIsTheOldestThatIsNotOnTheDisk(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.route(2002, user, 1)
	first := r.LowWater()
	r.tick(4_000)
	r.route(2002, user+1, 1)
	if got := r.LowWater(); got != first {
		t.Fatalf("low water %d, the oldest change is of turn %d", got, first)
	}
	r.tick(1_001) // the first one is handed over
	if got := r.LowWater(); got != first {
		t.Fatalf("low water %d while a slice of turn %d is on its way", got, first)
	}
	r.disk.write()
	r.tick(0)
	if got := r.LowWater(); got <= first {
		t.Errorf("low water %d when turn %d is on the disk", got, first)
	}
}

func TestUsersThatStayAwayLeaveMemoryAndComeBack(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	for i := range 3 {
		r.route(2002, user, uint64(i+1))
	}
	for range 400 {
		r.tick(1_000)
		r.disk.write()
	}
	if r.users.len() != 0 || r.mailboxes.Len() != 0 || r.ledgers.Len() != 0 || r.cfg.Queue.Stats().Entries != 0 {
		t.Fatalf("%d users, %d mailboxes, %d ledgers, %d entries are in memory", r.users.len(), r.mailboxes.Len(), r.ledgers.Len(), r.cfg.Queue.Stats().Entries)
	}
	r.login(user, connA, 0, 0, 0, 1)
	if r.stats.MessagesOut != 3 {
		t.Errorf("%d of 3 messages came back", r.stats.MessagesOut)
	}
}

func TestAUserLeavesMemoryWithAllDevicesOrNotAtAll(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	r.say(message{kind: msgAttach, user: user, device: 3, conn: connA + 1, peer: 7, first: 5, seq: 1})
	r.say(message{kind: msgDetach, user: user, conn: connA, timeSec: uint32(r.now / 1000)})
	rest := func(seconds int) {
		for range seconds {
			r.tick(1_000)
			r.disk.sync()
			r.disk.write()
		}
	}
	rest(400)
	if r.users.len() != 1 || r.mailboxes.Len() != 2 {
		t.Fatalf("%d users with %d mailboxes in memory while one device is there", r.users.len(), r.mailboxes.Len())
	}
	r.say(message{kind: msgDetach, user: user, device: 3, conn: connA + 1, timeSec: uint32(r.now / 1000)})
	rest(400)
	if r.users.len() != 0 || r.mailboxes.Len() != 0 || r.ledgers.Len() != 0 {
		t.Errorf("%d users, %d mailboxes, %d ledgers when both are away", r.users.len(), r.mailboxes.Len(), r.ledgers.Len())
	}
	if err := r.CheckQuiet(); err != nil {
		t.Error(err)
	}
}

func TestWhatWaitsForTooLongExpiresAndIsCounted(t *testing.T) {
	r := newDiskRig(t, func(c *Config) { c.RetentionSec, c.MailboxIdleMs = 100, 400_000 })
	user := userOn(r.cfg.Placement, 0)
	r.route(2002, user, 1)
	for range 60 {
		r.tick(8_000)
		r.disk.write()
	}
	if r.stats.Expired != 1 || r.cfg.Queue.Stats().Entries != 0 {
		t.Errorf("%d expired, %d entries are left", r.stats.Expired, r.cfg.Queue.Stats().Entries)
	}
}

func TestWhatHasExpiredOnTheDiskIsCountedWhenItIsRead(t *testing.T) {
	r, user := waiting(t, 3)
	h := &r.disk.heads[user][0]
	h.ExpiredTo, h.Expired = h.Acked+2, store.Counts{Messages: 2, Bytes: 8}
	r.start(2, nil)
	r.disk.kept[store.Key{User: user}] = r.disk.kept[store.Key{User: user}][2:]
	r.login(user, connA, 0, 0, 0, 1)
	if r.stats.Expired != 2 || r.stats.MessagesOut != 1 {
		t.Errorf("%d expired, %d delivered; want 2 and 1", r.stats.Expired, r.stats.MessagesOut)
	}
}
