//go:build freebsd || darwin

package bench

import "golang.org/x/sys/unix"

// portRange is the range of ip(4) from which the kernel gives out ports.
func portRange() (low, high int, source string, err error) {
	source = "net.inet.ip.portrange.first, .last"
	first, err := unix.SysctlUint32("net.inet.ip.portrange.first")
	if err != nil {
		return 0, 0, source, err
	}
	last, err := unix.SysctlUint32("net.inet.ip.portrange.last")
	if err != nil {
		return 0, 0, source, err
	}
	return int(min(first, last)), int(max(first, last)), source, nil
}
