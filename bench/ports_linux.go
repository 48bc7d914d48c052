package bench

import (
	"fmt"
	"os"
)

// portRange is the range of ip(7) from which Linux gives out ports.
func portRange() (low, high int, source string, err error) {
	source = "net.ipv4.ip_local_port_range"
	b, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return 0, 0, source, err
	}
	_, err = fmt.Sscan(string(b), &low, &high)
	return low, high, source, err
}
