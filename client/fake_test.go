package client

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
)

// fake is a scripted server: every dial of the client gives the test one end of a pipe. It lives in a synctest bubble, so
// that waiting costs nothing and a goroutine left behind fails the test.
type fake struct {
	t     *testing.T
	conns chan net.Conn
	down  atomic.Bool
	vault *vault // nil: the plain transport
}

func newFake(t *testing.T) *fake { return &fake{t: t, conns: make(chan net.Conn)} }

var errNobodyThere = errors.New("nobody there")

func (f *fake) dial(ctx context.Context, _ string) (net.Conn, error) {
	if f.down.Load() {
		return nil, errNobodyThere
	}
	ours, theirs := net.Pipe()
	select {
	case f.conns <- theirs:
		return ours, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// peer is the server's end of one connection.
type peer struct {
	t    *testing.T
	conn net.Conn
	in   *frameReader
	hands
}

// accept takes the next connection and, on the encrypted transport, shakes hands.
func (f *fake) accept() *peer {
	f.t.Helper()
	conn := f.raw()
	if f.vault == nil {
		return &peer{t: f.t, conn: conn, in: &frameReader{conn: conn}}
	}
	_ = conn.SetReadDeadline(time.Now().Add(time.Hour))
	rc, h, err := f.vault.shake(conn)
	if err != nil {
		f.t.Fatalf("handshake, after flights %v: %v", h.flights, err)
	}
	return &peer{t: f.t, conn: rc, in: &frameReader{conn: rc}, hands: h}
}

// raw takes the next connection as it is.
func (f *fake) raw() net.Conn {
	f.t.Helper()
	select {
	case conn := <-f.conns:
		return conn
	case <-time.After(2 * time.Hour):
		f.t.Fatal("the client did not connect")
		return nil
	}
}

// next is the next frame that is no ping; pings are answered.
func (p *peer) next() codec.Frame {
	p.t.Helper()
	for start := time.Now(); ; {
		fr := p.any()
		if fr.Kind != codec.KindPing {
			return fr
		}
		if time.Since(start) > time.Hour {
			p.t.Fatal("waiting for a frame of the client: only pings for an hour")
		}
		p.write(codec.AppendPong(nil), nil)
	}
}

// any is the next frame.
func (p *peer) any() codec.Frame {
	p.t.Helper()
	_ = p.conn.SetReadDeadline(time.Now().Add(time.Hour))
	fr, err := p.in.next(func() {})
	if err != nil {
		p.t.Fatalf("waiting for a frame of the client: %v", err)
	}
	return fr
}

// quiet fails when the client sends anything but pings within d.
func (p *peer) quiet(d time.Duration) {
	p.t.Helper()
	end := time.Now().Add(d)
	for {
		_ = p.conn.SetReadDeadline(end)
		fr, err := p.in.next(func() {})
		if err != nil {
			if ne, ok := err.(net.Error); !ok || !ne.Timeout() {
				p.t.Fatalf("waiting for silence: %v", err)
			}
			return
		}
		if fr.Kind != codec.KindPing {
			p.t.Fatalf("frame %#02x where nothing was expected", uint8(fr.Kind))
		}
		p.write(codec.AppendPong(nil), nil)
	}
}

func (p *peer) write(b []byte, err error) {
	p.t.Helper()
	if err != nil {
		p.t.Fatal(err)
	}
	if _, err := p.conn.Write(b); err != nil {
		p.t.Fatalf("writing to the client: %v", err)
	}
}

func (p *peer) hello() codec.Hello {
	p.t.Helper()
	h, err := codec.ParseHello(p.next())
	if err != nil {
		p.t.Fatal(err)
	}
	return h
}

func (p *peer) success(s codec.Success) {
	p.t.Helper()
	p.write(codec.AppendSuccess(nil, &s))
}

// expectSend takes the next frame, which must be the SEND of that cseq, and returns its payload.
func (p *peer) expectSend(cseq uint64) string {
	p.t.Helper()
	v, err := codec.ParseSend(p.next())
	if err != nil {
		p.t.Fatalf("expecting SEND %d: %v", cseq, err)
	}
	if v.Cseq != cseq {
		p.t.Fatalf("SEND has cseq %d, want %d", v.Cseq, cseq)
	}
	part, _, _ := v.Parts.Next()
	return string(part.Blob)
}

// expectAck reads cumulative ACKs up to that of seq. What was settled one by one may be acknowledged in steps, as the
// writer got round to it, but each step goes forward and none goes too far.
func (p *peer) expectAck(seq uint64) {
	p.t.Helper()
	for low := uint64(0); low < seq; {
		v, err := codec.ParseAck(p.next())
		if err != nil {
			p.t.Fatalf("expecting ACK %d: %v", seq, err)
		}
		if v.Seq <= low || v.Seq > seq {
			p.t.Fatalf("ACK of %d, want above %d and up to %d", v.Seq, low, seq)
		}
		low = v.Seq
	}
}

func (p *peer) tick(upHigh uint64) {
	p.t.Helper()
	p.write(codec.AppendTick(nil, &codec.Tick{UpHigh: upHigh, TimeSec: 1_700_000_000}))
}

func (p *peer) deliver(seq, from, id uint64, text string) {
	p.t.Helper()
	p.write(codec.AppendDeliver(nil, &codec.Deliver{Seq: seq, From: from, Gen: 7, ID: id, TimeSec: 1_700_000_000, Blob: []byte(text)}))
}

func (p *peer) receipt(seq uint64, kind codec.ReceiptKind, peer, first, last uint64) {
	p.t.Helper()
	r := codec.Receipt{Seq: seq, Kind: kind, Gen: testGen, Peer: peer, First: first, Last: last, TimeSec: 1_700_000_000}
	if kind == codec.ReceiptRejected {
		r.Code = uint8(codec.CodeMailboxFull)
	}
	p.write(codec.AppendReceipt(nil, &r))
}

func (p *peer) refuse(code codec.ErrorCode, ref uint64, retryAfter time.Duration) {
	p.t.Helper()
	p.write(codec.AppendError(nil, &codec.Error{Code: code, Ref: ref, RetryAfterMs: uint32(retryAfter.Milliseconds())}))
}

func (p *peer) close() { _ = p.conn.Close() }

const (
	testUser        = 1001
	testPeer        = 1002
	testGen         = 41
	testIncarnation = 77
)

// welcome is a usual SUCCESS.
func welcome(upHigh uint64) codec.Success {
	return codec.Success{
		Incarnation: testIncarnation, Gen: testGen, UpHigh: upHigh, KeepaliveSec: 240,
		WindowEntries: 64, WindowBytes: 256 << 10, TimeMs: 1_700_000_000_000,
	}
}

// connect dials and plays the login; the Connected event is taken.
func (f *fake) connect(s codec.Success, opts ...Option) (*Client, *peer, codec.Hello) {
	f.t.Helper()
	type result struct {
		c   *Client
		err error
	}
	done := make(chan result, 1)
	opts = append([]Option{WithUser(testUser), f.transport(), WithDialer(f.dial)}, opts...)
	go func() {
		c, err := Dial(f.t.Context(), "fake", opts...)
		done <- result{c, err}
	}()
	p := f.accept()
	h := p.hello()
	p.success(s)
	r := <-done
	if r.err != nil {
		f.t.Fatalf("Dial: %v", r.err)
	}
	f.t.Cleanup(func() { // a test that failed half-way still ends its goroutines
		p.close()
		_ = r.c.Close()
	})
	want[Connected](f.t, r.c)
	return r.c, p, h
}

// again plays a reconnect; Disconnected and Connected are taken.
func (f *fake) again(c *Client, s codec.Success) (*peer, codec.Hello) {
	f.t.Helper()
	want[Disconnected](f.t, c)
	p := f.accept()
	h := p.hello()
	p.success(s)
	want[Connected](f.t, c)
	return p, h
}

// want takes the next event, which must be an E.
func want[E Event](t *testing.T, c *Client) E {
	t.Helper()
	select {
	case ev, open := <-c.Events():
		e, ok := ev.(E)
		if !open || !ok {
			t.Fatalf("event is %T %+v (open %v), want %T", ev, ev, open, e)
		}
		return e
	case <-time.After(2 * time.Hour):
		var e E
		t.Fatalf("no event, want %T", e)
		return e
	}
}

// noEvent fails when there is an event once everything has settled.
func noEvent(t *testing.T, c *Client) {
	t.Helper()
	synctest.Wait()
	select {
	case ev := <-c.Events():
		t.Fatalf("event %T %+v where none was expected", ev, ev)
	default:
	}
}

// send puts a text into the outbox.
func send(t *testing.T, c *Client, text string) uint64 {
	t.Helper()
	id, err := c.Send(t.Context(), testPeer, []byte(text))
	if err != nil {
		t.Fatalf("Send: %v", err)
	}
	return id
}

func closeClient(t *testing.T, c *Client) {
	t.Helper()
	if err := c.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
}
