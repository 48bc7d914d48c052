package shard

import (
	"sort"

	"trunkline/codec"
)

// A sender is told once that everybody has its message and once that everybody has read it. Everybody are those who were to get it, who became
// members before it, but for the sender and for those who have left since: they hold nothing up. What nobody has is told to nobody, even when
// all who were to get it have left; and who has left is not told any more.
//
// Marks are cumulative, so each message carries two counters, and a mark that moves counts down those that it passes: each member passes each
// message once. The messages of one stream are had by all in their order, so what a mark completes is a few ranges.

// ring holds the newest messages whose senders have not been told yet that everybody has read them, ascending by gseq: at most groupTicksMax;
// what is older is never told. Changes take gseqs too, so there are gaps.
type ring struct {
	list []sentMessage // those before head are done with
	head int
}

// sentMessage is one of them. 32 bytes, no pointers.
type sentMessage struct {
	gseq   uint64
	user   uint64
	cseq   uint64
	toGet  uint16 // members who have not got it; when it falls to 0, somebody is told
	toRead uint16
	gen    uint16
	device uint8
	had    uint8 // hadGot: somebody has got it, hadRead: and read
}

const (
	hadGot uint8 = 1 << iota
	hadRead
)

// joinsMax ranges are looked back at for one that a completed message goes on: so many streams may alternate and still be told in ranges.
const joinsMax = 8

// ringKept messages' room is kept by a ring that has become empty.
const ringKept = 64

// live are the messages that somebody may be told of.
func (r *ring) live() []sentMessage { return r.list[r.head:] }

// push adds the newest message and forgets the oldest one when there are too many.
func (r *ring) push(m sentMessage) {
	if len(r.live()) >= groupTicksMax {
		r.head++
	}
	if len(r.list) == cap(r.list) && r.head >= (len(r.list)+1)/2 { // at most half is copied: each message pays for one
		r.list = r.list[:copy(r.list, r.live())]
		r.head = 0
	}
	r.list = append(r.list, m)
}

// trim lets go of what is done with at the old end.
func (r *ring) trim() {
	for r.head < len(r.list) && r.list[r.head].toGet == 0 && r.list[r.head].toRead == 0 {
		r.head++
	}
	if r.head < len(r.list) {
		return
	}
	r.list, r.head = r.list[:0], 0
	if cap(r.list) > ringKept {
		r.list = nil
	}
}

// after is the place of the first live message above a gseq. Gseqs rise by one or more, so both ends say where it can be; without gaps they
// meet.
func (r *ring) after(gseq uint64) int {
	live := r.live()
	n := len(live)
	if n == 0 || live[n-1].gseq <= gseq {
		return n
	}
	if live[0].gseq > gseq {
		return 0
	}
	low := n - int(min(live[n-1].gseq-gseq, uint64(n)))
	high := int(min(gseq-live[0].gseq+1, uint64(n)))
	if low == high {
		return low
	}
	return low + sort.Search(high-low, func(i int) bool { return live[low+i].gseq > gseq })
}

// take gives a message its place in the order, and remembers it until all others have read it.
func (g *group) take(by sentBy) (gseq uint64) {
	g.seq++
	if others := len(g.members) - 1; others > 0 && g.has(by.user) {
		g.ring.push(sentMessage{
			gseq: g.seq, user: by.user, cseq: by.cseq, toGet: uint16(others), toRead: uint16(others), gen: by.gen, device: by.device,
		})
	}
	return g.seq
}

// mark notes that a member has, or has read, everything up to a gseq, and adds what senders are to be told of it. A mark never falls; one above
// the newest gseq, or of somebody who is no member, says nothing.
func (g *group) mark(user uint64, kind codec.ReceiptKind, gseq uint64, ticks []groupTick) []groupTick {
	if gseq > g.seq {
		return ticks
	}
	m := g.find(user)
	if m == nil {
		return ticks
	}
	if gseq > m.delivered {
		ticks = g.ring.got(m.delivered, gseq, user, ticks)
		m.delivered = gseq
	}
	if kind != codec.ReceiptDelivered && gseq > m.read {
		ticks = g.ring.readBy(m.read, gseq, user, ticks)
		m.read = gseq
	}
	g.ring.trim()
	return ticks
}

// got counts that a member has what lies above one gseq, up to another one.
func (r *ring) got(above, upTo, user uint64, ticks []groupTick) []groupTick {
	base, live := len(ticks), r.live()
	for i := r.after(above); i < len(live) && live[i].gseq <= upTo; i++ {
		m := &live[i]
		if m.user == user {
			continue
		}
		m.had |= hadGot
		if m.toGet--; m.toGet == 0 {
			ticks = tell(ticks, base, m, codec.ReceiptDelivered)
		}
	}
	return ticks
}

// readBy counts that a member has read what lies above one gseq, up to another one.
func (r *ring) readBy(above, upTo, user uint64, ticks []groupTick) []groupTick {
	base, live := len(ticks), r.live()
	for i := r.after(above); i < len(live) && live[i].gseq <= upTo; i++ {
		m := &live[i]
		if m.user == user {
			continue
		}
		m.had |= hadRead
		if m.toRead--; m.toRead == 0 {
			ticks = tell(ticks, base, m, codec.ReceiptRead)
		}
	}
	return ticks
}

// tell adds a message to what its sender is told, to a range behind base that it goes on if there is one. What lies between in that stream was
// completed in the same step, or went elsewhere.
func tell(ticks []groupTick, base int, m *sentMessage, kind codec.ReceiptKind) []groupTick {
	for i := len(ticks) - 1; i >= max(base, len(ticks)-joinsMax); i-- {
		if t := &ticks[i]; t.user == m.user && t.device == m.device && t.gen == m.gen && t.kind == kind && t.last < m.cseq {
			t.last = m.cseq
			return ticks
		}
	}
	return append(ticks, groupTick{user: m.user, device: m.device, gen: m.gen, kind: kind, first: m.cseq, last: m.cseq})
}

// release counts out members who leave, before they are gone: what they held up is told, and they are not told any more.
func (g *group) release(leavers []uint64, ticks []groupTick) []groupTick {
	if len(leavers) == 0 {
		return ticks
	}
	g.ring.forget(leavers)
	for _, user := range leavers {
		m := g.find(user)
		ticks = g.ring.lift(m.delivered, user, codec.ReceiptDelivered, ticks)
		ticks = g.ring.lift(m.read, user, codec.ReceiptRead, ticks)
	}
	g.ring.trim()
	return ticks
}

// forget drops the messages of users, ascending.
func (r *ring) forget(users []uint64) {
	kept := r.list[:0]
	for _, m := range r.live() {
		if at := sort.Search(len(users), func(i int) bool { return users[i] >= m.user }); at == len(users) || users[at] != m.user {
			kept = append(kept, m)
		}
	}
	r.list, r.head = kept, 0
}

// lift counts out one who has nothing above a gseq, and never will.
func (r *ring) lift(above, user uint64, kind codec.ReceiptKind, ticks []groupTick) []groupTick {
	base, live := len(ticks), r.live()
	for i := r.after(above); i < len(live); i++ {
		m := &live[i]
		left, had := &m.toGet, hadGot
		if kind == codec.ReceiptRead {
			left, had = &m.toRead, hadRead
		}
		if *left--; *left > 0 {
			continue
		}
		if m.had&had == 0 {
			base = len(ticks) // nobody has it: no range goes over it
			continue
		}
		ticks = tell(ticks, base, m, kind)
	}
	return ticks
}
