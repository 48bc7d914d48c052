package tuning

import "golang.org/x/sys/unix"

// getrlimit(2), setrlimit(2) with RLIMIT_NOFILE; kern.maxfilesperproc bounds every process. The hard limit may read as
// infinite, but a soft limit above kern.maxfilesperproc is refused with EINVAL.

func fileLimit() (soft, hard uint64, err error) {
	var l unix.Rlimit
	err = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return min(l.Cur, FilesUnlimited), min(l.Max, FilesUnlimited), err
}

func setFileLimit(soft, hard uint64) error {
	if hard == FilesUnlimited {
		hard = unix.RLIM_INFINITY
	}
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: soft, Max: hard})
}

func filesMaxOfKernel() uint64 {
	n, err := unix.SysctlUint32("kern.maxfilesperproc")
	if err != nil {
		return 0
	}
	return uint64(n)
}

func usableSoft(hard uint64) uint64 {
	if ceiling := filesMaxOfKernel(); ceiling > 0 {
		return min(hard, ceiling)
	}
	return hard
}
