//go:build linux

package bench

import (
	"os"
	"strconv"
	"strings"
)

// readKernel reads the kernel's release and the machine's memory.
func readKernel() (release string, memoryBytes int64) {
	if b, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		release = strings.TrimSpace(string(b))
	}
	kb, err := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64)
	if err != nil {
		return release, 0
	}
	return release, kb << 10
}
