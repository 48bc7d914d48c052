package server

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/netpoll"
	"trunkline/shard"
	"trunkline/store"
)

// faultyPeople fail when they are told to, and stop when they are held.
type faultyPeople struct {
	store.People
	err     atomic.Pointer[error] // of everything
	setErr  atomic.Pointer[error] // of SetSettings
	sets    atomic.Int64
	entered chan struct{} // nil, or takes one for each read of settings
	held    chan struct{} // a read that was entered goes on when this is closed
}

func (f *faultyPeople) failure() error {
	if err := f.err.Load(); err != nil {
		return *err
	}
	return nil
}

func (f *faultyPeople) Settings(user uint64) (store.Settings, error) {
	if f.entered != nil {
		f.entered <- struct{}{}
		<-f.held
	}
	if err := f.failure(); err != nil {
		return store.Settings{}, err
	}
	return f.People.Settings(user)
}

func (f *faultyPeople) SetSettings(s *store.Settings) error {
	f.sets.Add(1)
	if err := f.setErr.Load(); err != nil {
		return *err
	}
	return f.People.SetSettings(s)
}

func (f *faultyPeople) Forget(user uint64, revoke []store.Revocation) error {
	if err := f.failure(); err != nil {
		return err
	}
	return f.People.Forget(user, revoke)
}

// clerkRig is a clerk over people in memory, and loops that collect what it posts.
type clerkRig struct {
	t       *testing.T
	c       *clerk
	people  *faultyPeople
	posts   chan clerkPost
	postErr atomic.Pointer[error]
	log     *lockedBuffer
	refs    uint32
}

type clerkPost struct {
	loop int
	msg  []byte
}

func newClerkRig(t *testing.T) *clerkRig {
	t.Helper()
	accounts, err := store.OpenMemoryAccounts()
	if err != nil {
		t.Fatal(err)
	}
	people, err := store.PeopleOf(accounts)
	if err != nil {
		t.Fatal(err)
	}
	rig := &clerkRig{t: t, people: &faultyPeople{People: people}, posts: make(chan clerkPost, 2*clerkQueueMax), log: &lockedBuffer{}}
	rig.c = newClerk(clerkConfig{
		people: rig.people, post: rig.post, home: func(user uint64) int { return int(user % 4) }, now: func() int64 { return rigStartSec * 1000 },
		log: slog.New(slog.NewTextHandler(rig.log, nil)), patience: 20 * time.Millisecond,
	})
	t.Cleanup(func() {
		rig.c.close()
		if err := accounts.Close(); err != nil {
			t.Error(err)
		}
	})
	return rig
}

func (rig *clerkRig) post(loop int, msg []byte) error {
	if err := rig.postErr.Load(); err != nil {
		return *err
	}
	rig.posts <- clerkPost{loop, msg}
	return nil
}

// ask hands a request of a user's primary over, as loop 3 would. false: the clerk has no room.
func (rig *clerkRig) ask(user uint64, r iq.Request) bool {
	rig.t.Helper()
	rig.refs++
	r.Ref = rig.refs
	f, _, err := codec.Next(must(iq.AppendRequest(nil, &r)), codec.FrameBytesMax)
	if err != nil {
		rig.t.Fatal(err)
	}
	return loopClerk{rig.c, 3}.Ask(shard.Conn(user), user, 0, f)
}

// post waits for what the clerk posts next, to a loop that must be that one.
func (rig *clerkRig) next(loop int) (taken takenPost) {
	rig.t.Helper()
	select {
	case p := <-rig.posts:
		if p.loop != loop || !takePost(&taken, 1, p.msg) {
			rig.t.Fatalf("posted to loop %d: %x", p.loop, p.msg)
		}
	case <-time.After(patience):
		rig.t.Fatal("nothing is posted")
	}
	return taken
}

// takenPost is what a shard would be told.
type takenPost struct {
	what   string
	user   uint64
	conn   shard.Conn
	device uint8
	gen    uint16
	by     uint64
	policy shard.Policy
	then   shard.Reply
	gens   []shard.DeviceGen
	answer iq.Answer
}

