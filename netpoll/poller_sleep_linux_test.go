package netpoll

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// How a loop goes to sleep, measured: docs/adr/0001. Each strategy serves an echo in a process of its own; this
// process is the client, which paces or floods, and asks each server for the CPU it has used. Rounds are interleaved.
//
//	go test -run xxx -bench PollerSleep -benchtime 1x ./netpoll
//
// SLEEP_ROUNDS, SLEEP_SECONDS, SLEEP_ONLY (a regexp-free list, comma separated) and SLEEP_LOADS change the run.

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

// sleepEcho echoes what it reads: bulk reads, one write for each.
type sleepEcho struct {
	raw bool
	fds []int // by tag
	buf []byte
}

func (e *sleepEcho) OnEvent(tag uint64, ev Events) {
	fd := e.fds[tag]
	for {
		if e.raw {
			n, _, errno := unix.RawSyscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&e.buf[0])), uintptr(len(e.buf)))
			if errno == 0 && n > 0 {
				_, _, _ = unix.RawSyscall(unix.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&e.buf[0])), n)
			}
			return
		}
		n, err := unix.Read(fd, e.buf)
		if err != nil || n <= 0 {
			return
		}
		_, _ = unix.Write(fd, e.buf[:n])
		if n < len(e.buf) && ev&EventHangup == 0 {
			return
		}
	}
}

func (e *sleepEcho) OnBatch() Next { return PollBlock }

// sleepFloor is the same echo without Poller, handler and tags: x/sys only, raw calls where they return at once.
func sleepFloor(fds []int) error {
	ep, err := unix.EpollCreate1(0)
	if err != nil {
		return err
	}
	for _, fd := range fds[1:] {
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)}
		if err := unix.EpollCtl(ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			return err
		}
	}
	events := make([]unix.EpollEvent, pollBatchEvents)
	buf := make([]byte, 64<<10)
	for {
		n, _ := unix.EpollWait(ep, events, -1)
		for i := range events[:max(n, 0)] {
			fd := int(events[i].Fd)
			k, err := unix.Read(fd, buf)
			if err == nil && k > 0 {
				_, _ = unix.Write(fd, buf[:k])
			}
		}
	}
}

// BenchmarkPollerSleepServer is the server's side; it runs only as a child of BenchmarkPollerSleep.
func BenchmarkPollerSleepServer(b *testing.B) {
	spec := os.Getenv("SLEEP_SERVER")
	if spec == "" {
		b.Skip("started by BenchmarkPollerSleep only")
	}
	f := strings.Split(spec, " ")
	loops, _ := strconv.Atoi(f[1])
	conns, _ := strconv.Atoi(f[2])
	if name, ok := strings.CutSuffix(f[0], sparePart); ok {
		f[0] = name
		runtime.GOMAXPROCS(loops + 1)
	}
	if kind, ok := strings.CutPrefix(f[0], "reactor-"); ok {
		sleepReactor(b, kind, loops, conns)
		sleepAnswer()
	}
	ln, addr, err := sleepListen()
	if err != nil {
		b.Fatal(err)
	}
	fmt.Printf("port %d\n", addr)
	tables := make([][]int, loops)
	for l := range tables {
		tables[l] = append(tables[l], -1) // tag 0 is reserved
	}
	for i := range conns {
		fd, _, err := unix.Accept4(ln, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		if err != nil {
			b.Fatal(err)
		}
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		tables[i%loops] = append(tables[i%loops], fd)
	}
	for _, fds := range tables {
		go func() {
			if err := sleepServe(f[0], fds); err != nil {
				fmt.Println("failed", err)
				os.Exit(1)
			}
		}()
	}
	fmt.Println("ready")
	sleepAnswer()
}

// sleepAnswer tells the client what this process has used, as often as it asks, and ends the process with the client.
func sleepAnswer() {
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		var ru syscall.Rusage
		_ = syscall.Getrusage(0, &ru)
		fmt.Printf("used %d %d %d\n", time.Duration(ru.Utime.Nano()).Microseconds(), time.Duration(ru.Stime.Nano()).Microseconds(), ru.Nvcsw)
	}
	os.Exit(0)
}

