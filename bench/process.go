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

// clockTick is the unit of CPU times in /proc/PID/stat: USER_HZ, 100 on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// cpuTime reads a process's CPU time from /proc/PID/stat, see proc_pid_stat(5); ok is false where there is none.
func cpuTime(pid int) (cpu time.Duration, ok bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	return parseStat(string(b))
}

// parseStat takes utime and stime, fields 14 and 15. Field 2, the name, may hold blanks and brackets; it ends at the last one.
func parseStat(s string) (cpu time.Duration, ok bool) {
	i := strings.LastIndexByte(s, ')')
	if i < 0 {
		return 0, false
	}
	f := strings.Fields(s[i+1:])
	if len(f) < 13 {
		return 0, false
	}
	user, err1 := strconv.ParseInt(f[11], 10, 64)
	system, err2 := strconv.ParseInt(f[12], 10, 64)
	return time.Duration(user+system) * clockTick, err1 == nil && err2 == nil
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
