package shard

import (
	"encoding/binary"

	"github.com/cespare/xxhash/v2"
)

// FragmentCount is how many fragments the users are divided into. It never changes: fragments are what moves between loops
// and, later, between nodes.
const FragmentCount = 1_024

// Placement maps users to fragments and fragments to loops.
// fragment = xxhash64(seed, user) & (FragmentCount-1). The seed is secret: whoever knows it can aim at one loop.
type Placement struct {
	Seed  uint64
	Loops int
}

// Fragment is the fragment of a user, 0 to FragmentCount-1.
func (p Placement) Fragment(user uint64) int { return int(p.hash(user) & (FragmentCount - 1)) }

// hash is where users are hashed: the lowest ten bits choose the fragment, the others a place in userIndex.
func (p Placement) hash(user uint64) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(p.Seed)
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], user)
	d.Write(b[:])
	return d.Sum64()
}

// pair hashes a user together with a peer; the two are not exchangeable. It depends on the seed like hash, and on nothing that hash
// tells: the place of a pair says nothing about where its users live.
func (p Placement) pair(user, peer uint64) uint64 {
	var d xxhash.Digest
	d.ResetWithSeed(p.Seed)
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], user)
	binary.BigEndian.PutUint64(b[8:], peer)
	d.Write(b[:])
	return d.Sum64()
}

// Home is the loop where everything of a user lives, 0 to Loops-1. Fragments are dealt out in turn, so loops differ by at
// most one fragment.
func (p Placement) Home(user uint64) int {
	if p.Loops <= 1 {
		return 0
	}
	return p.Fragment(user) % p.Loops
}
