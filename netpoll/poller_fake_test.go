package netpoll

import (
	"errors"
	"slices"
	"syscall"
	"testing"
)

// pollerTape records what a poller says, in order.
type pollerTape struct {
	reports []pollerLine
	answer  Next
}

// pollerLine is one call of OnEvent, or of OnBatch when the tag is 0.
type pollerLine struct {
	tag uint64
	ev  Events
}

func (p *pollerTape) OnEvent(tag uint64, ev Events) {
	p.reports = append(p.reports, pollerLine{tag, ev})
}

func (p *pollerTape) OnBatch() Next {
	p.reports = append(p.reports, pollerLine{})
	return p.answer
}

func TestFakePollerPlaysItsScriptInOrder(t *testing.T) {
	f := NewFakePoller()
	for fd, tag := range map[int]uint64{0: 70, 3: 73} {
		if err := f.Add(fd, tag); err != nil {
			t.Fatal(err)
		}
	}
	f.Push(FakeEvent{FD: 3, Events: EventRead}, FakeEvent{FD: 0, Events: EventWrite}, FakeEvent{FD: 9, Events: EventRead})
	f.Push(FakeEvent{Tag: 99, Events: EventHangup}) // a stale tag
	tape := &pollerTape{answer: PollBlock}
	for !f.Idle() {
		if next := f.Step(tape); next != PollBlock {
			t.Errorf("Step answered %d, want what OnBatch answered", next)
		}
	}
	want := []pollerLine{{73, EventRead}, {70, EventWrite}, {}, {99, EventHangup | EventRead}, {}}
	if !slices.Equal(tape.reports, want) {
		t.Errorf("reports %v, want %v", tape.reports, want)
	}
	if f.Batches() != 2 || f.Watched() != 2 {
		t.Errorf("%d batches and %d descriptors, want 2 and 2", f.Batches(), f.Watched())
	}
}

func TestFakePollerKnowsWhoWaitsForRoom(t *testing.T) {
	f := NewFakePoller()
	if err := f.WantWrite(5, 1); !errors.Is(err, syscall.ENOENT) {
		t.Errorf("WantWrite of an unknown descriptor: %v, want ENOENT", err)
	}
	if err := errors.Join(f.Add(5, 1), f.WantWrite(5, 1)); err != nil || !f.WantsWrite(5) {
		t.Errorf("after WantWrite: %v, wants %v", err, f.WantsWrite(5))
	}
	f.Push(FakeEvent{FD: 5, Events: EventWrite})
	f.Step(&pollerTape{answer: PollBlock})
	if f.WantsWrite(5) {
		t.Error("room was reported and the descriptor still waits for it")
	}
}

func TestFakePollerFailsTheNextAddOnly(t *testing.T) {
	f := NewFakePoller()
	f.FailAdd(4, syscall.ENOMEM)
	if err := f.Add(4, 1); !errors.Is(err, syscall.ENOMEM) {
		t.Errorf("first Add: %v, want ENOMEM", err)
	}
	if err := f.Add(4, 1); err != nil || f.Tag(4) != 1 {
		t.Errorf("second Add: %v, tag %d", err, f.Tag(4))
	}
}

func TestFakePollerCountsOneWakeForEachBatch(t *testing.T) {
	f := NewFakePoller()
	for range 10 {
		if err := f.Wake(); err != nil {
			t.Fatal(err)
		}
	}
	if f.Wakes() != 1 || f.Idle() {
		t.Errorf("%d wakes, idle %v: want one, pending", f.Wakes(), f.Idle())
	}
	f.Step(&pollerTape{answer: PollBlock})
	if err := errors.Join(f.Wake(), f.Close(), f.Wake()); err != nil || f.Wakes() != 2 {
		t.Errorf("%v, %d wakes: want 2, none after Close", err, f.Wakes())
	}
}
