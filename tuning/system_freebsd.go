package tuning

import (
	"encoding/binary"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// live reads sysctl(3), getrlimit(2) and login.conf(5).
func live(pid int) (System, error) { return &bsdSystem{calls: freebsdCalls{}, pid: pid}, nil }

type freebsdCalls struct{}

// Sysctl asks twice when the answer has grown between the question for its size and the question for it (ENOMEM), as those of zones do.
func (freebsdCalls) Sysctl(name string, more ...int) ([]byte, error) {
	b, err := unix.SysctlRaw(name, more...)
	for try := 1; err == unix.ENOMEM && try < sysctlTries; try++ {
		b, err = unix.SysctlRaw(name, more...)
	}
	return b, err
}

const (
	// sysctlTries is how often an answer that grows while it is read is asked for; after that the error is told.
	sysctlTries = 4
	// ctlMaxName is CTL_MAXNAME: the most numbers of a name.
	ctlMaxName = 24
)

// SetSysctl finds the numbers of a name through the sysctl {0, 3} (CTL_SYSCTL_NAME2OID), as sysctlnametomib(3) does, and sets it.
// x/sys can only read.
func (freebsdCalls) SetSysctl(name string, value []byte) error {
	if len(value) == 0 {
		return unix.EINVAL
	}
	var mib [ctlMaxName]int32
	found := unsafe.Sizeof(mib)
	question := [2]int32{0, 3}
	text := []byte(name)
	if err := sysctl(question[:], unsafe.Pointer(&mib[0]), &found, unsafe.Pointer(&text[0]), uintptr(len(text))); err != nil {
		return err
	}
	return sysctl(mib[:found/unsafe.Sizeof(mib[0])], nil, nil, unsafe.Pointer(&value[0]), uintptr(len(value)))
}

// sysctl is __sysctl(2).
func sysctl(mib []int32, old unsafe.Pointer, oldBytes *uintptr, value unsafe.Pointer, valueBytes uintptr) error {
	if len(mib) == 0 {
		return unix.ENOENT
	}
	_, _, errno := unix.Syscall6(unix.SYS___SYSCTL, uintptr(unsafe.Pointer(&mib[0])), uintptr(len(mib)),
		uintptr(old), uintptr(unsafe.Pointer(oldBytes)), uintptr(value), valueBytes)
	if errno != 0 {
		return errno
	}
	return nil
}

// Rlimit is getrlimit(2) of this process, and kern.proc.rlimit of another: a struct rlimit, current and most.
func (freebsdCalls) Rlimit(pid, resource int) (int64, error) {
	if pid == 0 || pid == os.Getpid() {
		var l unix.Rlimit
		err := unix.Getrlimit(resource, &l)
		return int64(l.Max), err // RLIM_INFINITY is the most that 63 bits hold
	}
	b, err := unix.SysctlRaw(oidProcLimits, pid, resource)
	if err != nil {
		return 0, err
	}
	if len(b) < 16 {
		return 0, fmt.Errorf("%w: it has %d bytes", errShape, len(b))
	}
	return int64(binary.NativeEndian.Uint64(b[8:])), nil
}

// ReadFile is os.ReadFile.
func (freebsdCalls) ReadFile(path string) ([]byte, error) { return os.ReadFile(path) }
