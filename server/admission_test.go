package server

import (
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// hour is the step of a clock.
const hour = int64(time.Hour)

// entrance is an admission with a clock that the test sets.
type entrance struct {
	*admission
	ns int64
}

// newEntrance takes limits over defaults that limit nothing.
func newEntrance(t testing.TB, cells int, set func(*Config)) *entrance {
	t.Helper()
	cfg := Config{AddressConnections: -1}
	for _, r := range []*Rate{&cfg.AddressAccepts, &cfg.AddressHandshakes, &cfg.Accepts, &cfg.Handshakes} {
		*r = Rate{None: true}
	}
	set(&cfg)
	if err := cfg.Validate(); err != nil {
		t.Fatal(err)
	}
	e := &entrance{ns: hour}
	a, err := newAdmission(cfg.withDefaults(), cells, 1, func() int64 { return e.ns })
	if err != nil {
		t.Fatal(err)
	}
	e.admission = a
	return e
}

// from lets one connection of an address in.
func (e *entrance) from(addr string) (tag uint32, ok bool) {
	return e.Admit(listenerPublic, netip.AddrPortFrom(netip.MustParseAddr(addr), 1))
}

// count is how many of n connections of an address are let in; they stay.
func (e *entrance) count(addr string, n int) (in int) {
	for range n {
		if _, ok := e.from(addr); ok {
			in++
		}
	}
	return in
}

func TestCellsHave24BytesAndNoPointers(t *testing.T) {
	if n := unsafe.Sizeof(cell{}); n > 24 {
		t.Errorf("a cell has %d bytes", n)
	}
	if n := unsafe.Sizeof(stripe{}); n%64 != 0 {
		t.Errorf("a stripe has %d bytes: two would share a cache line", n)
	}
	e := newEntrance(t, AddressCells, func(*Config) {})
	if len(e.table.cells) != AddressCells || int(e.table.mask) != AddressCells/cellWays-1 {
		t.Errorf("%d cells, mask %x", len(e.table.cells), e.table.mask)
	}
}

func TestAnAddressHasOnlySoManyConnections(t *testing.T) {
	e := newEntrance(t, 1024, func(c *Config) { c.AddressConnections = 3 })
	tags := map[string]uint32{}
	for _, addr := range []string{"192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8:0:1::1"} {
		tags[addr], _ = e.from(addr)
		if in := e.count(addr, 5); in != 2 {
			t.Errorf("%s: %d more than the first are in, want 2", addr, in)
		}
	}
	if in := e.count("2001:db8::ffff", 1); in != 0 {
		t.Error("another address of the same /64 is another address")
	}
	if in := e.count("::ffff:192.0.2.1", 1); in != 0 {
		t.Error("an IPv4 address in IPv6 form is another address")
	}
	e.Leave(tags["192.0.2.1"])
	if in := e.count("192.0.2.1", 2); in != 1 {
		t.Errorf("after one has left %d come in, want 1", in)
	}
	s := e.stats()
	if s.addresses != 4 || s.open != 12 || s.shared != 0 || s.refused[refusedAddressConnections] != 4*3+3 {
		t.Errorf("counted %+v", s)
	}
}

func TestRatesAllowABurstAndThenTheirPace(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(*Config)
		ask  func(e *entrance) bool
		why  refusal
	}{
		{"connections of an address", func(c *Config) { c.AddressAccepts = Rate{PerSecond: 10, Burst: 5} },
			func(e *entrance) bool { _, ok := e.from("192.0.2.1"); return ok }, refusedAddressAccepts},
		{"connections of all", func(c *Config) { c.Accepts = Rate{PerSecond: 10, Burst: 5} },
			func(e *entrance) bool { _, ok := e.from("192.0.2.1"); return ok }, refusedAccepts},
		{"connections of exempt addresses count among all", func(c *Config) { c.Accepts, c.Exempt = Rate{PerSecond: 10, Burst: 5}, "192.0.2.0/24" },
			func(e *entrance) bool { _, ok := e.from("192.0.2.1"); return ok }, refusedAccepts},
		{"handshakes of an address", func(c *Config) { c.AddressHandshakes = Rate{PerSecond: 10, Burst: 5} },
			func(e *entrance) bool { return e.Handshake(1) }, refusedAddressHandshakes},
		{"handshakes of all", func(c *Config) { c.Handshakes = Rate{PerSecond: 10, Burst: 5} },
			func(e *entrance) bool { return e.Handshake(1) }, refusedHandshakes},
		{"handshakes of exempt addresses count among all", func(c *Config) { c.Handshakes = Rate{PerSecond: 10, Burst: 5} },
			func(e *entrance) bool { return e.Handshake(0) }, refusedHandshakes},
	} {
		t.Run(row.name, func(t *testing.T) {
			e := newEntrance(t, cellWays, row.set)
			some := func(n int) (got int) {
				for range n {
					if row.ask(e) {
						got++
					}
				}
				return got
			}
			for _, step := range []struct {
				after time.Duration
				want  int
			}{{0, 5}, {0, 0}, {99 * time.Millisecond, 0}, {time.Millisecond, 1}, {time.Second, 5}, {300 * time.Millisecond, 3}, {24 * time.Hour, 5}} {
				e.ns += int64(step.after)
				if got := some(20); got != step.want {
					t.Errorf("%v later: %d of 20, want %d", step.after, got, step.want)
				}
			}
			if s := e.stats(); s.refused[row.why] != 7*20-19 {
				t.Errorf("refusals: %v", s.refused)
			}
		})
	}
}

