package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync/atomic"
	"time"

	"trunkline/codec"
)

// fillOrder says what is to wait in mailboxes of devices that are away.
type fillOrder struct {
	addr    string
	first   uint64 // user id of the first recipient; the writers have those above the last
	devices int
	from    int // messages that each device has already
	to      int // messages that each is to have
	bytes   int
	base    uint64 // where the writers' user ids begin; every fill needs writers of its own
}

// messages is how many that are.
func (o *fillOrder) messages() int64 { return int64(o.devices) * int64(o.to-o.from) }

// fill has a few writers send to devices that are away until everything has its first tick. It goes through the devices again and again, so that
// entries of one mailbox lie apart, as those of people who write now and then.
func fill(ctx context.Context, o fillOrder, each func(done int64)) error {
	f := &filling{order: o}
	var phones []*phone
	defer func() {
		for _, p := range phones {
			p.leave()
			p.visits.Wait()
		}
	}()
	for i := range min(fillWriters, o.devices) {
		w := &fillWriter{filling: f, device: i, seq: o.from + 1, codec: newPayloadCodec(), number: uint32(i)}
		p := newPhone(o.addr, o.base+uint64(i), w)
		phones = append(phones, p)
		p.come(ctx)
	}
	err := waitFor(ctx, stallTimeout, f.ticks.Load, func() bool { return f.ticks.Load() >= o.messages() }, func() { each(f.ticks.Load()) })
	if text := f.failure.Load(); text != nil {
		err = cmp.Or(err, fmt.Errorf("%w: while %d of %d messages were written: %s", ErrServer, f.ticks.Load(), o.messages(), *text))
	}
	if errors.Is(err, errStalled) {
		err = fmt.Errorf("%w: %d of %d messages have a first tick: %w", ErrServer, f.ticks.Load(), o.messages(), err)
	}
	return err
}

// filling is one fill under way.
type filling struct {
	order   fillOrder
	ticks   atomic.Int64
	failure atomic.Pointer[string]
}

// fillWriter is the life of a writer: it keeps fillAhead messages in its outbox. Writer i writes to each fillWriters-th device from i on.
type fillWriter struct {
	*filling
	number uint32
	device int // whom to write to next
	seq    int // the message's number
	codec  payloadCodec
}

// more puts the next message into the outbox.
func (w *fillWriter) more(p *phone) {
	o := &w.order
	if w.seq > o.to {
		return
	}
	blob := make([]byte, o.bytes)
	w.codec.fill(blob, uint32(w.device), payload{seq: uint32(w.seq)})
	p.enqueue(outgoing{to: o.first + uint64(w.device), blob: blob})
	if w.device += fillWriters; w.device >= o.devices {
		w.device = int(w.number)
		w.seq++
	}
}

// greeted implements phoneLife.
func (w *fillWriter) greeted(p *phone) {
	for len(p.outbox) < fillAhead && w.seq <= w.order.to {
		w.more(p)
	}
}

// ticked implements phoneLife.
func (w *fillWriter) ticked(p *phone, _ *outgoing) {
	w.ticks.Add(1)
	w.more(p)
}

// told implements phoneLife.
func (w *fillWriter) told(_ *phone, v *codec.Receipt) {
	if v.Kind == codec.ReceiptRejected {
		w.fail(fmt.Errorf("%w: it rejected a message with code %d", ErrServer, v.Code))
	}
}

// failed implements phoneLife.
func (w *fillWriter) failed(_ *phone, err error) { w.fail(err) }

func (w *fillWriter) fail(err error) {
	text := err.Error()
	w.failure.CompareAndSwap(nil, &text)
}

// arrived and refused implement phoneLife: nobody writes to a writer, and what is refused is sent again.
func (w *fillWriter) arrived(*phone, *codec.Deliver) {}
func (w *fillWriter) refused(*phone)                 {}

// fetcher is the life of a device that comes back for what waits, and checks that it gets each message once and in order.
type fetcher struct {
	device  int
	want    int64
	codec   payloadCodec
	stream  stream
	tally   tally // under the phone's lock
	got     atomic.Int64
	done    chan struct{} // closed when all has come
	failure atomic.Pointer[string]

	loggedIn atomic.Int64 // when it first was, unix ns
}

func newFetcher(device, want int) *fetcher {
	return &fetcher{device: device, want: int64(want), codec: newPayloadCodec(), done: make(chan struct{})}
}

// fetch has a device come back and waits until it has everything. took counts from its coming.
func fetch(ctx context.Context, addr string, user uint64, f *fetcher) (took time.Duration, err error) {
	p := newPhone(addr, user, (*fetcherLife)(f))
	began := time.Now()
	p.come(ctx)
	defer func() {
		p.leave()
		p.visits.Wait()
	}()
	done := func() bool {
		select {
		case <-f.done:
			return true
		default:
			return false
		}
	}
	err = waitFor(ctx, stallTimeout, f.got.Load, done, nil)
	if text := f.failure.Load(); text != nil {
		err = cmp.Or(err, fmt.Errorf("%w: %s", ErrServer, *text))
	}
	if errors.Is(err, errStalled) {
		err = nil // what is missing is lost: the tally says so
	}
	return time.Since(began), err
}

// fetcherLife is a fetcher as its phone sees it.
type fetcherLife fetcher

func (l *fetcherLife) arrived(_ *phone, v *codec.Deliver) {
	m, ok := l.codec.parse(v.Blob, uint32(l.device))
	verdict := fabricated
	if ok {
		verdict = l.stream.take(m.seq, math.MaxUint32-1)
	}
	if !l.tally.count(verdict) {
		return
	}
	if l.got.Add(1) == l.want {
		close(l.done)
	}
}

func (l *fetcherLife) failed(_ *phone, err error) {
	text := err.Error()
	l.failure.CompareAndSwap(nil, &text)
}

func (l *fetcherLife) greeted(*phone)              { l.loggedIn.CompareAndSwap(0, time.Now().UnixNano()) }
func (l *fetcherLife) ticked(*phone, *outgoing)    {}
func (l *fetcherLife) told(*phone, *codec.Receipt) {}
func (l *fetcherLife) refused(*phone)              {}
