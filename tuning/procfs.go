package tuning

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// procSystem is Linux, read from the files of /proc and /sys: proc(5), cgroups(7). It is built everywhere, because its files can be those
// of a test.
type procSystem struct {
	root  fs.FS
	write func(path, text string) error
	pid   int // 0: this process
}

// process is the folder of the process.
func (s *procSystem) process() string {
	if s.pid == 0 {
		return "proc/self"
	}
	return "proc/" + strconv.Itoa(s.pid)
}

// Machine reads the release, the memory, and the memory limit of the process's control group.
func (s *procSystem) Machine() (Machine, error) {
	m := Machine{OS: Linux, Arch: runtime.GOARCH, Cores: runtime.NumCPU(), PageBytes: int64(os.Getpagesize())}
	text, err := fs.ReadFile(s.root, "proc/sys/kernel/osrelease")
	if err != nil {
		return m, reading("kernel.osrelease", err)
	}
	if m.Release, err = ParseRelease(strings.TrimSpace(string(text))); err != nil {
		return m, err
	}
	memory, err := s.memory()
	if err != nil {
		return m, err
	}
	m.MemoryBytes = min(memory["MemTotal"], s.groupBytes())
	return m, nil
}

// memory is /proc/meminfo in bytes.
func (s *procSystem) memory() (map[string]int64, error) {
	text, err := fs.ReadFile(s.root, "proc/meminfo")
	if err != nil {
		return nil, reading("meminfo", err)
	}
	list := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		if n, ok := parseNumber(fields[1]); ok {
			list[strings.TrimSuffix(fields[0], ":")] = n << 10 // all that is wanted is in kB
		}
	}
	return list, nil
}

// groupBytes is the lowest memory limit of the process's control group and those above it; Unlimited if there is none.
func (s *procSystem) groupBytes() int64 {
	least := int64(Unlimited)
	text, err := fs.ReadFile(s.root, path.Join(s.process(), "cgroup"))
	if err != nil {
		return least
	}
	for line := range strings.Lines(string(text)) {
		_, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		controllers, group, found := strings.Cut(rest, ":")
		base, file := "sys/fs/cgroup", "memory.max"
		if controllers != "" {
			base, file = "sys/fs/cgroup/memory", "memory.limit_in_bytes"
		}
		if !found || controllers != "" && controllers != "memory" {
			continue
		}
		for at := path.Join("/", group); ; at = path.Dir(at) {
			if text, err := fs.ReadFile(s.root, path.Join(base, at, file)); err == nil {
				if n, ok := parseNumber(strings.TrimSpace(string(text))); ok && n > 0 { // "max" is no number
					least = min(least, n)
				}
			}
			if at == "/" {
				break
			}
		}
	}
	return least
}

// Read reads a file of /proc/sys, or the hard limit on descriptors.
func (s *procSystem) Read(l *Limit) (Value, error) {
	switch l.Kind {
	case Sysctl, Loader:
		text, err := fs.ReadFile(s.root, procPath(l.Name))
		if err != nil {
			return Value{}, reading(l.Name, err)
		}
		v := ParseValue(string(text))
		if l.Kind == Loader && v.Count == 1 && v.Numbers[0] < 0 {
			v.Numbers[0] = -v.Numbers[0] // tcp_ehash_entries in a network namespace that shares the table of the machine: ip-sysctl
		}
		return v, nil
	case Rlimit:
		return s.descriptorLimit(l.Name)
	}
	return Value{}, fmt.Errorf("tuning: read %s: %w", l.Name, ErrUnsupported)
}

// procPath is where a name lies: net.core.somaxconn is proc/sys/net/core/somaxconn.
func procPath(name string) string { return "proc/sys/" + strings.ReplaceAll(name, ".", "/") }

// descriptorLimit finds the hard limit in a table whose columns are padded with spaces: "Max open files  1024  1048576  files".
func (s *procSystem) descriptorLimit(name string) (Value, error) {
	text, err := fs.ReadFile(s.root, path.Join(s.process(), "limits"))
	if err != nil {
		return Value{}, reading(name, err)
	}
	for line := range strings.Lines(string(text)) {
		rest, found := strings.CutPrefix(line, "Max open files")
		fields := strings.Fields(rest)
		if !found || name != "RLIMIT_NOFILE" || len(fields) < 2 {
			continue
		}
		if n, ok := parseNumber(fields[1]); ok {
			return Number(n), nil
		}
	}
	return Value{}, fmt.Errorf("tuning: read %s: %w", name, ErrUnknown)
}

