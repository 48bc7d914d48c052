package tuning

import (
	"encoding/binary"
	"os"

	"golang.org/x/sys/unix"
)

const (
	// kinfoProcBytes is sizeof(struct kinfo_proc) on 64-bit FreeBSD; the struct's first field repeats it.
	kinfoProcBytes = 1088
	// kinfoProcRSSOffset is the offset of ki_rssize (segsz_t, pages) in it: sys/user.h.
	kinfoProcRSSOffset = 264
)

// residentBytes asks sysctl(3) kern.proc.pid for this process and takes ki_rssize, in pages.
func residentBytes() int64 {
	b, err := unix.SysctlRaw("kern.proc.pid", os.Getpid())
	if err != nil || len(b) < kinfoProcBytes || binary.NativeEndian.Uint32(b) != kinfoProcBytes {
		return 0
	}
	return int64(binary.NativeEndian.Uint64(b[kinfoProcRSSOffset:])) * int64(os.Getpagesize())
}
