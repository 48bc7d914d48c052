//go:build (freebsd || darwin) && (amd64 || arm64)

package netpoll

import (
	"errors"

	gnetpoll "github.com/panjf2000/gnet/v2/pkg/netpoll"
	"golang.org/x/sys/unix"
)

// gnetTakesZero says whether gnet mistakes descriptor 0 for its bell.
const gnetTakesZero = true

// gnetEvents translates what gnet's callback gets: kqueue's filter and flags.
func gnetEvents(ev gnetpoll.IOEvent, flags gnetpoll.IOFlags) Events { return kqueueEvents(ev, flags) }

// forget deletes the write filter, the only one gnet can delete; it may not be there.
func (p *gnetPoller) forget(fd int) error {
	err := p.inner.ModRead(&gnetpoll.PollAttachment{FD: fd}, true)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// rearm has the readable descriptor reported once more: EV_ADD of a filter that is there looks at it anew.
func (p *gnetPoller) rearm() error {
	return p.inner.AddRead(&gnetpoll.PollAttachment{FD: p.ready[0]}, true)
}
