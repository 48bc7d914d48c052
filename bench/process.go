package bench

import (
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// usage is what a process has used so far.
type usage struct {
	CPU       time.Duration // user and system
	RSSBytes  int64
	CPUSource string // where CPU was read
	RSSSource string
}

// ownUsage is getrusage(2) of this process, with a precision of microseconds.
func ownUsage() (usage, error) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return usage{}, os.NewSyscallError("getrusage", err)
	}
	cpu := time.Duration(ru.Utime.Nano() + ru.Stime.Nano())
	rss, source, err := residentBytes(os.Getpid())
	return usage{CPU: cpu, RSSBytes: rss, CPUSource: "getrusage", RSSSource: source}, err
}

// residentBytes reads a process's resident memory: where there is /proc from the page tables (smaps_rollup: the counters
// of statm are off by up to 64 pages for each core, more than 10,000 idle connections cost), else from ps(1).
func residentBytes(pid int) (bytes int64, source string, err error) {
	if f := procField(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Rss"); f != "" {
		kb, err := strconv.ParseInt(strings.TrimSuffix(f, " kB"), 10, 64)
		return kb << 10, "smaps_rollup", err
	}
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return 0, "", fmt.Errorf("resident memory of process %d: %w", pid, err)
	}
	kb, err := strconv.ParseInt(strings.TrimSpace(string(out)), 10, 64)
	return kb << 10, "ps", err
}

// socketMemory reads what TCP holds in buffers (pages) and the kernel's slab memory (bytes), of the whole machine.
// Missing values are 0.
func socketMemory() (tcpPages, slabBytes int64) {
	fields := strings.Fields(procField("/proc/net/sockstat", "TCP"))
	for i := 0; i+1 < len(fields); i += 2 {
		if fields[i] == "mem" {
			tcpPages, _ = strconv.ParseInt(fields[i+1], 10, 64)
		}
	}
	kb, err := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "Slab"), " kB"), 10, 64)
	if err != nil {
		return tcpPages, 0
	}
	return tcpPages, kb << 10
}
