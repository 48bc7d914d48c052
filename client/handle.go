package client

import (
	"fmt"
	"time"

	"trunkline/codec"
)

// One function for each frame that a server sends after login. All run on the reader's goroutine.

func (c *Client) handleDeliver(l *link, f codec.Frame) error {
	v, err := codec.ParseDeliver(f)
	if err != nil {
		return fmt.Errorf("%w: DELIVER: %w", ErrProtocol, err)
	}
	c.mu.Lock()
	if c.down.full() {
		c.mu.Unlock()
		return fmt.Errorf("%w: %d entries delivered ahead of the ACK", ErrProtocol, PendingMax)
	}
	l.fence.entry(v.Seq)
	if ofServer(v.Kind) {
		return c.handleGroupEvent(l, &v)
	}
	kept := c.keeps(&v)
	arrival, before, fresh := c.down.accept(&v)
	if fresh && kept {
		c.keep(&v, arrival, before)
	}
	if (!fresh || kept) && c.down.settle(c.journal.staged) {
		c.urgently(c.cfg.now())
	}
	c.mu.Unlock()
	if !fresh {
		c.poke() // it may be one that this connection may acknowledge now
		return nil
	}
	payload, kind := unpackPayload(v.Blob, v.Kind)
	c.emit(l, ownMessage(Message{
		ID: v.ID, From: v.From, Device: v.Device, Gen: v.Gen, Seq: v.Seq, Group: v.Group, GroupSeq: v.GroupSeq,
		Time: seconds(v.TimeSec), Kind: kind, Payload: payload, arrival: arrival, before: before,
	}, c.cfg.user))
	return nil
}

// serverTicks are the events of a first tick. The mutex is held.
func (c *Client) serverTicks(first, last uint64, at time.Time) []Event {
	var events []Event
	for _, s := range c.again.known(first, last, false) {
		events = append(events, Tick{Level: TickServer, First: s.first, Last: s.last, Time: at})
	}
	return events
}

// firstTick is tick of the outbox. A message that has its place is never sent again, so it is not kept for that. The mutex is held.
func (c *Client) firstTick(upHigh uint64) (first, last uint64, ok bool) {
	return c.up.tick(upHigh, func(e *Entry) bool { return !c.sent.placed(c.again.root(e.Cseq)) })
}

func (c *Client) handleTick(l *link, f codec.Frame) error {
	v, err := codec.ParseTick(f)
	if err != nil {
		return fmt.Errorf("%w: ACK: %w", ErrProtocol, err)
	}
	c.mu.Lock()
	first, last, ok := c.firstTick(v.UpHigh)
	var events []Event
	if last != 0 {
		c.journal.touch(c.cfg.now())
		c.outboxShrank()
		c.poke()
		events = c.serverTicks(first, last, seconds(v.TimeSec))
	}
	c.mu.Unlock()
	if !ok {
		return fmt.Errorf("%w: ACK of %d, which was never sent", ErrProtocol, v.UpHigh)
	}
	for _, ev := range events {
		c.emit(l, ev)
	}
	return nil
}

// handleReceipt takes a receipt or rejection of the mailbox. One for an older generation of this device is settled
// without a word: its numbers mean other messages.
func (c *Client) handleReceipt(l *link, f codec.Frame) error {
	v, err := codec.ParseReceipt(f)
	if err != nil {
		return fmt.Errorf("%w: RECEIPT: %w", ErrProtocol, err)
	}
	c.mu.Lock()
	if c.down.full() {
		c.mu.Unlock()
		return fmt.Errorf("%w: %d entries delivered ahead of the ACK", ErrProtocol, PendingMax)
	}
	l.fence.entry(v.Seq)
	var events []Event
	if c.down.acceptReceipt(v.Seq) {
		if v.Gen == c.generation {
			events = c.report(&v)
		}
		c.down.settle(c.journal.staged)
		c.urgently(c.cfg.now())
	}
	c.poke()
	c.mu.Unlock()
	for _, ev := range events {
		c.emit(l, ev)
	}
	return nil
}

// report notes a fresh receipt in the table of sent messages and returns its events. The mutex is held.
func (c *Client) report(v *codec.Receipt) []Event {
	if v.Kind == codec.ReceiptRejected {
		return c.reportRejected(v)
	}
	level := TickDelivered
	switch v.Kind {
	case codec.ReceiptRead:
		level = TickRead
	case codec.ReceiptPlayed:
		level = TickPlayed
	}
	peer, group := receiver(v)
	c.up.held.of(group).release(peer, group, v.First, v.Last)
	var events []Event
	for _, s := range c.again.known(v.First, v.Last, true) {
		if c.raise(v, s, level) {
			events = append(events, Tick{
				Level: level, First: s.first, Last: s.last, Peer: peer, Device: v.Device, Group: group, Time: seconds(v.TimeSec),
			})
		}
	}
	return events
}

