package server

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"trunkline/codec"
)

// childEnv turns the test binary into a helper process: what it does must not count against this one's memory, allocations
// or descriptors. Each job reads commands from its standard input, a line each, and ends at its end.
const childEnv = "TRUNKLINE_SERVER_CHILD"

func TestMain(m *testing.M) {
	job := strings.Fields(os.Getenv(childEnv))
	if len(job) == 0 {
		os.Exit(m.Run())
	}
	if err := runJob(job, bufio.NewReader(os.Stdin)); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func runJob(job []string, in *bufio.Reader) error {
	n := func(i int) int { v, _ := strconv.Atoi(job[i]); return v }
	switch job[0] {
	case "silent":
		return silentClients(job[1], n(2), in)
	case "load":
		return loadClients(job[1], n(2), n(3), in)
	case "logins":
		return loginClients(job[1], in)
	case "exhausted":
		return exhaustedServer(n(1), in)
	case "serve":
		return serveJob(job[1:], in)
	case "crash":
		return crashJob(job[1:], in)
	}
	return fmt.Errorf("no job %q", job)
}

// child is a helper process.
type child struct {
	t      testing.TB
	cmd    *exec.Cmd
	in     io.WriteCloser
	out    *bufio.Reader
	killed bool
}

// startChild runs a job; it ends, and must have ended well, when the test does.
func startChild(t testing.TB, job string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+job)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, cmd: cmd, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = in.Close() // ends the job
		if c.killed {
			return
		}
		stuck := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
		defer stuck.Stop()
		if err := cmd.Wait(); err != nil {
			t.Errorf("child %q: %v", job, err)
		}
	})
	return c
}

// kill ends the process as a crash does, and waits until it is gone.
func (c *child) kill() {
	c.t.Helper()
	c.killed = true
	if err := c.cmd.Process.Kill(); err != nil {
		c.t.Fatal(err)
	}
	_ = c.cmd.Wait() // says that it was killed
}

// expect reads one line that begins with a word, and returns the rest.
func (c *child) expect(word string) string {
	c.t.Helper()
	line, err := c.out.ReadString('\n')
	rest, ok := strings.CutPrefix(strings.TrimSpace(line), word)
	if err != nil || !ok {
		c.t.Fatalf("the child says %q, %v; want %q", line, err, word)
	}
	return strings.TrimSpace(rest)
}

func (c *child) say(line string) {
	c.t.Helper()
	if _, err := io.WriteString(c.in, line+"\n"); err != nil {
		c.t.Fatal(err)
	}
}

// silentClients opens connections and says nothing.
func silentClients(addr string, n int, in *bufio.Reader) error {
	conns := make([]net.Conn, n) // held, or the collector would close them
	for i := range conns {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			return fmt.Errorf("connection %d: %w", i, err)
		}
		conns[i] = conn
	}
	fmt.Println("ready")
	_, _ = in.ReadString('\n') // its end
	runtime.KeepAlive(conns)
	return nil
}

// exhaustedServer serves with room for only so many more descriptors than it starts with.
func exhaustedServer(spare int, in *bufio.Reader) error {
	s, err := New(plainConfig(Config{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Loops: 2, DrainTimeout: Duration(100 * time.Millisecond)}))
	if err != nil {
		return err
	}
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	setSoftLimit(&l, openDescriptors()+spare)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }() // ended by cancel
	fmt.Println("ready", s.Addr(), s.AdminAddr())
	_, _ = in.ReadString('\n') // its end
	cancel()
	return <-done
}

// loadClients logs pairs in and then, for each line "N", has each pair pass N messages, `batch` under way at a time, with every
// tick and receipt taken and acknowledged.
func loadClients(addr string, pairs, batch int, in *bufio.Reader) error {
	list := make([]*loadPair, pairs)
	for i := range list {
		p, err := newLoadPair(addr, uint64(10_000+2*i), batch)
		if err != nil {
			return err
		}
		list[i] = p
	}
	fmt.Println("ready")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil // the end
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		if err := passAll(list, n); err != nil {
			return err
		}
		fmt.Println("done")
	}
}

// loginClients, for each line "N", logs N users in and hangs up, 16 under way at a time.
func loginClients(addr string, in *bufio.Reader) error {
	fmt.Println("ready")
	for user := uint64(1_000_000); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return nil // the end
		}
		n, err := strconv.Atoi(strings.TrimSpace(line))
		if err != nil {
			return err
		}
		if err := logInAndOut(addr, user, n); err != nil {
			return err
		}
		user += uint64(n)
		fmt.Println("done")
	}
}