func TestAHostileAddressDoesNotUseUpWhatAllShare(t *testing.T) {
	e := newEntrance(t, 1024, func(c *Config) {
		c.AddressAccepts, c.Accepts = Rate{PerSecond: 1, Burst: 10}, Rate{PerSecond: 10, Burst: 20}
		c.AddressHandshakes, c.Handshakes = c.AddressAccepts, c.Accepts
	})
	if in := e.count("192.0.2.66", 1000); in != 10 {
		t.Errorf("%d connections of the hostile address, want 10", in)
	}
	bad, _ := e.from("198.51.100.1")
	for range 1000 {
		e.Handshake(bad)
	}
	if in := e.count("192.0.2.1", 9); in != 9 {
		t.Errorf("%d connections of another one, want all 9 that are left", in)
	}
	good, _ := e.from("192.0.2.1")
	if good != 0 || !e.Handshake(0) {
		t.Error("want no more connections and a handshake more")
	}
}

func TestExemptAddressesHaveNoAddressLimits(t *testing.T) {
	e := newEntrance(t, 1024, func(c *Config) {
		c.AddressConnections, c.AddressAccepts, c.AddressHandshakes = 1, Rate{PerSecond: 1, Burst: 1}, Rate{PerSecond: 1, Burst: 1}
		c.Exempt = "10.0.0.0/8, 2001:db8::/32, 192.0.2.7"
	})
	for addr, want := range map[string]int{"10.200.0.1": 50, "2001:db8:ffff::1": 50, "192.0.2.7": 50, "::ffff:10.0.0.1": 50, "192.0.2.8": 1, "11.0.0.1": 1} {
		if in := e.count(addr, 50); in != want {
			t.Errorf("%s: %d of 50, want %d", addr, in, want)
		}
	}
	tag, ok := e.from("10.0.0.1")
	e.Leave(tag)
	e.Offence(tag)
	if tag != 0 || !ok || !e.Handshake(tag) || !e.Handshake(tag) {
		t.Errorf("an exempt address has tag %d and limits", tag)
	}
	if s := e.stats(); s.open != 2 {
		t.Errorf("counted %+v, want the two that are not exempt", s)
	}
}

