package tuning

import (
	"bytes"
	"os"
	"strconv"
	"strings"
)

// socketCaches are the kernel's caches that a TCP socket under epoll has objects in. Its directory entry is not among them: that cache is shared
// with all files.
var socketCaches = []string{
	"TCP", "TCPv6", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq", "tw_sock_TCP", "tw_sock_TCPv6", "request_sock_TCP", "request_sock_TCPv6",
}

// ReadSocketMemory adds what TCP holds in buffers (sockstat) to the pages of the caches above (slabinfo, which only root may read). Who may not
// read them gets all caches of the kernel (meminfo), of which only the growth means anything. ok is false where nothing can be read.
func ReadSocketMemory() (m SocketMemory, ok bool) {
	buffers, ok := socketBuffers(readFile("/proc/net/sockstat"))
	if !ok {
		return m, false
	}
	if bytes, ok := slabBytes(readFile("/proc/slabinfo")); ok {
		return SocketMemory{Bytes: buffers + bytes, Source: "slabinfo and sockstat"}, true
	}
	bytes, ok := allSlabs(readFile("/proc/meminfo"))
	return SocketMemory{Bytes: buffers + bytes, Source: "all slabs of meminfo, and sockstat"}, ok
}

// readFile is a small file of /proc; nil when it can't be read.
func readFile(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil
	}
	return b
}

// socketBuffers reads the line "TCP: inuse 3 ... mem 12", in pages.
func socketBuffers(sockstat []byte) (int64, bool) {
	for line := range strings.Lines(string(sockstat)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != "TCP:" {
			continue
		}
		for i := 1; i+1 < len(fields); i += 2 {
			if fields[i] == "mem" {
				pages, err := strconv.ParseInt(fields[i+1], 10, 64)
				return pages * int64(os.Getpagesize()), err == nil
			}
		}
	}
	return 0, false
}

// slabBytes adds up the pages of socketCaches in slabinfo(5), version 2.1.
func slabBytes(slabinfo []byte) (sum int64, ok bool) {
	for line := range bytes.Lines(slabinfo) {
		f := strings.Fields(string(line))
		if len(f) < 16 || !oneOf(f[0], socketCaches) {
			continue
		}
		pages, err1 := strconv.ParseInt(f[5], 10, 64)
		slabs, err2 := strconv.ParseInt(f[14], 10, 64)
		if err1 != nil || err2 != nil {
			return 0, false
		}
		sum, ok = sum+pages*slabs*int64(os.Getpagesize()), true
	}
	return sum, ok
}

func oneOf(name string, names []string) bool {
	for _, n := range names {
		if n == name {
			return true
		}
	}
	return false
}

// allSlabs reads the line "Slab: 1234 kB".
func allSlabs(meminfo []byte) (int64, bool) {
	for line := range strings.Lines(string(meminfo)) {
		if value, found := strings.CutPrefix(line, "Slab:"); found {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kb << 10, err == nil
		}
	}
	return 0, false
}
