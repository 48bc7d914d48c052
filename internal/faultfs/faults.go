package faultfs

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"time"
)

// faults decides what each operation meets.
type faults struct {
	mu      sync.Mutex // taken last, nothing is called under it
	rng     *rand.Rand
	spec    Spec
	toCut   int           // changes until the power is cut; 0: it is not
	changed chan struct{} // closed when the spec changes
	stats   Stats
}

// Stats count what happened.
type Stats struct {
	Changes  uint64 // operations that change something
	Syncs    uint64 // of files
	Injected uint64 // errors
}

// verdict is what one operation meets.
type verdict struct {
	cut  bool
	wait time.Duration
	hang bool
	errn error
	wake chan struct{}
}

func newFaults(s Spec) *faults {
	f := &faults{rng: rand.New(rand.NewPCG(s.Seed, s.Seed^0x9e3779b97f4a7c15))}
	f.set(s)
	return f
}

// set replaces the spec; what hangs or stalls goes on. The seed stays that of the beginning.
func (f *faults) set(s Spec) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.changed != nil {
		close(f.changed)
	}
	f.spec, f.toCut, f.changed = s, s.CutAt, make(chan struct{})
}

// roll gives the generator to one caller.
func (f *faults) roll(use func(rng *rand.Rand)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	use(f.rng)
}

// lies says whether a sync returns before anything is done.
func (f *faults) lies(op Op, path string) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spec.Lie&op != 0 && strings.Contains(path, f.spec.LiePath)
}

func (f *faults) limit() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.spec.Limit
}

func (f *faults) counted() Stats {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.stats
}

func (f *faults) count(op Op) {
	if op&OpChange != 0 {
		f.stats.Changes++
	}
	if op == OpSync {
		f.stats.Syncs++
	}
}

// judge looks up what an operation meets. again: it was held up and is judged once more.
func (f *faults) judge(op Op, path string, again bool) (v verdict) {
	f.mu.Lock()
	defer f.mu.Unlock()
	v.wake = f.changed
	if !again {
		f.count(op)
		if f.toCut > 0 && op&OpChange != 0 && strings.Contains(path, f.spec.CutPath) {
			f.toCut--
			v.cut = f.toCut == 0
		}
	}
	for i := range f.spec.Rules {
		r := &f.spec.Rules[i]
		if r.Ops&op == 0 || !strings.Contains(path, r.Path) || r.Probability < 1 && f.rng.Float64() >= r.Probability {
			continue
		}
		switch {
		case r.Hang:
			v.hang = true
		case r.Stall > 0:
			v.wait = max(v.wait, r.Stall)
		case v.errn == nil:
			v.errn = r.Errno
		}
	}
	if v.errn != nil {
		f.stats.Injected++
	}
	return v
}

// opError is an error as the system's calls return it.
func opError(op Op, path string, err error) error {
	name := "change"
	for n, o := range opNames {
		if o == op {
			name = n
		}
	}
	return &fs.PathError{Op: name, Path: path, Err: err}
}

// enter is called at the beginning of each operation, without locks. It may not return: the power was cut.
func (f *FS) enter(op Op, path string) error {
	for again := false; ; again = true {
		if f.dead.Load() {
			return opError(op, path, ErrCut)
		}
		v := f.faults.judge(op, path, again)
		switch {
		case v.cut:
			f.Cut()
			return opError(op, path, ErrCut)
		case v.hang:
			<-v.wake // the spec changed: look again
			continue
		case v.wait > 0 && !again:
			t := time.NewTimer(v.wait)
			select {
			case <-t.C:
			case <-v.wake:
			}
			t.Stop()
		}
		if v.errn != nil {
			return opError(op, path, v.errn)
		}
		return nil
	}
}

// String shows a stand of the counters.
func (s Stats) String() string {
	return fmt.Sprintf("%d changes, %d syncs, %d errors injected", s.Changes, s.Syncs, s.Injected)
}