// sleepLoop echoes through the whole path of a loop: accept, OnData, Send, one write a turn.
type sleepLoop struct {
	Handler // the methods that are not called here
	l       *Loop
	opened  *atomic.Int64
}

func (h *sleepLoop) OnOpen(ConnID, OpenInfo) { h.opened.Add(1) }

func (h *sleepLoop) OnData(id ConnID, b []byte) int {
	_ = h.l.Send(id, b)
	return len(b)
}

func (h *sleepLoop) OnHalfClose(id ConnID)       { h.l.Close(id) }
func (h *sleepLoop) OnWritable(ConnID)           {}
func (h *sleepLoop) OnClose(ConnID, CloseReason) {}
func (h *sleepLoop) OnTick()                     {}

func sleepReactor(b *testing.B, kind string, loops, conns int) {
	b.Helper()
	var opened atomic.Int64
	r, err := New(Config{Loops: loops, Poller: kind}, func(l *Loop) Handler { return &sleepLoop{l: l, opened: &opened} })
	if err != nil {
		b.Fatal(err)
	}
	ln, err := r.Listen(ListenConfig{Addr: "127.0.0.1:0", Backlog: 1024})
	if err != nil {
		b.Fatal(err)
	}
	if err := r.Start(); err != nil {
		b.Fatal(err)
	}
	fmt.Printf("port %d\n", ln.Addr().(*net.TCPAddr).Port)
	for opened.Load() < int64(conns) {
		time.Sleep(time.Millisecond)
	}
	fmt.Println("ready")
}

// sparePart behind a name: the server runs with one processor more than it has loops.
const sparePart = "+spare"

// rawIO behind a name: the echo reads and writes by raw calls.
const rawIO = "+rawio"

func sleepServe(name string, fds []int) error {
	name, raw := strings.CutSuffix(name, rawIO)
	if name == "floor" {
		return sleepFloor(fds)
	}
	kind, run := name, sleepStrategy{}
	for _, s := range sleepStrategies() {
		if s.name == name {
			kind, run = PollerNative, s
		}
	}
	p, err := openPoller(kind)
	if err != nil {
		return err
	}
	for tag, fd := range fds {
		if tag == 0 {
			continue
		}
		if err := p.Add(fd, uint64(tag)); err != nil {
			return err
		}
	}
	h := &sleepEcho{raw: raw, fds: fds, buf: make([]byte, 64<<10)}
	if run.run != nil {
		return run.run(p.(*epollPoller), h)
	}
	return p.Run(h)
}

func sleepListen() (fd, port int, err error) {
	if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0); err != nil {
		return 0, 0, err
	}
	if err = unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		return 0, 0, err
	}
	if err = unix.Listen(fd, 1024); err != nil {
		return 0, 0, err
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return 0, 0, err
	}
	return fd, sa.(*unix.SockaddrInet4).Port, nil
}

// sleepChild is one server seen from the client.
type sleepChild struct {
	name  string
	loops int
	cmd   *exec.Cmd
	in    *bufio.Writer
	out   *bufio.Scanner
	ep    int
	fds   []int
	index map[int32]int
}

func sleepStart(b *testing.B, name string, loops, conns int) *sleepChild {
	b.Helper()
	c := &sleepChild{name: name, loops: loops}
	c.cmd = exec.Command(os.Args[0], "-test.run=^$", "-test.bench=^BenchmarkPollerSleepServer$", "-test.benchtime=1x")
	c.cmd.Env = append(os.Environ(), fmt.Sprintf("SLEEP_SERVER=%s %d %d", name, loops, conns))
	c.cmd.Stderr = os.Stderr
	in, err := c.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	c.in, c.out = bufio.NewWriter(in), bufio.NewScanner(out)
	if err := c.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = c.cmd.Wait()
		for _, fd := range c.fds {
			_ = unix.Close(fd)
		}
		_ = unix.Close(c.ep)
	})
	port, _ := strconv.Atoi(c.line(b, "port")[1])
	c.connect(b, port, conns)
	c.line(b, "ready")
	return c
}

