package iq

import (
	"slices"

	"trunkline/codec"
)

// Role is what a member may do.
type Role uint8

// The roles.
const (
	RoleMember Role = iota
	RoleAdmin
	roleEnd
)

// Member is one member of a group.
type Member struct {
	User      uint64
	Role      Role
	Delivered uint64 // OpGroupReceipts: the newest gseq that one of its devices has
	Read      uint64 // and that it has read
}

// writeMembers adds a page of members without marks: all of them, then those that are admins, in the same order.
func writeMembers(b *codec.Builder, members []Member) {
	writeUsers(b, members)
	if !slices.ContainsFunc(members, isAdmin) {
		return
	}
	b.Open("admins")
	b.OpenList()
	before := ^uint64(0)
	for _, m := range members {
		if isAdmin(m) {
			before = writeID(b, before, m.User)
		}
	}
	b.Close()
	b.Close()
}

func isAdmin(m Member) bool { return m.Role == RoleAdmin }

// writeMarks adds a page of members without roles: three lists, one place in each for each member.
func writeMarks(b *codec.Builder, members []Member) {
	writeUsers(b, members)
	writeColumn(b, "delivered", members, func(m *Member) uint64 { return m.Delivered })
	writeColumn(b, "read", members, func(m *Member) uint64 { return m.Read })
}

// writeUsers adds who the members are; nothing when there are none.
func writeUsers(b *codec.Builder, members []Member) {
	if len(members) == 0 {
		return
	}
	b.Open("members")
	b.OpenList()
	before := ^uint64(0)
	for i := range members {
		before = writeID(b, before, members[i].User)
	}
	b.Close()
	b.Close()
}

// writeColumn adds a node with one number of each member; nothing when there are none.
func writeColumn(b *codec.Builder, name string, members []Member, of func(m *Member) uint64) {
	if len(members) == 0 {
		return
	}
	b.Open(name)
	b.OpenList()
	for i := range members {
		b.Uint(of(&members[i]))
	}
	b.Close()
	b.Close()
}

// readMembers reads what writeMembers has written: an admin stands among the members, and in their order.
func readMembers(a *attributes, node codec.Value) []Member {
	members := readUsers(a, node)
	admins := a.ids(nil, child(node, "admins"), PageMax, validUser)
	for i := range members {
		if len(admins) > 0 && members[i].User == admins[0] {
			members[i].Role = RoleAdmin
			admins = admins[1:]
		}
	}
	a.bad = a.bad || len(admins) > 0
	return members
}

// readMarks reads what writeMarks has written.
func readMarks(a *attributes, node codec.Value) []Member {
	members := readUsers(a, node)
	delivered := a.numbers(nil, child(node, "delivered"), PageMax, ^uint64(0))
	read := a.numbers(nil, child(node, "read"), PageMax, ^uint64(0))
	if len(delivered) != len(members) || len(read) != len(members) {
		a.bad = true
		return nil
	}
	for i := range members {
		members[i].Delivered, members[i].Read = delivered[i], read[i]
	}
	return members
}

func readUsers(a *attributes, node codec.Value) []Member {
	users := a.ids(nil, child(node, "members"), PageMax, validUser)
	if len(users) == 0 {
		return nil
	}
	members := make([]Member, len(users))
	for i, user := range users {
		members[i].User = user
	}
	return members
}

// validMembers says whether a page may hold these.
func validMembers(members []Member) bool {
	for i := range members {
		if !validUser(members[i].User) || members[i].Role >= roleEnd {
			return false
		}
	}
	return len(members) <= PageMax
}
