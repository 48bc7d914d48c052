package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"trunkline/codec/secure"
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
	rest := append(args[1:], "")
	switch args[0] {
	case echoNetpoll:
		return runNetpollEcho(rest[0], stdin, stdout)
	case echoBare:
		return runBareEcho(pollFirst, stdin, stdout)
	case echoBlocking:
		return runBareEcho(blockAtOnce, stdin, stdout)
	case fanoutBare:
		return runBareFanout(stdin, stdout)
	case fanoutNetpoll:
		return runNetpollFanout(stdin, stdout)
	case childWorker:
		return runWorker(rest[0], stdin, stdout)
	case childCrew:
		return runCrewChild(rest[0], stdin, stdout)
	case childCrowd:
		return runCrowd(rest[0], stdin, stdout)
	}
	return fmt.Errorf("%w: no child %q", ErrInput, args[0])
}

// worker holds idle connections in a process of its own.
type worker struct {
	fleet  *fleet
	clock  clock
	from   int // number of its first connection
	held   atomic.Int64
	ctx    context.Context
	loop   *sessionLoop // with sessions
	raw    *echoLoop    // without
	failed atomic.Pointer[error]
}

// workerOrders is the argument of the child process "worker".
type workerOrders struct {
	Addr      string    `json:"addr"`
	From      int       `json:"from"`  // number of its first connection
	First     uint64    `json:"first"` // user id of connection 0
	Raw       RawMode   `json:"raw,omitempty"`
	Transport Transport `json:"transport,omitempty"`
	Key       []byte    `json:"key,omitempty"` // with Noise: the server's static key
}

// String is the argument.
func (o workerOrders) String() string {
	b, err := json.Marshal(o)
	if err != nil {
		return err.Error() // can't be: the worker will say what it got
	}
	return string(b)
}

// runWorker is the child process "worker".
func runWorker(argument string, stdin io.Reader, stdout io.Writer) error {
	var o workerOrders
	if err := json.Unmarshal([]byte(argument), &o); err != nil {
		return fmt.Errorf("%w: orders %q: %w", ErrInput, argument, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &worker{from: o.From, ctx: ctx, clock: newClock()}
	var err error
	w.fleet, err = newFleet(o.Addr, 1, descriptorsFor(), func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		if o.Raw == Raw {
			w.raw = newEchoLoop(f, l, w.clock, PayloadBytesMin)
			return w.raw
		}
		w.loop = newSessionLoop(f, l, w.clock, o.First)
		if o.Transport == Noise && len(o.Key) == len(secure.PublicKey{}) {
			w.loop.withVeil(secure.PublicKey(o.Key))
		}
		return w.loop
	})
	if err != nil {
		return err
	}
	defer w.fleet.close()
	w.fleet.startRecall(w.clock, func(int) int { return 0 })
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

// prepare makes the resume flights of all sessions; stat says how many there are.
func (w *worker) prepare() error { return w.fleet.tell(w.ctx, cmdPrepare) }

// leave cuts all sessions; those that grow makes next come with the tickets of the ones before.
func (w *worker) leave() error {
	if w.loop == nil || w.loop.veil == nil {
		return fmt.Errorf("%w: only encrypted sessions come back", ErrInput)
	}
	w.held.Store(0)
	for _, c := range []byte{cmdCut, cmdResume} {
		if err := w.fleet.tell(w.ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// storm cuts all sessions and lets them come back with their tickets, that many a second.
func (w *worker) storm(perSecond int) error {
	if w.loop == nil || w.loop.veil == nil {
		return fmt.Errorf("%w: only encrypted sessions come back", ErrInput)
	}
	if perSecond <= 0 {
		return fmt.Errorf("%w: a storm of %d handshakes a second", ErrInput, perSecond)
	}
	for _, c := range []byte{cmdResume, cmdCut} {
		if err := w.fleet.tell(w.ctx, c); err != nil {
			return err
		}
	}
	indexes := make([]uint32, w.held.Load())
	for i := range indexes {
		indexes[i] = uint32(w.from + i)
	}
	start := w.clock.now() + int64(stormLead)
	w.fleet.recall.addPaced(indexes, start, time.Second/time.Duration(perSecond))
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
		st.Crowd = c.crowd()
		st.Crowd.Unreachable = w.fleet.dial.unreachable.Load()
		failure = w.loop.failure.Load()
	}
	if failure != nil {
		st.Failure = *failure
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
