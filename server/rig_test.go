package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/codec"
)

// patience bounds every wait of these tests: long enough for a busy machine, short enough to fail.
const patience = 20 * time.Second

// running is a server in this process.
type running struct {
	*Server
	t    testing.TB
	stop context.CancelFunc
	done chan struct{}
	err  error
	log  *logBuffer
}

// plainConfig is cfg for tests that speak frames without a handshake, thousands of them at once: transport, registration and the rates
// of sessions do not follow the defaults.
func plainConfig(cfg Config) Config {
	cfg.Transport, cfg.Registration = TransportPlain, RegistrationOpen
	cfg.Messages, cfg.Controls, cfg.Conversations = Rate{None: true}, Rate{None: true}, Rate{None: true}
	return cfg
}

// start runs a server on free ports; set may change its configuration. It is drained, and must have drained cleanly, when the
// test ends.
func start(t testing.TB, set func(*Config)) *running {
	t.Helper()
	r := &running{t: t, done: make(chan struct{}), log: &logBuffer{}}
	cfg := plainConfig(Config{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Loops: 2, DrainTimeout: Duration(200 * time.Millisecond),
		Logger: newTestLogger(r.log)})
	withoutLimits(&cfg)
	if set != nil {
		set(&cfg)
	}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	r.Server, r.stop = s, cancel
	go func() { defer close(r.done); r.err = s.Run(ctx) }() // ended by drain
	t.Cleanup(func() { r.drain(t) })
	return r
}

// withoutLimits lets crowds in and lets them talk: all test clients come from one address.
func withoutLimits(c *Config) {
	c.AddressConnections = -1
	for _, r := range []*Rate{&c.AddressAccepts, &c.AddressHandshakes, &c.Accepts, &c.Messages, &c.Controls, &c.Conversations} {
		*r = Rate{None: true}
	}
}

// drain ends the server and waits for it. It is safe to call twice.
func (r *running) drain(t testing.TB) {
	t.Helper()
	r.stop()
	select {
	case <-r.done:
		if r.err != nil {
			t.Errorf("Run: %v", r.err)
		}
	case <-time.After(patience):
		t.Fatalf("the server does not end; goroutines:\n%s", stacks())
	}
}

// eventually waits for a condition on the server's status.
func (r *running) eventually(t testing.TB, what string, cond func(Status) bool) {
	t.Helper()
	var last Status
	waitFor(t, func() bool { last = r.Status(); return cond(last) }, func() string {
		return fmt.Sprintf("%s; last status: connections %d, sessions %d, in %d, out %d, acked %d, queue %d, malformed %d, closes %v",
			what, last.Connections, last.Sessions, last.MessagesIn, last.MessagesOut, last.MessagesAcked, last.QueueEntries, last.MalformedFrames, last.Closes)
	})
}

// waitFor polls a condition until patience ends.
func waitFor(t testing.TB, cond func() bool, what func() string) {
	t.Helper()
	waitWithin(t, patience, cond, what)
}

// waitWithin is waitFor for what takes its own time.
func waitWithin(t testing.TB, limit time.Duration, cond func() bool, what func() string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(limit)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("waited %s in vain: %s", limit, what())
		}
	}
}

// noLeaks checks, when the test ends, that goroutines and descriptors are back to what they were. Call it first.
func noLeaks(t testing.TB) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0") // what Go itself opens at the first socket is no leak
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	goroutines, descriptors := runtime.NumGoroutine(), openDescriptors()
	t.Cleanup(func() {
		if t.Failed() {
			return // what a broken test leaves behind says nothing
		}
		waitFor(t, func() bool { return runtime.NumGoroutine() <= goroutines && openDescriptors() <= descriptors }, func() string {
			return fmt.Sprintf("goroutines went from %d to %d, descriptors from %d to %d\n%s",
				goroutines, runtime.NumGoroutine(), descriptors, openDescriptors(), stacks())
		})
	})
}

// openDescriptors counts the entries of /dev/fd; 0 where that does not list them.
func openDescriptors() int {
	for _, dir := range []string{"/proc/self/fd", "/dev/fd"} {
		if names, err := os.ReadDir(dir); err == nil {
			return len(names)
		}
	}
	return 0
}

