package wire

import (
	"encoding/binary"
	"fmt"
	"strconv"
)

// MQTT is version 3.1.1 with QoS 1 on both hops. User n subscribes to "u/n".
// Source: docs.oasis-open.org/mqtt/mqtt/v3.1.1, chapters 2 and 3.
type MQTT struct{}

// First bytes of packets, flags included.
const (
	mqttConnect    = 0x10
	mqttConnack    = 0x20
	mqttPublish    = 0x30
	mqttPublishQ1  = 0x32
	mqttPuback     = 0x40
	mqttSubscribe  = 0x82
	mqttSuback     = 0x90
	mqttPingresp   = 0xd0
	mqttDisconnect = 0xe0
)

// mqttBytesMax bounds a packet; this generator's are a few hundred bytes.
const mqttBytesMax = 1 << 20

// Marks implements Dialect: the sender hears of the broker only.
func (MQTT) Marks() Marks { return Marks{Accepted: true} }

// Hello implements Dialect: CONNECT, without keepalive; a session that keeps is a persistent one.
func (MQTT) Hello(dst []byte, s *Session) []byte {
	name := "u" + strconv.Itoa(s.Index)
	flags := byte(0x02)
	if s.Keeps {
		flags = 0
	}
	dst = append(dst, mqttConnect, byte(12+len(name)), 0, 4, 'M', 'Q', 'T', 'T', 4, flags, 0, 0, 0, byte(len(name)))
	return append(dst, name...)
}

// Take implements Dialect.
func (m MQTT) Take(dst []byte, s *Session, in []byte, to Events) ([]byte, int, error) {
	consumed := 0
	for {
		kind, body, used, err := mqttNext(in[consumed:])
		if err != nil || used == 0 {
			return dst, consumed, err
		}
		consumed += used
		if dst, err = m.packet(dst, s, kind, body, to); err != nil {
			return dst, consumed, err
		}
	}
}

// mqttNext splits the first whole packet off b; used is 0 when it is not there yet.
func mqttNext(b []byte) (kind byte, body []byte, used int, err error) {
	if len(b) < 2 {
		return 0, nil, 0, nil
	}
	length, n := 0, 0
	for shift := 0; ; shift += 7 {
		if n == 4 {
			return 0, nil, 0, fmt.Errorf("%w: a packet's length has more than four bytes", ErrPeer)
		}
		if 1+n == len(b) {
			return 0, nil, 0, nil
		}
		c := b[1+n]
		n++
		length |= int(c&0x7f) << shift
		if c < 0x80 {
			break
		}
	}
	if length > mqttBytesMax {
		return 0, nil, 0, fmt.Errorf("%w: a packet of %d bytes", ErrPeer, length)
	}
	if len(b) < 1+n+length {
		return 0, nil, 0, nil
	}
	return b[0], b[1+n : 1+n+length], 1 + n + length, nil
}

// packet takes one packet.
func (m MQTT) packet(dst []byte, s *Session, kind byte, body []byte, to Events) ([]byte, error) {
	switch {
	case kind == mqttConnack:
		if len(body) != 2 || body[1] != 0 {
			return dst, fmt.Errorf("%w: CONNACK % x", ErrPeer, body)
		}
		if body[0]&1 == 0 { // no session is kept: subscribe
			return m.subscribe(dst, s), nil
		}
		s.stage = stageReady
		to.Ready(s)
	case kind == mqttSuback:
		if len(body) != 3 || body[2] != 1 {
			return dst, fmt.Errorf("%w: SUBACK % x", ErrPeer, body)
		}
		s.stage = stageReady
		to.Ready(s)
	case kind == mqttPuback:
		s.taken++
		to.Accepted(s, 1)
	case kind&0xf0 == mqttPublish:
		return m.published(dst, s, kind, body, to)
	case kind == mqttPingresp:
	default:
		return dst, fmt.Errorf("%w: packet of kind %#x", ErrPeer, kind)
	}
	return dst, nil
}

// subscribe appends the subscription of a user to its topic.
func (MQTT) subscribe(dst []byte, s *Session) []byte {
	topic := mqttTopic(s.Index)
	dst = append(dst, mqttSubscribe, byte(5+len(topic)), 0, 1, 0, byte(len(topic)))
	dst = append(dst, topic...)
	return append(dst, 1)
}

func mqttTopic(user int) string { return "u/" + strconv.Itoa(user) }

// published takes a message and appends its PUBACK.
func (MQTT) published(dst []byte, s *Session, kind byte, body []byte, to Events) ([]byte, error) {
	if kind&0x06 != 0x02 || len(body) < 2 {
		return dst, fmt.Errorf("%w: PUBLISH of kind %#x, %d bytes", ErrPeer, kind, len(body))
	}
	at := 2 + int(binary.BigEndian.Uint16(body))
	if len(body) < at+2 {
		return dst, fmt.Errorf("%w: PUBLISH ends in its topic", ErrPeer)
	}
	to.Arrived(s, body[at+2:])
	return append(dst, mqttPuback, 2, body[at], body[at+1]), nil
}

// Send implements Dialect. Packet identifiers go round from 1 to 65,535.
func (MQTT) Send(dst []byte, s *Session, user int, payload []byte) []byte {
	topic := mqttTopic(user)
	id := uint16(s.sent%65535) + 1
	s.sent++
	dst = append(dst, mqttPublishQ1)
	n := 2 + len(topic) + 2 + len(payload)
	for ; n >= 0x80; n >>= 7 {
		dst = append(dst, byte(n)|0x80)
	}
	dst = append(dst, byte(n), 0, byte(len(topic)))
	dst = append(dst, topic...)
	dst = binary.BigEndian.AppendUint16(dst, id)
	return append(dst, payload...)
}

// Mark implements Dialect: each message has its PUBACK.
func (MQTT) Mark(dst []byte, _ *Session) []byte { return dst }

// Bye implements Dialect.
func (MQTT) Bye(dst []byte, s *Session) []byte {
	s.stage = stageNew
	return append(dst, mqttDisconnect, 0)
}
