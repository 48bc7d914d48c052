package tuning

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
)

// fakeProc is a Linux of files.
func fakeProc() fstest.MapFS {
	files := fstest.MapFS{}
	for name, text := range map[string]string{
		"proc/sys/kernel/osrelease":                 "6.8.0-45-generic\n",
		"proc/meminfo":                              "MemTotal:       32727160 kB\nMemFree:  1 kB\nMemAvailable:   30000000 kB\nHugePages_Total:       0\n",
		"proc/self/cgroup":                          "0::/system.slice/trunkline.service\n",
		"proc/self/limits":                          "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            1024                 524288               files     \nMax locked memory         unlimited            unlimited            bytes     \n",
		"proc/99/limits":                            "Max open files            1024                 unlimited            files     \n",
		"proc/sys/fs/file-nr":                       "1888\t0\t9223372036854775807\n",
		"proc/sys/fs/nr_open":                       "1048576\n",
		"proc/sys/net/ipv4/tcp_mem":                 "381618\t508824\t763236\n",
		"proc/sys/net/ipv4/tcp_fin_timeout":         "60\n",
		"proc/sys/net/ipv4/tcp_max_orphans":         "131072\n",
		"proc/sys/net/ipv4/tcp_max_tw_buckets":      "131071\n",
		"proc/sys/net/netfilter/nf_conntrack_count": "12\n",
		"proc/sys/net/netfilter/nf_conntrack_max":   "262144\n",
		"proc/self/net/sockstat":                    "sockets: used 290\nTCP: inuse 27 orphan 4 tw 31 alloc 30 mem 2\nUDP: inuse 3 mem 0\n",
		"proc/self/net/snmp":                        "Ip: Forwarding\nIp: 1\nTcp: RtoAlgorithm CurrEstab InSegs\nTcp: 1 25 1000\n",
		"proc/self/net/netstat":                     "TcpExt: SyncookiesSent ListenOverflows TCPAbortOnMemory TCPTimeWaitOverflow\nTcpExt: 5 6 7 8\nIpExt: X\nIpExt: 1\n",
	} {
		files[name] = &fstest.MapFile{Data: []byte(text)}
	}
	return files
}

