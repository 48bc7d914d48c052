package shard

import (
	"trunkline/codec"
	"trunkline/store"
)

// queueOp is one change of the mailbox memory.
type queueOp uint8

const (
	queueAppend  queueOp = iota + 1
	queueReplace         // the fields of the newest entry
	queueDrop            // up to entry.Seq
	queueDiscard         // the same, and the record's head is what says so: nobody took these entries, and no sender is told
)

type queueEffect struct {
	op      queueOp
	entry   store.Entry
	payload []byte
}

// postEffect is a message for the machines of a loop, this one included.
type postEffect struct {
	to      int
	message message
}

// effects is what a step asks for. It is reused: one step fills it, Shard.apply empties it. Nothing in it has happened
// before Step returned and the machine's new record was committed, except that memory was used.
type effects struct {
	queue []queueEffect
	posts []postEffect

	// Of a session, for its own connection.
	frames      []byte // to be written
	direct      []byte // to be written instead of frames, when there is but one piece
	timerMs     int64  // -1: leave it
	moveTo      int    // -1: stay
	close       bool   // flush and close
	free        bool   // give the record back
	leave       bool   // the frame is not consumed: give it again
	redeliver   bool   // ... in the next turn, without waiting for input
	subscribe   []uint64
	unsubscribe []uint64
	forget      uint32 // 0, or the first of the subscriptions to end
	held        heldPresence
	released    []uint32 // subscriptions whose value is written
	flush       bool     // put it on the list of those that hold presence and may write it

	// Of a mailbox.
	ticking  bool      // put it on the list of those that owe a first tick
	starved  bool      // put it on the list of those that could not push
	fetch    bool      // ask the disk for more of it
	presence bool      // the watchers of its user are to be told anew
	hold     []outcome // rejections that wait until the mark passes their cseq
	release  uint64    // 0, or let go of held rejections up to this cseq
	met      uint64    // with hasMet: the hash of a pair that exchanges messages
	hasMet   bool
	born     bool // a new generation has begun

	// scratch holds the encoded frames that posts carry. It is emptied when the local queue is: messages alias it.
	scratch []byte
}

// heldPresence is what a subscription is to hold; at 0: nothing.
type heldPresence struct {
	at      uint32
	code    uint8
	seenSec uint32
}

func (out *effects) reset() {
	out.queue = out.queue[:0]
	out.posts = out.posts[:0]
	out.frames = out.frames[:0]
	out.direct = nil
	out.timerMs = -1
	out.moveTo = -1
	out.close, out.free, out.leave, out.redeliver = false, false, false, false
	out.subscribe, out.unsubscribe, out.forget = out.subscribe[:0], out.unsubscribe[:0], 0
	out.held, out.released, out.flush = heldPresence{}, out.released[:0], false
	out.ticking, out.starved, out.fetch, out.presence = false, false, false, false
	out.hold, out.release = out.hold[:0], 0
	out.met, out.hasMet, out.born = 0, false, false
}

// recycle empties the scratch memory: nobody holds a message that aliases it any more.
func (out *effects) recycle() {
	if cap(out.scratch) > scratchBytesMax {
		out.scratch = nil
	}
	out.scratch = out.scratch[:0]
	if cap(out.frames) > scratchBytesMax {
		out.frames = nil
	}
}

// post adds a message and returns it for filling in. It is valid until the next post.
func (out *effects) post(to int, kind messageKind) *message {
	out.posts = append(out.posts, postEffect{to: to})
	m := &out.posts[len(out.posts)-1].message
	m.kind = kind
	return m
}

// write adds bytes that must stay valid until the step's effects are applied.
func (out *effects) write(frames []byte) {
	if len(out.frames) == 0 && out.direct == nil {
		out.direct = frames
		return
	}
	out.open()
	out.frames = append(out.frames, frames...)
}

// open makes frames the place for what is written from now on.
func (out *effects) open() {
	if out.direct != nil {
		out.frames = append(out.frames, out.direct...)
		out.direct = nil
	}
}

// output is what the step has written.
func (out *effects) output() []byte {
	if out.direct != nil {
		return out.direct
	}
	return out.frames
}

func (out *effects) writePresence(peer uint64, code uint8, seenSec uint32) {
	out.open()
	out.frames = must(codec.AppendPresence(out.frames, &codec.Presence{Peer: peer, State: code, LastSeenSec: seenSec}))
}

func (out *effects) writeError(code codec.ErrorCode, ref uint64, retryAfterMs uint32) {
	out.open()
	e := codec.Error{Code: code, Ref: ref, RetryAfterMs: retryAfterMs}
	out.frames = must(codec.AppendError(out.frames, &e))
}

// must is for frames whose values this package has made itself: an error of theirs is our fault and crashes the step.
func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}
