package tuning

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"syscall"
	"testing"
)

// fakeBSD answers as FreeBSD does.
type fakeBSD struct {
	raw     map[string][]byte
	refuse  map[string]error
	limits  map[int]int64
	files   map[string]string
	written []string
	cut     map[string][]byte // what a name is after it was set, whatever to
}

func (f *fakeBSD) Sysctl(name string, more ...int) ([]byte, error) {
	if err := f.refuse[name]; err != nil {
		return nil, err
	}
	for _, n := range more {
		name = fmt.Sprint(name, ".", n)
	}
	b, ok := f.raw[name]
	if !ok {
		return nil, syscall.ENOENT
	}
	return b, nil
}

func (f *fakeBSD) SetSysctl(name string, value []byte) error {
	if err := f.refuse["set "+name]; err != nil {
		return err
	}
	f.written = append(f.written, name)
	f.raw[name] = value
	if cut, ok := f.cut[name]; ok {
		f.raw[name] = cut
	}
	return nil
}

func (f *fakeBSD) Rlimit(pid, resource int) (int64, error) {
	n, ok := f.limits[pid*100+resource]
	if !ok {
		return 0, syscall.ESRCH
	}
	return n, nil
}

func (f *fakeBSD) ReadFile(path string) ([]byte, error) {
	text, ok := f.files[path]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return []byte(text), nil
}

func int32Bytes(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }

func int64Bytes(list ...int64) []byte {
	var b []byte
	for _, n := range list {
		b = binary.NativeEndian.AppendUint64(b, uint64(n))
	}
	return b
}

// zoneStream makes what vm.zone_stats is on a machine with two processors.
func zoneStream(zones map[string]zone) []byte {
	b := append(int32Bytes(1), int32Bytes(2)...)
	b = append(append(b, int32Bytes(uint32(len(zones)))...), int32Bytes(0)...)
	for name, z := range zones {
		at := make([]byte, zoneHeaderBytes+2*zoneCPUBytes)
		copy(at[:zoneNameBytes], name)
		binary.NativeEndian.PutUint32(at[zoneRealSize:], uint32(z.bytes))
		binary.NativeEndian.PutUint32(at[zoneLimit:], uint32(z.limit))
		binary.NativeEndian.PutUint64(at[zoneAllocs:], uint64(z.count+70))
		binary.NativeEndian.PutUint64(at[zoneFrees:], 90)
		binary.NativeEndian.PutUint64(at[zoneFails:], uint64(z.fails))
		binary.NativeEndian.PutUint64(at[zoneHeaderBytes:], 30)                // allocated on the first processor
		binary.NativeEndian.PutUint64(at[zoneHeaderBytes+zoneCPUBytes+8:], 10) // freed on the second
		b = append(b, at...)
	}
	return b
}

func newFakeBSD() *fakeBSD {
	stats := make([]int64, 120)
	for i := range stats {
		stats[i] = int64(1000 + i)
	}
	return &fakeBSD{
		raw: map[string][]byte{
			"kern.osrelease": []byte("14.1-RELEASE-p5\x00"), "hw.physmem": int64Bytes(34246470144),
			"kern.maxfiles": int32Bytes(1043924), "vm.kmem_size": int64Bytes(33246470144), "net.inet.tcp.syncookies": {1},
			"kern.timecounter.hardware": []byte("TSC-low\x00"), "kern.ipc.maxsockets": int32Bytes(500_000),
			"kern.ipc.numopensockets": int32Bytes(77), "kern.openfiles": int32Bytes(88), "kern.proc.nfds.0": int32Bytes(9),
			"net.inet.tcp.syncache.count": int32Bytes(3), "net.inet.tcp.syncache.cachelimit": int32Bytes(15375),
			"net.inet.tcp.hostcache.count": int32Bytes(4), "net.inet.tcp.hostcache.cachelimit": int32Bytes(15360),
			"vm.stats.vm.v_free_count": int32Bytes(1000), "vm.stats.vm.v_inactive_count": int32Bytes(500), "vm.stats.vm.v_page_size": int32Bytes(4096),
			"net.inet.tcp.stats": int64Bytes(stats...), "net.inet.tcp.states": int64Bytes(0, 1, 2, 3, 44, 5, 6, 7, 8, 9, -10),
			"vm.zone_stats": zoneStream(map[string]zone{
				"socket": {count: 77, limit: 500_000, bytes: 1024, fails: 2}, "tcp_inpcb": {count: 60, bytes: 1304},
				"KNOTE": {count: 50, bytes: 160}, "Files": {count: 88, bytes: 80}, "mbuf": {count: 100, limit: 12_000_000, bytes: 256, fails: 1},
				"mbuf_packet": {count: 400, bytes: 256, fails: 3}, "mbuf_cluster": {count: 410, limit: 2_000_000, bytes: 2048},
			}),
		},
		refuse: map[string]error{}, cut: map[string][]byte{},
		limits: map[int]int64{8: 939528, 9: Unlimited, 471108: 5}, // the last: of process 4711
		files:  map[string]string{"/etc/login.conf": "default:\\\n\t:openfiles=1000:\n"},
	}
}

