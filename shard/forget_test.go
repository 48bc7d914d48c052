package shard

import (
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

// listeningClerk writes down what it is asked.
type listeningClerk struct {
	asked []uint64 // users, of what is to be forgotten
	full  bool
}

func (c *listeningClerk) Ask(conn Conn, user uint64, _ uint8, _ codec.Frame) bool {
	if conn == 0 && !c.full {
		c.asked = append(c.asked, user)
	}
	return !c.full
}

// member is a user of two groups with two devices and blocks.
func newMember(t *testing.T) (r *diskRig, c *listeningClerk, user uint64, groups []uint64) {
	t.Helper()
	c = &listeningClerk{}
	r = newDiskRig(t, func(cfg *Config) { cfg.Clerk = c })
	user = userOn(r.cfg.Placement, 0)
	for n := uint64(1); len(groups) < 2; n++ {
		if g := codec.UserMax + n; r.home(g) == 1 {
			groups = append(groups, g)
		}
	}
	r.enrol(user, 0, connA, 5)
	r.enrol(user, 1, connB, 5)
	r.SetPolicy(r.now, user, &Policy{Version: 1, Blocked: []uint64{9}}, Reply{})
	for _, g := range groups {
		r.say(message{kind: msgInvite, user: user, peer: 77, first: g})
	}
	r.settleDisk()
	return r, c, user, groups
}

func TestADeletionGoesOnUntilAccountsAndGroupsHaveAnswered(t *testing.T) {
	r, c, user, groups := newMember(t)
	r.route(2002, user, 1)
	r.Forget(r.now, user, Reply{Loop: 1, Conn: connA, Frame: []byte("deleted")})
	r.tick(0)
	if !slices.Equal(r.parted, groups) || len(r.states) != 0 {
		t.Fatalf("groups %v heard of it, want %v; %d states", r.parted, groups, len(r.states))
	}
	if len(c.asked) != 0 || len(r.sheet(connB).kicked) != 1 || len(r.sheet(connA).kicked) != 0 {
		t.Fatalf("before it is durable: %v asked, kicked %v and %v", c.asked, r.sheet(connA).kicked, r.sheet(connB).kicked)
	}
	r.disk.sync()
	r.tick(0)
	r.tick(1_000)
	if !slices.Equal(c.asked, []uint64{user}) {
		t.Fatalf("the accounts were asked %v", c.asked)
	}
	r.say(message{kind: msgPart, user: user, peer: groups[0]})
	r.settleDisk()

	r.start(2, func(cfg *Config) { cfg.Clerk = c }) // a crash in the middle
	r.parted = nil
	r.settleLoads(1000)
	r.disk.sync()
	r.tick(0)
	if !slices.Equal(r.parted, groups) || !slices.Equal(c.asked[len(c.asked)-1:], []uint64{user}) {
		t.Fatalf("after a start groups %v heard of it, and the accounts %v", r.parted, c.asked)
	}
	asked := len(c.asked)
	r.tick(forgetRetryMs)
	if len(c.asked) != asked+1 {
		t.Error("accounts that do not answer are not asked again")
	}
	r.Forgotten(r.now, user, []DeviceGen{{0, 6}, {1, 6}})
	for _, g := range groups {
		r.say(message{kind: msgPart, user: user, peer: g})
	}
	r.settleDisk()
	if len(r.deletions) != 0 || len(r.forgetting) != 0 || r.users.first(user) != 0 || len(r.disk.heads[user]) != 0 {
		t.Errorf("left: %d deletions, in memory %v, on disk %+v", len(r.deletions), r.users.first(user) != 0, r.disk.heads[user])
	}
}

func TestTheAnswerToADeletionComesWhenTheAccountsHaveForgotten(t *testing.T) {
	r, _, user, groups := newMember(t)
	r.Forget(r.now, user, Reply{Loop: 1, Conn: connA, Frame: []byte("deleted")})
	r.tick(0)
	r.disk.sync()
	r.tick(0)
	r.enrol(user, 0, connA+7, 6) // with the account that is about to end
	r.enrol(user, 1, connA+8, 8) // registered behind that
	if len(r.sheet(connA).answers) != 0 {
		t.Fatal("answered before the accounts have forgotten")
	}
	r.Forgotten(r.now, user, []DeviceGen{{0, 7}, {1, 7}})
	r.tick(0)
	r.disk.sync()
	r.tick(0)
	if s := r.sheet(connA); !slices.Equal(s.answers, []string{"deleted"}) || len(s.kicked) != 1 {
		t.Errorf("then %q and kicked %v", s.answers, s.kicked)
	}
	if len(r.sheet(connA+7).kicked) != 1 || len(r.sheet(connA+8).kicked) != 0 {
		t.Errorf("kicked meanwhile %v, behind %v", r.sheet(connA+7).kicked, r.sheet(connA+8).kicked)
	}
	if m := r.mailboxes.At(r.find(user, store.DevicePending, 0)); m.notices == 0 {
		t.Error("the note is dropped before the groups have answered")
	}
	for _, g := range groups {
		r.say(message{kind: msgPart, user: user, peer: g})
	}
	if m := r.mailboxes.At(r.find(user, store.DevicePending, 0)); m.notices != 0 || len(r.deletions) != 0 {
		t.Errorf("%d notes are left", m.notices)
	}
	if i := r.find(user, 1, 0); i == 0 || r.mailboxes.At(i).state != mailboxOnline {
		t.Error("who registered behind the deletion is gone")
	}
}

func TestAFullClerkIsAskedAgain(t *testing.T) {
	r, c, user, _ := newMember(t)
	c.full = true
	r.Forget(r.now, user, Reply{})
	r.tick(0)
	r.disk.sync()
	r.tick(0)
	c.full = false
	r.tick(loadRetryMs)
	if !slices.Equal(c.asked, []uint64{user}) {
		t.Errorf("asked %v", c.asked)
	}
}