func logInAndOut(addr string, user uint64, n int) error {
	const abreast = 16
	errs := make([]error, abreast)
	var all sync.WaitGroup
	for k := range abreast {
		all.Go(func() {
			for i := k; i < n && errs[k] == nil; i += abreast {
				c, err := loadLogin(addr, user+uint64(i))
				if err == nil {
					err = c.Close()
				}
				errs[k] = err
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

func passAll(list []*loadPair, n int) error {
	errs := make([]error, len(list))
	var all sync.WaitGroup
	for i, p := range list {
		all.Go(func() { errs[i] = p.pass(n) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// loadPair is a sender and a recipient.
type loadPair struct {
	from, to   *loadConn
	cseq       uint64
	batch      int
	frames     []byte // `batch` SENDs back to back
	frameBytes int
}

// loadConn is a socket and what was read from it.
type loadConn struct {
	net.Conn
	buf   []byte
	start int
	end   int
}

func newLoadPair(addr string, user uint64, batch int) (*loadPair, error) {
	from, err := loadLogin(addr, user)
	if err != nil {
		return nil, err
	}
	to, err := loadLogin(addr, user+1)
	if err != nil {
		return nil, err
	}
	p := &loadPair{from: from, to: to, batch: batch}
	one := sendFrame(1, user+1, "twenty bytes of text")
	p.frameBytes = len(one)
	for range batch {
		p.frames = append(p.frames, one...)
	}
	return p, nil
}

func loadLogin(addr string, user uint64) (*loadConn, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &loadConn{Conn: conn, buf: make([]byte, 64<<10)}
	if _, err := conn.Write(must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: user}))); err != nil {
		return nil, err
	}
	f, err := c.next()
	if err != nil || f.Kind != codec.KindSuccess {
		return nil, fmt.Errorf("login of %d: %v, %v", user, f.Kind, err)
	}
	return c, nil
}

// next is the next frame; its body is valid until the call after.
func (c *loadConn) next() (codec.Frame, error) {
	for {
		f, used, err := codec.Next(c.buf[c.start:c.end], codec.FrameBytesMax)
		if err != nil {
			return f, err
		}
		if used > 0 {
			c.start += used
			return f, nil
		}
		copy(c.buf, c.buf[c.start:c.end])
		c.start, c.end = 0, c.end-c.start
		n, err := c.Read(c.buf[c.end:])
		if n == 0 {
			return codec.Frame{}, err
		}
		c.end += n
	}
}

// pass sends n messages, a batch at a time, and takes everything that follows from them.
func (p *loadPair) pass(n int) error {
	for n > 0 {
		k := min(n, p.batch)
		n -= k
		if err := p.passBatch(k); err != nil {
			return err
		}
	}
	return nil
}

func (p *loadPair) passBatch(k int) error {
	cseqAt := p.frameBytes - len("twenty bytes of text") - 4 - 1 - 8 - 8
	for i := range k {
		p.cseq++
		binary.BigEndian.PutUint64(p.frames[i*p.frameBytes+cseqAt:], p.cseq)
	}
	if _, err := p.from.Write(p.frames[:k*p.frameBytes]); err != nil {
		return err
	}
	var last uint64
	for got := 0; got < k; {
		f, err := p.to.next()
		if err != nil {
			return err
		}
		if f.Kind != codec.KindDeliver {
			return fmt.Errorf("recipient: %s", describe(f))
		}
		d, err := codec.ParseDeliver(f)
		if err != nil {
			return err
		}
		got, last = got+1, d.Seq
	}
	if err := p.to.acknowledge(last); err != nil {
		return err
	}
	return p.takeTicks()
}

func (c *loadConn) acknowledge(seq uint64) error {
	_, err := c.Write(must(codec.AppendAck(nil, &codec.Ack{Seq: seq})))
	return err
}

// takeTicks waits until everything sent has both ticks.
func (p *loadPair) takeTicks() error {
	var first, second, seq uint64
	for first < p.cseq || second < p.cseq {
		f, err := p.from.next()
		if err != nil {
			return err
		}
		switch f.Kind {
		case codec.KindAck:
			t, err := codec.ParseTick(f)
			if err != nil {
				return err
			}
			first = t.UpHigh
		case codec.KindReceipt:
			r, err := codec.ParseReceipt(f)
			if err != nil {
				return err
			}
			second, seq = r.Last, r.Seq
		default:
			return fmt.Errorf("sender: %s", describe(f))
		}
	}
	return p.from.acknowledge(seq)
}
