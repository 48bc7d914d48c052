package netpoll

import (
	"fmt"
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// BenchmarkEchoFloor is BenchmarkEcho over a bare loop on epoll: bulk reads, one write for each wake-up, raw calls, the same
// polling before blocking. What the reactor costs beyond it is the price of slots, budgets and handlers.
func BenchmarkEchoFloor(b *testing.B) {
	for _, flight := range []int{1, 16} {
		b.Run(fmt.Sprintf("inflight=%d", flight), func(b *testing.B) {
			server, client := socketPair(b)
			ep, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
			must(b, err)
			ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLRDHUP | unix.EPOLLET, Fd: int32(server)}
			must(b, unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, server, &ev))
			ended := make(chan struct{})
			go func() { bareEcho(ep, server); close(ended) }()
			must(b, unix.SetNonblock(client, true))
			c := connOf(b, client)
			benchPings(b, c, flight)
			must(b, c.Close())
			<-ended
			closeFD(b, server)
			closeFD(b, ep)
		})
	}
}

// bareEcho serves one socket until its peer closes.
func bareEcho(ep, fd int) {
	p := &epollPoller{fd: ep}
	buf := make([]byte, ReadBytesMax)
	for {
		n, err := p.poll()
		if n == 0 && err == nil {
			n, err = p.block()
		}
		if err != nil && err != unix.EINTR {
			return
		}
		for range n {
			k, errno := readSocket(fd, buf)
			if k > 0 {
				_, errno = writeSocket(fd, buf[:k])
			}
			if k == 0 || errno != 0 && errno != unix.EAGAIN {
				return
			}
		}
	}
}

// connOf makes a connection of the net package of a descriptor.
func connOf(b *testing.B, fd int) net.Conn {
	b.Helper()
	f := os.NewFile(uintptr(fd), "client")
	c, err := net.FileConn(f)
	must(b, err)
	must(b, f.Close())
	return c
}
