package netpoll

import (
	"os"
	"sync"
	"syscall"
)

// FakeEvent is one scripted report: of a watched descriptor, or of a bare tag when Tag is not zero (a stale one, say).
type FakeEvent struct {
	FD     int
	Tag    uint64
	Events Events
}

// FakePoller is a Poller that reports what a script says: no system calls, no clock, the same order each time.
// Batches come out as they were pushed, one for each call of Step or turn of Run. Descriptors are numbers to it, so a
// test may watch real sockets or invented ones.
//
// Use it either through Step, which never blocks (a simulation in one goroutine), or through Run.
// Push, Wake and the questions may be called from any goroutine.
type FakePoller struct {
	mu      sync.Mutex
	changed sync.Cond // a batch was pushed, a wake came, or Close
	script  [][]FakeEvent
	tags    map[int]uint64
	writers map[int]bool
	fail    map[int]error // what the next Add of a descriptor answers
	asked   bool
	closed  bool
	wakes   int
	batches int
}

// NewFakePoller returns a fake with an empty script.
func NewFakePoller() *FakePoller {
	f := &FakePoller{tags: map[int]uint64{}, writers: map[int]bool{}, fail: map[int]error{}}
	f.changed.L = &f.mu
	return f
}

// Push appends one batch to the script. Descriptors are translated to tags when the batch is delivered; one that is
// not watched then is left out.
func (f *FakePoller) Push(batch ...FakeEvent) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.script = append(f.script, append([]FakeEvent(nil), batch...))
	f.changed.Broadcast()
}

// FailAdd has the next Add of fd answer err.
func (f *FakePoller) FailAdd(fd int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fail[fd] = err
}

// Tag is the tag fd is watched with, 0 when it is not.
func (f *FakePoller) Tag(fd int) uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.tags[fd]
}

// Watched is how many descriptors are watched.
func (f *FakePoller) Watched() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.tags)
}

// WantsWrite says whether WantWrite was called for fd and no EventWrite was delivered since.
func (f *FakePoller) WantsWrite(fd int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.writers[fd]
}

// Wakes is how many wakes had an effect: one for each batch at most.
func (f *FakePoller) Wakes() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wakes
}

// Batches is how often OnBatch was called.
func (f *FakePoller) Batches() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.batches
}

// Add watches fd, or watches it anew with another tag: the fake does not see that a descriptor was closed between.
func (f *FakePoller) Add(fd int, tag uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err := f.fail[fd]; err != nil {
		delete(f.fail, fd)
		return err
	}
	if fd < 0 {
		return os.NewSyscallError("fake add", syscall.EBADF)
	}
	f.tags[fd] = tag
	delete(f.writers, fd)
	return nil
}

// WantWrite notes the interest; the script decides when it is answered.
func (f *FakePoller) WantWrite(fd int, tag uint64) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.tags[fd]; !ok {
		return os.NewSyscallError("fake write interest", syscall.ENOENT)
	}
	f.tags[fd] = tag
	f.writers[fd] = true
	return nil
}

// Remove forgets fd; ENOENT when it is not watched.
func (f *FakePoller) Remove(fd int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, ok := f.tags[fd]; !ok {
		return os.NewSyscallError("fake remove", syscall.ENOENT)
	}
	delete(f.tags, fd)
	delete(f.writers, fd)
	return nil
}

// Wake asks for one more batch.
func (f *FakePoller) Wake() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed || f.asked {
		return nil
	}
	f.asked = true
	f.wakes++
	f.changed.Broadcast()
	return nil
}

// Step delivers the next batch of the script, an empty one when there is none, and returns what OnBatch answered.
func (f *FakePoller) Step(h PollHandler) Next {
	for _, ev := range f.take() {
		h.OnEvent(ev.Tag, ev.Events)
	}
	f.mu.Lock()
	f.batches++
	f.mu.Unlock()
	return h.OnBatch()
}

// Idle says that the script is empty and no wake is waiting: after PollBlock, Run would sleep now.
func (f *FakePoller) Idle() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.idle()
}

func (f *FakePoller) idle() bool { return len(f.script) == 0 && !f.asked }

// take begins a batch: wakes from now on want another one.
func (f *FakePoller) take() []FakeEvent {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = false
	if len(f.script) == 0 {
		return nil
	}
	batch := f.script[0]
	f.script = f.script[1:]
	known := batch[:0]
	for _, ev := range batch {
		if ev.Tag == 0 {
			ev.Tag = f.tags[ev.FD]
			if ev.Events&EventWrite != 0 {
				delete(f.writers, ev.FD)
			}
		}
		if ev.Events&EventHangup != 0 {
			ev.Events |= EventRead
		}
		if ev.Tag != 0 {
			known = append(known, ev)
		}
	}
	return known
}

// Run steps until PollStop, sleeping on PollBlock until Push or Wake.
func (f *FakePoller) Run(h PollHandler) error {
	for {
		switch f.Step(h) {
		case PollStop:
			return nil
		case PollBlock:
			f.mu.Lock()
			for f.idle() {
				f.changed.Wait()
			}
			f.mu.Unlock()
		}
	}
}

// Close ends wakes.
func (f *FakePoller) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}
