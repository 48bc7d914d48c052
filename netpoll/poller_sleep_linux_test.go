package netpoll

import (
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// How a loop goes to sleep, measured: docs/adr/0001. Each strategy serves an echo in a process of its own; this
// process is the client, which paces or floods, and asks each server for the CPU it has used. Rounds are interleaved.
//
//	go test -run xxx -bench PollerSleep -benchtime 1x ./netpoll
//
// SLEEP_ROUNDS, SLEEP_SECONDS (of one round), SLEEP_ONLY and SLEEP_LOADS (names, comma separated) change the run. The
// parts of a name: +rawio reads and writes by raw calls, +spare has one processor more than loops, reactor-x is a whole
// loop with listener, OnData, Send and coalesced write over poller x.

// sleepStrategy is one way to drive an epoll poller.
type sleepStrategy struct {
	name string
	run  func(p *epollPoller, h PollHandler) error
}

func sleepStrategies() []sleepStrategy {
	return []sleepStrategy{
		{"a-block", sleepBlock},
		{"a-block-locked", sleepLocked(sleepBlock)},
		{"b-raw-block", sleepRawBlock(0, false)},
		{"b-raw-block-locked", sleepLocked(sleepRawBlock(0, false))},
		{"c-raw-park", sleepRawPark(0, false)},
		{"c-raw-park-locked", sleepLocked(sleepRawPark(0, false))},
		{"d-raw-yield-block", sleepRawBlock(1, true)},
		{"d-raw-4-block", sleepRawBlock(4, false)},
		{"e-raw-yield-park", sleepRawPark(1, true)},
		{"f-lease-block", sleepLease(5*time.Millisecond, false)},
		{"f-raw-lease-block", sleepLease(5*time.Millisecond, true)},
		{"f-raw-lease1ms-block", sleepLease(1*time.Millisecond, true)},
		{"f-raw-lease-block-locked", sleepLocked(sleepLease(5*time.Millisecond, true))},
	}
}

func sleepLocked(run func(*epollPoller, PollHandler) error) func(*epollPoller, PollHandler) error {
	return func(p *epollPoller, h PollHandler) error {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		return run(p, h)
	}
}

func (p *epollPoller) sleepDeliver(h PollHandler, n int) Next {
	p.rise()
	for i := range p.events[:max(n, 0)] {
		p.deliver(h, &p.events[i])
	}
	return h.OnBatch()
}

func sleepBlock(p *epollPoller, h PollHandler) error {
	for {
		n, _ := p.block()
		if p.sleepDeliver(h, n) == PollStop {
			return nil
		}
	}
}

func sleepRawBlock(more int, yield bool) func(*epollPoller, PollHandler) error {
	return func(p *epollPoller, h PollHandler) error {
		for {
			n, _ := p.poll()
			for i := 0; n == 0 && i < more; i++ {
				if yield {
					runtime.Gosched()
				}
				n, _ = p.poll()
			}
			if n == 0 {
				n, _ = p.block()
			}
			if p.sleepDeliver(h, n) == PollStop {
				return nil
			}
		}
	}
}

// sleepLease gives the processor up once in a while, before blocking.
func sleepLease(every time.Duration, raw bool) func(*epollPoller, PollHandler) error {
	return func(p *epollPoller, h PollHandler) error {
		last := time.Now()
		for {
			n := 0
			if raw {
				n, _ = p.poll()
			}
			if n == 0 {
				if now := time.Now(); now.Sub(last) > every {
					last = now
					runtime.Gosched()
				}
				n, _ = p.block()
			}
			if p.sleepDeliver(h, n) == PollStop {
				return nil
			}
		}
	}
}

func sleepRawPark(more int, yield bool) func(*epollPoller, PollHandler) error {
	return func(p *epollPoller, h PollHandler) error {
		if err := unix.SetNonblock(p.fd, true); err != nil {
			return err
		}
		f := os.NewFile(uintptr(p.fd), "epoll")
		rc, err := f.SyscallConn()
		if err != nil {
			return err
		}
		return rc.Read(func(uintptr) bool {
			for {
				n, _ := p.poll()
				for i := 0; n == 0 && i < more; i++ {
					if yield {
						runtime.Gosched()
					}
					n, _ = p.poll()
				}
				if n == 0 {
					return false
				}
				if p.sleepDeliver(h, n) == PollStop {
					return true
				}
			}
		})
	}
}

// sleepLoad is one kind of traffic; run returns how many echoes came back.
type sleepLoad struct {
	name  string
	loops int
	conns int
	run   func(c *sleepChild, d time.Duration) int
}

const sleepMessage = 200 // bytes

func sleepLoads() []sleepLoad {
	return []sleepLoad{
		{"paced", 1, 1000, sleepPaced(500 * time.Microsecond)},
		{"paced-2loops", 2, 1000, sleepPaced(500 * time.Microsecond)},
		{"sparse", 1, 1000, sleepPaced(20 * time.Millisecond)},
		{"random-100", 1, 1000, sleepRandom(100)},
		{"random-200", 1, 1000, sleepRandom(200)},
		{"random-400", 1, 1000, sleepRandom(400)},
		{"random-800", 1, 1000, sleepRandom(800)},
		{"random-2000", 1, 1000, sleepRandom(2000)},
		{"random-8000", 1, 1000, sleepRandom(8000)},
		{"full-1", 1, 100, func(c *sleepChild, d time.Duration) int { return sleepFull(c, d, 1) }},
		{"full-16", 1, 100, func(c *sleepChild, d time.Duration) int { return sleepFull(c, d, 16) }},
	}
}

func sleepSetting(name string, standard int) int {
	if v, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return v
	}
	return standard
}

