package server

import (
	"net/netip"
	"sync"

	"github.com/cespare/xxhash/v2"
)

// cell is what is known of one address: 24 bytes, no pointers. An IPv4 address counts as itself, an IPv6 address as its /64, which is what
// one customer has.
type cell struct {
	mark       uint32 // of the address that has the cell: half of its hash
	open       uint32 // connections
	accepts    int64  // debt of new connections: see pace
	handshakes int64  // debt of handshakes and offences
}

const (
	// cellWays is how many cells a bucket has. An address lives in one of those of its bucket.
	cellWays = 4
	// stripeCount is how many locks the buckets share.
	stripeCount = 64
)

// stripe is a lock over every stripeCount-th bucket, and the sums over them. Nothing else is locked while it is held.
type stripe struct {
	mu        sync.Mutex
	addresses int64  // cells with open connections
	open      int64  // connections in them
	shared    uint64 // newcomers that found no cell of their own
	_         [32]byte
}

// addressTable is a table of fixed size from addresses to cells. It is allocated once and never grows: when all cells of a bucket are
// busy, a newcomer shares the one with the fewest connections, and its limits.
//
// The seed is drawn for the process and used for nothing else. Who does not know it can't choose addresses that meet in one bucket.
type addressTable struct {
	seed    uint64
	mask    uint64 // of a bucket's number
	cells   []cell
	stripes [stripeCount]stripe
}

// newAddressTable makes a table of that many cells, a power of two and at least cellWays.
func newAddressTable(cells int, seed uint64) *addressTable {
	return &addressTable{seed: seed, mask: uint64(cells/cellWays - 1), cells: make([]cell, cells)}
}

// hash is the one place where addresses are hashed: the lowest bits are the bucket's number, the upper half is the mark.
func (t *addressTable) hash(addr netip.Addr) uint64 {
	var b [9]byte
	if addr = addr.Unmap(); addr.Is4() {
		b[0] = 4
		raw := addr.As4()
		copy(b[1:], raw[:])
	} else if addr.IsValid() {
		b[0] = 6
		raw := addr.As16()
		copy(b[1:], raw[:8])
	}
	var d xxhash.Digest
	d.ResetWithSeed(t.seed)
	_, _ = d.Write(b[:]) // never fails
	return d.Sum64()
}

// stripeOf is the lock over a bucket.
func (t *addressTable) stripeOf(bucket uint64) *stripe { return &t.stripes[bucket%stripeCount] }

// find is the index of the address's cell: its own, else an idle one, else the one that it has to share. Called with the stripe locked.
func (t *addressTable) find(h uint64, st *stripe, idle func(*cell) bool) uint32 {
	first := uint32(h&t.mask) * cellWays
	mark := uint32(h >> 32)
	free, least := -1, uint32(0)
	for way := range uint32(cellWays) {
		c := &t.cells[first+way]
		if c.mark == mark && (c.open > 0 || !idle(c)) {
			return first + way
		}
		if free < 0 && idle(c) {
			free = int(way)
		}
		if c.open < t.cells[first+least].open {
			least = way
		}
	}
	if free < 0 {
		st.shared++
		return first + least
	}
	t.cells[first+uint32(free)] = cell{mark: mark}
	return first + uint32(free)
}

// at is a cell by its index, with its stripe, which is locked; the caller unlocks it. nil: there is no such cell, and nothing is locked.
func (t *addressTable) at(index uint32) (*cell, *stripe) {
	if index >= uint32(len(t.cells)) {
		return nil, nil
	}
	st := t.stripeOf(uint64(index / cellWays))
	st.mu.Lock()
	return &t.cells[index], st
}
