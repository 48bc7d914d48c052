package tuning

import (
	"encoding/json"
	"errors"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// boxes are machines as they are installed, each with 8 cores and 32 GB.
var boxes = []string{"freebsd13", "freebsd14", "linux"}

func box(t testing.TB, name string) *Fixture {
	t.Helper()
	f, err := ReadFixture(filepath.Join("testdata", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func row(t testing.TB, r Report, name string) Row {
	t.Helper()
	for _, row := range r.Rows {
		if row.Limit.Name == name {
			return row
		}
	}
	t.Fatalf("there is no row %q", name)
	return Row{}
}

func check(t testing.TB, s System, l Load) Report {
	t.Helper()
	r, err := Check(s, l)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestAnInstalledBoxHoldsAFewThousandConnections(t *testing.T) {
	for _, name := range boxes {
		r := check(t, box(t, name), Load{Connections: 2000})
		if r.Verdict.Exit() != 0 && name == "linux" {
			t.Errorf("%s: %v", name, r.Verdict)
		}
		for _, row := range r.Rows {
			// FreeBSD's queue of 128 is short for any storm.
			if row.Verdict == Short && row.Limit.Name != "kern.ipc.soacceptqueue" {
				t.Errorf("%s: %s is short: has %v, needs %v", name, row.Limit.Name, row.Have, row.Need)
			}
		}
	}
}

// TestAnInstalledBoxHoldsAHundredConnections: also where its queue for connects is the shortest.
func TestAnInstalledBoxHoldsAHundredConnections(t *testing.T) {
	for _, name := range boxes {
		for _, n := range []int64{1, 10, 100} {
			if r := check(t, box(t, name), Load{Connections: n}); r.Verdict.Exit() != 0 {
				t.Errorf("%s, %d connections: %v", name, n, r.Verdict)
			}
		}
	}
}

func TestAnInstalledBoxIsShortForTwoMillion(t *testing.T) {
	want := map[string][]string{
		"freebsd13": {"kern.maxfiles", "kern.maxfilesperproc", "kern.ipc.maxsockets", "RLIMIT_NOFILE", "kern.ipc.soacceptqueue"},
		"freebsd14": {"kern.maxfiles", "kern.maxfilesperproc", "kern.ipc.maxsockets", "RLIMIT_NOFILE", "kern.ipc.soacceptqueue"},
		"linux":     {"fs.nr_open", "RLIMIT_NOFILE", "net.core.somaxconn"},
	}
	for _, name := range boxes {
		r := check(t, box(t, name), Load{Connections: 2_400_000})
		var short []string
		for _, row := range r.Rows {
			if row.Verdict == Short {
				short = append(short, row.Limit.Name)
			}
		}
		if !slices.Equal(short, want[name]) || r.Verdict != Short || r.Verdict.Exit() != 1 {
			t.Errorf("%s: %v, short of %v, want %v", name, r.Verdict, short, want[name])
		}
	}
}

func TestABoxThatIsSetAsSuggestedIsFit(t *testing.T) {
	for _, name := range boxes {
		for _, n := range []int64{1, 1000, 100_000, 2_400_000, 6_000_000} {
			f := box(t, name)
			f.Box.MemoryBytes = 128 << 30
			load := Load{Connections: n, Outbound: n % 1000, OutboundAddresses: 2}
			for _, row := range check(t, f, load).Rows {
				if !row.Set.None() {
					f.Values[row.Limit.Name] = row.Set
				}
			}
			r := check(t, f, load)
			for _, row := range r.Rows {
				if row.Verdict != Fit || !row.Set.None() || row.Reason == "" {
					t.Errorf("%s, %d: %s is %v: has %v, needs %v", name, n, row.Limit.Name, row.Verdict, row.Have, row.Need)
				}
			}
			if r.Verdict != Fit || r.Verdict.Exit() != 0 {
				t.Errorf("%s, %d: %v", name, n, r.Verdict)
			}
		}
	}
}

func TestWhatIsSuggestedIsAtLeastWhatIsNeeded(t *testing.T) {
	for _, name := range boxes {
		f := box(t, name)
		for _, n := range []int64{1, 5000, 2_400_000, ConnectionsMax} {
			load := Load{Connections: n}.filled(f.Box)
			for _, l := range Limits(f.Box.OS) {
				need, set := l.Need(load, f.Box), l.Suggested(load, f.Box)
				if need.None() {
					continue
				}
				r := Row{Limit: &l, Have: set, Need: need}
				if judge(&r, set); r.Verdict != Fit {
					t.Errorf("%s for %d: needs %v, suggested is %v", l.Name, n, need, set)
				}
				for _, v := range need.Numbers {
					if v < 0 {
						t.Errorf("%s for %d: needs %v", l.Name, n, need)
					}
				}
			}
		}
	}
}

func TestThePublishedFiguresOfABigBoxComeOut(t *testing.T) {
	// A box of 2012 with 2.3 million sockets, and what has been suggested for 2.4 million since.
	f := box(t, "freebsd14")
	r := check(t, f, Load{Connections: 2_400_000})
	for name, want := range map[string]int64{
		"kern.maxfiles":                      3_008_192,
		"kern.maxfilesperproc":               2_800_256,
		"kern.ipc.maxsockets":                2_497_024,
		"net.inet.tcp.tcbhashsize":           1_048_576,
		"net.inet.tcp.hostcache.hashsize":    4096,
		"net.inet.tcp.hostcache.cachelimit":  131_072,
		"net.inet.tcp.hostcache.bucketlimit": 120,
		"net.inet.tcp.syncache.hashsize":     32_768,
		"net.inet.tcp.syncache.cachelimit":   983_040,
		"kern.ipc.soacceptqueue":             32_768,
		"net.inet.tcp.msl":                   5000,
		"net.inet.tcp.always_keepalive":      0,
		"net.inet.tcp.fast_finwait2_recycle": 1,
		"net.inet.tcp.finwait2_timeout":      15_000,
		"net.inet.tcp.sendbuf_max":           262_144,
	} {
		if row := row(t, r, name); row.Set != Number(want) {
			t.Errorf("%s: set to %v, want %d", name, row.Set, want)
		}
	}
}

func TestALoadThatMakesNoSenseIsAnErrorThatSaysSo(t *testing.T) {
	for _, bad := range []struct {
		name, says string
		load       Load
	}{
		{"no connections", "connections", Load{}},
		{"fewer than none", "connections", Load{Connections: -1}},
		{"a million million", "1000000000000", Load{Connections: 1_000_000_000_000}},
		{"the most of 64 bits", "connections", Load{Connections: math.MaxInt64}},
		{"the most of 64 bits, both ways", "connections", Load{Connections: math.MaxInt64, Outbound: math.MaxInt64}},
		{"too many together", "together", Load{Connections: ConnectionsMax, Outbound: 1}},
		{"too many outbound", "outbound connections", Load{Connections: 1, Outbound: ConnectionsMax + 1}},
		{"too many loops", "loops", Load{Connections: 1, Loops: LoopsMax + 1}},
		{"fewer loops than none", "loops", Load{Connections: 1, Loops: -1}},
		{"a buffer below 0", "send buffer", Load{Connections: 1, SendBufferBytes: -1}},
		{"a buffer too large", "receive buffer", Load{Connections: 1, ReceiveBufferBytes: math.MaxInt64}},
		{"accepts below 0", "accepts", Load{Connections: 1, AcceptPerSecond: -1}},
		{"more stalled than all", "stalled", Load{Connections: 1, StalledPerMille: 1001}},
		{"too many addresses", "addresses", Load{Connections: 1, OutboundAddresses: OutboundAddressesMax + 1}},
		{"more memory than all", "memory", Load{Connections: 1, MemoryPerMille: 1001}},
	} {
		for _, name := range boxes {
			_, err := Check(box(t, name), bad.load)
			if !errors.Is(err, ErrLoad) || !strings.Contains(err.Error(), bad.says) {
				t.Errorf("%s on %s: got %v", bad.name, name, err)
			}
		}
	}
}

func TestAMachineThatMakesNoSenseIsAnError(t *testing.T) {
	for _, bad := range []Machine{
		{},
		{OS: Linux},
		{OS: Linux, Cores: 1},
		{OS: Linux, Cores: 1, MemoryBytes: 1 << 30},
		{OS: Linux, Cores: -1, MemoryBytes: 1 << 30, PageBytes: 4096},
		{OS: 3, Cores: 1, MemoryBytes: 1 << 30, PageBytes: 4096},
	} {
		if _, err := Check(&Fixture{Box: bad}, Load{Connections: 1}); !errors.Is(err, ErrMachine) {
			t.Errorf("%+v: got %v", bad, err)
		}
		if _, err := Plan(&Fixture{Box: bad}, Load{}); !errors.Is(err, ErrMachine) {
			t.Errorf("%+v: got %v", bad, err)
		}
	}
}

func TestTooLittleMemoryIsShort(t *testing.T) {
	for _, name := range boxes {
		f := box(t, name)
		f.Box.MemoryBytes = 2 << 30
		r := check(t, f, Load{Connections: 2_400_000})
		if row := row(t, r, "memory"); row.Verdict != Short || !row.Set.None() || row.Limit.Kind != Hardware {
			t.Errorf("%s: %+v", name, row)
		}
	}
}

func TestTooFewAddressesToConnectFromAreShort(t *testing.T) {
	load := Load{Outbound: 2_400_000, OutboundAddresses: 37}
	for _, name := range boxes {
		r := check(t, box(t, name), load)
		if row := row(t, r, "outbound addresses"); row.Verdict != Short || row.Need != Number(38) {
			t.Errorf("%s: %v %v", name, row.Verdict, row.Need)
		}
	}
	load.OutboundAddresses = 40
	r := check(t, box(t, "linux"), load)
	if row := row(t, r, "outbound addresses"); row.Verdict != Fit {
		t.Errorf("40 addresses are %v", row.Verdict)
	}
	ports := row(t, r, "net.ipv4.ip_local_port_range")
	if ports.Verdict != Short || ports.Set != List(4536, 65535) {
		t.Errorf("ports: %v, set %v", ports.Verdict, ports.Set)
	}
}

func TestWhatCantBeReadIsUnknownAndTheReasonIsTold(t *testing.T) {
	for _, bad := range []struct {
		name   string
		change func(*Fixture)
		limit  string
		says   string
		want   Verdict
	}{
		{"no permission", func(f *Fixture) { f.Refusals["kern.maxfiles"] = ErrPermission }, "kern.maxfiles", "permission denied", Unknown},
		{"the release does not have it", func(f *Fixture) { delete(f.Values, "kern.ipc.maxsockets") }, "kern.ipc.maxsockets", "does not have it", Unknown},
		{"another error", func(f *Fixture) { f.Refusals["vm.kmem_size"] = errors.New("input/output error") }, "vm.kmem_size", "input/output error", Unknown},
		{"a word for a number", func(f *Fixture) { f.Values["kern.maxfiles"] = Word("many") }, "kern.maxfiles", "many", Unknown},
		{"three numbers for one", func(f *Fixture) { f.Values["kern.maxfiles"] = List(1, 2, 3) }, "kern.maxfiles", "1 2 3", Unknown},
		{"advice without permission", func(f *Fixture) { f.Refusals["net.inet.tcp.msl"] = ErrPermission }, "net.inet.tcp.msl", "permission denied", Advice},
	} {
		f := box(t, "freebsd14")
		f.Values["kern.ipc.soacceptqueue"] = Number(1024)
		bad.change(f)
		r := check(t, f, Load{Connections: 1000})
		row := Row{}
		for _, one := range r.Rows {
			if one.Limit.Name == bad.limit {
				row = one
			}
		}
		if bad.want == Advice { // a limit that 1,000 connections do not run into
			r = check(t, f, Load{Connections: manyConnections})
			row = find1(r, bad.limit)
		}
		if row.Limit == nil || row.Verdict != Unknown || !strings.Contains(row.Reason, bad.says) || row.Set.None() {
			t.Errorf("%s: %+v", bad.name, row)
		}
		if bad.want == Unknown && (r.Verdict != Unknown || r.Verdict.Exit() != 2) {
			t.Errorf("%s: the whole is %v", bad.name, r.Verdict)
		}
		if bad.want == Advice && r.Verdict.Exit() == 2 {
			t.Errorf("%s: the whole is %v", bad.name, r.Verdict)
		}
	}
}

func find1(r Report, name string) Row {
	for _, row := range r.Rows {
		if row.Limit.Name == name {
			return row
		}
	}
	return Row{}
}

func TestOneThatIsShortWeighsMoreThanOneThatIsUnknown(t *testing.T) {
	f := box(t, "linux")
	f.Refusals["fs.file-max"] = ErrPermission
	if r := check(t, f, Load{Connections: 2_400_000}); r.Verdict.Exit() != 1 {
		t.Errorf("got %v", r.Verdict)
	}
}

func TestLimitsThatAReleaseDoesNotHaveAreLeftOut(t *testing.T) {
	load := Load{Connections: 200_000}
	if row := find1(check(t, box(t, "freebsd13"), load), "net.inet.tcp.maxtcptw"); row.Limit == nil {
		t.Error("13 has maxtcptw")
	}
	if row := find1(check(t, box(t, "freebsd14"), load), "net.inet.tcp.maxtcptw"); row.Limit != nil {
		t.Error("14 has no maxtcptw")
	}
	f := box(t, "linux")
	f.Box.Release = Release{5, 15}
	if row := find1(check(t, f, load), "net.ipv4.tcp_ehash_entries"); row.Limit != nil {
		t.Error("5.15 has no tcp_ehash_entries")
	}
	if row := find1(check(t, box(t, "linux"), load), "net.netfilter.nf_conntrack_max"); row.Limit != nil {
		t.Error("a firewall that does not follow connections limits none")
	}
	f.Values["net.netfilter.nf_conntrack_max"] = Number(65536)
	if row := find1(check(t, f, load), "net.netfilter.nf_conntrack_max"); row.Verdict != Short {
		t.Errorf("one that does is %v", row.Verdict)
	}
}

func TestNumbersOfAListAreJudgedOneByOne(t *testing.T) {
	f := box(t, "linux")
	f.Values["net.ipv4.tcp_mem"] = List(100, 1<<30, 200)
	f.Values["net.ipv4.tcp_rmem"] = List(8192, 262144, 16<<20)
	r := check(t, f, Load{Connections: 1_000_000})
	mem := row(t, r, "net.ipv4.tcp_mem")
	if mem.Verdict != Short || mem.Set != List(100, 1<<30, mem.Need.Numbers[2]) {
		t.Errorf("tcp_mem: set %v, need %v", mem.Set, mem.Need)
	}
	if rmem := row(t, r, "net.ipv4.tcp_rmem"); rmem.Verdict != Advice || rmem.Set != List(8192, 262144, 262144) {
		t.Errorf("tcp_rmem: %v, set %v", rmem.Verdict, rmem.Set)
	}
}

func TestAnyClockOfTheFamilyIsFit(t *testing.T) {
	for clock, want := range map[string]Verdict{"TSC-low": Fit, "TSC": Fit, "HPET": Advice, "ACPI-fast": Advice} {
		f := box(t, "freebsd14")
		f.Values["kern.timecounter.hardware"] = Word(clock)
		if row := row(t, check(t, f, Load{Connections: 1000}), "kern.timecounter.hardware"); row.Verdict != want {
			t.Errorf("%s is %v", clock, row.Verdict)
		}
	}
}

func TestAReportHasItsDocumentedKeys(t *testing.T) {
	text, err := json.Marshal(check(t, box(t, "freebsd14"), Load{Connections: 2_400_000}))
	if err != nil {
		t.Fatal(err)
	}
	wantKeys(t, text, "", "schema", "verdict", "machine", "load", "limits")
	var form struct {
		Machine, Load json.RawMessage
		Limits        []json.RawMessage
	}
	if err := json.Unmarshal(text, &form); err != nil {
		t.Fatal(err)
	}
	wantKeys(t, form.Machine, "machine", "os", "release", "arch", "cores", "memory_bytes", "page_bytes")
	wantKeys(t, form.Load, "load", "connections", "loops", "send_buffer_bytes", "receive_buffer_bytes", "accept_per_second",
		"stalled_per_mille", "outbound", "outbound_addresses", "memory_per_mille")
	wantKeys(t, form.Limits[1], "limit", "name", "kind", "unit", "required", "have", "need", "set", "verdict", "reason", "manual")
	if want := `"name":"kern.maxfiles","kind":"sysctl","unit":"files","required":true,"have":1043924,"need":2401280,"set":3008192,"verdict":"short"`; !strings.Contains(string(text), want) {
		t.Errorf("got %s", text)
	}
}

// wantKeys compares the keys of an object, whatever their order.
func wantKeys(t *testing.T, text []byte, what string, want ...string) {
	t.Helper()
	var form map[string]json.RawMessage
	if err := json.Unmarshal(text, &form); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if len(form) != len(want) {
		t.Errorf("%s: %d keys in %s", what, len(form), text)
	}
	for _, key := range want {
		if _, ok := form[key]; !ok {
			t.Errorf("%s: no key %q in %s", what, key, text)
		}
	}
}