func TestLinuxSettingsAreRead(t *testing.T) {
	s := &procSystem{root: fakeProc()}
	for name, want := range map[string]Value{
		"fs.nr_open": Number(1048576), "net.ipv4.tcp_mem": List(381618, 508824, 763236), "RLIMIT_NOFILE": Number(524288), "net.ipv4.tcp_fin_timeout": Number(60),
	} {
		if got, err := s.Read(find(t, Linux, name)); err != nil || got != want {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if got, err := (&procSystem{root: fakeProc(), pid: 99}).Read(find(t, Linux, "RLIMIT_NOFILE")); err != nil || got != Number(Unlimited) {
		t.Errorf("another process: got %v, %v", got, err)
	}
	for name, want := range map[string]error{"vm.max_map_count": ErrUnknown, "TCP_NODELAY": ErrUnsupported} {
		if _, err := s.Read(find(t, Linux, name)); !errors.Is(err, want) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := (&procSystem{root: fakeProc(), pid: 100}).Read(find(t, Linux, "RLIMIT_NOFILE")); !errors.Is(err, ErrUnknown) {
		t.Errorf("a process that is gone: got %v", err)
	}
}

func TestAControlGroupBoundsTheMemory(t *testing.T) {
	const all = 32727160 << 10
	for _, row := range []struct {
		name, group string
		files       map[string]string
		want        int64
	}{
		{"no group", "", nil, all},
		{"no limit", "0::/a/b\n", map[string]string{"a/b/memory.max": "max\n"}, all},
		{"a limit", "0::/a/b\n", map[string]string{"a/b/memory.max": "1073741824\n"}, 1 << 30},
		{"a lower one above", "0::/a/b\n", map[string]string{"a/b/memory.max": "1073741824\n", "a/memory.max": "536870912\n"}, 1 << 29},
		{"of a container", "0::/\n", map[string]string{"memory.max": "1073741824\n"}, 1 << 30},
		{"more than there is", "0::/\n", map[string]string{"memory.max": "107374182400\n"}, all},
		{"the first version", "9:cpu:/x\n5:memory:/a\n", map[string]string{"memory/a/memory.limit_in_bytes": "1073741824\n", "memory/memory.limit_in_bytes": "9223372036854771712\n"}, 1 << 30},
		{"nonsense", "0\n::\nmemory\n", map[string]string{"memory.max": "-1\n"}, all},
	} {
		files := fakeProc()
		files["proc/self/cgroup"] = &fstest.MapFile{Data: []byte(row.group)}
		for name, text := range row.files {
			files["sys/fs/cgroup/"+name] = &fstest.MapFile{Data: []byte(text)}
		}
		m, err := (&procSystem{root: files}).Machine()
		if err != nil || m.MemoryBytes != row.want || m.Release != (Release{6, 8}) {
			t.Errorf("%s: got %+v, %v", row.name, m, err)
		}
	}
}

func TestALinuxThatHidesWhatItIsIsAnError(t *testing.T) {
	for _, name := range []string{"proc/meminfo", "proc/sys/kernel/osrelease"} {
		files := fakeProc()
		delete(files, name)
		if _, err := Check(&procSystem{root: files}, Load{Connections: 1}); !errors.Is(err, ErrUnknown) {
			t.Errorf("without %s: got %v", name, err)
		}
	}
	files := fakeProc()
	files["proc/meminfo"] = &fstest.MapFile{Data: []byte("MemTotal: much kB\n")}
	if _, err := Check(&procSystem{root: files}, Load{Connections: 1}); !errors.Is(err, ErrMachine) {
		t.Errorf("got %v", err)
	}
}

func TestLinuxCountersAreRead(t *testing.T) {
	c, err := (&procSystem{root: fakeProc()}).Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Counter{
		{"sockets", "sockets", 290, Unlimited, NotTold, NotTold},
		{"tcp", "connections", 30, Unlimited, NotTold, NotTold},
		{"established", "connections", 25, Unlimited, NotTold, NotTold},
		{"time_wait", "connections", 31, 131071, 8, NotTold},
		{"orphans", "connections", 4, 131072, NotTold, NotTold},
		{"files", "files", 1888, Unlimited, NotTold, NotTold},
		{"socket_memory", "pages", 2, 763236, 7, NotTold},
		{"syncookies", "connections", NotTold, NotTold, 5, NotTold},
		{"listen_overflows", "connections", NotTold, NotTold, 6, NotTold},
		{"conntrack", "connections", 12, 262144, NotTold, NotTold},
		{"memory", "bytes", 2727160 << 10, 32727160 << 10, NotTold, NotTold},
	} {
		if got, _ := c.Find(want.Name); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if _, err := (&procSystem{root: fstest.MapFS{}}).Counters(); !errors.Is(err, ErrUnknown) {
		t.Errorf("without any: got %v", err)
	}
}

func TestLinuxSettingsAreWrittenAndReadAgain(t *testing.T) {
	for _, row := range []struct {
		name    string
		value   Value
		answer  error  // of the write
		becomes string // what is read then; "": what was written
		want    error
	}{
		{"fs.nr_open", Number(2_800_256), nil, "", nil},
		{"net.ipv4.tcp_mem", List(1, 2, 3), nil, "1\t2\t3\n", nil},
		{"fs.nr_open", Number(1 << 40), nil, "2147483584\n", ErrRefused},
		{"fs.nr_open", Number(640_000), nil, "640064\n", nil},
		{"fs.nr_open", Number(640_000), nil, "660000\n", ErrRefused},
		{"net.ipv4.tcp_fin_timeout", Number(3000), nil, "3001\n", ErrRefused},
		{"fs.nr_open", Number(1), syscall.EINVAL, "", ErrRefused},
		{"fs.nr_open", Number(1), syscall.EACCES, "", ErrPermission},
		{"fs.nr_open", Number(1), &fs.PathError{Op: "open", Path: "x", Err: syscall.EROFS}, "", ErrPermission},
		{"fs.nr_open", Number(1), syscall.ENOENT, "", ErrUnknown},
		{"fs.nr_open", Number(1), syscall.EIO, "", syscall.EIO},
		{"fs.nr_open", Value{}, nil, "", ErrRefused},
		{"net.ipv4.tcp_ehash_entries", Number(1), nil, "", ErrReboot},
		{"RLIMIT_NOFILE", Number(1), nil, "", ErrUnsupported},
	} {
		files := fakeProc()
		s := &procSystem{root: files, write: func(path, text string) error {
			if row.becomes != "" {
				text = row.becomes
			}
			if row.answer == nil {
				files[strings.TrimPrefix(path, "/")] = &fstest.MapFile{Data: []byte(text)}
			}
			return row.answer
		}}
		if err := s.Write(find(t, Linux, row.name), row.value); !errors.Is(err, row.want) {
			t.Errorf("%s to %v: got %v, want %v", row.name, row.value, err, row.want)
		}
	}
}

func TestTheKernelIsToldOfNoLimitInDigits(t *testing.T) {
	files, written := fakeProc(), ""
	s := &procSystem{root: files, write: func(path, text string) error {
		written = text
		files[strings.TrimPrefix(path, "/")] = &fstest.MapFile{Data: []byte(text)}
		return nil
	}}
	if err := s.Write(find(t, Linux, "fs.file-max"), Number(Unlimited)); err != nil || written != "9223372036854775807" {
		t.Errorf("wrote %q: %v", written, err)
	}
}

func TestATableThatANetworkNamespaceSharesHasItsSize(t *testing.T) {
	files := fakeProc()
	files["proc/sys/net/ipv4/tcp_ehash_entries"] = &fstest.MapFile{Data: []byte("-262144\n")}
	if v, err := (&procSystem{root: files}).Read(find(t, Linux, "net.ipv4.tcp_ehash_entries")); err != nil || v != Number(262144) {
		t.Errorf("got %v: %v", v, err)
	}
}
