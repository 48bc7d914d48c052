package store

import "sync"

// loads are the questions of all loops that wait for a reader. Loops take turns, so that one with many new sessions does not hold up
// the others. Under its lock trays are looked at, without theirs.
type loads struct {
	trays []*tray

	mu     sync.Mutex
	come   sync.Cond // something to read, or the end
	queues []loadQueue
	next   int // the loop whose turn it is
	ended  bool
}

// loadQueue is a ring.
type loadQueue struct {
	ring []Load
	at   int
	n    int
}

func newLoads(trays []*tray) *loads {
	l := &loads{trays: trays, queues: make([]loadQueue, len(trays))}
	l.come.L = &l.mu
	return l
}

// put adds a question; false: too many wait.
func (l *loads) put(loop int, q *Load) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.queues[loop].put(q) {
		return false
	}
	l.come.Signal()
	return true
}

// take waits for the next question; ok false: there will be no more.
func (l *loads) take() (loop int, q Load, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.ended {
		for range l.queues {
			loop = l.next
			l.next = (l.next + 1) % len(l.queues)
			if l.queues[loop].n > 0 && !l.trays[loop].full() {
				return loop, l.queues[loop].take(), true
			}
		}
		l.come.Wait()
	}
	return 0, Load{}, false
}

// again says that a tray has room that had none.
func (l *loads) again() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.come.Broadcast()
}

// end lets the readers go. What waits is not answered any more.
func (l *loads) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	l.come.Broadcast()
}

func (q *loadQueue) put(l *Load) bool {
	if q.n == len(q.ring) {
		if q.n >= LoadsWaitingMax {
			return false
		}
		grown := make([]Load, max(64, 2*q.n))
		for i := range q.n {
			grown[i] = q.ring[(q.at+i)%q.n]
		}
		q.ring, q.at = grown, 0
	}
	q.ring[(q.at+q.n)%len(q.ring)] = *l
	q.n++
	return true
}

func (q *loadQueue) take() Load {
	l := q.ring[q.at]
	q.at = (q.at + 1) % len(q.ring)
	q.n--
	return l
}