// Write writes a file of /proc/sys and reads it again.
func (s *procSystem) Write(l *Limit, v Value) error {
	if err := settable(l, v); err != nil {
		return err
	}
	if err := s.write("/"+procPath(l.Name), v.text(greatest)); err != nil {
		return setting(l.Name, v, err)
	}
	return kept(s, l, v)
}

// Counters reads the kernel's statistics in /proc.
func (s *procSystem) Counters() (Counters, error) {
	sockets := s.pairs("net/sockstat")
	tcp := s.columns("net/snmp", "Tcp")
	ext := s.columns("net/netstat", "TcpExt")
	files := s.numbers("fs.file-nr")
	c := counterList{}
	c.add("sockets", told64(sockets, "sockets used"), Unlimited, NotTold)
	c.add("tcp", told64(sockets, "TCP alloc"), Unlimited, NotTold)
	c.add("established", told64(tcp, "CurrEstab"), Unlimited, NotTold)
	c.add("time_wait", told64(sockets, "TCP tw"), s.number("net.ipv4.tcp_max_tw_buckets", 0), told64(ext, "TCPTimeWaitOverflow"))
	c.add("orphans", told64(sockets, "TCP orphan"), s.number("net.ipv4.tcp_max_orphans", 0), NotTold)
	c.add("files", at(files, 0), at(files, 2), NotTold)
	c.add("descriptors", s.descriptors(), s.limitOfDescriptors(), NotTold)
	c.add("socket_memory", told64(sockets, "TCP mem"), s.number("net.ipv4.tcp_mem", 2), told64(ext, "TCPAbortOnMemory"))
	c.add("syncookies", NotTold, NotTold, told64(ext, "SyncookiesSent"))
	c.add("listen_overflows", NotTold, NotTold, told64(ext, "ListenOverflows"))
	c.add("conntrack", s.number("net.netfilter.nf_conntrack_count", 0), s.number("net.netfilter.nf_conntrack_max", 0), NotTold)
	if memory, err := s.memory(); err == nil {
		c.add("memory", memory["MemTotal"]-memory["MemAvailable"], memory["MemTotal"], NotTold)
	}
	if len(c.rows) == 0 {
		return nil, fmt.Errorf("tuning: read /proc/net: %w", ErrUnknown)
	}
	return c.rows, nil
}

// pairs reads lines of the form "TCP: inuse 5 orphan 0": the key is "TCP inuse".
func (s *procSystem) pairs(file string) map[string]int64 {
	list := map[string]int64{}
	for line := range strings.Lines(s.text(file)) {
		fields := strings.Fields(line)
		for i := 1; i+1 < len(fields); i += 2 {
			if n, ok := parseNumber(fields[i+1]); ok {
				list[strings.TrimSuffix(fields[0], ":")+" "+fields[i]] = n
			}
		}
	}
	return list
}

// columns reads two lines that begin alike, names first, then numbers: "Tcp: CurrEstab" and "Tcp: 5".
func (s *procSystem) columns(file, prefix string) map[string]int64 {
	list := map[string]int64{}
	var names []string
	for line := range strings.Lines(s.text(file)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || fields[0] != prefix+":":
		case names == nil:
			names = fields
		default:
			for i := 1; i < min(len(fields), len(names)); i++ {
				if n, ok := parseNumber(fields[i]); ok {
					list[names[i]] = n
				}
			}
		}
	}
	return list
}

// text is a file of the process's folder; "" if there is none.
func (s *procSystem) text(file string) string {
	text, err := fs.ReadFile(s.root, path.Join(s.process(), file))
	if err != nil {
		return ""
	}
	return string(text)
}

// numbers is what a setting holds, nil if it can't be read.
func (s *procSystem) numbers(name string) []int64 {
	text, err := fs.ReadFile(s.root, procPath(name))
	if err != nil {
		return nil
	}
	v := ParseValue(string(bytes.TrimSpace(text)))
	return v.Numbers[:v.Count]
}

// number is one number of a setting, or NotTold.
func (s *procSystem) number(name string, i int) int64 { return at(s.numbers(name), i) }

// descriptors is the size of /proc/PID/fd, which Linux tells since 6.2; before that it is 0, and counting millions of names every second
// would cost more than it tells.
func (s *procSystem) descriptors() int64 {
	info, err := fs.Stat(s.root, path.Join(s.process(), "fd"))
	if err != nil || info.Size() == 0 {
		return NotTold
	}
	return info.Size()
}

func (s *procSystem) limitOfDescriptors() int64 {
	v, err := s.descriptorLimit("RLIMIT_NOFILE")
	if err != nil {
		return NotTold
	}
	return v.Numbers[0]
}
