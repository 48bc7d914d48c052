package shard

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

const idleForTest = 60_000

// wakingHost remembers when it was asked for a turn.
type wakingHost struct {
	quietHost
	wakeAt int64
}

func (h *wakingHost) WakeAt(ms int64) {
	if h.wakeAt == 0 || ms < h.wakeAt {
		h.wakeAt = ms
	}
}

// forgetful is a shard of one loop that culls, and a clock that goes where the shard asks to be woken.
type forgetful struct {
	*Shard
	host *wakingHost
	now  int64
}

func newForgetful() *forgetful {
	h := &wakingHost{}
	s := New(Config{
		Placement: Placement{Seed: 1, Loops: 1}, Incarnation: here, OwnerEpoch: 1, Queue: store.NewMailboxes(), Open: true,
		MailboxIdleMs: idleForTest,
	}, h)
	f := &forgetful{Shard: s, host: h, now: testNow}
	f.Tick(f.now)
	return f
}

// advance ticks at every moment that the shard has asked for.
func (f *forgetful) advance(ms int64) {
	for end := f.now + ms; ; {
		if f.host.wakeAt == 0 || f.host.wakeAt > end {
			f.now = end
			return
		}
		f.now = max(f.now, f.host.wakeAt)
		f.host.wakeAt = 0
		f.Tick(f.now)
	}
}

// visit has a device log in with what it knows and leave again, after n registrations; it returns the last generation.
func (f *forgetful) visit(user uint64, device uint8, registrations int) (gen uint16) {
	for i := range registrations {
		f.current = message{kind: msgAttach, user: user, device: device, conn: 1<<32 | 1, first: uint64(f.now) + uint64(i)<<33}
		f.take(f.now)
		gen = f.mailboxes.At(f.find(user, device, 0)).gen
	}
	f.drainLocal(f.now)
	f.leave(user, device)
	return gen
}

func (f *forgetful) leave(user uint64, device uint8) {
	f.current = message{kind: msgDetach, user: user, device: device, conn: 1<<32 | 1, timeSec: uint32(f.now / 1000)}
	f.take(f.now)
	f.drainLocal(f.now)
	f.Tick(f.now) // as at the end of every turn
}

// write has a message for a device arrive.
func (f *forgetful) write(user uint64, device uint8) {
	f.current = message{kind: msgRoute, user: user, peer: 9, peerGen: 1, seq: 1, parts: 1,
		payload: codec.Parts(nil).Append(codec.Part{Device: device, Blob: []byte("x")})}
	f.take(f.now)
	f.drainLocal(f.now)
	f.Tick(f.now) // as at the end of every turn
}

// checkWheel: every mailbox hangs on the wheel once, and those that are idle are counted.
func (s *Shard) checkWheel() error {
	seen := map[uint32]bool{}
	for b := range s.wheel.first {
		n := uint32(0)
		for i := s.wheel.first[b]; i != 0; i = s.mailboxes.At(i).due {
			if seen[i] || !s.mailboxes.Live(i) {
				return fmt.Errorf("mailbox %d is on the wheel twice, or is none", i)
			}
			seen[i] = true
			n++
		}
		if n != s.wheel.count[b] {
			return fmt.Errorf("bucket %d counts %d mailboxes and has %d", b, s.wheel.count[b], n)
		}
	}
	if len(seen) != s.mailboxes.Len() {
		return fmt.Errorf("%d mailboxes, %d on the wheel", s.mailboxes.Len(), len(seen))
	}
	idle := int64(0)
	for i := range seen {
		idle += s.mailboxes.At(i).idle()
	}
	if idle != s.stats.MailboxesIdle {
		return fmt.Errorf("%d mailboxes are idle, %d counted", idle, s.stats.MailboxesIdle)
	}
	return nil
}

