package server

import (
	"sync"
	"sync/atomic"

	"trunkline/store"
)

// revocations is what loops look at before they take a ticket: a copy in memory of what the accounts keep. It holds no
// pointers but its maps. At most store.RevocationsMax entries count, and those that expired lately.
//
// Locks: one for each part, held for one look or one purge of that part, never two.
type revocations struct {
	before atomic.Int64 // unix seconds: tickets issued earlier are refused
	parts  [revocationParts]revocationPart
}

type revocationPart struct {
	mu        sync.RWMutex
	gens      map[revocationKey]revocationGen
	purgedSec uint64
}

type revocationKey struct {
	user   uint64
	device uint8
}

type revocationGen struct {
	gen   uint16 // the only one whose tickets count
	until uint32 // unix seconds
}

func newRevocations() *revocations {
	v := &revocations{}
	for i := range v.parts {
		v.parts[i].gens = map[revocationKey]revocationGen{}
	}
	return v
}

// part spreads users over the locks: the top bits of a multiplication by 2^64 over the golden ratio.
func (v *revocations) part(user uint64) *revocationPart {
	return &v.parts[user*0x9E3779B97F4A7C15>>(64-revocationPartBits)]
}

func (v *revocations) revoked(user uint64, device uint8, gen uint16) bool {
	p := v.part(user)
	p.mu.RLock()
	present, ok := p.gens[revocationKey{user, device}]
	p.mu.RUnlock()
	return ok && present.gen != gen
}

// present is the only generation of a device whose tickets count; false: nothing was revoked.
func (v *revocations) present(user uint64, device uint8) (gen uint16, ok bool) {
	p := v.part(user)
	p.mu.RLock()
	g, ok := p.gens[revocationKey{user, device}]
	p.mu.RUnlock()
	return g.gen, ok
}

// set notes a revocation, and now and then forgets what expired.
func (v *revocations) set(r *store.Revocation, nowSec uint64) {
	p := v.part(r.User)
	p.mu.Lock()
	defer p.mu.Unlock()
	if nowSec < p.purgedSec || nowSec-p.purgedSec >= revocationPurgeSec {
		p.purgedSec = nowSec
		for k, g := range p.gens {
			if uint64(g.until)+revocationSlackSec < nowSec {
				delete(p.gens, k)
			}
		}
	}
	p.gens[revocationKey{r.User, r.Device}] = revocationGen{r.Gen, uint32(min(r.UntilSec, 1<<32-1))}
}

// invalidate refuses all tickets from before a second and forgets the revocations that this covers. It never goes back.
func (v *revocations) invalidate(before uint64) {
	for {
		old := v.before.Load()
		if old >= int64(before) || v.before.CompareAndSwap(old, int64(before)) {
			break
		}
	}
	for i := range v.parts {
		p := &v.parts[i]
		p.mu.Lock()
		clear(p.gens)
		p.mu.Unlock()
	}
}

// nextBefore is a second that no ticket issued so far is from.
func (v *revocations) nextBefore(nowSec uint64) uint64 {
	return max(nowSec+1, uint64(v.before.Load()))
}

// len is how many there are: for metrics.
func (v *revocations) len() (n int) {
	for i := range v.parts {
		p := &v.parts[i]
		p.mu.RLock()
		n += len(p.gens)
		p.mu.RUnlock()
	}
	return n
}
