package wire

import (
	"bytes"
	"fmt"
	"strconv"
)

// NATS is core NATS: user n subscribes to "u.n"; whoever gets a message answers to its reply subject, which is the sender's own subject,
// with an empty message. So a session has one subscription, and an empty message is a reply.
// Source: docs.nats.io/reference/reference-protocols/nats-protocol.
type NATS struct{}

// natsLineBytesMax bounds a line; INFO is the longest.
const natsLineBytesMax = 32 << 10

var crlf = []byte("\r\n")

// Marks implements Dialect: core NATS says nothing itself, the reply comes from the receiver.
func (NATS) Marks() Marks { return Marks{Confirmed: true} }

// Hello implements Dialect: the server speaks first.
func (NATS) Hello(dst []byte, _ *Session) []byte { return dst }

// Take implements Dialect.
func (n NATS) Take(dst []byte, s *Session, in []byte, to Events) ([]byte, int, error) {
	consumed := 0
	for {
		rest := in[consumed:]
		end := bytes.Index(rest, crlf)
		if end < 0 {
			if len(rest) > natsLineBytesMax {
				return dst, consumed, fmt.Errorf("%w: a line of more than %d bytes", ErrPeer, natsLineBytesMax)
			}
			return dst, consumed, nil
		}
		var err error
		used := end + 2
		if bytes.HasPrefix(rest, []byte("MSG ")) {
			dst, used, err = n.message(dst, s, rest, end, to)
		} else {
			dst, err = n.line(dst, s, rest[:end], to)
		}
		if err != nil || used == 0 {
			return dst, consumed, err
		}
		consumed += used
	}
}

// line takes a line that is not a message.
func (NATS) line(dst []byte, s *Session, line []byte, to Events) ([]byte, error) {
	switch {
	case bytes.HasPrefix(line, []byte("INFO ")):
		if s.stage != stageNew {
			return dst, nil // the server has news of itself
		}
		s.stage = stageBinding
		dst = append(dst, `CONNECT {"verbose":false,"pedantic":false,"tls_required":false,"lang":"go","version":"1","protocol":1}`+"\r\nSUB u."...)
		dst = strconv.AppendInt(dst, int64(s.Index), 10)
		return append(dst, " 1\r\nPING\r\n"...), nil
	case string(line) == "PING":
		return append(dst, "PONG\r\n"...), nil
	case string(line) == "PONG":
		if s.stage == stageBinding {
			s.stage = stageReady
			to.Ready(s)
		}
		return dst, nil
	case string(line) == "+OK":
		return dst, nil
	}
	return dst, fmt.Errorf("%w: %.200q", ErrPeer, line)
}

// message takes "MSG subject sid [reply] bytes" and its payload; used is 0 when it is not all there.
func (NATS) message(dst []byte, s *Session, b []byte, end int, to Events) (out []byte, used int, err error) {
	fields := bytes.Fields(b[:end])
	if len(fields) != 4 && len(fields) != 5 {
		return dst, 0, fmt.Errorf("%w: %.200q", ErrPeer, b[:end])
	}
	size, err := strconv.Atoi(string(fields[len(fields)-1]))
	if err != nil || size < 0 || size > mqttBytesMax {
		return dst, 0, fmt.Errorf("%w: %.200q", ErrPeer, b[:end])
	}
	used = end + 2 + size + 2
	if len(b) < used {
		return dst, 0, nil
	}
	if size == 0 {
		to.Confirmed(s, 1)
		return dst, used, nil
	}
	to.Arrived(s, b[end+2:end+2+size])
	if len(fields) == 5 {
		dst = append(dst, "PUB "...)
		dst = append(dst, fields[3]...)
		dst = append(dst, " 0\r\n\r\n"...)
	}
	return dst, used, nil
}

// Send implements Dialect.
func (NATS) Send(dst []byte, s *Session, user int, payload []byte) []byte {
	s.sent++
	dst = append(dst, "PUB u."...)
	dst = strconv.AppendInt(dst, int64(user), 10)
	dst = append(dst, " u."...)
	dst = strconv.AppendInt(dst, int64(s.Index), 10)
	dst = append(dst, ' ')
	dst = strconv.AppendInt(dst, int64(len(payload)), 10)
	dst = append(dst, crlf...)
	dst = append(dst, payload...)
	return append(dst, crlf...)
}

// Mark implements Dialect: core NATS keeps nothing, so there is nothing to be taken.
func (NATS) Mark(dst []byte, _ *Session) []byte { return dst }

// Bye implements Dialect: closing is all there is.
func (NATS) Bye(dst []byte, s *Session) []byte {
	s.stage = stageNew
	return dst
}