func TestOffencesCostAnAddressSeveralHandshakes(t *testing.T) {
	e := newEntrance(t, 1024, func(c *Config) {
		c.AddressHandshakes = Rate{PerSecond: OffenceHandshakes, Burst: 2 * OffenceHandshakes}
	})
	bad, _ := e.from("192.0.2.66")
	good, _ := e.from("192.0.2.1")
	e.Offence(bad)
	for range OffenceHandshakes {
		if !e.Handshake(bad) {
			t.Fatal("refused below the burst")
		}
	}
	if e.Handshake(bad) || !e.Handshake(good) {
		t.Error("want the offender refused and the other one served")
	}
	for range 1000 {
		e.Offence(bad)
	}
	e.ns += int64(time.Second) - 1
	if e.Handshake(bad) {
		t.Error("served while it owes for its last offence")
	}
	e.ns++
	if !e.Handshake(bad) || e.Handshake(bad) {
		t.Error("a thousand offences lock the address out for longer than the last of them")
	}
	if s := e.stats(); s.offences != 1001 {
		t.Errorf("%d offences are counted", s.offences)
	}
	e.Offence(1 << 31) // names nothing
}

// TestAStepOfTheClockForgivesAndLocksNobodyOut steps the clock that admission is given; the real one does not step at all.
func TestAStepOfTheClockForgivesAndLocksNobodyOut(t *testing.T) {
	for _, step := range []int64{hour, -hour + 1, 24 * hour, -2 * int64(time.Minute)} {
		e := newEntrance(t, 1024, func(c *Config) {
			c.AddressAccepts, c.Accepts = Rate{PerSecond: 1, Burst: 10}, Rate{PerSecond: 100, Burst: 100}
			c.AddressHandshakes, c.Handshakes = c.AddressAccepts, c.Accepts
		})
		tag, _ := e.from("192.0.2.1")
		if in := e.count("192.0.2.1", 20); in != 9 || !e.Handshake(tag) {
			t.Fatalf("%d let in before the step", in)
		}
		e.ns += step
		if in := e.count("192.0.2.1", 20); in != 10 {
			t.Errorf("after a step of %v %d are let in, want one burst", time.Duration(step), in)
		}
		if !e.Handshake(tag) {
			t.Errorf("after a step of %v no handshake is allowed", time.Duration(step))
		}
	}
	born := time.Now()
	if !strings.Contains(born.String(), " m=") {
		t.Errorf("%v has no monotonic reading", born)
	}
	now := monotonicFrom(born)
	if a, b := now(), now(); a < 0 || b < a || b > int64(patience) {
		t.Errorf("the clock of admission says %d, then %d", a, b)
	}
	// Without its monotonic reading the same moment would follow the system's clock.
	if d := monotonicFrom(born.Round(0).Add(-time.Hour))(); d < hour {
		t.Errorf("a wall clock an hour back gives %v", time.Duration(d))
	}
}

func TestCallersWithSlightlyDifferentClocksForgiveNothing(t *testing.T) {
	e := newEntrance(t, 1024, func(c *Config) { c.AddressHandshakes = Rate{PerSecond: 10, Burst: 5} })
	tag, _ := e.from("192.0.2.1")
	e.Offence(tag)
	for range 100 {
		e.ns -= int64(time.Microsecond)
		if e.Handshake(tag) {
			t.Fatal("a caller that has read the clock a little earlier is given a new burst")
		}
	}
}

func TestAFullTableSharesCellsAndLosesNoCount(t *testing.T) {
	const cells = 64
	e := newEntrance(t, cells, func(c *Config) { c.AddressConnections, c.AddressAccepts = 100, Rate{PerSecond: 1000, Burst: 1000} })
	var tags []uint32
	for i := range uint32(10 * cells) {
		tag, ok := e.from(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String())
		if !ok || tag == 0 || tag > cells {
			t.Fatalf("address %d: tag %d, %v", i, tag, ok)
		}
		tags = append(tags, tag)
	}
	s := e.stats()
	if s.addresses != cells || s.open != 10*cells || s.shared < 8*cells {
		t.Errorf("counted %+v", s)
	}
	for i := 0; i < cells; i += cellWays { // the least loaded is shared, so the load of a bucket is even
		low, high := e.table.cells[i].open, uint32(0)
		for _, c := range e.table.cells[i : i+cellWays] {
			low, high = min(low, c.open), max(high, c.open)
		}
		if high-low > 1 {
			t.Errorf("bucket %d has cells with %d to %d connections", i/cellWays, low, high)
		}
	}
	for _, tag := range tags {
		e.Leave(tag)
	}
	if s := e.stats(); s.addresses != 0 || s.open != 0 {
		t.Errorf("when all have left: %+v", s)
	}
	e.ns += int64(time.Second)
	before := e.stats().shared
	if in := e.count("192.0.2.1", 1000); in != 100 || e.stats().shared != before {
		t.Errorf("%d of a newcomer's come in, %d shared: the cells are not used again", in, e.stats().shared-before)
	}
}

