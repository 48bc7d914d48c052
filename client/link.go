package client

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"time"

	"trunkline/codec"
)

// link is one logged-in connection. The client's mutex guards its fields; conn is used by the reader (Read) and the
// writer (Write), in is the reader's.
//
//	dial -> handshake -> HELLO -> SUCCESS -> attached ---read error, ERROR, silence---> detached -> backoff -> dial
type link struct {
	conn      net.Conn
	in        *frameReader
	keepalive time.Duration
	since     time.Time // of the login
	heard     time.Time // anything arrived
	wrote     time.Time // anything was written
	waiting   time.Time // a tick is missing since; no ping is due sooner than PongTimeout after it
	pinged    time.Time // a ping waits for its answer since; zero: none does
	blocked   bool      // the reader waits for the application: silence proves nothing
	away      *ServerError
	broken    error // why the writer gave it up; nothing is written any more
	fence     fence

	greeting []Event // what the login brought, for the reader to emit first
}

// frameReader cuts a connection's bytes into frames.
type frameReader struct {
	conn net.Conn
	buf  []byte
	from int // buf[from:] has not been cut yet
}

// next returns the next frame; its body is valid until the following call. heard is called after each read.
// A damaged frame is ErrProtocol.
func (r *frameReader) next(heard func()) (codec.Frame, error) {
	for {
		f, used, err := codec.Next(r.buf[r.from:], codec.FrameBytesMax)
		if err != nil {
			return f, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if used > 0 {
			r.from += used
			return f, nil
		}
		if err := r.fill(); err != nil {
			return f, err
		}
		heard()
	}
}

// fill reads once, making room first: what was cut goes, and the buffer grows while one frame does not fit.
func (r *frameReader) fill() error {
	if r.from > 0 {
		r.buf = r.buf[:copy(r.buf, r.buf[r.from:])]
		r.from = 0
	}
	if len(r.buf) == cap(r.buf) {
		grown := make([]byte, len(r.buf), min(max(2*cap(r.buf), readBufferBytes), codec.FrameBytesMax))
		copy(grown, r.buf)
		r.buf = grown
	}
	n, err := r.conn.Read(r.buf[len(r.buf):cap(r.buf)])
	r.buf = r.buf[:len(r.buf)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// login connects, says HELLO and takes SUCCESS. ctx's end closes the connection.
func (c *Client) login(ctx context.Context) (*link, error) {
	ctx, cancel := context.WithTimeout(ctx, LoginTimeout)
	defer cancel()
	conn, err := c.cfg.dial(ctx, c.addr)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	l, err := c.shakeHands(conn)
	if !stop() && err == nil {
		err = ctx.Err()
	}
	if err != nil {
		if ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("login: %w", ctx.Err())
		}
		dropConn(conn)
		return nil, err
	}
	return l, nil
}

// dropConn closes a connection whose fate is decided: how the close ends says nothing new.
func dropConn(conn net.Conn) { _ = conn.Close() }

func (c *Client) shakeHands(conn net.Conn) (*link, error) {
	if c.cfg.transport != transportPlain {
		return c.secureLogin(conn)
	}
	hello, err := c.hello()
	if err != nil {
		return nil, err
	}
	b, err := codec.AppendHello(nil, &hello)
	if err != nil {
		return nil, err
	}
	in := &frameReader{conn: conn}
	if _, err := conn.Write(b); err != nil {
		// The server may have said why before it closed.
		if why := readRefusal(in); why != nil {
			return nil, why
		}
		return nil, err
	}
	success, err := readSuccess(in)
	if err != nil {
		return nil, err
	}
	return c.attach(conn, in, &hello, &success)
}

// hello tells the server what State holds: nothing in it may be lost by a crash, so it is committed first. The epoch of
// each attempt is higher than that of any before, in this process or an earlier one.
func (c *Client) hello() (codec.Hello, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.cfg.now()
	if c.epoch++; c.epoch > c.epochKept {
		c.epochKept = c.epoch + epochBlock - 1
		c.journal.touch(now)
	}
	for c.generation == 0 && c.token == 0 {
		c.token = rand.Uint64()
		c.journal.touch(now)
	}
	if err := c.commit(); err != nil {
		return codec.Hello{}, err
	}
	h := codec.Hello{Version: codec.Version, User: c.cfg.user, Device: c.cfg.device, Gen: c.generation, Epoch: c.epoch}
	if h.Gen == 0 {
		h.DownSeq = c.token
		h.Ext = c.registration()
	} else {
		h.Incarnation, h.DownSeq, h.Ticked = c.durableIncarnation, c.durableLast, c.up.ticked
	}
	return h, nil
}

// registration is what a new generation's HELLO says on the encrypted transport. The mutex is held.
func (c *Client) registration() codec.Ext {
	if c.cfg.transport == transportPlain {
		return nil
	}
	var e codec.Ext
	if len(c.cfg.token) > 0 {
		e = e.Append(codec.ExtItem{Type: codec.ExtToken, Value: c.cfg.token})
	}
	return e.Append(codec.ExtItem{Type: codec.ExtSignKey, Value: c.identity.signer().Public().(ed25519.PublicKey)})
}

// readSuccess skips what may be skipped and returns the answer to HELLO. A refusal is a *ServerError.
func readSuccess(in *frameReader) (codec.Success, error) {
	for {
		f, err := in.next(func() {})
		if err != nil {
			return codec.Success{}, err
		}
		switch {
		case f.Kind == codec.KindSuccess:
			s, err := codec.ParseSuccess(f)
			if err != nil {
				return s, fmt.Errorf("%w: SUCCESS: %w", ErrProtocol, err)
			}
			if s.Gen == 0 {
				return s, fmt.Errorf("%w: SUCCESS without a generation", ErrProtocol)
			}
			return s, nil
		case f.Kind == codec.KindError || f.Kind == codec.KindGoAway:
			return codec.Success{}, refusalOf(f)
		case f.Kind.Skipped():
		default:
			return codec.Success{}, fmt.Errorf("%w: frame %#02x in answer to HELLO", ErrProtocol, uint8(f.Kind))
		}
	}
}

// readRefusal is the ERROR or GOAWAY that comes next, or nil.
func readRefusal(in *frameReader) error {
	_ = in.conn.SetReadDeadline(time.Now().Add(time.Second))
	f, err := in.next(func() {})
	if err == nil && (f.Kind == codec.KindError || f.Kind == codec.KindGoAway) {
		return refusalOf(f)
	}
	return nil
}

// refusalOf turns an ERROR or GOAWAY frame into a *ServerError.
func refusalOf(f codec.Frame) error {
	if f.Kind == codec.KindGoAway {
		v, err := codec.ParseGoAway(f)
		if err != nil {
			return fmt.Errorf("%w: GOAWAY: %w", ErrProtocol, err)
		}
		return &ServerError{Code: v.Code, RetryAfter: millis(v.RetryAfterMs), Host: string(v.Host)}
	}
	v, err := codec.ParseError(f)
	if err != nil {
		return fmt.Errorf("%w: ERROR: %w", ErrProtocol, err)
	}
	return &ServerError{Code: v.Code, Ref: v.Ref, RetryAfter: millis(v.RetryAfterMs), Text: string(v.Text)}
}

func millis(ms uint32) time.Duration { return time.Duration(ms) * time.Millisecond }

// attach takes SUCCESS: the marks are made durable before anything is sent under them.
func (c *Client) attach(conn net.Conn, in *frameReader, h *codec.Hello, s *codec.Success) (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	resumed := c.generation != 0
	if resumed && s.Gen != c.generation {
		return nil, fmt.Errorf("%w: HELLO for generation %d, SUCCESS for %d", ErrProtocol, c.generation, s.Gen)
	}
	if s.UpHigh > c.up.durable {
		return nil, fmt.Errorf("%w: it has taken %d, the state has sent %d", ErrStateBehind, s.UpHigh, c.up.durable)
	}
	now := c.cfg.now()
	c.generation, c.token = s.Gen, 0
	lost := c.down.begin(s.Incarnation, h.DownSeq)
	first, last, _ := c.firstTick(s.UpHigh)
	c.up.begin(int(s.WindowEntries), int(s.WindowBytes))
	if !resumed || lost || last != 0 {
		c.journal.touch(now)
	}
	if lost {
		c.forgetGroups()
	}
	if err := c.commit(); err != nil {
		return nil, err
	}
	l := &link{
		conn: conn, in: in, since: now, heard: now, wrote: now,
		keepalive: max(time.Duration(s.KeepaliveSec)*time.Second, keepaliveMin),
		greeting:  []Event{Connected{Resumed: resumed && !lost, ServerLost: lost, Generation: s.Gen}},
	}
	if last != 0 {
		l.greeting = append(l.greeting, c.serverTicks(first, last, now)...)
		c.outboxShrank()
	}
	if c.closing {
		return nil, ErrClosed
	}
	c.activeSaid = false
	c.ephemeral = c.ephemeral[:0]
	c.watchAgain()
	c.link = l
	c.poke()
	return l, nil
}

// detach ends a link and says why it ended: what the writer or the server said, else the reader's error.
func (c *Client) detach(l *link, err error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	dropConn(l.conn)
	c.link = nil
	c.watch = c.watch[:0]
	c.ephemeral = c.ephemeral[:0]
	switch {
	case l.away != nil:
		err = l.away
	case l.broken != nil:
		err = l.broken
	}
	c.questions.interrupted(sayClosed(err))
	return err
}

// hurry bounds what may still be written: Close waits for it. The mutex is held.
func (l *link) hurry(now time.Time) { _ = l.conn.SetWriteDeadline(now.Add(closeLinger)) }

// outboxShrank tells Flush. The mutex is held.
func (c *Client) outboxShrank() {
	if c.up.outstanding() == 0 {
		close(c.emptied)
		c.emptied = make(chan struct{})
	}
}