func TestFreeBSDSettingsAreReadInEachOfTheirForms(t *testing.T) {
	s := &bsdSystem{calls: newFakeBSD()}
	for name, want := range map[string]Value{
		"kern.maxfiles": Number(1043924), "vm.kmem_size": Number(33246470144), "net.inet.tcp.syncookies": Number(1),
		"kern.timecounter.hardware": Word("TSC-low"), "RLIMIT_NOFILE": Number(939528), "RLIMIT_SBSIZE": Number(Unlimited), "openfiles": Number(1000),
	} {
		if got, err := s.Read(find(t, FreeBSD, name)); err != nil || got != want {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	m, err := s.Machine()
	if err != nil || m.OS != FreeBSD || m.Release != (Release{14, 1}) || m.MemoryBytes != 34246470144 {
		t.Errorf("got %+v, %v", m, err)
	}
}

func TestWhatFreeBSDRefusesIsTold(t *testing.T) {
	f := newFakeBSD()
	f.refuse["vm.kmem_size"], f.refuse["net.inet.tcp.msl"] = syscall.EPERM, syscall.EIO
	f.raw["kern.ipc.nmbufs"] = []byte{1, 2, 3}
	s := &bsdSystem{calls: f}
	for name, want := range map[string]error{
		"vm.kmem_size": ErrPermission, "net.inet.tcp.msl": syscall.EIO, "kern.ipc.nmbclusters": ErrUnknown, "kern.ipc.nmbufs": errShape,
		"TCP_NODELAY": ErrUnsupported, "RLIMIT_KQUEUES": syscall.ESRCH,
	} {
		if got, err := s.Read(find(t, FreeBSD, name)); !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
}

func TestFreeBSDSettingsAreSetInTheirForm(t *testing.T) {
	f := newFakeBSD()
	f.raw["net.inet.tcp.tcbhashsize"], f.raw["kern.maxfilesperproc"] = int32Bytes(512), int32Bytes(1)
	f.cut["kern.maxfilesperproc"] = int32Bytes(7)
	f.raw["net.inet.tcp.always_keepalive"] = []byte{1}
	f.raw["kern.ipc.nmbclusters"] = int32Bytes(1)
	f.refuse["set kern.ipc.maxsockets"], f.refuse["set kern.ipc.nmbclusters"] = syscall.EINVAL, syscall.EPERM
	s := &bsdSystem{calls: f}
	for _, row := range []struct {
		name  string
		value Value
		want  error
	}{
		{"kern.maxfiles", Number(3_000_000), nil},
		{"net.inet.tcp.always_keepalive", Number(0), nil},
		{"kern.timecounter.hardware", Word("HPET"), nil},
		{"kern.maxfilesperproc", Number(3_000_000), ErrRefused}, // the kernel cuts it
		{"kern.ipc.maxsockets", Number(1), ErrRefused},
		{"kern.ipc.nmbclusters", Number(1), ErrPermission},
		{"kern.maxfiles", Number(1 << 31), ErrRefused}, // it has 32 bits
		{"kern.maxfiles", List(1, 2), ErrRefused},
		{"kern.maxfiles", Value{}, ErrRefused},
		{"net.inet.tcp.always_keepalive", Number(2), ErrRefused},
		{"net.inet.tcp.tcbhashsize", Number(1024), ErrReboot},
		{"RLIMIT_NOFILE", Number(1), ErrUnsupported},
		{"net.inet.tcp.msl", Number(1), ErrUnknown},
	} {
		if err := s.Write(find(t, FreeBSD, row.name), row.value); !errors.Is(err, row.want) {
			t.Errorf("%s to %v: got %v, want %v", row.name, row.value, err, row.want)
		}
	}
	if got := fmt.Sprint(f.written); got != "[kern.maxfiles net.inet.tcp.always_keepalive kern.timecounter.hardware kern.maxfilesperproc]" {
		t.Errorf("set %s", got)
	}
	if len(f.raw["kern.maxfiles"]) != 4 || len(f.raw["net.inet.tcp.always_keepalive"]) != 1 {
		t.Error("a setting changed its size")
	}
}

func TestFreeBSDCountersComeFromZonesAndStatistics(t *testing.T) {
	c, err := (&bsdSystem{calls: newFakeBSD()}).Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []Counter{
		{"sockets", "sockets", 77, 500_000, 2, 1024},
		{"tcp", "connections", 60, 500_000, 0, 1304},
		{"established", "connections", 44, Unlimited, NotTold, NotTold},
		{"time_wait", "connections", 0, Unlimited, NotTold, NotTold},
		{"files", "files", 88, 1043924, 0, 80},
		{"descriptors", "files", 9, 939528, NotTold, NotTold},
		{"knotes", "knotes", 50, Unlimited, 0, 160},
		{"mbufs", "mbufs", 500, 12_000_000, 4, 256},
		{"mbuf_clusters", "clusters", 410, 2_000_000, 0, 2048},
		{"syncache", "connections", 3, 15375, 1070 + 1071, NotTold},
		{"syncookies", "connections", NotTold, NotTold, 1078, NotTold},
		{"listen_overflows", "connections", NotTold, NotTold, 1063, NotTold},
		{"hostcache", "peers", 4, 15360, 1081, NotTold},
		{"memory", "bytes", 34246470144 - 1500*4096, 34246470144, NotTold, NotTold},
	} {
		if got, _ := c.Find(want.Name); got != want {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
	if _, ok := c.Find("mbuf_jumbo_pages"); ok {
		t.Error("a zone that is not there is counted")
	}
	other := &bsdSystem{calls: newFakeBSD(), pid: 4711}
	if c, err = other.Counters(); err != nil {
		t.Fatal(err)
	}
	if row, ok := c.Find("descriptors"); ok {
		t.Errorf("another process: %+v", row)
	}
	if v, err := other.Read(find(t, FreeBSD, "RLIMIT_NOFILE")); err != nil || v != Number(5) {
		t.Errorf("another process: %v, %v", v, err)
	}
}

func TestStatisticsOfThirteenHaveNoCounterOfProgress(t *testing.T) {
	f := newFakeBSD()
	f.raw["kern.osrelease"] = []byte("13.2-RELEASE\x00")
	c, err := (&bsdSystem{calls: f}).Counters()
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := c.Find("listen_overflows"); got.Refused != 1062 {
		t.Errorf("got %+v", got)
	}
}

func TestCountersThatAreDeniedAreLeftOut(t *testing.T) {
	f := newFakeBSD()
	f.raw = map[string][]byte{"kern.openfiles": int32Bytes(3), "net.inet.tcp.stats": int64Bytes(1, 2)}
	f.limits = nil
	c, err := (&bsdSystem{calls: f}).Counters()
	if err != nil || len(c) != 1 || c[0] != (Counter{"files", "files", 3, NotTold, NotTold, NotTold}) {
		t.Errorf("got %+v, %v", c, err)
	}
	if _, err := (&bsdSystem{calls: &fakeBSD{}}).Counters(); !errors.Is(err, ErrPermission) {
		t.Errorf("got %v", err)
	}
}

func TestZonesOfAnUnknownFormAreRefused(t *testing.T) {
	good := zoneStream(map[string]zone{"socket": {count: 1}})
	for name, b := range map[string][]byte{
		"nothing": nil, "a header that breaks off": good[:15], "a zone that breaks off": good[:len(good)-1],
		"another version": append(int32Bytes(2), good[4:]...), "more processors than bytes": append(append(int32Bytes(1), int32Bytes(1<<31)...), good[8:]...),
		"more zones than bytes": append(append([]byte{}, good[:8]...), append(int32Bytes(1<<31), good[12:]...)...),
	} {
		if got, err := parseZones(b); !errors.Is(err, errZones) {
			t.Errorf("%s: got %v, %v", name, got, err)
		}
	}
	if got, err := parseZones(good); err != nil || got["socket"].count != 1 {
		t.Errorf("got %v, %v", got, err)
	}
}

func FuzzParseZones(f *testing.F) {
	f.Add(zoneStream(map[string]zone{"socket": {count: 1}, "a name that fills all of its thirty-two": {}}))
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, b []byte) { _, _ = parseZones(b) })
}

func TestTheLoginClassOfTheServiceCounts(t *testing.T) {
	const standard = "# a comment: daemon:openfiles=1:\ndefault|fallback:\\\n\t:cputime=unlimited:\\\n\t:openfiles=%s:\\\n\t:umask=022:\n\ndaemon:\\\n\t:memorylocked=128M:\\\n\t:tc=default:\n"
	for _, row := range []struct {
		name, text string
		want       int64
	}{
		{"as installed", fmt.Sprintf(standard, "unlimited"), Unlimited},
		{"by another class", fmt.Sprintf(standard, "2000"), 2000},
		{"minus one", fmt.Sprintf(standard, "-1"), Unlimited},
		{"a class of its own", fmt.Sprintf(standard, "2000") + "trunkline:openfiles=3000:tc=daemon:\n", 3000},
		{"a class of its own that refers", fmt.Sprintf(standard, "2000") + "trunkline:\\\n  :tc=daemon:\n", 2000},
		{"the hard limit", "daemon:openfiles-cur=5:openfiles-max=6:\n", 6},
		{"a ring", "daemon:tc=default:\ndefault:tc=daemon:\n", Unlimited},
		{"a class that is not there", "daemon:tc=nobody:\n", Unlimited},
		{"nothing", "", Unlimited},
	} {
		f := newFakeBSD()
		f.files["/etc/login.conf"] = row.text
		if got, err := (&bsdSystem{calls: f}).Read(find(t, FreeBSD, "openfiles")); err != nil || got != Number(row.want) {
			t.Errorf("%s: got %v, %v", row.name, got, err)
		}
	}
	f := newFakeBSD()
	f.files = nil
	if _, err := (&bsdSystem{calls: f}).Read(find(t, FreeBSD, "openfiles")); !errors.Is(err, ErrUnknown) {
		t.Errorf("without the file: got %v", err)
	}
}
