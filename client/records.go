package client

import (
	"errors"
	"fmt"
	"io"
	"net"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// recordConn carries frames in records: Write takes whole frames, Read gives them back. The handshake uses it before, from one
// goroutine; afterwards one goroutine reads while another writes, each with its own half of the keys.
type recordConn struct {
	net.Conn
	in   []byte // in[from:] has not been read: sealed, but for what the link knows to be plaintext
	from int
	open secure.Link // the reader's: opens what comes
	seal secure.Link // the writer's: seals what goes
	out  []byte      // scratch of Write
}

// recordBytesMax is the largest record.
const recordBytesMax = secure.RecordPlainMax + secure.RecordOverhead

var errNoHalfClose = errors.New("the connection has no half-close")

// key ends the handshake: from now on there are records only.
func (r *recordConn) key(link secure.Link) { r.open, r.seal = link, link }

// reply is the server's next flight. Its Body is valid until the next read.
func (r *recordConn) reply() (secure.Reply, error) {
	for {
		reply, used, err := secure.ParseReply(r.in[r.from:])
		if err != nil {
			return reply, fmt.Errorf("%w: in the handshake: %w", ErrProtocol, err)
		}
		if used > 0 {
			r.from += used
			return reply, nil
		}
		if err := r.fill(); err != nil {
			return reply, fmt.Errorf("in the handshake: %w", err)
		}
	}
}

// Read gives plaintext. A record that is not authentic is ErrProtocol.
func (r *recordConn) Read(p []byte) (int, error) {
	for {
		plain, at, err := r.open.Plain(r.in[r.from:])
		if err != nil {
			return 0, fmt.Errorf("%w: %w", ErrProtocol, err)
		}
		if len(plain) > 0 {
			n := copy(p, plain)
			r.from += at + n + r.open.Consume(n)
			return n, nil
		}
		r.from += at
		if err := r.fill(); err != nil {
			return 0, err
		}
	}
}

// fill reads once from the connection, making room first.
func (r *recordConn) fill() error {
	if r.from > 0 {
		r.in = r.in[:copy(r.in, r.in[r.from:])]
		r.from = 0
	}
	if len(r.in) == cap(r.in) {
		if len(r.in) >= recordBytesMax {
			return fmt.Errorf("%w: a record of more than %d bytes", ErrProtocol, recordBytesMax)
		}
		grown := make([]byte, len(r.in), min(max(2*cap(r.in), readBufferBytes), recordBytesMax))
		copy(grown, r.in)
		r.in = grown
	}
	n, err := r.Conn.Read(r.in[len(r.in):cap(r.in)])
	r.in = r.in[:len(r.in)+n]
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// Write seals whole frames, as many to a record as fit, and writes the records at once. No frames make an empty record.
func (r *recordConn) Write(frames []byte) (int, error) {
	r.out = r.out[:0]
	for rest := frames; ; {
		n := cutFrames(rest)
		var err error
		if r.out, err = r.seal.Seal(r.out, rest[:n]); err != nil {
			return 0, err
		}
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
	}
	_, err := r.Conn.Write(r.out)
	if cap(r.out) > 2*writeBufferBytes {
		r.out = nil // a burst of large messages does not stay in memory
	}
	if err != nil {
		return 0, err
	}
	return len(frames), nil
}

// cutFrames is how many bytes of whole frames at the front of b one record takes.
func cutFrames(b []byte) int {
	if len(b) <= secure.RecordPlainMax {
		return len(b)
	}
	n := 0
	for {
		_, used, err := codec.Next(b[n:], codec.FrameBytesMax)
		if err != nil || used == 0 || n+used > secure.RecordPlainMax {
			break
		}
		n += used
	}
	if n == 0 {
		return secure.RecordPlainMax // not frames: the peer will say so
	}
	return n
}

// CloseWrite says that nothing more will come.
func (r *recordConn) CloseWrite() error {
	half, ok := r.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errNoHalfClose
	}
	return half.CloseWrite()
}
