//go:build linux

package netpoll

import gnetpoll "github.com/panjf2000/gnet/v2/pkg/netpoll"

// gnetTakesZero says whether gnet mistakes descriptor 0 for its bell.
const gnetTakesZero = false

// gnetEvents translates what gnet's callback gets: epoll's bits.
func gnetEvents(ev gnetpoll.IOEvent, _ gnetpoll.IOFlags) Events { return epollEvents(ev) }

// forget takes fd out of epoll.
func (p *gnetPoller) forget(fd int) error { return p.inner.Delete(fd) }

// rearm has the readable descriptor reported once more: EPOLL_CTL_MOD looks at it anew.
func (p *gnetPoller) rearm() error {
	return p.inner.ModRead(&gnetpoll.PollAttachment{FD: p.ready[0]}, true)
}
