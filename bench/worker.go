package bench

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/netpoll"
)

// The children that this package runs in a process of their own, beside the echo servers.
const childWorker = "worker"

// childArgs are the arguments that make this program a child.
func childArgs(kind string, args ...string) []string {
	return append([]string{"bench", "child", kind}, args...)
}

// Child runs one of the processes that a measurement starts: an echo server or a generator of connections. It talks with
// its parent over stdin and stdout and returns when stdin ends. It is not meant to be called by people.
func Child(args []string, stdin io.Reader, stdout io.Writer) error {
	if len(args) == 0 {
		return fmt.Errorf("%w: which child?", ErrInput)
	}
	rest := append(args[1:], "", "", "", "")
	switch args[0] {
	case echoNetpoll:
		return runNetpollEcho(rest[0], stdin, stdout)
	case echoBare:
		return runBareEcho(pollFirst, stdin, stdout)
	case echoBlocking:
		return runBareEcho(blockAtOnce, stdin, stdout)
	case childWorker:
		return runWorker(rest[0], rest[1], rest[2], RawMode(rest[3]), stdin, stdout)
	}
	return fmt.Errorf("%w: no child %q", ErrInput, args[0])
}

// worker holds idle connections in a process of its own.
type worker struct {
	fleet  *fleet
	from   int // number of its first connection
	held   atomic.Int64
	ctx    context.Context
	loop   *sessionLoop // with sessions
	raw    *echoLoop    // without
	failed atomic.Pointer[error]
}

// runWorker is the child process "worker".
func runWorker(addr, from, firstUser string, mode RawMode, stdin io.Reader, stdout io.Writer) error {
	first, err := strconv.ParseUint(firstUser, 10, 64)
	if err != nil {
		return fmt.Errorf("%w: first user: %w", ErrInput, err)
	}
	start, err := strconv.Atoi(from)
	if err != nil {
		return fmt.Errorf("%w: first connection: %w", ErrInput, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &worker{from: start, ctx: ctx}
	clk := newClock()
	w.fleet, err = newFleet(addr, 1, descriptorsFor(), func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		if mode == Raw {
			w.raw = newEchoLoop(f, l, clk, PayloadBytesMin)
			return w.raw
		}
		w.loop = newSessionLoop(f, l, clk, first)
		return w.loop
	})
	if err != nil {
		return err
	}
	defer w.fleet.close()
	return serveParent(childHello{}, w, stdin, stdout)
}

// grow begins to make connections until there are n.
func (w *worker) grow(n int) error {
	had := int(w.held.Swap(int64(n)))
	if n < had {
		return fmt.Errorf("%w: from %d connections to %d", ErrInput, had, n)
	}
	// Ends when the connections are made, at the first failure, or with the process.
	go func() {
		if err := w.fleet.connect(w.ctx, w.from+had, w.from+n, func(int) int { return 0 }); err != nil {
			w.failed.CompareAndSwap(nil, &err)
		}
	}()
	return nil
}

// stat counts what the worker holds.
func (w *worker) stat(st *childStat) {
	var failure *string
	if w.raw != nil {
		st.Connections, st.Ready, st.Failed = int(w.raw.open.Load()), int(w.raw.ready.Load()), int(w.raw.failed.Load())
		failure = w.raw.failure.Load()
	} else {
		c := &w.loop.counts
		st.Connections, st.Ready, st.Failed = int(c.open.Load()), int(c.ready.Load()), int(c.failed.Load())
		failure = w.loop.failure.Load()
	}
	if failure != nil {
		st.Error = *failure
	}
	if err := w.failed.Load(); err != nil {
		st.Error = (*err).Error()
	}
}

// logins asks the loop for its login latencies: only the loop may read them.
func (w *worker) logins() ([]byte, error) {
	if w.loop == nil {
		return nil, nil
	}
	answer := make(chan []byte, 1)
	w.loop.wantLogins.Store(&answer)
	if err := w.fleet.tell(w.ctx, cmdLogins); err != nil {
		return nil, err
	}
	return <-answer, nil
}

// encodeHistogram packs a histogram for another process.
func encodeHistogram(h *hdrhistogram.Histogram) []byte {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return nil // the reader shows no percentiles then
	}
	return b
}
