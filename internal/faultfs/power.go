package faultfs

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"
	"syscall"
)

// Cut cuts the power in the middle of writing: of the sectors and names that wait, some reach the platter, and then the process ends. Names
// reach it in their order, as in a file system with a journal of its own; sectors in any.
func (f *FS) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.dead.Swap(true) {
		return
	}
	f.faults.roll(f.tear)
	f.die()
}

func (f *FS) tear(rng *rand.Rand) {
	if rng.IntN(4) == 0 {
		return // nothing of it was written
	}
	all := map[*inode]bool{}
	for _, n := range f.names {
		all[n] = true
	}
	for _, c := range f.staged {
		all[c.ino] = true
	}
	list := make([]*inode, 0, len(all))
	for n := range all {
		list = append(list, n)
	}
	slices.SortFunc(list, func(a, b *inode) int { return cmp.Compare(a.number, b.number) })
	for _, n := range list {
		n.tear(rng)
	}
	for _, c := range f.staged[:rng.IntN(len(f.staged)+1)] {
		if f.apply(c) != nil {
			return // the rest is lost
		}
	}
}

// killSelf ends the process as kill -9 does.
func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Signal(syscall.SIGKILL)
	}
	if err != nil {
		panic(err) // it has to end here, somehow
	}
	select {} // until it does
}
