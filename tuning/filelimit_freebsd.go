package tuning

import "golang.org/x/sys/unix"

// getrlimit(2), setrlimit(2) with RLIMIT_NOFILE; kern.maxfilesperproc bounds every process.

func fileLimit() (soft, hard uint64, err error) {
	var l unix.Rlimit
	err = unix.Getrlimit(unix.RLIMIT_NOFILE, &l)
	return min(uint64(l.Cur), FilesUnlimited), min(uint64(l.Max), FilesUnlimited), err
}

func setFileLimit(soft, hard uint64) error {
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: int64(soft), Max: int64(hard)})
}

func filesMaxOfKernel() uint64 {
	n, err := unix.SysctlUint32("kern.maxfilesperproc")
	if err != nil {
		return 0
	}
	return uint64(n)
}

func usableSoft(hard uint64) uint64 { return hard }
