package tuning

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"
)

// supported says whether Live has anything to read here.
func supported() bool { return runtime.GOOS == "linux" || runtime.GOOS == "freebsd" }

func liveSystem(t testing.TB) System {
	t.Helper()
	if !supported() {
		t.Skip("no limits are known of " + runtime.GOOS)
	}
	s, err := Live(0)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOtherSystemsAreToldThatTheyAreNotSupported(t *testing.T) {
	if supported() {
		t.Skip("this one is supported")
	}
	if _, err := Live(0); !errors.Is(err, ErrUnsupported) {
		t.Errorf("got %v", err)
	}
}

func TestThereIsNoProcessBelowZero(t *testing.T) {
	if _, err := Live(-1); err == nil {
		t.Error("no error")
	}
}

func TestThisMachineIsDescribed(t *testing.T) {
	m, err := liveSystem(t).Machine()
	if err != nil {
		t.Fatal(err)
	}
	if err := m.valid(); err != nil {
		t.Error(err)
	}
	if m.OS.String() != runtime.GOOS || m.Arch != runtime.GOARCH || m.Release.Major < 3 || m.MemoryBytes < 64<<20 {
		t.Errorf("got %+v", m)
	}
}

func TestThisMachineIsCheckedWithinAHundredMilliseconds(t *testing.T) {
	s := liveSystem(t)
	best := time.Hour
	for range 5 { // other tests take the processor away
		start := time.Now()
		report, err := Check(s, Load{Connections: 1000})
		if err != nil {
			t.Fatal(err)
		}
		best = min(best, time.Since(start))
		if len(report.Rows) < 10 {
			t.Fatalf("%d rows", len(report.Rows))
		}
	}
	if best > 100*time.Millisecond {
		t.Errorf("it took %v", best)
	}
	t.Logf("checked in %v", best)
}

func TestTheDescriptorLimitIsTheOneOfThisProcess(t *testing.T) {
	s := liveSystem(t)
	_, hard, err := fileLimit()
	if err != nil {
		t.Fatal(err)
	}
	for i, l := range Limits(mustMachine(t, s).OS) {
		if l.Name != "RLIMIT_NOFILE" {
			continue
		}
		v, err := s.Read(&Limits(l.OS)[i])
		if err != nil {
			t.Fatal(err)
		}
		if min(v.Numbers[0], FilesUnlimited) != int64(hard) {
			t.Errorf("got %v, the process has %d", v, hard)
		}
	}
}

func TestAnotherProcessIsReadByItsNumber(t *testing.T) {
	liveSystem(t)
	s, err := Live(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	limit := find(t, mustMachine(t, s).OS, "RLIMIT_NOFILE")
	mine, err := liveSystem(t).Read(limit)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := s.Read(limit); err != nil || v != mine {
		t.Errorf("got %v and %v, want %v", v, err, mine)
	}
}

func TestAConnectionIsSeenInTheCounters(t *testing.T) {
	s := liveSystem(t)
	c, err := s.Counters()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"sockets", "files", "memory"} {
		row, ok := c.Find(name)
		if !ok || row.Used <= 0 || row.Unit == "" {
			t.Errorf("%s: %+v", name, row)
		}
	}
	known := -1
	for _, row := range c {
		at := counterIndex(row.Name)
		if at <= known {
			t.Errorf("%s is not in its place", row.Name)
		}
		known = at
	}
}

func TestASettingIsWrittenAndReadAgain(t *testing.T) {
	s := liveSystem(t)
	limit := find(t, mustMachine(t, s).OS, map[string]string{"freebsd": "net.inet.tcp.finwait2_timeout", "linux": "net.ipv4.tcp_fin_timeout"}[runtime.GOOS])
	was, err := s.Read(limit)
	if err != nil {
		t.Skip(err)
	}
	if err := s.Write(limit, was); errors.Is(err, ErrPermission) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if now, err := s.Read(limit); err != nil || now != was {
		t.Errorf("it was %v and is %v, %v", was, now, err)
	}
}

// counterIndex is the place of a name among all counters, -1 for a name that is not known.
func counterIndex(name string) int {
	for i, row := range counterNames {
		if row.name == name {
			return i
		}
	}
	return -1
}

func mustMachine(t testing.TB, s System) Machine {
	t.Helper()
	m, err := s.Machine()
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func find(t testing.TB, os OS, name string) *Limit {
	t.Helper()
	table := Limits(os)
	for i := range table {
		if table[i].Name == name {
			return &table[i]
		}
	}
	t.Fatalf("%v has no limit %q", os, name)
	return nil
}

func BenchmarkCheck(b *testing.B) {
	s := liveSystem(b)
	for b.Loop() {
		if _, err := Check(s, Load{Connections: 2_400_000}); err != nil {
			b.Fatal(err)
		}
	}
}