func stacks() string {
	b := make([]byte, 1<<20)
	return string(b[:runtime.Stack(b, true)])
}

// logBuffer collects log lines from any goroutine.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

// Write implements io.Writer.
func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

// String is everything logged so far.
func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// wire is a client that speaks frames and keeps no rules: what a test needs to break them.
type wire struct {
	t    testing.TB
	conn net.Conn
	in   []byte // read and not yet taken
	user uint64
	gen  uint16
	cseq uint64 // of the last SEND
	inc  uint64
	seen uint64 // highest seq
	refs uint32 // of the last request
}

// dial connects and says nothing.
func (r *running) dial(t testing.TB) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", r.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{t: t, conn: conn}
	t.Cleanup(func() { _ = conn.Close() }) // mostly closed before
	return w
}

// login connects and logs in as a device without state.
func (r *running) login(t testing.TB, user uint64, device uint8) *wire {
	t.Helper()
	w := r.dial(t)
	w.hello(codec.Hello{Version: 1, User: user, Device: device})
	return w
}

// hello logs in and takes SUCCESS.
func (w *wire) hello(h codec.Hello) codec.Success {
	w.t.Helper()
	w.write(must(codec.AppendHello(nil, &h)))
	s, err := codec.ParseSuccess(w.expect(codec.KindSuccess))
	if err != nil {
		w.t.Fatal(err)
	}
	w.user, w.gen, w.inc, w.cseq = h.User, s.Gen, s.Incarnation, s.UpHigh
	return s
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

func (w *wire) write(b []byte) {
	w.t.Helper()
	_ = w.conn.SetWriteDeadline(time.Now().Add(patience)) // a failure shows in Write
	if _, err := w.conn.Write(b); err != nil {
		w.t.Fatalf("write: %v", err)
	}
}

// frame reads one frame, or says why there is none.
func (w *wire) frame() (codec.Frame, error) {
	for {
		f, used, err := codec.Next(w.in, codec.FrameBytesMax)
		if err != nil {
			return f, err
		}
		if used > 0 {
			f.Body = append([]byte(nil), f.Body...)
			w.in = append(w.in[:0], w.in[used:]...)
			return f, nil
		}
		buf := make([]byte, 64<<10)
		_ = w.conn.SetReadDeadline(time.Now().Add(patience)) // a failure shows in Read
		n, err := w.conn.Read(buf)
		w.in = append(w.in, buf[:n]...)
		if err != nil && n == 0 {
			return codec.Frame{}, err
		}
	}
}

// expect reads frames until one of that kind comes. Every other frame on the way must be harmless.
func (w *wire) expect(kind codec.Kind) codec.Frame {
	w.t.Helper()
	for {
		f, err := w.frame()
		if err != nil {
			w.t.Fatalf("user %d waits for %v: %v", w.user, kind, err)
		}
		if f.Kind == kind {
			return f
		}
		if f.Kind == codec.KindError || f.Kind == codec.KindGoAway {
			w.t.Fatalf("user %d waits for %v and gets %v: %s", w.user, kind, f.Kind, describe(f))
		}
	}
}

// expectError reads one ERROR of that code.
func (w *wire) expectError(code codec.ErrorCode) codec.Error {
	w.t.Helper()
	for {
		f, err := w.frame()
		if err != nil {
			w.t.Fatalf("user %d waits for error %v: %v", w.user, code, err)
		}
		if f.Kind != codec.KindError {
			continue
		}
		e, err := codec.ParseError(f)
		if err != nil {
			w.t.Fatal(err)
		}
		if e.Code != code {
			w.t.Fatalf("user %d waits for error %v and gets %s", w.user, code, describe(f))
		}
		return e
	}
}

// expectClosed reads until the server closes, and says nothing of the frames before. A reset counts as closed.
func (w *wire) expectClosed() {
	w.t.Helper()
	for {
		if _, err := w.frame(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				w.t.Fatalf("user %d: the server keeps the connection open", w.user)
			}
			_ = w.conn.Close() // the server waits for our end, too
			return
		}
	}
}

