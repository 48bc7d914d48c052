//go:build !linux

package bench

import (
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// streamSocket opens a socket that does not block and that children do not inherit.
func streamSocket() (int, error) {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM, 0)
	if err == nil {
		unix.CloseOnExec(fd)
		err = unix.SetNonblock(fd, true)
	}
	return fd, os.NewSyscallError("socket", err)
}

// bindSource binds to an address and a port that the system chooses.
func bindSource(fd int, from netip.Addr) error {
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: from.As4()})
}

// startConnect is connect(2).
func startConnect(fd int, to netip.AddrPort) error {
	return unix.Connect(fd, &unix.SockaddrInet4{Port: int(to.Port()), Addr: to.Addr().As4()})
}

// connectedAlready leaves the question to poll(2).
func connectedAlready(int) bool { return false }
