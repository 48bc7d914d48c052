package bench

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// recall dials connections when they are due: sessions that a server refused for a while, and those of a storm. Any goroutine
// may add to it. It holds at most one entry for each session that is away.
type recall struct {
	clock clock
	wake  chan struct{} // has room for one: something was added

	mu    sync.Mutex // over what follows
	queue dueQueue
}

// dueDial is one connection to be made.
type dueDial struct {
	at    int64 // ns of the run's clock
	index uint32
}

func newRecall(c clock) *recall { return &recall{clock: c, wake: make(chan struct{}, 1)} }

// add asks for a connection number index at that time.
func (r *recall) add(index uint32, at int64) {
	r.mu.Lock()
	heap.Push(&r.queue, dueDial{at, index})
	r.mu.Unlock()
	r.nudge()
}

// addPaced asks for connections of the given numbers, `every` apart, the first at `start`.
func (r *recall) addPaced(indexes []uint32, start int64, every time.Duration) {
	r.mu.Lock()
	for i, index := range indexes {
		heap.Push(&r.queue, dueDial{start + int64(i)*int64(every), index})
	}
	r.mu.Unlock()
	r.nudge()
}

func (r *recall) nudge() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// next takes the first that is due; wait is how long until there is one, 0 when ok.
func (r *recall) next() (index uint32, ok bool, wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return 0, false, time.Hour
	}
	first := r.queue[0]
	if wait = time.Duration(first.at - r.clock.now()); wait > 0 {
		return 0, false, wait
	}
	heap.Pop(&r.queue)
	return first.index, true, 0
}

// run hands out what is due until ctx ends.
func (r *recall) run(ctx context.Context, out chan<- uint32) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		index, ok, wait := r.next()
		if ok {
			select {
			case out <- index:
				continue
			case <-ctx.Done():
				return
			}
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer.C:
		}
	}
}

// dueQueue orders by time, for container/heap.
type dueQueue []dueDial

// Len, Less, Swap, Push and Pop are for package heap.
func (q dueQueue) Len() int           { return len(q) }
func (q dueQueue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q dueQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *dueQueue) Push(x any)        { *q = append(*q, x.(dueDial)) }
func (q *dueQueue) Pop() any {
	old := *q
	last := old[len(old)-1]
	*q = old[:len(old)-1]
	return last
}