// expectSilentClose demands that the server closes without a byte.
func (w *wire) expectSilentClose() {
	w.t.Helper()
	_ = w.conn.SetReadDeadline(time.Now().Add(patience)) // a failure shows in Read
	b, err := io.ReadAll(w.conn)
	if len(w.in) > 0 || len(b) > 0 {
		w.t.Errorf("the server said %x%x", w.in, b)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		w.t.Errorf("the server keeps the connection open")
	}
}

func describe(f codec.Frame) string {
	switch f.Kind {
	case codec.KindError:
		e, err := codec.ParseError(f)
		return fmt.Sprintf("%v ref %d %q %v", e.Code, e.Ref, e.Text, err)
	case codec.KindGoAway:
		g, err := codec.ParseGoAway(f)
		return fmt.Sprintf("%v %d ms %v", g.Code, g.RetryAfterMs, err)
	}
	return fmt.Sprintf("%v %x", f.Kind, f.Body)
}

// sendFrame is the SEND of one text to device 0 of a user.
func sendFrame(cseq, to uint64, text string) []byte {
	parts := codec.Parts(nil).Append(codec.Part{Blob: []byte(text)})
	return must(codec.AppendSend(nil, &codec.Send{Cseq: cseq, To: to, N: 1, Parts: parts}))
}

// send writes the next SEND.
func (w *wire) send(to uint64, text string) (cseq uint64) {
	w.t.Helper()
	w.cseq++
	w.write(sendFrame(w.cseq, to, text))
	return w.cseq
}

// expectTick waits for the first tick of cseq.
func (w *wire) expectTick(cseq uint64) {
	w.t.Helper()
	for {
		tick, err := codec.ParseTick(w.expect(codec.KindAck))
		if err != nil {
			w.t.Fatal(err)
		}
		if tick.UpHigh >= cseq {
			return
		}
	}
}

// take waits for a DELIVER and acknowledges it.
func (w *wire) take() codec.Deliver {
	w.t.Helper()
	d, err := codec.ParseDeliver(w.expect(codec.KindDeliver))
	if err != nil {
		w.t.Fatal(err)
	}
	w.ack(d.Seq)
	return d
}

func (w *wire) ack(seq uint64) {
	w.t.Helper()
	w.seen = seq
	w.write(must(codec.AppendAck(nil, &codec.Ack{Seq: seq})))
}

// takeReceipt waits for a RECEIPT and acknowledges it.
func (w *wire) takeReceipt() codec.Receipt {
	w.t.Helper()
	r, err := codec.ParseReceipt(w.expect(codec.KindReceipt))
	if err != nil {
		w.t.Fatal(err)
	}
	w.ack(r.Seq)
	return r
}

// ping waits for the answer: everything written before has been taken.
func (w *wire) ping() {
	w.t.Helper()
	w.write(codec.AppendPing(nil))
	w.expect(codec.KindPong)
}

// pair is two people in the middle of a conversation: what bad input of others must not disturb.
type pair struct {
	t     testing.TB
	a, b  *wire
	turns int
}

// converse logs two users in and lets them talk once.
func (r *running) converse(t testing.TB, first uint64) *pair {
	t.Helper()
	p := &pair{t: t, a: r.login(t, first, 0), b: r.login(t, first+1, 0)}
	p.talk()
	return p
}

// talk sends a message each way and waits for both ticks of both.
func (p *pair) talk() {
	p.t.Helper()
	p.turns++
	for _, way := range []struct{ from, to *wire }{{p.a, p.b}, {p.b, p.a}} {
		text := fmt.Sprintf("turn %d of %d", p.turns, way.from.user)
		cseq := way.from.send(way.to.user, text)
		way.from.expectTick(cseq)
		d := way.to.take()
		if d.From != way.from.user || d.ID != cseq || string(d.Blob) != text {
			p.t.Fatalf("user %d got %d %d %q, want %d %d %q", way.to.user, d.From, d.ID, d.Blob, way.from.user, cseq, text)
		}
		if rc := way.from.takeReceipt(); rc.Kind != codec.ReceiptDelivered || rc.Peer != way.to.user || rc.Last != cseq {
			p.t.Fatalf("user %d got receipt %+v for %d", way.from.user, rc, cseq)
		}
	}
}

func newTestLogger(log *logBuffer) *slog.Logger { return slog.New(slog.NewTextHandler(log, nil)) }

func countOf(text, part string) int { return strings.Count(text, part) }
