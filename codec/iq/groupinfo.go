package iq

import (
	"bytes"

	"trunkline/codec"
)

// GroupInfo is a group as a member sees it.
type GroupInfo struct {
	Group      uint64
	Epoch      uint32 // rises with each change of the group
	Seq        uint64 // the newest gseq
	Creator    uint64
	CreatedSec uint32
	Subject    string
	Count      int      // of members
	Invite     []byte   // for admins; empty: there is none
	Members    []Member // a page; without marks
}

func (g *GroupInfo) writePart(b *codec.Builder) {
	b.Open("group")
	b.AttrUser("id", g.Group)
	b.AttrUint("epoch", uint64(g.Epoch))
	b.AttrUint("seq", g.Seq)
	attrUser(b, "owner", g.Creator)
	attrUint(b, "ts", uint64(g.CreatedSec))
	attrText(b, "subject", g.Subject)
	b.AttrUint("count", uint64(g.Count))
	attrBytes(b, "invite", g.Invite)
	writeMembers(b, g.Members)
	b.Close()
}

func (g *GroupInfo) readPart(node codec.Value) (ok bool) {
	a := attributes{node: node}
	g.Group = a.id("id", validGroup)
	g.Epoch = uint32(a.number("epoch", 1<<32-1))
	g.Seq = a.number("seq", ^uint64(0))
	g.Creator = a.id("owner", validUser)
	g.CreatedSec = uint32(a.number("ts", 1<<32-1))
	g.Subject = a.text("subject", SubjectBytesMax)
	g.Count = int(a.number("count", 1<<31-1))
	g.Invite = bytes.Clone(a.bytes("invite", InviteBytes))
	g.Members = readMembers(&a, node)
	return !a.bad && g.valid()
}

func (g *GroupInfo) valid() bool {
	return validGroup(g.Group) && (g.Creator == 0 || validUser(g.Creator)) && validText(g.Subject, SubjectBytesMax) &&
		g.Count >= 0 && g.Count <= 1<<31-1 && (len(g.Invite) == 0 || len(g.Invite) == InviteBytes) && validMembers(g.Members)
}
