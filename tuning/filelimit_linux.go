package tuning

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// getrlimit(2), setrlimit(2) with RLIMIT_NOFILE.

func fileLimit() (soft, hard uint64, err error) {
	var l unix.Rlimit
	err = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return min(l.Cur, FilesUnlimited), min(l.Max, FilesUnlimited), err
}

func setFileLimit(soft, hard uint64) error {
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: soft, Max: hard})
}

// filesMaxOfKernel is fs.nr_open, the most that setrlimit takes; 0 when it can't be read.
func filesMaxOfKernel() uint64 {
	b, err := os.ReadFile("/proc/sys/fs/nr_open")
	if err != nil {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(b)), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

func usableSoft(hard uint64) uint64 { return hard }
