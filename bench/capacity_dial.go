package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// plainDial connects with the fewest system calls: a socket that Go's own network poller never sees and that nobody copies. A million
// connections are a million times each of them. from is the source address; its zero value leaves the choice to the system.
func plainDial(from netip.Addr, to netip.AddrPort) (fd int, err error) {
	if fd, err = streamSocket(); err != nil {
		return -1, err
	}
	if err = connectFrom(fd, from, to); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// connectFrom binds where a source is asked for, and connects.
func connectFrom(fd int, from netip.Addr, to netip.AddrPort) error {
	if from.IsValid() {
		if err := bindSource(fd, from); err != nil {
			return os.NewSyscallError("bind", err)
		}
	}
	err := startConnect(fd, to)
	if errors.Is(err, unix.EINTR) || errors.Is(err, unix.EINPROGRESS) {
		if connectedAlready(fd) {
			return nil
		}
		err = connected(fd)
	}
	return os.NewSyscallError("connect", err)
}

// connected waits for a connect that goes on by itself.
func connected(fd int) error {
	ready := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}
	for end := time.Now().Add(dialTimeout); ; {
		left := time.Until(end)
		if left <= 0 {
			return unix.ETIMEDOUT
		}
		n, err := unix.Poll(ready, int(left.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if n > 0 {
			break
		}
	}
	if ready[0].Revents&(unix.POLLERR|unix.POLLHUP) == 0 {
		return nil
	}
	code, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ERROR)
	if err == nil && code != 0 {
		err = syscall.Errno(code)
	}
	return err
}

// sourceOf is the source address of a connection by its number, on loopback: the zero value for the first of them, whose source the system
// chooses.
func sourceOf(index int) (netip.Addr, error) {
	source := index / connectionsPerSource
	switch {
	case source == 0:
		return netip.Addr{}, nil
	case source >= sourcesMax:
		return netip.Addr{}, fmt.Errorf("%w: connection %d needs more than %d source addresses", ErrGenerator, index, sourcesMax)
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, byte(1 + source)}), nil
}

// burstMax is how many connections are made before a loop hears of them: one wake-up for many.
const burstMax = 64

// burst makes connections numbered next and up as long as there are tokens, at most burstMax of them and none from `to` on, and appends what a loop
// is to adopt.
func (d *dialer) burst(ctx context.Context, dst []byte, next, to int) ([]byte, int, error) {
	for end := min(next+burstMax, to); next < end; next++ {
		select {
		case d.tokens <- struct{}{}:
		default:
			return dst, next, nil
		}
		fd, err := d.connect(ctx, next)
		if err != nil {
			d.release()
			return dst, next, err
		}
		dst = binary.BigEndian.AppendUint32(dst, uint32(fd))
		dst = binary.BigEndian.AppendUint32(dst, uint32(next))
		d.dialed.Add(1)
	}
	return dst, next, nil
}

// connectInBursts is connect for one loop and very many connections. It ends early when enough says so, and answers with the number behind the
// last connection.
func (f *fleet) connectInBursts(ctx context.Context, from, to int, enough func() bool) (int, error) {
	for msg := []byte{cmdAdopt}; from < to && !enough(); msg = msg[:1] {
		var wrong error
		if msg, from, wrong = f.dial.burst(ctx, msg, from, to); len(msg) > 1 {
			if err := f.post(ctx, 0, msg); err != nil {
				return from, err
			}
		}
		if wrong != nil {
			return from, wrong
		}
		if err := sleep(ctx, burstPause); err != nil {
			return from, err
		}
	}
	return from, nil
}

// burstPause is the time between two bursts.
const burstPause = time.Millisecond