func TestACellIsNotGivenAwayWhileItsAddressOwes(t *testing.T) {
	e := newEntrance(t, cellWays, func(c *Config) {
		c.AddressAccepts, c.AddressHandshakes = Rate{PerSecond: 100, Burst: 1}, Rate{PerSecond: 1, Burst: OffenceHandshakes}
	})
	tag, _ := e.from("192.0.2.66")
	e.Offence(tag)
	e.Leave(tag)
	e.ns += int64(time.Second)
	for _, other := range []string{"192.0.2.1", "192.0.2.2", "192.0.2.3"} {
		if got, _ := e.from(other); got == tag || got == 0 {
			t.Errorf("%s got the offender's cell", other)
		}
	}
	again, _ := e.from("192.0.2.66")
	if again != tag || !e.Handshake(again) || e.Handshake(again) {
		t.Error("the offender's debt was forgotten when it left and came back")
	}
	if s := e.stats(); s.addresses != 4 || s.shared != 0 {
		t.Errorf("counted %+v", s)
	}
}

func TestATagLeftTwiceDoesNotCountBelowZero(t *testing.T) {
	e := newEntrance(t, 1024, func(c *Config) { c.AddressConnections = 1 })
	tag, _ := e.from("192.0.2.1")
	for range 3 {
		e.Leave(tag)
	}
	e.Leave(0)
	e.Leave(5000)
	if in := e.count("192.0.2.1", 3); in != 1 || e.stats().open != 1 {
		t.Errorf("%d let in, %+v", in, e.stats())
	}
}

func TestLoadBalancersAreLetInByWhereTheyComeFrom(t *testing.T) {
	e := newEntrance(t, 1024, func(c *Config) {
		c.AddressConnections, c.ProxyListen, c.ProxyFrom = 1, "127.0.0.1:0", "10.1.0.0/16,2001:db8::5"
	})
	for addr, want := range map[string]bool{"10.1.2.3": true, "::ffff:10.1.2.3": true, "10.2.0.1": false, "2001:db8::5": true, "2001:db8::6": false} {
		for range 3 { // their own number has no limit
			tag, ok := e.Admit(listenerProxy, netip.AddrPortFrom(netip.MustParseAddr(addr), 1))
			if ok != want || tag != 0 {
				t.Errorf("%s: %v with tag %d, want %v", addr, ok, tag, want)
			}
		}
	}
	if s := e.stats(); s.refused[refusedProxyFrom] != 6 || s.open != 0 {
		t.Errorf("counted %+v", s)
	}
}

// TestManyLoopsCountTogether has callers on many goroutines come and go over few cells.
func TestManyLoopsCountTogether(t *testing.T) {
	e := newEntrance(t, 64, func(c *Config) { c.AddressConnections, c.Handshakes = 50, Rate{PerSecond: 1, Burst: 1000} })
	var wg sync.WaitGroup
	var served sync.Map
	for k := range 8 {
		wg.Go(func() {
			var tags []uint32
			shaken := 0
			for i := range 2000 {
				addr := netip.AddrFrom4([4]byte{10, 0, 0, byte(i*7 + k)})
				if tag, ok := e.admit(addr); ok {
					tags = append(tags, tag)
					if e.Handshake(tag) {
						shaken++
					}
				}
				if len(tags) > 100 {
					e.Leave(tags[0])
					tags = tags[1:]
				}
			}
			for _, tag := range tags {
				e.Leave(tag)
			}
			served.Store(k, shaken)
		})
	}
	wg.Wait()
	total := 0
	served.Range(func(_, n any) bool { total += n.(int); return true })
	if s := e.stats(); s.open != 0 || s.addresses != 0 || total != 1000 {
		t.Errorf("%+v, %d handshakes, want 1000", s, total)
	}
}
