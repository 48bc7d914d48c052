package shard

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// A snapshot is a group as bytes, all that is known of it. Numbers are varints (of encoding/binary), members ascending by user:
//
//	version u8 = 1, id, epoch, seq, creator, created, token, length and bytes of subject, of invite
//	count, then for each member: user - the one before, (seq - delivered) * 2 + role, delivered - read, read - since
//	count, then for each message: the first seq - gseq, the others gseq - the one before; index of the sender among the members,
//	device, gen, cseq - the one before (signed), had
//
// What follows from the marks, how many members have not got a message yet, is not written down: so no bytes can say what the marks do not.

const (
	snapshotVersion = 1
	// memberSnapshotMin and messageSnapshotMin are the bytes of the smallest ones: a count above what is there is damaged.
	memberSnapshotMin, messageSnapshotMin = 4, 6
)

// appendSnapshot adds the bytes of a group.
func (g *group) appendSnapshot(dst []byte) []byte {
	dst = append(dst, snapshotVersion)
	for _, v := range [...]uint64{g.id, uint64(g.epoch), g.seq, g.creator, uint64(g.created), g.token} {
		dst = binary.AppendUvarint(dst, v)
	}
	dst = binary.AppendUvarint(dst, uint64(len(g.subject)))
	dst = append(dst, g.subject...)
	dst = binary.AppendUvarint(dst, uint64(len(g.invite)))
	dst = append(dst, g.invite...)
	dst = binary.AppendUvarint(dst, uint64(len(g.members)))
	var before uint64
	for i := range g.members {
		m := &g.members[i]
		dst = binary.AppendUvarint(dst, m.user-before)
		dst = binary.AppendUvarint(dst, (g.seq-m.delivered)<<1|uint64(m.role))
		dst = binary.AppendUvarint(dst, m.delivered-m.read)
		dst = binary.AppendUvarint(dst, m.read-m.since)
		before = m.user
	}
	return g.appendRing(dst)
}

func (g *group) appendRing(dst []byte) []byte {
	live := g.ring.live()
	dst = binary.AppendUvarint(dst, uint64(len(live)))
	var cseq uint64
	for i := range live {
		m := &live[i]
		step := g.seq - m.gseq
		if i > 0 {
			step = m.gseq - live[i-1].gseq
		}
		dst = binary.AppendUvarint(dst, step)
		dst = binary.AppendUvarint(dst, uint64(g.below(m.user)))
		dst = append(dst, m.device)
		dst = binary.AppendUvarint(dst, uint64(m.gen))
		dst = binary.AppendVarint(dst, int64(m.cseq-cseq))
		dst = append(dst, m.had)
		cseq = m.cseq
	}
	return dst
}

// parseSnapshot reads what appendSnapshot wrote into g; nothing of g aliases b. Errors: errSnapshot, and g is then of no use.
func parseSnapshot(b []byte, g *group) error {
	r := snapshotReader{rest: b}
	if r.byte() != snapshotVersion {
		return errSnapshot
	}
	*g = group{id: r.number(), epoch: uint32(r.upTo(1<<32 - 1)), seq: r.upTo(1<<63 - 1), creator: r.number(), created: uint32(r.upTo(1<<32 - 1)), token: r.number()}
	g.subject = string(r.bytes(iq.SubjectBytesMax))
	g.invite = append(g.invite, r.bytes(iq.InviteBytes)...)
	g.members = r.members(g.seq)
	g.ring.list = r.messages(g)
	if r.bad || len(r.rest) > 0 || !g.sound() {
		return errSnapshot
	}
	g.recount()
	return nil
}

// sound says whether a group can have come about.
func (g *group) sound() bool {
	return isGroup(g.id) && g.id <= codec.UserMax+codec.GroupMax && g.epoch > 0 && uint64(g.epoch) <= g.seq && validUser(g.creator) &&
		(len(g.invite) == 0 || len(g.invite) == iq.InviteBytes) && (g.over() || g.admins() > 0)
}

