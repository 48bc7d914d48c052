package tuning

import "testing"

const million24 = 2_400_000

func memoryOf(os OS, release Release, loops int) Model {
	m := Machine{OS: os, Release: release, Arch: "amd64", Cores: loops, MemoryBytes: 128 << 30, PageBytes: 4096}
	return Memory(Load{Connections: million24, StalledPerMille: -1}.filled(m), m, nil)
}

func part(t *testing.T, m Model, name string) Part {
	t.Helper()
	for _, p := range m.Parts {
		if p.Name == name {
			return p
		}
	}
	t.Fatalf("there is no part %q", name)
	return Part{}
}

func TestAConnectionCostsTheKernelWhatTheEnvelopeSays(t *testing.T) {
	for _, row := range []struct {
		name       string
		os         OS
		release    Release
		least, max int64
	}{
		{"FreeBSD 15: 2.9 kB", FreeBSD, Release{15, 0}, 2750, 3000},
		{"FreeBSD 14: 2.9 kB", FreeBSD, Release{14, 0}, 2750, 3000},
		{"FreeBSD 13: the control block is in two pieces", FreeBSD, Release{13, 2}, 2900, 3200},
		{"FreeBSD of an unknown release: as 14", FreeBSD, Release{}, 2750, 3000},
		{"Linux: 3.9 to 4.1 kB", Linux, Release{6, 18}, 3800, 4100},
	} {
		m := memoryOf(row.os, row.release, 24)
		if got := m.EachBytes() - sessionBytes; got < row.least || got > row.max {
			t.Errorf("%s: got %d", row.name, got)
		}
	}
}

func TestPartsAddUp(t *testing.T) {
	for _, os := range []OS{FreeBSD, Linux} {
		m := memoryOf(os, Release{14, 0}, 24)
		var sum int64
		for _, p := range m.Parts {
			sum += p.Bytes
			if p.Name == "" || p.Source == "" || p.Each*million24+p.Fixed != p.Bytes {
				t.Errorf("%v: %+v", os, p)
			}
		}
		if sum != m.Bytes {
			t.Errorf("%v: parts are %d, all is %d", os, sum, m.Bytes)
		}
	}
}

func TestEachKqueueHasASlotForEachDescriptor(t *testing.T) {
	// 24 loops and 2.4 million descriptors: 0.46 GB.
	if p := part(t, memoryOf(FreeBSD, Release{14, 0}, 24), "kqueue tables"); p.Bytes < 460e6 || p.Bytes > 462e6 {
		t.Errorf("got %d", p.Bytes)
	}
	if p := part(t, memoryOf(FreeBSD, Release{14, 0}, 1), "kqueue tables"); p.Bytes < 19e6 || p.Bytes > 20e6 {
		t.Errorf("one loop: got %d", p.Bytes)
	}
}

func TestASixteenGigabyteMachineHoldsTheBoxOf2012(t *testing.T) {
	for _, os := range []OS{FreeBSD, Linux} {
		if m := memoryOf(os, Release{14, 0}, 24); m.Bytes > 13<<30 || m.Bytes < 8<<30 {
			t.Errorf("%v: %d bytes", os, m.Bytes)
		}
	}
}

func TestSizesThatASystemTellsReplaceOurs(t *testing.T) {
	m := Machine{OS: FreeBSD, Release: Release{14, 0}, Cores: 1, MemoryBytes: 1 << 30, PageBytes: 4096}
	l := Load{Connections: 1000}.filled(m)
	told := Memory(l, m, Counters{{Name: "socket"}, {Name: "tcp", ItemBytes: 1400}, {Name: "knotes", ItemBytes: NotTold}})
	if p := part(t, told, "control block"); p.Each != 1400 || p.Source != "vm.zone_stats of this machine" {
		t.Errorf("%+v", p)
	}
	if p := part(t, told, "knote"); p.Each != 160 {
		t.Errorf("%+v", p)
	}
}

func TestStalledClientsCostTheirBuffers(t *testing.T) {
	for _, os := range []OS{FreeBSD, Linux} {
		m := Machine{OS: os, Cores: 1, MemoryBytes: 1 << 30, PageBytes: 4096}
		none := Memory(Load{Connections: 100_000, StalledPerMille: -1}.filled(m), m, nil)
		some := Memory(Load{Connections: 100_000, StalledPerMille: 100}.filled(m), m, nil)
		if got := some.Bytes - none.Bytes; got < 10_000*32<<10 || got > 10_000*100<<10 {
			t.Errorf("%v: 10,000 stalled clients cost %d", os, got)
		}
	}
}