func (p *takenPost) parse(frame []byte) {
	f, _, err := codec.Next(frame, codec.FrameBytesMax)
	if err == nil {
		_, err = iq.ParseReply(&codec.Tape{}, f, &p.answer, &iq.Notice{})
	}
	if err != nil {
		p.what += fmt.Sprintf(" with %x: %v", frame, err)
	}
}

func (p *takenPost) Answer(_ int64, conn shard.Conn, frame []byte) {
	p.what, p.conn = "answer", conn
	p.parse(frame)
}

func (p *takenPost) SetPolicy(_ int64, user uint64, policy *shard.Policy, then shard.Reply) {
	p.what, p.user, p.policy, p.then = "policy", user, *policy, then
}

func (p *takenPost) RemoveDevice(_ int64, user uint64, device uint8, gen uint16, then shard.Reply) {
	p.what, p.user, p.device, p.gen, p.then = "remove", user, device, gen, then
}

func (p *takenPost) Forget(_ int64, user uint64, then shard.Reply) {
	p.what, p.user, p.then = "forget", user, then
}

func (p *takenPost) Forgotten(_ int64, user uint64, gens []shard.DeviceGen) {
	p.what, p.user, p.gens = "forgotten", user, gens
}

func (p *takenPost) Report(_ int64, user, by uint64) { p.what, p.user, p.by = "report", user, by }

func TestWhatTheClerkPostsIsReadBackAndNothingElseIs(t *testing.T) {
	then := shard.Reply{Loop: 300, Conn: 1 << 60, Frame: []byte("frame")}
	policy := shard.Policy{
		Version: 7, Presence: shard.RuleContacts, LastSeen: shard.RuleNobody, Blocked: []uint64{1, 2}, Contacts: []uint64{3},
		Devices: shard.DeviceList{Version: 9, List: []uint8{0, 4}, Signature: []byte("signed")},
	}
	for _, row := range []struct {
		msg  []byte
		want takenPost
	}{
		{appendClerkPolicy(nil, 5, &policy, then), takenPost{what: "policy", user: 5, policy: policy, then: then}},
		{appendClerkPolicy(nil, 5, &shard.Policy{}, shard.Reply{}), takenPost{what: "policy", user: 5}},
		{appendClerkRemove(nil, 5, 3, 65_535, then), takenPost{what: "remove", user: 5, device: 3, gen: 65_535, then: then}},
		{appendClerkForget(nil, 5, then), takenPost{what: "forget", user: 5, then: then}},
		{appendClerkForgotten(nil, 5, []shard.DeviceGen{{Device: 1, Gen: 2}, {Device: 253, Gen: 3}}),
			takenPost{what: "forgotten", user: 5, gens: []shard.DeviceGen{{Device: 1, Gen: 2}, {Device: 253, Gen: 3}}}},
		{appendClerkReport(nil, 5, 6), takenPost{what: "report", user: 5, by: 6}},
	} {
		var got takenPost
		if !takePost(&got, 1, row.msg) || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%x is read as %+v, want %+v", row.msg, got, row.want)
		}
		for n := 1; n < len(row.msg); n++ {
			var cut takenPost
			if takePost(&cut, 1, row.msg[:n]) && (cut.what != "forgotten" || (n-9)%3 != 0) {
				t.Errorf("%s: %d of %d bytes are taken for whole", row.want.what, n, len(row.msg))
			}
		}
		if long := (takenPost{}); row.want.what != "forgotten" && takePost(&long, 1, append(row.msg, 0)) {
			t.Errorf("%s: a byte more is taken", row.want.what)
		}
	}
	var got takenPost
	if takePost(&got, 1, []byte{99, 1, 2, 3}) || got.what != "" {
		t.Errorf("something unknown is taken as %+v", got)
	}
}

