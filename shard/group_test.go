package shard

import (
	"fmt"
	"slices"
	"testing"
	"unsafe"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// groupOf makes a group of users 1..n, 1 its admin, all there since the creation.
func groupOf(t testing.TB, n int) *group {
	t.Helper()
	g, out := createGroup(codec.UserMax+77, &groupOp{actor: 1, text: "Sunday", token: 9, timeSec: 1_700_000_000, max: GroupMembersLimit})
	var others []uint64 // more than one request could name
	for u := 2; u <= n; u++ {
		others = append(others, uint64(u))
	}
	g.enter(others, iq.RoleMember)
	if out.code != codec.CodeNone || len(g.members) != n || g.epoch != 1 || g.seq != 1 {
		t.Fatalf("created %+v: epoch %d seq %d", out.code, g.epoch, g.seq)
	}
	return g
}

// send takes messages of a user's first device with these cseqs.
func (g *group) send(user uint64, cseqs ...uint64) (gseq uint64) {
	for _, cseq := range cseqs {
		gseq = g.take(sentBy{user: user, gen: 3, cseq: cseq})
	}
	return gseq
}

func (g *group) do(op iq.Op, actor uint64, users ...uint64) groupChange {
	var out groupChange
	g.change(&groupOp{op: op, actor: actor, users: users, max: GroupMembersLimit}, &out)
	return out
}

func tick(user uint64, kind codec.ReceiptKind, first, last uint64) groupTick {
	return groupTick{user: user, gen: 3, kind: kind, first: first, last: last}
}

func wantTicks(t *testing.T, got []groupTick, want ...groupTick) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("told %+v, want %+v", got, want)
	}
}

func TestGroupRecordsAreSmallAndWithoutPointers(t *testing.T) {
	if n := unsafe.Sizeof(member{}); n != 40 {
		t.Errorf("a member is %d bytes", n)
	}
	if n := unsafe.Sizeof(sentMessage{}); n != 32 {
		t.Errorf("a remembered message is %d bytes", n)
	}
}

// TestTheFirstOfTwoAdminsWins: who was removed meanwhile is told so, and changes nothing.
func TestTheFirstOfTwoAdminsWins(t *testing.T) {
	g := groupOf(t, 3)
	g.do(iq.OpGroupPromote, 1, 2)
	if out := g.do(iq.OpGroupRemove, 2, 1); out.code != 0 || !slices.Equal(out.left, []uint64{1}) {
		t.Errorf("the first: %+v", out)
	}
	epoch, seq := g.epoch, g.seq
	if out := g.do(iq.OpGroupRemove, 1, 2); out.code != codec.CodeNotMember || len(out.event) != 0 || g.epoch != epoch || g.seq != seq {
		t.Errorf("the second: %+v, epoch %d seq %d", out, g.epoch, g.seq)
	}
}

// TestTheLastAdminHasAnHeir: who is there for longest, and of those the one with the smallest id; the event names both.
func TestTheLastAdminHasAnHeir(t *testing.T) {
	g := groupOf(t, 1)
	g.do(iq.OpGroupAdd, 1, 9, 8)
	g.do(iq.OpGroupAdd, 1, 2)
	out := g.do(iq.OpGroupLeave, 1)
	if !slices.Equal(out.about, []uint64{1, 8}) || g.find(8).role != iq.RoleAdmin || g.admins() != 1 {
		t.Errorf("about %v, members %+v", out.about, g.members)
	}
	if out = g.do(iq.OpGroupLeave, 9); !slices.Equal(out.about, []uint64{9}) {
		t.Errorf("a member leaves: about %v", out.about)
	}
	g.do(iq.OpGroupLeave, 8)
	if out = g.do(iq.OpGroupLeave, 2); !slices.Equal(out.about, []uint64{2}) || !g.over() {
		t.Errorf("the last one leaves: about %v, members %+v", out.about, g.members)
	}
}

// TestTwoAdminsAtOnce can't both be demoted: the second one stays.
func TestTwoAdminsAtOnce(t *testing.T) {
	g := groupOf(t, 3)
	g.do(iq.OpGroupPromote, 1, 2)
	out := g.do(iq.OpGroupDemote, 2, 2, 1)
	if out.code != 0 || !slices.Equal(out.about, []uint64{2}) || !slices.Equal(out.outcomes, []iq.Outcome{{User: 1, Code: codec.CodeNotAllowed}}) || g.admins() != 1 {
		t.Errorf("%+v, members %+v", out, g.members)
	}
}

