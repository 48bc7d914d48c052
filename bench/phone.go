package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"trunkline/codec"
)

// phone is one device of one user with a goroutine of its own, on the plain transport: what it sends waits in an outbox until the
// first tick, as a client's does, and is sent again when it comes back. It stands for people who come and go; for sessions that stay, a
// sessionLoop is much cheaper.
//
//	away --come--> dialing --SUCCESS--> there --leave--> away
//	                  ^---- refused ------+ or the connection ends: it tries again until it is told to leave
type phone struct {
	addr string
	user uint64
	life phoneLife

	mu      sync.Mutex // over all below; held while writing, so that frames stay in order
	visit   uint64     // counts come and leave: goroutines of an earlier visit end
	cancel  context.CancelFunc
	conn    net.Conn // nil: not logged in
	since   int64    // when this visit's login was done, ns of the run's clock
	gen     uint16
	inc     uint64
	seen    uint64 // highest seq
	acked   uint64
	mark    uint64 // everything up to it has its first tick
	next    uint64 // the last cseq that was given away
	epoch   uint32
	window  uint64
	outbox  []outgoing // cseqs mark+1 and on
	sent    uint64     // highest cseq sent on this connection
	held    bool       // the server asked to wait
	visits  sync.WaitGroup
	scratch []byte
	parts   codec.Parts
}

// outgoing waits for its first tick: a message, or a receipt.
type outgoing struct {
	to    uint64
	blob  []byte // of a message; nil: a receipt
	first uint64 // of a receipt: what was read
	last  uint64
	gen   uint16
	at    int64 // when it was due
}

// phoneLife is told what happens to a phone, under its lock.
type phoneLife interface {
	// arrived is a message that is not a repetition of one that this device has seen, by its seq.
	arrived(p *phone, v *codec.Deliver)
	// ticked is an outbox entry that got its first tick.
	ticked(p *phone, o *outgoing)
	// told is a receipt: a second tick, read, or a rejection.
	told(p *phone, v *codec.Receipt)
	// failed is something that must not happen, or a connection that broke.
	failed(p *phone, err error)
	// refused is a SEND that has to come again later.
	refused(p *phone)
	// greeted says that a login is done.
	greeted(p *phone)
}

func newPhone(addr string, user uint64, life phoneLife) *phone {
	return &phone{addr: addr, user: user, life: life}
}

// come logs in, and again whenever the connection ends, until leave or ctx's end. It does not wait.
func (p *phone) come(ctx context.Context) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel != nil {
		return
	}
	ctx, p.cancel = context.WithCancel(ctx)
	p.visit++
	visit := p.visit
	p.visits.Add(1)
	// Ends with ctx, which leave cancels.
	go func() {
		defer p.visits.Done()
		for ctx.Err() == nil {
			err := p.stay(ctx, visit)
			if err == nil || ctx.Err() != nil {
				return
			}
			p.mu.Lock()
			p.life.failed(p, err)
			p.mu.Unlock()
			_ = sleep(ctx, unreachablePause/4) // ends early with ctx, which the loop looks at
		}
	}()
}

// leave closes the connection; what is in the outbox stays.
func (p *phone) leave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cancel == nil {
		return
	}
	p.cancel()
	p.cancel = nil
	p.visit++
	p.hangUp()
}

func (p *phone) hangUp() {
	if p.conn != nil {
		_ = p.conn.Close()
		p.conn = nil
	}
}

// stay dials, logs in and reads until the connection or the visit ends.
func (p *phone) stay(ctx context.Context, visit uint64) error {
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1}
	conn, err := d.DialContext(ctx, "tcp", p.addr)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	p.mu.Lock()
	if p.visit != visit {
		p.mu.Unlock()
		return conn.Close()
	}
	p.conn, p.sent, p.held = conn, 0, false
	p.window = 0 // opened by SUCCESS
	err = p.hello()
	p.mu.Unlock()
	if err == nil {
		err = p.read(conn, visit)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.visit != visit { // somebody else has closed it
		_ = conn.Close()
		return nil
	}
	p.hangUp()
	return err
}

// hello logs in as a new device, or as the one that it is.
func (p *phone) hello() error {
	p.epoch++
	v := codec.Hello{Version: protocolVersion, User: p.user, Gen: p.gen, Incarnation: p.inc, DownSeq: p.seen, Ticked: p.mark, Epoch: p.epoch}
	if p.gen == 0 {
		v.DownSeq, v.Ticked = p.user, 0 // the token of a registration that may be said twice
	}
	p.scratch, _ = codec.AppendHello(p.scratch[:0], &v) // has no extensions that could be wrong
	return p.flush()
}

// flush writes the scratch bytes.
func (p *phone) flush() error {
	_ = p.conn.SetWriteDeadline(time.Now().Add(dialTimeout))
	_, err := p.conn.Write(p.scratch)
	return err
}

// read takes frames until the connection ends.
func (p *phone) read(conn net.Conn, visit uint64) error {
	buf := make([]byte, phoneBufferBytes)
	have := 0
	for {
		_ = conn.SetReadDeadline(time.Now().Add(phonePingEvery))
		n, err := conn.Read(buf[have:])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			err = p.ping(visit)
		}
		if err != nil {
			return err
		}
		have += n
		used, err := p.take(buf[:have], visit)
		if err != nil {
			return err
		}
		have = copy(buf, buf[used:have])
		if have == len(buf) {
			buf = append(buf, make([]byte, len(buf))...)
		}
	}
}

// ping keeps the connection.
func (p *phone) ping(visit uint64) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.visit != visit || p.conn == nil {
		return net.ErrClosed
	}
	p.scratch = codec.AppendPing(p.scratch[:0])
	return p.flush()
}

