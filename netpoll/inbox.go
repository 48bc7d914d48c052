package netpoll

import (
	"sync"
	"sync/atomic"
)

// inbox is where a loop finds what others have sent: parcels in the order in which they were handed in, and commands.
// Its bounds are the senders': see Loop.Credit.
type inbox struct {
	waits    atomic.Bool // something is in queue or commands
	mu       sync.Mutex  // guards the rest; nothing else is locked while it is held
	queue    []*parcel
	spare    []*parcel
	commands []func()
	closed   bool         // the loop has ended
	external atomic.Int64 // bytes of Reactor.Post that wait; raised with the lock held
}

// put hands a parcel in and returns an empty one. ring: the loop must be woken. While the loop is behind, the bytes of a
// small parcel join those of the same sender before it, so that the number of parcels does not grow with the turns. ok is false
// when the loop has ended: the parcel stays with the sender.
func (in *inbox) put(p *parcel) (empty *parcel, ring, ok bool) {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return p, false, false
	}
	if last := in.last(p.from); last != nil && len(last.buf)+len(p.buf) <= parcelBytesJoined {
		last.buf = append(last.buf, p.buf...)
		p.buf = p.buf[:0]
		empty = p
	} else {
		in.queue = append(in.queue, p)
		empty = in.empty()
	}
	ring = !in.waits.Load()
	if ring {
		in.waits.Store(true)
	}
	in.mu.Unlock()
	return empty, ring, true
}

// last is the newest parcel when it comes from that sender, else nil. Called with the lock held.
func (in *inbox) last(from int) *parcel {
	if n := len(in.queue); n > 0 && in.queue[n-1].from == from {
		return in.queue[n-1]
	}
	return nil
}

// empty is a spare parcel or a new one. Called with the lock held.
func (in *inbox) empty() *parcel {
	if n := len(in.spare); n > 0 {
		p := in.spare[n-1]
		in.spare = in.spare[:n-1]
		return p
	}
	return &parcel{}
}

// post copies one message from outside of the loops.
func (in *inbox) post(msg []byte, bytesMax int64) (ring bool, err error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	size := int64(recordHead + len(msg))
	switch {
	case in.closed:
		return false, ErrClosed
	case in.external.Load()+size > bytesMax:
		return false, ErrInboxFull
	}
	p := in.last(-1)
	if p == nil || len(p.buf)+len(msg) > parcelBytesJoined {
		p = in.empty()
		p.from = -1
		in.queue = append(in.queue, p)
	}
	p.buf = appendMessage(p.buf, msg)
	in.external.Add(size)
	return !in.waits.Swap(true), nil
}

// command asks the loop to run f in its next turn. False: the loop has ended.
func (in *inbox) command(f func()) (ring, ok bool) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return false, false
	}
	in.commands = append(in.commands, f)
	return !in.waits.Swap(true), true
}

// take moves everything that waits to the loop's own list, and gives emptied parcels back for the senders.
func (in *inbox) take(queue, used []*parcel) (_ []*parcel, commands []func()) {
	in.mu.Lock()
	queue = append(queue, in.queue...)
	clear(in.queue)
	in.queue = in.queue[:0]
	commands, in.commands = in.commands, nil
	for _, p := range used {
		if len(in.spare) < parcelsKept && cap(p.buf) <= parcelBytesKept {
			p.buf, p.at = p.buf[:0], 0
			in.spare = append(in.spare, p)
		}
	}
	in.waits.Store(false)
	in.mu.Unlock()
	return queue, commands
}

// close ends the inbox and returns what nobody will read. Safe to call twice.
func (in *inbox) close() (queue []*parcel, commands []func()) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closed = true
	queue, in.queue = in.queue, nil
	commands, in.commands = in.commands, nil
	return queue, commands
}
