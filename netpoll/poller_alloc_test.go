//go:build linux || freebsd || darwin

package netpoll

import "testing"

// A wake is on the path of every message that crosses loops, a turn on the path of all.
func TestNativePollerTurnsWithoutAllocating(t *testing.T) {
	p, err := newNativePoller()
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}()
	a, b := pollerPair(t)
	if err := p.Add(a.fd, 1); err != nil {
		t.Fatal(err)
	}
	h := &pollerTurns{}
	one := []byte{1}
	turn := func() {
		h.left = 3
		if err := p.Wake(); err != nil {
			t.Error(err)
		}
		b.writeRaw(one)
		if err := p.Run(h); err != nil {
			t.Error(err)
		}
	}
	if n := testing.AllocsPerRun(100, turn); n != 0 {
		t.Errorf("%v allocations for a wake and three turns, want 0", n)
	}
	if h.events == 0 {
		t.Error("no event was delivered")
	}
}

// pollerTurns counts events and stops after some turns.
type pollerTurns struct{ left, events int }

func (h *pollerTurns) OnEvent(uint64, Events) { h.events++ }

func (h *pollerTurns) OnBatch() Next {
	if h.left--; h.left == 0 {
		return PollStop
	}
	return PollAgain
}