func (f *forgetful) expect(t *testing.T, users, mailboxes int, what string) {
	t.Helper()
	if st := f.Stats(); st.Users != int64(users) || st.Mailboxes != int64(mailboxes) {
		t.Errorf("%s: %d users with %d mailboxes, want %d with %d", what, st.Users, st.Mailboxes, users, mailboxes)
	}
	if err := f.checkWheel(); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

func TestAnEmptyMailboxIsDroppedWhenItsTimeHasCome(t *testing.T) {
	f := newForgetful()
	f.visit(1001, 0, 1)
	f.advance(idleForTest - 1_000)
	f.expect(t, 1, 1, "just before")
	f.advance(1_000 + 3*f.wheel.bucketMs)
	f.expect(t, 0, 0, "just after")
	if st := f.Stats(); st.Culled != 1 || st.MailboxesIdle != 0 || st.CullBacklog != 0 {
		t.Errorf("%+v", st)
	}
	if there, seen := f.presence(1001); there || seen != 0 {
		t.Errorf("a user who is forgotten is told as there %v, seen %d", there, seen)
	}
}

func TestWhoComesBackInTimeStays(t *testing.T) {
	f := newForgetful()
	f.visit(1001, 0, 1)
	for range 20 {
		f.advance(idleForTest * 3 / 4)
		f.visit(1001, 0, 1)
	}
	f.expect(t, 1, 1, "after twenty visits")
	f.advance(idleForTest + 3*f.wheel.bucketMs)
	f.expect(t, 0, 0, "after the last")
}

func TestWhatWaitsOrIsInUseIsNeverDropped(t *testing.T) {
	f := newForgetful()
	f.write(1001, 0) // waits
	f.visit(1002, 0, 1)
	f.current = message{kind: msgAttach, user: 1002, conn: 1<<32 | 1, first: 77}
	f.take(f.now) // online
	f.visit(1003, 0, 1)
	index := f.find(1003, 0, 0)
	m := f.mailboxes.At(index)
	n := *m
	n.inflight = 1
	f.commitMailbox(index, m, &n) // in flight
	f.advance(10 * idleForTest)
	f.expect(t, 3, 3, "after ten times the time")
}

func TestNoSeqComesTwiceAndNoGenerationEither(t *testing.T) {
	f := newForgetful()
	seqs, gens := map[uint64]bool{}, map[[2]uint64]bool{}
	r := rand.New(rand.NewPCG(3, 4))
	for round := range 60 {
		for user := uint64(1001); user < 1006; user++ {
			if r.IntN(2) == 0 {
				continue
			}
			gen := f.visit(user, 0, 1+r.IntN(4))
			if key := [2]uint64{user, uint64(gen)}; gens[key] {
				t.Fatalf("round %d: user %d got generation %d again", round, user, gen)
			} else {
				gens[key] = true
			}
			f.write(user, 0)
			index := f.find(user, 0, 0)
			if seq := f.mailboxes.At(index).last; seqs[seq<<16|user] {
				t.Fatalf("round %d: user %d got seq %x again", round, user, seq)
			} else {
				seqs[seq<<16|user] = true
			}
			f.current = message{kind: msgAttach, user: user, conn: 1<<32 | 1, gen: gen, peer: here, first: f.mailboxes.At(index).last}
			f.take(f.now)
			f.drainLocal(f.now)
			f.leave(user, 0)
		}
		f.advance(int64(r.IntN(3 * idleForTest)))
	}
	if st := f.Stats(); st.Culled < 50 {
		t.Errorf("only %d were culled: the test shows nothing", st.Culled)
	}
}

func TestADeviceThatUsedUpHalfTheGenerationsStays(t *testing.T) {
	f := newForgetful()
	f.visit(1001, 0, generationsMax)
	f.visit(1002, 0, generationsMax+1)
	f.advance(3 * idleForTest)
	f.expect(t, 1, 1, "one of two")
	if f.find(1002, 0, 0) == 0 {
		t.Error("the wrong one was dropped")
	}
	first := (&mailbox{user: 1003}).firstGen(0, &f.world)
	if got, want := f.visit(1003, 0, 1), uint16((int(first)-1+generationsMax)%generations+1); got != want {
		t.Errorf("the next device begins at %d, want %d above its first, %d", got, generationsMax, want)
	}
}

func TestACulledCompanionIsNoStranger(t *testing.T) {
	f := newForgetful()
	f.visit(1001, 0, 1)
	f.visit(1001, 1, 1)
	f.visit(1001, 2, 1)
	f.advance(idleForTest + 3*f.wheel.bucketMs)
	f.expect(t, 0, 0, "all three away")
	f.write(1001, 2)
	f.expect(t, 1, 1, "a message for one")
	if f.find(1001, 2, 0) == 0 || f.Stats().Rejections != ([64]uint64{}) {
		t.Errorf("the message did not find its device")
	}
	if code, device := f.checkRoute(routeFor(1001, 7)); code != codec.CodeNoSuchDevice || device != 7 {
		t.Errorf("a device that never was: %v %d", code, device)
	}
	if code, _ := f.checkRoute(routeFor(2002, 1)); code != codec.CodeNoSuchUser {
		t.Errorf("a companion of nobody: %v", code)
	}
}

func routeFor(user uint64, device uint8) *message {
	return &message{kind: msgRoute, user: user, parts: 1, payload: codec.Parts(nil).Append(codec.Part{Device: device, Blob: []byte("x")})}
}

func TestCompanionsStayWhenNoMoreCanBeRemembered(t *testing.T) {
	f := newForgetful()
	for i := range uint64(companionsMax) {
		f.wheel.companions[companion{i + 10_000, 1}] = struct{}{}
	}
	f.visit(1001, 0, 1)
	f.visit(1001, 1, 1)
	f.advance(2 * idleForTest)
	f.expect(t, 1, 1, "the companion")
	delete(f.wheel.companions, companion{10_000, 1})
	f.advance(2 * idleForTest)
	f.expect(t, 0, 0, "when there is room again")
}

func TestAReceiptForACulledDeviceWaitsForIt(t *testing.T) {
	f := newForgetful()
	receipt := message{kind: msgReceipt, user: 1001, gen: 5, peer: 9, first: 3, last: 3, code: uint8(codec.ReceiptDelivered)}
	f.current = receipt
	f.take(f.now)
	if st := f.Stats(); st.ReceiptsDropped != 1 || st.Users != 0 {
		t.Errorf("a receipt for somebody who never was: %+v", st)
	}
	f.visit(1001, 0, 1)
	f.advance(2 * idleForTest)
	f.current = receipt
	f.take(f.now)
	f.drainLocal(f.now)
	f.expect(t, 1, 1, "a receipt for one who was culled")
	if st := f.Stats(); st.ReceiptsDropped != 1 || st.QueueEntries != 1 {
		t.Errorf("%d dropped, %d wait", st.ReceiptsDropped, st.QueueEntries)
	}
}

func TestTheOlderGenerationOfACulledDeviceDoesNotLockTheNewerOut(t *testing.T) {
	f := newForgetful()
	gen := f.visit(1001, 0, 2)
	f.advance(2 * idleForTest)
	f.current = message{kind: msgAttach, user: 1001, conn: 1<<32 | 1, gen: gen - 1, peer: here, last: 4}
	f.take(f.now)
	f.drainLocal(f.now)
	f.leave(1001, 0)
	f.current = message{kind: msgAttach, user: 1001, conn: 1<<32 | 1, gen: gen, peer: here, last: 9}
	f.take(f.now)
	if m := f.mailboxes.At(f.find(1001, 0, 0)); m.gen != gen || m.mark != 9 || m.state != mailboxOnline {
		t.Errorf("generation %d with mark %d in state %d, want %d with 9, online", m.gen, m.mark, m.state, gen)
	}
}

func TestManyMailboxesAreDroppedALittleAtATime(t *testing.T) {
	f := newForgetful()
	const users = 1_000
	for user := range uint64(users) {
		f.visit(10_000+user, 0, 1)
	}
	f.now += 3 * idleForTest
	f.Tick(f.now)
	if st := f.Stats(); st.Culled != cullsMax || st.CullBacklog != users-cullsMax {
		t.Errorf("one turn dropped %d of %d, %d wait", st.Culled, users, st.CullBacklog)
	}
	f.advance(2 * users / cullsMax * starvedRetryMs)
	f.expect(t, 0, 0, "a millisecond a turn later")
	if st := f.Stats(); st.CullBacklog != 0 || st.Culled != users {
		t.Errorf("%d dropped, %d wait", st.Culled, st.CullBacklog)
	}
}

func TestAClockThatStepsDelaysCullingAndLosesNothing(t *testing.T) {
	for _, step := range []int64{-3_600_000, 3_600_000} {
		f := newForgetful()
		f.visit(1001, 0, 1)
		f.write(1002, 0)
		f.now += step
		f.host.wakeAt = 0
		f.Tick(f.now)
		f.advance(3_600_000 + 3*idleForTest)
		if err := f.checkWheel(); err != nil || f.find(1002, 0, 0) == 0 || f.find(1001, 0, 0) != 0 {
			t.Errorf("step of %d ms: %v, mailboxes %d %d", step, err, f.find(1001, 0, 0), f.find(1002, 0, 0))
		}
	}
}

func TestAnIndexForgetsUsersAndKeepsTheOthers(t *testing.T) {
	for name, hash := range map[string]func(uint64) uint64{
		"hashed":                          nil,
		"all in one segment with one tag": func(uint64) uint64 { return 42 },
		"all at the end of a segment":     func(user uint64) uint64 { return (1<<32-1-user%3)<<indexTagShift | user%4 },
	} {
		const users = 300
		x, add := indexOf(t, hash, 20_000)
		want := map[uint64]uint32{}
		r := rand.New(rand.NewPCG(20, 21))
		for range 6_000 {
			user := 1 + r.Uint64N(users)
			if r.IntN(2) == 0 {
				x.remove(user)
				delete(want, user)
			} else {
				want[user] = add(user)
			}
			probe := 1 + r.Uint64N(users)
			if got := x.first(probe); got != want[probe] {
				t.Fatalf("%s: user %d has mailbox %d, want %d", name, probe, got, want[probe])
			}
		}
		for user := range uint64(users + 1) {
			if got := x.first(user); got != want[user] {
				t.Fatalf("%s: at the end user %d has mailbox %d, want %d", name, user, got, want[user])
			}
		}
		if x.len() != len(want) {
			t.Errorf("%s: %d users, want %d", name, x.len(), len(want))
		}
	}
}

func BenchmarkCull(b *testing.B) {
	f := newForgetful()
	b.ReportAllocs()
	for b.Loop() {
		if code := f.makeMailbox(1001, 0); code != codec.CodeNone {
			b.Fatal(code)
		}
		f.look(f.now+2*idleForTest, f.find(1001, 0, 0), f.mailboxes.At(f.find(1001, 0, 0)))
		clear(f.wheel.first[:])
	}
}