// recount makes the counters of the ring out of the marks.
func (g *group) recount() {
	live := g.ring.live()
	if len(live) == 0 {
		return
	}
	var get, read, meant [groupTicksMax + 1]int32 // at a message: so many more from there on
	for i := range g.members {
		m := &g.members[i]
		get[g.ring.after(m.delivered)]++
		read[g.ring.after(m.read)]++
		meant[g.ring.after(m.since)]++
	}
	var toGet, toRead, all int32
	for i := range live {
		m := &live[i]
		toGet, toRead, all = toGet+get[i], toRead+read[i], all+meant[i]
		n, unread, others := toGet, toRead, all-1 // the sender is one of all
		s := g.find(m.user)
		if s.delivered < m.gseq {
			n--
		}
		if s.read < m.gseq {
			unread--
		}
		m.toGet, m.toRead = uint16(n), uint16(unread)
		if n < others {
			m.had |= hadGot
		}
		if unread < others {
			m.had |= hadRead
		}
	}
}

// snapshotReader takes a snapshot apart. What is damaged sets bad, and reads as zeros from there on.
type snapshotReader struct {
	rest []byte
	bad  bool
}

func (r *snapshotReader) fail() { r.bad, r.rest = true, nil }

func (r *snapshotReader) byte() byte {
	if len(r.rest) == 0 {
		r.fail()
		return 0
	}
	v := r.rest[0]
	r.rest = r.rest[1:]
	return v
}

func (r *snapshotReader) number() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *snapshotReader) upTo(most uint64) uint64 {
	v := r.number()
	if v > most {
		r.fail()
		return 0
	}
	return v
}

func (r *snapshotReader) signed() int64 {
	v, n := binary.Varint(r.rest)
	if n <= 0 {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

func (r *snapshotReader) bytes(most int) []byte {
	n := int(r.upTo(uint64(most)))
	if n > len(r.rest) {
		r.fail()
		return nil
	}
	v := r.rest[:n]
	r.rest = r.rest[n:]
	return v
}

// count is how many things follow, of at least so many bytes each.
func (r *snapshotReader) count(most, least int) int {
	return int(r.upTo(uint64(min(most, len(r.rest)/least))))
}

func (r *snapshotReader) members(seq uint64) []member {
	list := make([]member, r.count(GroupMembersLimit, memberSnapshotMin))
	var before uint64
	for i := range list {
		m := &list[i]
		m.user = before + r.upTo(codec.UserMax-before)
		if m.user == before {
			r.fail()
		}
		mark := r.upTo(seq<<1 | 1)
		m.role = iq.Role(mark & 1)
		m.delivered = seq - mark>>1
		m.read = m.delivered - r.upTo(m.delivered)
		m.since = m.read - r.upTo(m.read)
		if m.since == 0 {
			r.fail()
		}
		before = m.user
	}
	return list
}

func (r *snapshotReader) messages(g *group) []sentMessage {
	list := make([]sentMessage, r.count(groupTicksMax, messageSnapshotMin))
	var cseq uint64
	for i := range list {
		m := &list[i]
		if i == 0 {
			m.gseq = g.seq - r.upTo(g.seq)
		} else if m.gseq = list[i-1].gseq + r.upTo(g.seq-list[i-1].gseq); m.gseq == list[i-1].gseq {
			r.fail()
		}
		sender := int(r.upTo(GroupMembersLimit))
		m.device = r.byte()
		m.gen = uint16(r.upTo(1<<16 - 1))
		cseq += uint64(r.signed())
		m.cseq = cseq
		m.had = r.byte()
		if r.bad || sender >= len(g.members) || m.had > hadGot|hadRead || m.cseq == 0 || m.gseq <= g.members[sender].since {
			r.fail()
			return nil
		}
		m.user = g.members[sender].user
	}
	return list
}