// TestChangesThatAreRefused are told why, change nothing and make no event.
func TestChangesThatAreRefused(t *testing.T) {
	code := []byte("sixteen letters!")
	tests := map[string]struct {
		op   groupOp
		want codec.ErrorCode
	}{
		"a stranger adds":                {groupOp{op: iq.OpGroupAdd, actor: 7, users: []uint64{8}}, codec.CodeNotMember},
		"a stranger leaves":              {groupOp{op: iq.OpGroupLeave, actor: 7}, codec.CodeNotMember},
		"a member adds":                  {groupOp{op: iq.OpGroupAdd, actor: 2, users: []uint64{8}}, codec.CodeNotAllowed},
		"a member removes":               {groupOp{op: iq.OpGroupRemove, actor: 2, users: []uint64{3}}, codec.CodeNotAllowed},
		"a member promotes itself":       {groupOp{op: iq.OpGroupPromote, actor: 2, users: []uint64{2}}, codec.CodeNotAllowed},
		"a member names it":              {groupOp{op: iq.OpGroupSubject, actor: 2, text: "x"}, codec.CodeNotAllowed},
		"a member opens it":              {groupOp{op: iq.OpGroupInvite, actor: 2, bytes: code}, codec.CodeNotAllowed},
		"the last admin is demoted":      {groupOp{op: iq.OpGroupDemote, actor: 1, users: []uint64{1}}, codec.CodeNotAllowed},
		"an invite code of another size": {groupOp{op: iq.OpGroupInvite, actor: 1, bytes: code[1:]}, codec.CodeInvalid},
		"a join without a code":          {groupOp{op: iq.OpGroupJoin, actor: 7}, codec.CodeNotFound},
		"a join with a wrong code":       {groupOp{op: iq.OpGroupJoin, actor: 7, bytes: []byte("sixteen numbers!")}, codec.CodeNotFound},
		"a join of a full group":         {groupOp{op: iq.OpGroupJoin, actor: 7, bytes: code}, codec.CodeTooMany},
		"no change of a group":           {groupOp{op: iq.OpGroupList, actor: 1}, codec.CodeUnsupported},
		"there already":                  {groupOp{op: iq.OpGroupAdd, actor: 1, users: []uint64{2, 3}}, codec.CodeNone},
		"a member joins again":           {groupOp{op: iq.OpGroupJoin, actor: 3, bytes: code}, codec.CodeNone},
		"an admin already":               {groupOp{op: iq.OpGroupPromote, actor: 1, users: []uint64{1}}, codec.CodeNone},
		"the same subject":               {groupOp{op: iq.OpGroupSubject, actor: 1, text: "Sunday"}, codec.CodeNone},
		"the same code":                  {groupOp{op: iq.OpGroupInvite, actor: 1, bytes: code}, codec.CodeNone},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			g := groupOf(t, 3)
			g.invite = code
			before := fmt.Sprintf("%+v", *g)
			var out groupChange
			test.op.max = 3
			g.change(&test.op, &out)
			if out.code != test.want || len(out.event) != 0 || len(out.joined)+len(out.left) != 0 {
				t.Errorf("%+v, want code %v", out, test.want)
			}
			if after := fmt.Sprintf("%+v", *g); after != before {
				t.Errorf("was %s\nis  %s", before, after)
			}
		})
	}
}

// TestAClosedGroupOpensToNobody: an empty code is not the right one for a group without a code.
func TestAClosedGroupOpensToNobody(t *testing.T) {
	g := groupOf(t, 2)
	if g.opens(nil) || g.opens([]byte{}) || g.opens(make([]byte, iq.InviteBytes)) {
		t.Error("it has opened")
	}
}

// TestAGroupAsAMemberSeesIt: pages in order, the code for admins only.
func TestAGroupAsAMemberSeesIt(t *testing.T) {
	g := groupOf(t, 2*iq.PageMax+1)
	g.invite = []byte("sixteen letters!")
	var info iq.GroupInfo
	var cursor, pages uint64
	var seen []uint64
	for {
		cursor = g.fill(&info, cursor, pages == 0)
		if (len(info.Invite) > 0) != (pages == 0) || info.Group != codec.GroupBit|77 || info.Count != 2*iq.PageMax+1 || info.Subject != "Sunday" {
			t.Fatalf("page %d: %+v", pages, info)
		}
		for _, m := range info.Members {
			seen = append(seen, m.User)
		}
		if pages++; cursor == 0 {
			break
		}
	}
	if pages != 3 || len(seen) != info.Count || !slices.IsSorted(seen) {
		t.Errorf("%d members on %d pages", len(seen), pages)
	}
	if more := g.fill(&info, uint64(2*iq.PageMax), false); more != 0 || len(info.Members) != 1 {
		t.Errorf("the last page: %d members, more %d", len(info.Members), more)
	}
}

// TestWhoHasAMessage: those who were to get it, with their marks.
func TestWhoHasAMessage(t *testing.T) {
	g := groupOf(t, 4)
	gseq := g.send(1, 5)
	g.do(iq.OpGroupAdd, 1, 5)
	g.mark(2, codec.ReceiptDelivered, gseq, nil)
	g.mark(3, codec.ReceiptRead, gseq, nil)
	g.mark(5, codec.ReceiptRead, g.send(1, 6), nil)
	got, more := g.receipts(gseq, 0, nil)
	want := []iq.Member{{User: 2, Delivered: gseq}, {User: 3, Delivered: gseq, Read: gseq}}
	if !slices.Equal(got, want) || more != 0 {
		t.Errorf("%+v, more %d", got, more)
	}
}
