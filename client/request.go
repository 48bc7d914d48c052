package client

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// questions are the requests of this client that wait for an answer. Pure; the client's mutex guards it.
//
//	ask -> waiting --written--> asked --answer, ERROR--> done
//	          ^                   |
//	          +--- idempotent ----+--- connection lost ---> done: ErrInterrupted
type questions struct {
	last uint32 // the newest ref
	open map[uint32]*question
}

// question is one request.
type question struct {
	ref    uint32
	op     iq.Op
	frame  []byte
	asked  bool // on the connection that there is
	tries  int  // connections that it was written on
	learn  bool // nobody waits: the client itself wants to know somebody's devices
	done   chan struct{}
	answer iq.Answer // valid when done is closed
	err    error
}

// refMin is where refs begin. Soft ERRORs about messages name cseqs in the same field: apart, the two can be told from each other.
const refMin = 1 << 31

// ask sends a request and waits for its answer. A refusal is a *ServerError. Events must be consumed meanwhile, as always: from another goroutine.
func (c *Client) ask(ctx context.Context, r *iq.Request) (iq.Answer, error) {
	if ctx.Err() != nil {
		return iq.Answer{}, ctx.Err()
	}
	c.mu.Lock()
	q, err := c.pose(r)
	c.mu.Unlock()
	if err != nil {
		return iq.Answer{}, err
	}
	select {
	case <-q.done:
	case <-ctx.Done():
		c.settle(q, ctx.Err())
	case <-c.ctx.Done():
		c.mu.Lock()
		err := c.usable()
		c.mu.Unlock()
		c.settle(q, err)
	}
	return q.answer, q.err
}

// pose puts a request where the writer finds it. The mutex is held.
func (c *Client) pose(r *iq.Request) (*question, error) {
	if err := c.usable(); err != nil {
		return nil, err
	}
	if len(c.questions.open) >= RequestsMax {
		return nil, ErrTooManyRequests
	}
	c.questions.last = max(c.questions.last+1, refMin)
	q := &question{ref: c.questions.last, op: r.Op, done: make(chan struct{})}
	r.Ref = q.ref
	var err error
	if q.frame, err = iq.AppendRequest(nil, r); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	c.questions.open[q.ref] = q
	c.poke()
	return q, nil
}

// settle ends a question, unless it has ended.
func (c *Client) settle(q *question, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.questions.end(q, err)
}

// end gives a question its end, once.
func (t *questions) end(q *question, err error) {
	if t.open[q.ref] != q {
		return
	}
	delete(t.open, q.ref)
	q.err = err
	close(q.done)
}

// inOrder lists the refs of what is asked already, or not yet, in the order of the calls.
func (t *questions) inOrder(asked bool) []uint32 {
	var refs []uint32
	for ref, q := range t.open {
		if q.asked == asked {
			refs = append(refs, ref)
		}
	}
	slices.Sort(refs)
	return refs
}

// appendQuestions adds what was not asked on this connection. The mutex is held.
func (w *writer) appendQuestions() {
	t := &w.c.questions
	if len(t.open) == 0 {
		return
	}
	for _, ref := range t.inOrder(false) {
		if len(w.buf) >= writeBufferBytes {
			return
		}
		q := t.open[ref]
		w.buf = append(w.buf, q.frame...)
		q.asked = true
		q.tries++
	}
}

// interrupted takes the end of a connection: nobody knows what became of what was asked on it. What changes nothing when it is done twice is asked
// again on the next one. The mutex is held.
func (t *questions) interrupted(why error) {
	for _, ref := range t.inOrder(true) {
		q := t.open[ref]
		q.asked = false
		switch {
		case endsDevice(q.op) && errors.Is(why, ErrDeviceRemoved):
			t.end(q, nil) // this is how it is answered
		case !repeatable(q.op) || q.tries >= requestTriesMax:
			t.end(q, fmt.Errorf("%w: %w", ErrInterrupted, why))
		}
	}
}

