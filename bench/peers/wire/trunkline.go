package wire

import (
	"fmt"

	"trunkline/codec"
)

// Trunkline is our own protocol on the plain transport, with both ticks. A user's devices are registered at their first login.
// Source: docs/protocol.md.
type Trunkline struct {
	// Patient: second ticks are not acknowledged at once but together with the next message, whichever way it goes, or when ticksOwedMax of them have
	// come. The protocol lets a client wait for a moment. Else all that came in one read is acknowledged in the same turn.
	Patient bool
	// Taken: a message is done for its sender when the server has taken it, as with MQTT. Second ticks come all the same; nobody waits for them.
	Taken bool
}

// ticksOwedMax is how many entries a device may leave without its ACK (docs/protocol.md, "Window").
const ticksOwedMax = 32

// userBase is the id of user 0.
const userBase = 1_000_000_000

// Marks implements Dialect.
func (t Trunkline) Marks() Marks { return Marks{Accepted: true, Confirmed: !t.Taken} }

// Hello implements Dialect.
func (Trunkline) Hello(dst []byte, s *Session) []byte {
	s.epoch++
	v := codec.Hello{Version: 1, User: userBase + uint64(s.Index), Gen: s.gen, Incarnation: s.incarnation, DownSeq: s.seen, Ticked: s.ticked, Epoch: s.epoch}
	if s.gen == 0 {
		v.DownSeq, v.Ticked = v.User, 0 // the token of a registration that may be said twice
	}
	dst, _ = codec.AppendHello(dst, &v) // has no extensions that could be wrong
	return dst
}

// Take implements Dialect: one cumulative ACK for all that came together.
func (t Trunkline) Take(dst []byte, s *Session, in []byte, to Events) ([]byte, int, error) {
	consumed := 0
	for {
		f, used, err := codec.Next(in[consumed:], codec.FrameBytesMax)
		if err != nil {
			return dst, consumed, fmt.Errorf("%w: %w", ErrPeer, err)
		}
		if used == 0 {
			break
		}
		consumed += used
		if dst, err = t.frame(dst, s, f, to); err != nil {
			return dst, consumed, fmt.Errorf("%w: frame of kind %#x: %w", ErrPeer, f.Kind, err)
		}
	}
	if !t.Patient || s.urgent || s.owed >= ticksOwedMax {
		dst = t.acknowledge(dst, s)
	}
	return dst, consumed, nil
}

// acknowledge appends an ACK of everything that has come.
func (Trunkline) acknowledge(dst []byte, s *Session) []byte {
	if s.seen > s.acked {
		s.acked = s.seen
		dst, _ = codec.AppendAck(dst, &codec.Ack{Seq: s.seen}) // has no extensions either
	}
	s.owed, s.urgent = 0, false
	return dst
}

// frame takes one frame.
func (t Trunkline) frame(dst []byte, s *Session, f codec.Frame, to Events) ([]byte, error) {
	switch f.Kind {
	case codec.KindSuccess:
		v, err := codec.ParseSuccess(f)
		if err != nil {
			return dst, err
		}
		s.gen, s.incarnation, s.acked = v.Gen, v.Incarnation, s.seen
		s.stage = stageReady
		to.Ready(s)
	case codec.KindDeliver:
		v, err := codec.ParseDeliver(f)
		if err != nil {
			return dst, err
		}
		if v.Seq > s.seen {
			s.seen, s.urgent = v.Seq, true
			to.Arrived(s, v.Blob)
		}
	case codec.KindAck:
		v, err := codec.ParseTick(f)
		if err != nil {
			return dst, err
		}
		if v.UpHigh > s.sent {
			return dst, fmt.Errorf("first tick %d for a device that sent %d", v.UpHigh, s.sent)
		}
		if v.UpHigh > s.ticked {
			n := int(v.UpHigh - s.ticked)
			s.ticked, s.taken = v.UpHigh, v.UpHigh
			to.Accepted(s, n)
		}
	case codec.KindReceipt:
		return dst, t.receipt(s, f, to)
	case codec.KindPing:
		return codec.AppendPong(dst), nil
	case codec.KindPong:
	default:
		return dst, t.refusal(f)
	}
	return dst, nil
}

// receipt takes a range of second ticks.
func (Trunkline) receipt(s *Session, f codec.Frame, to Events) error {
	v, err := codec.ParseReceipt(f)
	if err != nil {
		return err
	}
	if v.Seq <= s.seen {
		return nil
	}
	s.seen = v.Seq
	s.owed++
	if v.Kind != codec.ReceiptDelivered || v.First == 0 || v.Last < v.First || v.Last > s.sent {
		return fmt.Errorf("receipt of kind %d code %d for %d to %d of %d", v.Kind, v.Code, v.First, v.Last, s.sent)
	}
	to.Confirmed(s, int(v.Last-v.First+1))
	return nil
}

// refusal is what the server says when it does not go on.
func (Trunkline) refusal(f codec.Frame) error {
	if f.Kind != codec.KindError {
		return fmt.Errorf("not expected")
	}
	v, err := codec.ParseError(f)
	if err != nil {
		return err
	}
	return fmt.Errorf("code %d %s", v.Code, v.Text)
}

// Send implements Dialect.
func (t Trunkline) Send(dst []byte, s *Session, user int, payload []byte) []byte {
	if t.Patient {
		dst = t.acknowledge(dst, s)
	}
	s.sent++
	var parts [512]byte
	v := codec.Send{Cseq: s.sent, To: userBase + uint64(user), N: 1, Parts: codec.Parts(parts[:0]).Append(codec.Part{Blob: payload})}
	out, err := codec.AppendSend(dst, &v)
	if err != nil {
		s.sent--
		return dst // only a payload over the protocol's limit: the run's configuration refuses one
	}
	return out
}

// Mark implements Dialect: first ticks come by themselves.
func (Trunkline) Mark(dst []byte, _ *Session) []byte { return dst }

// Bye implements Dialect: closing is all there is.
func (Trunkline) Bye(dst []byte, s *Session) []byte {
	s.stage = stageNew
	return dst
}
