package shard

import "trunkline/internal/slab"

// userIndex finds the first mailbox of a user: a hash table of cells without pointers, 8 bytes each at 57 to 85 % load, so 10 to
// 14 bytes for a user where a Go map takes 27 to 40. The users themselves stand in their mailboxes; a cell holds 32 bits of the
// hash beside the mailbox's index, so that a look-up reads a mailbox of another user once in four billion cells.
//
// The table is cut into segments that grow one by one, so that no step pays for a whole table: a segment of a million
// users has 16,000 cells. Positions come from the seeded hash: who does not know the seed can't make users collide.
// Taking a user out moves those up that stand behind its place; a segment never gets smaller.
type userIndex struct {
	hash      func(user uint64) uint64
	mailboxes *slab.Slab[mailbox]
	segments  [indexSegments][]indexCell
	lens      [indexSegments]uint32
	users     int
}

// indexCell is a user's first mailbox and bits 10 to 41 of the user's hash. The lowest ten bits choose the fragment, and so are
// alike on one loop; the highest six choose the segment.
type indexCell struct {
	mailbox uint32 // 0: free
	tag     uint32
}

const (
	indexSegmentBits = 6
	indexSegments    = 1 << indexSegmentBits
	indexCellsMin    = 8
	indexTagShift    = 10
)

func newUserIndex(p Placement, mailboxes *slab.Slab[mailbox]) *userIndex {
	return &userIndex{hash: p.hash, mailboxes: mailboxes}
}

// place is where a tag's cell is looked for first in a segment of n cells.
func place(tag uint32, n int) int { return int(uint64(tag) * uint64(n) >> 32) }

// cell is the user's cell, or the free one where it would stand. nil: the segment holds nothing yet.
func (x *userIndex) cell(user uint64) (segment int, tag uint32, c *indexCell) {
	h := x.hash(user)
	segment, tag = int(h>>(64-indexSegmentBits)), uint32(h>>indexTagShift)
	cells := x.segments[segment]
	if len(cells) == 0 {
		return segment, tag, nil
	}
	for i := place(tag, len(cells)); ; i++ {
		if i == len(cells) {
			i = 0
		}
		c = &cells[i]
		if c.mailbox == 0 || c.tag == tag && x.mailboxes.At(c.mailbox).user == user {
			return segment, tag, c
		}
	}
}

// first is the user's first mailbox, 0 for a user who does not exist.
func (x *userIndex) first(user uint64) uint32 {
	if _, _, c := x.cell(user); c != nil {
		return c.mailbox
	}
	return 0
}

// put makes a mailbox, whose record names the user, the user's first one.
func (x *userIndex) put(user uint64, mailbox uint32) {
	segment, tag, c := x.cell(user)
	if c != nil && c.mailbox != 0 {
		c.mailbox = mailbox
		return
	}
	if n := len(x.segments[segment]); (int(x.lens[segment])+1)*20 > n*17 {
		x.grow(segment, max(n+n/2, indexCellsMin))
		_, _, c = x.cell(user)
	}
	*c = indexCell{mailbox: mailbox, tag: tag}
	x.lens[segment]++
	x.users++
}

// remove takes a user out, whose first mailbox is still live. The cells behind close the gap, so that no look-up stops there.
func (x *userIndex) remove(user uint64) {
	segment, _, c := x.cell(user)
	if c == nil || c.mailbox == 0 {
		return
	}
	cells := x.segments[segment]
	n := len(cells)
	gap := place(c.tag, n)
	for &cells[gap] != c {
		gap = (gap + 1) % n
	}
	for i := (gap + 1) % n; cells[i].mailbox != 0; i = (i + 1) % n {
		// Whoever stands at i may go to the gap when its own place does not lie behind the gap.
		if home := place(cells[i].tag, n); (i-home+n)%n >= (i-gap+n)%n {
			cells[gap], gap = cells[i], i
		}
	}
	cells[gap] = indexCell{}
	x.lens[segment]--
	x.users--
}

// grow gives a segment n cells. Tags are enough to place the old ones anew: no mailbox is read.
func (x *userIndex) grow(segment, n int) {
	old := x.segments[segment]
	cells := make([]indexCell, n)
	for _, c := range old {
		if c.mailbox == 0 {
			continue
		}
		i := place(c.tag, n)
		for cells[i].mailbox != 0 {
			if i++; i == n {
				i = 0
			}
		}
		cells[i] = c
	}
	x.segments[segment] = cells
}

// len is the number of users.
func (x *userIndex) len() int { return x.users }