// raise notes a receipt for a span of what it means, and says whether that was news. The mutex is held.
func (c *Client) raise(v *codec.Receipt, s span, level TickLevel) bool {
	peer, group := receiver(v)
	if group == 0 {
		return c.sent.raise(peer, s.first, s.last, level, c.journal.staged)
	}
	news := false
	for _, id := range [2]uint64{s.first, s.last} {
		if cseq := c.again.newest(id); (cseq == v.First || cseq == v.Last) && c.sent.raise(group, id, id, level, c.journal.staged) {
			news = true
		}
	}
	return c.sent.pass(group, s.first, s.last, level, c.journal.staged) || news
}

// receiver is whom the messages went to that a receipt is about: a user or a group, the other is 0.
func receiver(v *codec.Receipt) (peer, group uint64) {
	if v.Group != 0 {
		return 0, v.Group
	}
	if v.Peer&codec.GroupBit != 0 {
		return 0, v.Peer
	}
	return v.Peer, 0
}

// reportRejected makes one event for each rejected message that is not sent again; one that is no longer remembered is named by the range's
// first number. The server's mark has passed what it rejects, so a rejection is a first tick for everything up to it,
// and both are kept by one commit: else the number would be missing in what is sent again to a server that lost its data.
func (c *Client) reportRejected(v *codec.Receipt) []Event {
	var events []Event
	code := codec.ErrorCode(v.Code)
	peer, group := receiver(v)
	c.repeat(v)
	for _, s := range c.again.known(v.First, v.Last, false) {
		if s.first == v.First && c.sent.forgotten(s.first) {
			events = append(events, Rejected{ID: s.first, Peer: peer, Group: group, Code: code})
		}
		c.sent.reject(peer|group, s.first, s.last, code, c.journal.staged, func(id uint64) {
			events = append(events, Rejected{ID: id, Peer: peer, Group: group, Code: code})
		})
	}
	if first, last, ok := c.firstTick(v.Last); ok && last != 0 {
		c.outboxShrank()
		events = append(events, c.serverTicks(first, last, seconds(v.TimeSec))...)
	}
	c.up.held.of(group).release(peer, group, v.First, v.Last) // behind the tick, which keeps them: another rejection of these numbers says nothing new
	return events
}

func (c *Client) handlePresence(l *link, f codec.Frame) error {
	v, err := codec.ParsePresence(f)
	if err != nil {
		return fmt.Errorf("%w: PRESENCE: %w", ErrProtocol, err)
	}
	ev := Presence{User: v.Peer, Available: v.State == 1}
	if v.LastSeenSec != 0 {
		ev.LastSeen = seconds(v.LastSeenSec)
	}
	c.emit(l, ev)
	return nil
}

func (c *Client) handleTyping(l *link, f codec.Frame) error {
	v, err := codec.ParseTyping(f)
	if err != nil {
		return fmt.Errorf("%w: TYPING: %w", ErrProtocol, err)
	}
	ev := Typing{User: v.Peer, Device: v.Device, State: TypingState(v.State)}
	c.mu.Lock()
	timed := c.typers.note(ev, c.cfg.now())
	c.poke()
	c.mu.Unlock()
	if timed {
		c.emit(l, ev)
	}
	return nil
}

// handleError ends the link for a code that closes. A temporary refusal rewinds the outbox; the writer waits.
func (c *Client) handleError(l *link, f codec.Frame) error {
	v, err := codec.ParseError(f)
	if err != nil {
		return fmt.Errorf("%w: ERROR: %w", ErrProtocol, err)
	}
	if v.Code.Closes() {
		return refusalOf(f)
	}
	if c.refusedRequest(&v) {
		return nil
	}
	wait := time.Duration(0)
	if v.Code == codec.CodeRateLimited || v.Code == codec.CodeServerFull {
		wait = min(millis(v.RetryAfterMs), RetryAfterMax)
		if wait == 0 {
			wait = refusalWait
		}
		c.mu.Lock()
		c.up.refuse(v.Ref, c.cfg.now().Add(wait))
		c.poke()
		c.mu.Unlock()
	}
	c.emit(l, Refused{Code: v.Code, Ref: v.Ref, RetryIn: wait, Text: string(v.Text)})
	return nil
}

// handleGoAway stops sending. The connection stays for the ticks that are missing, then the writer leaves; goAwayLinger
// bounds that.
func (c *Client) handleGoAway(l *link, f codec.Frame) error {
	err := refusalOf(f)
	away, ok := err.(*ServerError)
	if !ok {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.away = away
	_ = l.conn.SetReadDeadline(c.cfg.now().Add(goAwayLinger))
	c.poke()
	return nil
}

func (c *Client) handlePing() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.ephemeral) <= EphemeralBytesMax {
		c.ephemeral = codec.AppendPong(c.ephemeral)
	}
	c.poke()
	return nil
}

func seconds(s uint32) time.Time { return time.Unix(int64(s), 0) }
