//go:build linux || ((freebsd || darwin) && (amd64 || arm64))

package netpoll

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"

	gneterrors "github.com/panjf2000/gnet/v2/pkg/errors"
	gnetpoll "github.com/panjf2000/gnet/v2/pkg/netpoll"
	gnetqueue "github.com/panjf2000/gnet/v2/pkg/queue"
	"golang.org/x/sys/unix"
)

// gnetPoller is the backend over gnet's exported poller, default build tags. gnet's Polling loop is closed; what the
// contract wants beyond it is built around it:
//
//   - tags: gnet carries the descriptor only, so tags stands beside it, 8 bytes for each descriptor number per loop.
//   - end of a batch: the first event triggers an urgent task, which gnet runs after the events of the batch in which
//     its own bell shows up; that is the next one. OnBatch therefore may come one system call late.
//   - PollAgain: a task that triggers itself would run again before any socket is looked at. So a descriptor that is
//     always readable is armed again; its event brings the next end of a batch, with the sockets' events around it.
//   - Remove on kqueue: gnet's Delete does nothing there. The tag is forgotten and events are dropped, but the kernel
//     goes on reporting until the descriptor is closed.
//   - descriptor 0 on kqueue is gnet's bell whatever the filter, so Add refuses it.
type gnetPoller struct {
	inner   *gnetpoll.Poller
	tags    []uint64 // by descriptor, 0: not ours
	due     atomic.Bool
	ready   [2]int // a pipe with one byte in it that nobody reads
	handler PollHandler
	task    gnetqueue.Func // endBatch, bound once
	mu      sync.Mutex     // held while triggering from outside and while closing
	closed  bool
}

// newGnetPoller opens gnet's poller and the descriptor that is always readable.
func newGnetPoller() (Poller, error) {
	inner, err := gnetpoll.OpenPoller()
	if err != nil {
		return nil, fmt.Errorf("netpoll: gnet's poller: %w", err)
	}
	p := &gnetPoller{inner: inner, ready: [2]int{-1, -1}}
	p.task = p.endBatch
	if err := p.openReady(); err != nil {
		_ = p.Close()
		return nil, err
	}
	return p, nil
}

func (p *gnetPoller) openReady() error {
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		return os.NewSyscallError("pipe", err)
	}
	p.ready = ends
	unix.CloseOnExec(ends[0])
	unix.CloseOnExec(ends[1])
	if _, err := unix.Write(ends[1], []byte{1}); err != nil {
		return os.NewSyscallError("write pipe", err)
	}
	return p.inner.AddRead(&gnetpoll.PollAttachment{FD: ends[0]}, true)
}

// Add watches fd for input.
func (p *gnetPoller) Add(fd int, tag uint64) error {
	if fd == 0 && gnetTakesZero {
		return fmt.Errorf("netpoll: gnet's kqueue poller cannot watch descriptor 0: %w", unix.EBADF)
	}
	if err := p.inner.AddRead(&gnetpoll.PollAttachment{FD: fd}, true); err != nil {
		return err
	}
	for fd >= len(p.tags) {
		p.tags = append(p.tags, 0)
	}
	p.tags[fd] = tag
	return nil
}

// WantWrite adds the interest in writing; it stays.
func (p *gnetPoller) WantWrite(fd int, tag uint64) error {
	if fd < 0 || fd >= len(p.tags) {
		return os.NewSyscallError("netpoll: write interest", unix.ENOENT)
	}
	p.tags[fd] = tag
	return p.inner.ModReadWrite(&gnetpoll.PollAttachment{FD: fd}, true)
}

// Remove forgets fd.
func (p *gnetPoller) Remove(fd int) error {
	if fd < 0 || fd >= len(p.tags) || p.tags[fd] == 0 {
		return os.NewSyscallError("netpoll: removal", unix.ENOENT)
	}
	p.tags[fd] = 0
	return p.forget(fd)
}

// Wake triggers one end of a batch, unless one is due. Exchanges on both sides, as in waker.
func (p *gnetPoller) Wake() error {
	if p.due.Swap(true) {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	return p.trigger()
}

func (p *gnetPoller) trigger() error {
	return p.inner.Trigger(gnetqueue.HighPriority, p.task, nil)
}

// Run drives gnet's loop until a task answers with its word for the end.
func (p *gnetPoller) Run(h PollHandler) error {
	p.handler = h
	if err := p.Wake(); err != nil {
		return err
	}
	if err := p.inner.Polling(p.onEvent); !errors.Is(err, gneterrors.ErrEngineShutdown) {
		return err
	}
	return nil
}

// onEvent is gnet's callback for one event.
func (p *gnetPoller) onEvent(fd int, ev gnetpoll.IOEvent, flags gnetpoll.IOFlags) error {
	if !p.due.Load() && !p.due.Swap(true) {
		if err := p.trigger(); err != nil {
			return errors.Join(err, gneterrors.ErrAcceptSocket) // one of the two errors that end Polling
		}
	}
	if fd < len(p.tags) && p.tags[fd] != 0 {
		p.handler.OnEvent(p.tags[fd], gnetEvents(ev, flags))
	}
	return nil
}

// endBatch is the urgent task.
func (p *gnetPoller) endBatch(any) error {
	p.due.Swap(false)
	switch p.handler.OnBatch() {
	case PollStop:
		return gneterrors.ErrEngineShutdown
	case PollAgain:
		return p.rearm()
	}
	return nil
}

// Close frees gnet's descriptors and the pipe.
func (p *gnetPoller) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil
	}
	p.closed = true
	for _, fd := range p.ready {
		if fd >= 0 {
			_ = unix.Close(fd)
		}
	}
	return p.inner.Close()
}
