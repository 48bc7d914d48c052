package server

import (
	"fmt"
	"log/slog"
	"sync"
	"time"

	"trunkline/netpoll"
)

// panicCounter counts what the loops recovered from and says so in the log: each of the first PanicsMax in a window with its
// stack, then one loud line for the window. It is locked, but only a panic takes the lock.
type panicCounter struct {
	log *slog.Logger
	now func() time.Time

	mu     sync.Mutex
	total  uint64
	start  time.Time // of the window
	inside int       // panics in the window
}

// note records one panic on a loop, on behalf of a connection or of none.
func (p *panicCounter) note(loop int, id netpoll.ConnID, value any, stack []byte) {
	p.mu.Lock()
	p.total++
	now := p.now()
	if now.Sub(p.start) >= PanicsWindow || now.Before(p.start) {
		p.start, p.inside = now, 0
	}
	p.inside++
	inside := p.inside
	p.mu.Unlock()
	switch {
	case inside <= PanicsMax:
		p.log.Error("a step panicked; its session ends, the loop goes on",
			"loop", loop, "conn", fmt.Sprintf("%#x", uint64(id)), "panic", fmt.Sprint(value), "stack", string(stack))
	case inside == PanicsMax+1:
		p.log.Error("THIS SERVER IS FAILING: too many panics; drain and restart it, and report the stacks above",
			"panics", inside, "window", PanicsWindow.String(), "loop", loop, "panic", fmt.Sprint(value))
	}
}

// count is how many panics there were.
func (p *panicCounter) count() uint64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.total
}