func (c *sleepChild) connect(b *testing.B, port, conns int) {
	b.Helper()
	var err error
	if c.ep, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		b.Fatal(err)
	}
	for range conns {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			b.Fatal(err)
		}
		c.fds = append(c.fds, fd)
		if err := unix.Connect(fd, &unix.SockaddrInet4{Port: port, Addr: [4]byte{127, 0, 0, 1}}); err != nil {
			b.Fatal(err)
		}
		_ = unix.SetNonblock(fd, true)
		_ = unix.SetsockoptInt(fd, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1)
		ev := unix.EpollEvent{Events: unix.EPOLLIN | unix.EPOLLET, Fd: int32(fd)}
		if err := unix.EpollCtl(c.ep, unix.EPOLL_CTL_ADD, fd, &ev); err != nil {
			b.Fatal(err)
		}
	}
}

// line reads the server's next line that begins with the word.
func (c *sleepChild) line(b *testing.B, word string) []string {
	b.Helper()
	for c.out.Scan() {
		if f := strings.Fields(c.out.Text()); len(f) > 0 && f[0] == word {
			return f
		}
	}
	b.Fatalf("%s: no %q from the server", c.name, word)
	return nil
}

// used is the server's CPU in microseconds so far, and its voluntary switches.
func (c *sleepChild) used(b *testing.B) (cpu, switches int) {
	b.Helper()
	_, _ = c.in.WriteString("used\n")
	_ = c.in.Flush()
	f := c.line(b, "used")
	u, _ := strconv.Atoi(f[1])
	s, _ := strconv.Atoi(f[2])
	v, _ := strconv.Atoi(f[3])
	return u + s, v
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

// sleepPaced sends messages at a steady pace, by the clock, each on the next connection, and takes echoes as they come.
func sleepPaced(every time.Duration) func(c *sleepChild, d time.Duration) int {
	return func(c *sleepChild, d time.Duration) int {
		return sleepPace(c, int(d/every), func() time.Duration { return every })
	}
}

// sleepRandom sends so many messages a second at random distances, as many independent users would.
func sleepRandom(rate float64) func(c *sleepChild, d time.Duration) int {
	return func(c *sleepChild, d time.Duration) int {
		dice := rand.New(rand.NewPCG(1, 2))
		return sleepPace(c, int(rate*d.Seconds()), func() time.Duration {
			return time.Duration(dice.ExpFloat64() / rate * float64(time.Second))
		})
	}
}

func sleepPace(c *sleepChild, total int, gap func() time.Duration) int {
	msg, buf := make([]byte, sleepMessage), make([]byte, 64<<10)
	events := make([]unix.EpollEvent, 64)
	got := 0
	var at unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &at)
	take := func(wait int) {
		n, _ := unix.EpollWait(c.ep, events, wait)
		for i := range events[:max(n, 0)] {
			k, _ := unix.Read(int(events[i].Fd), buf)
			got += max(k, 0)
		}
	}
	for i := range total {
		at = unix.NsecToTimespec(at.Nano() + int64(gap()))
		for unix.ClockNanosleep(unix.CLOCK_MONOTONIC, unix.TIMER_ABSTIME, &at, nil) == unix.EINTR {
		}
		_, _ = unix.Write(c.fds[i%len(c.fds)], msg)
		take(0)
	}
	for tries := 0; got < total*sleepMessage && tries < 200; tries++ {
		take(10)
	}
	return got / sleepMessage
}

// sleepFull keeps `flight` messages under way on each connection and sends back as many as have come.
func sleepFull(c *sleepChild, d time.Duration, flight int) int {
	buf := make([]byte, 64<<10)
	events := make([]unix.EpollEvent, 512)
	for _, fd := range c.fds {
		_, _ = unix.Write(fd, buf[:flight*sleepMessage])
	}
	got, way := 0, len(c.fds)*flight*sleepMessage
	for end := time.Now().Add(d); way > 0; {
		late := time.Now().After(end)
		n, _ := unix.EpollWait(c.ep, events, 1000)
		if n == 0 {
			break
		}
		for i := range events[:max(n, 0)] {
			fd := int(events[i].Fd)
			k, _ := unix.Read(fd, buf)
			if k = max(k, 0); k == 0 {
				continue
			}
			got += k
			if late {
				way -= k
				continue
			}
			_, _ = unix.Write(fd, buf[:k])
		}
	}
	return got / sleepMessage
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