func sleepChosen(setting, name string) bool {
	only := os.Getenv(setting)
	return only == "" || slices.Contains(strings.Split(only, ","), name)
}

// BenchmarkPollerSleep prints, for each load and each strategy, the median over the rounds of the server's CPU for a
// message and of its voluntary context switches.
func BenchmarkPollerSleep(b *testing.B) {
	var names []string
	for _, s := range sleepStrategies() {
		names = append(names, s.name)
	}
	names = append(names, "floor")
	names = append(names, PollerNative, PollerGnet)
	for _, n := range names[1:] {
		names = append(names, n+rawIO)
	}
	names = append(names, "reactor-"+PollerNative, "reactor-"+PollerGnet,
		"a-block"+sparePart, PollerNative+rawIO+sparePart, "reactor-"+PollerNative+sparePart, "reactor-"+PollerGnet+sparePart)
	rounds := sleepSetting("SLEEP_ROUNDS", 5)
	d := time.Duration(sleepSetting("SLEEP_SECONDS", 1)) * time.Second
	for _, load := range sleepLoads() {
		if !sleepChosen("SLEEP_LOADS", load.name) {
			continue
		}
		b.Run(load.name, func(b *testing.B) {
			var kids []*sleepChild
			for _, name := range names {
				if sleepChosen("SLEEP_ONLY", name) {
					kids = append(kids, sleepStart(b, name, load.loops, load.conns))
				}
			}
			cpu, switches := sleepMeasure(b, kids, load, rounds, d)
			for i, c := range kids {
				b.Run(c.name, func(b *testing.B) {
					for b.Loop() {
					}
					b.ReportMetric(0, "ns/op")
					b.ReportMetric(cpu[i], "cpu-us/msg")
					b.ReportMetric(100*cpu[i]/cpu[0], "%-of-first")
					b.ReportMetric(switches[i], "switches/msg")
				})
			}
		})
	}
}

// sleepMeasure runs the rounds, each strategy once in each, beginning with another one each time.
func sleepMeasure(b *testing.B, kids []*sleepChild, load sleepLoad, rounds int, d time.Duration) (cpu, switches []float64) {
	b.Helper()
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cpus, sws := make([][]float64, len(kids)), make([][]float64, len(kids))
	for r := range rounds + 1 { // the first is for warming up
		for k := range kids {
			i := (k + r) % len(kids)
			c := kids[i]
			before, sw := c.used(b)
			n := load.run(c, d)
			after, sw2 := c.used(b)
			if n == 0 {
				b.Fatalf("%s: no echo", c.name)
			}
			if r > 0 {
				cpus[i] = append(cpus[i], float64(after-before)/float64(n))
				sws[i] = append(sws[i], float64(sw2-sw)/float64(n))
			}
		}
	}
	for i := range kids {
		slices.Sort(cpus[i])
		slices.Sort(sws[i])
		cpu = append(cpu, cpus[i][len(cpus[i])/2])
		switches = append(switches, sws[i][len(sws[i])/2])
	}
	return cpu, switches
}
