package bench

import (
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls go to the kernel without telling Go's scheduler, as those of the reactor do and for the same reason: none of them waits. On a machine
// with one processor, where system calls are slow, the scheduler's hand-overs would cost more than the connections.

// streamSocket opens a socket that does not block and that children do not inherit.
func streamSocket() (int, error) {
	fd, _, errno := unix.RawSyscall(unix.SYS_SOCKET, unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errno != 0 {
		return -1, os.NewSyscallError("socket", errno)
	}
	return int(fd), nil
}

// bindSource binds to an address. Connect chooses the port: it knows the destination, and a port may serve several.
func bindSource(fd int, from netip.Addr) error {
	on, sa := int32(1), rawAddress(netip.AddrPortFrom(from, 0))
	// Where the option is not known, bind chooses the port.
	_, _, _ = unix.RawSyscall6(unix.SYS_SETSOCKOPT, uintptr(fd), unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, uintptr(unsafe.Pointer(&on)), unsafe.Sizeof(on), 0)
	if _, _, errno := unix.RawSyscall(unix.SYS_BIND, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa)); errno != 0 {
		return errno
	}
	return nil
}

// startConnect is connect(2).
func startConnect(fd int, to netip.AddrPort) error {
	sa := rawAddress(to)
	if _, _, errno := unix.RawSyscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&sa)), unsafe.Sizeof(sa)); errno != 0 {
		return errno
	}
	return nil
}

// connectedAlready says whether a connect is done: on loopback it mostly is when the call comes back, though the call says otherwise.
func connectedAlready(fd int) bool {
	ready, none := unix.PollFd{Fd: int32(fd), Events: unix.POLLOUT}, unix.Timespec{}
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(&ready)), 1, uintptr(unsafe.Pointer(&none)), 0, 0, 0)
	return errno == 0 && n == 1 && ready.Revents&(unix.POLLERR|unix.POLLHUP) == 0
}

func rawAddress(ap netip.AddrPort) unix.RawSockaddrInet4 {
	sa := unix.RawSockaddrInet4{Family: unix.AF_INET, Addr: ap.Addr().As4()}
	port := (*[2]byte)(unsafe.Pointer(&sa.Port)) // in the order of the network
	port[0], port[1] = byte(ap.Port()>>8), byte(ap.Port())
	return sa
}