func TestAccountsThatCantBeReachedAreSaidSoAndComeBack(t *testing.T) {
	rig := newClerkRig(t)
	away := fmt.Errorf("somewhere: %w", store.ErrAccountsAway)
	rig.people.err.Store(&away)
	for _, r := range []iq.Request{{Op: iq.OpBlocksGet}, {Op: iq.OpBlocksAdd, Users: []uint64{8}}, {Op: iq.OpProfileGet, User: 8}} {
		rig.ask(7, r)
		a := rig.next(3).answer
		if a.Code != codec.CodeServerFull || a.Text != "accounts can't be reached" || a.RetryAfterMs < 5_000 || a.RetryAfterMs >= 15_000 || a.Op != r.Op {
			t.Errorf("%v is answered %+v", r.Op, a)
		}
	}
	rig.people.err.Store(nil)
	rig.ask(7, iq.Request{Op: iq.OpBlocksGet})
	if a := rig.next(3).answer; a.Code != codec.CodeNone {
		t.Errorf("then %+v", a)
	}
	if st := rig.c.status(); st.Faults != 3 || rig.log.lines() != 1 || st.Refused["server_full"] != 3 {
		t.Errorf("counted %+v, %d lines", st, rig.log.lines())
	}
}

func TestAChangeIsMadeAnewWhenSomebodyElseWasFirst(t *testing.T) {
	rig := newClerkRig(t)
	changed := error(store.ErrSettingsChanged)
	rig.people.setErr.Store(&changed)
	rig.ask(7, iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{8}})
	if a := rig.next(3).answer; a.Code != codec.CodeServerFull || a.RetryAfterMs == 0 {
		t.Errorf("answered %+v", a)
	}
	if n := rig.people.sets.Load(); n != clerkChangesMax || rig.c.status().Faults != 0 {
		t.Errorf("tried %d times, faults %d", n, rig.c.status().Faults)
	}
	rig.people.setErr.Store(nil)
	for version := uint32(1); version <= 2; version++ {
		rig.ask(7, iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{8 + uint64(version)}})
		if p := rig.next(3); p.what != "policy" || p.policy.Version != version || len(p.policy.Blocked) != int(version) || p.then.Conn != 7 || p.then.Loop != 3 {
			t.Errorf("posted %+v", p)
		}
	}
}

func TestContactsGoToTheLoopOnlyWhenARuleNeedsThem(t *testing.T) {
	rig := newClerkRig(t)
	rig.ask(7, iq.Request{Op: iq.OpContactsAdd, Users: []uint64{8}})
	if p := rig.next(3); p.what != "answer" || p.answer.Code != codec.CodeNone {
		t.Errorf("without a rule: %+v", p)
	}
	rig.ask(7, iq.Request{Op: iq.OpPrivacySet, Privacy: iq.Privacy{LastSeen: iq.RuleContacts, Profile: iq.RuleNobody}})
	if p := rig.next(3); !slices.Equal(p.policy.Contacts, []uint64{8}) || p.policy.LastSeen != shard.RuleContacts {
		t.Errorf("with a rule: %+v", p)
	}
	rig.ask(7, iq.Request{Op: iq.OpContactsDrop, Users: []uint64{8, 9}})
	if p := rig.next(3); p.what != "policy" || len(p.policy.Contacts) != 0 {
		t.Errorf("then: %+v", p)
	}
	rig.ask(7, iq.Request{Op: iq.OpPrivacySet})
	if p := rig.next(3); p.what != "policy" || p.policy.Version != 4 {
		t.Errorf("without it again: %+v", p)
	}
}

func TestListsAboveTheirLimitsChangeNothing(t *testing.T) {
	rig := newClerkRig(t)
	fill := store.Settings{User: 7, Version: 1}
	for i := range uint64(store.BlockedMax) {
		fill.Blocked = append(fill.Blocked, 100+i)
	}
	if err := rig.people.SetSettings(&fill); err != nil {
		t.Fatal(err)
	}
	rig.ask(7, iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{100, 8}})
	if a := rig.next(3).answer; a.Code != codec.CodeTooMany {
		t.Errorf("one above the limit: %+v", a)
	}
	rig.ask(7, iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{100}})
	if p := rig.next(3); p.what != "policy" || len(p.policy.Blocked) != store.BlockedMax || p.policy.Version != 1 {
		t.Errorf("one that is there already: %s, version %d", p.what, p.policy.Version)
	}
}

