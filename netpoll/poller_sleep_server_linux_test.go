package netpoll

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

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
	awaits  *atomic.Int64 // connections still to come
	all     chan struct{} // closed when they have come
}

func (h *sleepLoop) OnOpen(ConnID, OpenInfo) {
	if h.awaits.Add(-1) == 0 {
		close(h.all)
	}
}

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
	var awaits atomic.Int64
	awaits.Store(int64(conns))
	all := make(chan struct{})
	r, err := New(Config{Loops: loops, Poller: kind}, func(l *Loop) Handler {
		return &sleepLoop{l: l, awaits: &awaits, all: all}
	})
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
	<-all
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
