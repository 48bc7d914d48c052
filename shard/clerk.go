package shard

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// Reply is what is written to a connection when a change has become durable: the answer to the request that has asked for it. The connection may
// have moved or be gone: then nobody is told. An empty Frame: nobody waits.
type Reply struct {
	Loop  int
	Conn  Conn
	Frame []byte
}

// Answer writes an answer of the Clerk to a connection of this loop, if it is still logged in. frame is copied.
func (s *Shard) Answer(now int64, conn Conn, frame []byte) {
	s.current = message{kind: msgFrames, conn: conn, payload: frame, from: int32(s.cfg.Loop)}
	s.takeForSession(now)
	s.drainLocal(now)
}

// SetPolicy takes over what a user of this loop has decided, unless a newer version is known already, and tells when it is durable. What it is
// given is copied.
func (s *Shard) SetPolicy(now int64, user uint64, p *Policy, then Reply) {
	b := appendPolicy(make([]byte, 4, 256), p)
	binary.BigEndian.PutUint32(b, uint32(len(b)-4))
	s.order(now, msgPolicy, user, 0, then, append(b, then.Frame...))
}

// order takes what the server asks for, when its user is in memory.
func (s *Shard) order(now int64, kind messageKind, user uint64, device uint8, then Reply, payload []byte) {
	s.current = message{
		kind: kind, user: user, device: device, conn: then.Conn, first: uint64(then.Loop), payload: payload, from: int32(s.cfg.Loop),
	}
	s.take(now)
	s.drainLocal(now)
}

// replies is what is answered when a turn is durable, in the order of turns: at most repliesMax and repliesBytesMax, for a disk that refuses lets none go.
type replies struct {
	l     []waitingReply
	head  int
	bytes int // of frames
}

type waitingReply struct {
	turn uint64
	ends bool // the connection's device was removed: it is closed behind the answer
	Reply
}

// replyLater answers when what this turn notes is durable. frame must stay as it is.
func (s *Shard) replyLater(then Reply) {
	if len(then.Frame) > 0 {
		s.keepReply(waitingReply{turn: s.notedIn, Reply: then})
	}
}

// keepReply has an answer wait. One too many is dropped: its client asks again, and gets the same answer. The end of a removed device's connection
// is never one too many: there is one for each session at most.
func (s *Shard) keepReply(r waitingReply) {
	q := &s.replies
	if !r.ends && (len(q.l)-q.head >= repliesMax || q.bytes+len(r.Frame) > repliesBytesMax) {
		s.stats.RepliesDropped++
		return
	}
	q.bytes += len(r.Frame)
	q.l = append(q.l, r)
}

// endLater closes a connection whose device was removed, behind what it is answered.
func (s *Shard) endLater(then Reply) {
	if then.Conn != 0 {
		s.keepReply(waitingReply{turn: s.notedIn, ends: true, Reply: Reply{Loop: then.Loop, Conn: then.Conn}})
	}
}

// reply sends the answers that may be told.
func (s *Shard) reply() {
	q := &s.replies
	if q.head == len(q.l) {
		return
	}
	durable := uint64(everything)
	if s.cfg.Disk != nil {
		durable = s.cfg.Disk.Durable()
	}
	for q.head < len(q.l) && q.l[q.head].turn <= durable {
		r := &q.l[q.head]
		q.head++
		if r.ends {
			s.send(r.Loop, &message{kind: msgKick, conn: r.Conn, code: uint8(codec.CodeDeviceRemoved)})
		} else {
			s.send(r.Loop, &message{kind: msgFrames, conn: r.Conn, payload: r.Frame})
		}
		q.bytes -= len(r.Frame)
		r.Frame = nil
	}
	if q.head == len(q.l) {
		*q = replies{}
	} else if q.head > len(q.l)/2 {
		q.l, q.head = q.l[:copy(q.l, q.l[q.head:])], 0
	}
	s.drainLocal(s.nowMs)
}

// answerAsk answers a request with a code.
func (s *Shard) answerAsk(now int64, m *message, code codec.ErrorCode) {
	a := iq.Answer{Ref: uint32(m.last), Op: iq.Op(m.code), Code: code}
	if code == codec.CodeServerFull || code == codec.CodeRateLimited {
		a.RetryAfterMs = refusalRetryMs + uint32(spread(m.peer, refusalRetryMs))
	}
	s.answerNow(m, &a)
}

// answerNow answers a request at once: nothing has changed.
func (s *Shard) answerNow(m *message, a *iq.Answer) {
	s.send(int(m.from), &message{kind: msgFrames, conn: m.conn, payload: must(iq.AppendAnswer(nil, a))})
}

// refuseAsked answers for a place that the disk can't read.
func (s *Shard) refuseAsked(now int64, m *message) {
	switch m.kind {
	case msgAsk:
		s.answerAsk(now, m, codec.CodeInternal)
	case msgInvite:
		s.sendInvited(m, codec.CodeInternal)
	case msgMark:
		s.answerReceipt(m)
	case msgFanOne:
		s.stats.GroupMissed++
		s.fanDone(uint64(m.conn))
	}
}
