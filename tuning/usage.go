package tuning

import (
	"time"

	"golang.org/x/sys/unix"
)

// Usage is what the kernel has counted for this process.
type Usage struct {
	UserCPU   time.Duration
	SystemCPU time.Duration
	RSSBytes  int64 // resident memory now; 0 where the system does not tell it cheaply
}

// ProcessUsage reads getrusage(2) and the resident set size.
func ProcessUsage() (Usage, error) {
	var ru unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &ru); err != nil {
		return Usage{}, err
	}
	return Usage{
		UserCPU:   time.Duration(ru.Utime.Nano()),
		SystemCPU: time.Duration(ru.Stime.Nano()),
		RSSBytes:  residentBytes(),
	}, nil
}