// repeatable says whether a request may be asked again though it may have been done: one that reads, one that names its creation, and one that says how
// something shall be and not how it shall change.
func repeatable(op iq.Op) bool {
	switch op {
	case iq.OpGroupInfo, iq.OpGroupList, iq.OpGroupReceipts, iq.OpProfileGet, iq.OpContactsGet, iq.OpBlocksGet, iq.OpPrivacyGet, iq.OpDevicesGet:
		return true
	case iq.OpGroupCreate, iq.OpProfileSet, iq.OpContactsAdd, iq.OpContactsDrop, iq.OpBlocksAdd, iq.OpBlocksDrop, iq.OpPrivacySet:
		return true
	}
	return false
}

// handleNode takes an answer or a notice. One that can't be read ends its question and not the connection.
func (c *Client) handleNode(l *link, f codec.Frame) error {
	head, err := codec.ParseNode(f)
	if err != nil {
		return fmt.Errorf("%w: NODE: %w", ErrProtocol, err)
	}
	var a iq.Answer
	var n iq.Notice
	notice, err := iq.ParseReply(&c.tape, f, &a, &n)
	switch {
	case err != nil:
		c.log.Info("node passed over", "ref", head.Ref, "err", err)
		c.answer(l, head.Ref, nil, fmt.Errorf("%w: %w", ErrProtocol, err))
	case notice:
		c.handleNotice(l, &n)
	case a.Code != codec.CodeNone:
		c.answer(l, a.Ref, &a, &ServerError{Code: a.Code, Ref: uint64(a.Ref), RetryAfter: min(millis(a.RetryAfterMs), RetryAfterMax), Text: a.Text})
	default:
		c.answer(l, a.Ref, &a, nil)
	}
	return nil
}

// answer ends the question of that ref, if it still waits.
func (c *Client) answer(l *link, ref uint32, a *iq.Answer, err error) {
	c.mu.Lock()
	q := c.questions.open[ref]
	if q == nil || !q.asked {
		c.mu.Unlock()
		return
	}
	var refused error
	if a != nil && err == nil {
		if a.Group.Group != 0 {
			c.learnEpoch(a.Group.Group, a.Group.Epoch)
		}
		if q.learn && a.Devices.User != 0 {
			_, refused = c.learnDevices(&a.Devices, pinFirst)
		}
		q.answer = *a
	}
	c.questions.end(q, err)
	c.mu.Unlock()
	if refused != nil {
		c.emit(l, DevicesRefused{User: a.Devices.User, Err: refused})
	}
}

// learnKey asks for the key of a user's primary device, when a list came that nobody here can check. Nobody waits for it. The mutex is held.
func (c *Client) learnKey(user uint64) {
	if row := c.known.devices[user]; c.cfg.transport == transportPlain || row == nil || row.Key != [32]byte{} {
		return
	}
	for _, q := range c.questions.open {
		if q.learn {
			return // one at a time: the next list asks again
		}
	}
	if q, err := c.pose(&iq.Request{Op: iq.OpDevicesGet, User: user}); err == nil {
		q.learn = true
	}
}

// refusedRequest ends the question that a soft ERROR names. False: it names none.
func (c *Client) refusedRequest(v *codec.Error) bool {
	if v.Ref < refMin || v.Ref > 1<<32-1 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	q := c.questions.open[uint32(v.Ref)]
	if q == nil || !q.asked {
		return false
	}
	c.questions.end(q, &ServerError{Code: v.Code, Ref: v.Ref, RetryAfter: min(millis(v.RetryAfterMs), RetryAfterMax), Text: string(v.Text)})
	return true
}

// handleNotice takes what the server says unasked: the group or the list of devices that a message was addressed by is an old one.
func (c *Client) handleNotice(l *link, n *iq.Notice) {
	var refused error
	c.mu.Lock()
	if n.Group.Group != 0 {
		c.learnEpoch(n.Group.Group, n.Group.Epoch)
	}
	if n.Devices.User != 0 {
		_, refused = c.learnDevices(&n.Devices, pinFirst)
		c.learnKey(n.Devices.User)
	}
	c.mu.Unlock()
	if refused != nil {
		c.emit(l, DevicesRefused{User: n.Devices.User, Err: refused})
	}
}

// endsDevice says whether a request may be answered by the end of this device.
func endsDevice(op iq.Op) bool { return op == iq.OpAccountDelete || op == iq.OpDeviceRemove }