func TestAnAnswerThatAnOverrunLoopLosesIsGivenWhenItIsAskedAgain(t *testing.T) {
	rig := newClerkRig(t)
	full := error(netpoll.ErrInboxFull)
	rig.postErr.Store(&full)
	rig.ask(7, iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{8}})
	waitFor(t, func() bool { return rig.c.status().Lost == 1 }, func() string { return "nothing is lost" })
	rig.postErr.Store(nil)
	rig.ask(7, iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{8}})
	if p := rig.next(3); p.what != "policy" || p.policy.Version != 1 || !slices.Equal(p.policy.Blocked, []uint64{8}) {
		t.Errorf("the loop is told %+v", p)
	}
	gone := errors.New("the loop is gone")
	rig.postErr.Store(&gone)
	rig.ask(7, iq.Request{Op: iq.OpBlocksGet})
	waitFor(t, func() bool { return rig.c.status().Lost == 2 }, func() string { return "nothing is lost" })
}

func TestTooManyRequestsAreRefusedAndAUsersKeepTheirOrder(t *testing.T) {
	rig := newClerkRig(t)
	rig.people.entered, rig.people.held = make(chan struct{}, 2*clerkQueueMax), make(chan struct{})
	taken := 0
	for rig.ask(7, iq.Request{Op: iq.OpBlocksGet}) {
		taken++
	}
	if st := rig.c.status(); st.Full != 1 || taken < clerkQueueMax/clerkWorkers || st.Asked != uint64(taken) {
		t.Errorf("%d taken; %+v", taken, st)
	}
	if !rig.ask(8, iq.Request{Op: iq.OpBlocksGet}) {
		t.Error("a user of another worker is refused")
	}
	close(rig.people.held)
	ref := uint32(0)
	for range taken + 1 {
		if p := rig.next(3); p.conn == 7 {
			if p.answer.Ref <= ref {
				t.Fatalf("%d is answered behind %d", p.answer.Ref, ref)
			}
			ref = p.answer.Ref
		}
	}
	large := codec.Frame{Kind: codec.KindNode, Body: make([]byte, clerkQueueBytesMax+1)}
	if (loopClerk{rig.c, 3}).Ask(1, 9, 0, large) {
		t.Error("more bytes than may wait are taken")
	}
	if n := rig.c.waiting.Load(); n != 0 {
		t.Errorf("%d bytes wait when nothing does", n)
	}
}

func TestADeletionIsFinishedWhenTheAccountsCanBeUsed(t *testing.T) {
	rig := newClerkRig(t)
	rig.ask(7, iq.Request{Op: iq.OpProfileSet, Profile: iq.Profile{Name: "seven"}})
	rig.next(3)
	rig.ask(7, iq.Request{Op: iq.OpAccountDelete})
	if p := rig.next(3); p.what != "forget" || p.then.Conn != 7 {
		t.Fatalf("posted %+v", p)
	}
	if _, err := rig.people.Profile(7); err != nil {
		t.Errorf("the accounts forget before the loop has noted it: %v", err)
	}
	away := error(store.ErrAccountsAway)
	rig.people.err.Store(&away)
	home := loopClerk{rig.c, 3}
	home.Ask(0, 7, 0, codec.Frame{})
	waitFor(t, func() bool { return rig.c.status().Faults == 1 }, func() string { return "nothing has failed" })
	rig.people.err.Store(nil)
	home.Ask(0, 7, 0, codec.Frame{})
	if p := rig.next(3); p.what != "forgotten" || p.user != 7 {
		t.Errorf("posted %+v", p)
	}
	if _, err := rig.people.Profile(7); !errors.Is(err, store.ErrNoProfile) {
		t.Errorf("the profile is still there: %v", err)
	}
}

func TestReportsAreARing(t *testing.T) {
	var r reportRing
	var writers sync.WaitGroup
	for by := range uint64(4) {
		writers.Go(func() {
			for i := range ReportsMax {
				r.add(Report{UnixMs: int64(i), By: by})
			}
		})
	}
	writers.Wait()
	r.add(Report{UnixMs: -1})
	r.add(Report{UnixMs: -2})
	list := r.newest()
	if len(list) != ReportsMax || list[0].UnixMs != -2 || list[1].UnixMs != -1 || r.count() != 4*ReportsMax+2 {
		t.Errorf("%d reports of %d, the newest are %+v", len(list), r.count(), list[:2])
	}
}
