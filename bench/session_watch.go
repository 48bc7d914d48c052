package bench

import (
	"time"

	"trunkline/codec"
	"trunkline/netpoll"
)

// sessionWatch is told what a loop's sessions see beyond logging in, keeping alive and acknowledging. It belongs to the loop.
type sessionWatch interface {
	// ready is a session that has logged in.
	ready(s *session, v codec.Success)
	// frame is any frame behind that, after the session has taken what is its own of it.
	frame(s *session, f codec.Frame, now int64) error
	// command is an order of the run.
	command(msg []byte)
	// publish copies counters for other goroutines, once a turn.
	publish()
}

// refusalWatch is a sessionWatch that deals with ERRORs of its sessions.
type refusalWatch interface {
	// refused takes an ERROR; false: it is the session's own.
	refused(s *session, v *codec.Error, now int64) bool
}

// closeWatch is a sessionWatch whose sessions come back when the server has closed them.
type closeWatch interface {
	// closed is the end of a session, or of a login, that the server wanted and the run did not; false: it is a failure.
	closed(s *session, now int64) bool
}

// returns says whether somebody has a session come back that the server has closed. What the generator itself has closed, for what it read, is
// a failure.
func (sl *sessionLoop) returns(s *session, reason netpoll.CloseReason) bool {
	w, ok := sl.watch.(closeWatch)
	return ok && (s.hung || reason == netpoll.ReasonPeerClosed || reason == netpoll.ReasonError) && w.closed(s, sl.clock.now())
}

// ackBatch is how many entries a session acknowledges at the latest at once when it acknowledges in batches, as the protocol advises.
const ackBatch = 32

// owedAck is a session that has something to acknowledge, since when.
type owedAck struct {
	id    netpoll.ConnID
	since int64
}

// acknowledge says what was kept: at once, or in batches when the loop has a moment for them.
func (sl *sessionLoop) acknowledge(s *session, now int64) {
	switch {
	case s.seen <= s.acked:
	case sl.moment == 0 || s.seen-s.acked >= ackBatch:
		sl.sendAck(s)
	case !s.owes:
		s.owes = true
		sl.owed = append(sl.owed, owedAck{s.id, now})
	}
}

func (sl *sessionLoop) sendAck(s *session) {
	s.acked = s.seen
	sl.scratch, _ = codec.AppendAck(sl.scratch[:0], &codec.Ack{Seq: s.seen})
	sl.send(s.id, sl.scratch)
}

// payOwed acknowledges what has waited for its moment; now in the far future: everything.
func (sl *sessionLoop) payOwed(now int64) {
	n := 0
	for ; n < len(sl.owed) && now-sl.owed[n].since >= int64(sl.moment); n++ {
		s := &sl.slots[sl.owed[n].id.Slot()]
		if s.id != sl.owed[n].id {
			continue
		}
		s.owes = false
		if s.state == sessionReady && s.seen > s.acked {
			sl.sendAck(s)
		}
	}
	if n > 0 {
		sl.owed = sl.owed[:copy(sl.owed, sl.owed[n:])]
	}
}

// cutOne closes a session that is logged in; it is not counted as failed.
func (sl *sessionLoop) cutOne(s *session) {
	if s.state != sessionReady {
		return
	}
	sl.counts.ready.Add(-1)
	s.state, s.cut = sessionAway, true
	sl.loop.Close(s.id)
}

// ackMomentDefault is how long a member of a group waits for more before it acknowledges fewer than ackBatch entries.
const ackMomentDefault = 100 * time.Millisecond