// take reads all whole frames of b and answers them in one write.
func (p *phone) take(b []byte, visit uint64) (used int, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.visit != visit || p.conn == nil {
		return 0, net.ErrClosed
	}
	p.scratch = p.scratch[:0]
	for {
		f, n, err := codec.Next(b[used:], codec.FrameBytesMax)
		if err != nil {
			return used, err
		}
		if n == 0 {
			break
		}
		used += n
		if err := p.frame(f); err != nil {
			return used, err
		}
	}
	if p.seen > p.acked {
		p.acked = p.seen
		p.scratch, _ = codec.AppendAck(p.scratch, &codec.Ack{Seq: p.seen})
	}
	p.pump()
	if len(p.scratch) == 0 {
		return used, nil
	}
	return used, p.flush()
}

// frame takes one frame.
func (p *phone) frame(f codec.Frame) error {
	switch f.Kind {
	case codec.KindSuccess:
		v, err := codec.ParseSuccess(f)
		if err != nil {
			return err
		}
		p.success(&v)
	case codec.KindDeliver:
		v, err := codec.ParseDeliver(f)
		if err != nil {
			return err
		}
		if v.Seq > p.seen { // else it was kept before the last connection ended
			p.seen = v.Seq
			p.life.arrived(p, &v)
		}
	case codec.KindReceipt:
		v, err := codec.ParseReceipt(f)
		if err != nil {
			return err
		}
		if v.Seq > p.seen {
			p.seen = v.Seq
			p.life.told(p, &v)
		}
	case codec.KindAck:
		v, err := codec.ParseTick(f)
		if err != nil {
			return err
		}
		p.tick(v.UpHigh)
	case codec.KindPing:
		p.scratch = codec.AppendPong(p.scratch)
	case codec.KindError:
		return p.refusal(f)
	case codec.KindGoAway:
		return fmt.Errorf("%w: it asked to leave (GOAWAY)", ErrServer)
	}
	return nil
}

// success ends the login.
func (p *phone) success(v *codec.Success) {
	if p.inc != 0 && p.inc != v.Incarnation {
		p.life.failed(p, fmt.Errorf("%w: it has lost its data: the incarnation changed", ErrServer))
		p.seen = 0
	}
	p.gen, p.inc, p.acked = v.Gen, v.Incarnation, p.seen
	p.tick(v.UpHigh)
	p.sent, p.window = p.mark, uint64(v.WindowEntries)
	p.life.greeted(p)
}

// tick takes everything up to upHigh out of the outbox.
func (p *phone) tick(upHigh uint64) {
	if upHigh > p.next {
		p.life.failed(p, fmt.Errorf("%w: first tick %d for a device that sent %d", ErrServer, upHigh, p.next))
		return
	}
	for p.mark < upHigh {
		p.life.ticked(p, &p.outbox[0])
		p.outbox[0] = outgoing{}
		p.outbox = p.outbox[1:]
		p.mark++
	}
	p.sent = max(p.sent, p.mark)
}

// refusal takes an ERROR: a soft one concerns one SEND, and ends the pumping for as long as it says; a hard one ends the connection.
func (p *phone) refusal(f codec.Frame) error {
	v, err := codec.ParseError(f)
	if err != nil {
		return err
	}
	if v.Code != codec.CodeRateLimited && v.Code != codec.CodeServerFull {
		return fmt.Errorf("%w: it answered with code %d %s", ErrServer, v.Code, v.Text)
	}
	p.life.refused(p)
	if v.Ref <= p.mark || v.Ref > p.sent || p.held {
		return nil
	}
	p.sent, p.held = v.Ref-1, true
	visit := p.visit
	// Ends when its time has come; a phone that has left meanwhile is left alone.
	time.AfterFunc(time.Duration(v.RetryAfterMs)*time.Millisecond, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.visit == visit && p.conn != nil {
			p.held = false
			p.push()
		}
	})
	return nil
}

// write puts something into the outbox and sends it as soon as the window allows.
func (p *phone) write(o outgoing) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.enqueue(o)
	if p.conn != nil {
		p.push()
	}
}

// enqueue is write for callers that hold the lock and let take send it.
func (p *phone) enqueue(o outgoing) {
	p.next++
	p.outbox = append(p.outbox, o)
}

// push sends what may be sent.
func (p *phone) push() {
	p.scratch = p.scratch[:0]
	p.pump()
	if len(p.scratch) == 0 {
		return
	}
	if err := p.flush(); err != nil {
		_ = p.conn.Close() // the reader sees it, and comes back
	}
}

// pump appends what the window lets go.
func (p *phone) pump() {
	for !p.held && p.sent < p.next && p.sent-p.mark < p.window && len(p.scratch) < phoneBufferBytes {
		o := &p.outbox[p.sent-p.mark]
		p.sent++
		var err error
		if o.blob == nil {
			p.scratch, err = codec.AppendReceipt(p.scratch, &codec.Receipt{Seq: p.sent, Kind: codec.ReceiptRead, Gen: o.gen, Peer: o.to, First: o.first, Last: o.last})
		} else {
			p.parts = p.parts[:0].Append(codec.Part{Blob: o.blob})
			p.scratch, err = codec.AppendSend(p.scratch, &codec.Send{Cseq: p.sent, To: o.to, N: 1, Parts: p.parts})
		}
		if err != nil {
			p.life.failed(p, fmt.Errorf("%w: encode: %w", ErrGenerator, err))
		}
	}
}

// waiting is how much of the outbox has no first tick.
func (p *phone) waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.outbox)
}
