package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"trunkline/codec"
)

// run is the reader's goroutine: it serves l, and reconnects until ctx or a final error ends the client.
func (c *Client) run(l *link) {
	defer c.wg.Done()
	c.handOut(l)
	err := c.live(l)
	c.mu.Lock()
	if err == nil && !c.closing {
		err = c.journal.err
	}
	c.err, c.ended = err, true
	for _, asked := range []bool{true, false} {
		for _, ref := range c.questions.inOrder(asked) {
			c.questions.end(c.questions.open[ref], closedBy(err))
		}
	}
	c.mu.Unlock()
	c.cancel()
	close(c.events)
}

// live returns why the client ended, nil after Close.
func (c *Client) live(l *link) error {
	back := backoff{base: c.cfg.backoffBase, max: c.cfg.backoffMax, jitter: c.cfg.jitter}
	for {
		var err error
		if l == nil {
			l, err = c.login(c.ctx)
		}
		if err == nil {
			err = c.detach(l, c.serve(l))
			if c.cfg.now().Sub(l.since) >= BackoffResetAfter {
				back.reset()
			}
			l = nil
		}
		if c.ctx.Err() != nil {
			return nil
		}
		err = sayClosed(err)
		if c.cfg.once || final(err) {
			c.log.Warn("ends", "err", err)
			c.emit(nil, Disconnected{Err: err})
			return err
		}
		wait := back.next(err)
		c.log.Info("disconnected", "err", err, "retry_in", wait)
		c.emit(nil, Disconnected{Err: err, RetryIn: wait})
		if !c.sleep(wait) {
			return nil
		}
	}
}

// sayClosed puts the end of input into words.
func sayClosed(err error) error {
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("server closed the connection: %w", err)
	}
	return err
}

// sleep waits; false when the client is closed meanwhile.
func (c *Client) sleep(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-c.ctx.Done():
		return false
	}
}

// serve reads l until it ends.
func (c *Client) serve(l *link) error {
	c.log.Info("connected", "keepalive", l.keepalive)
	for _, ev := range l.greeting {
		c.emit(l, ev)
	}
	l.greeting = nil
	heard := func() {
		c.mu.Lock()
		l.heard, l.pinged = c.cfg.now(), time.Time{}
		c.mu.Unlock()
	}
	for {
		f, err := l.in.next(heard)
		if err != nil {
			if c.ctx.Err() != nil && errors.Is(err, os.ErrDeadlineExceeded) {
				return nil
			}
			return err
		}
		if c.ctx.Err() != nil {
			continue // Close is under way: read until the server closes, hand nothing over
		}
		if err := c.handle(l, f); err != nil {
			return err
		}
	}
}

// emit hands ev to the application and waits for it as long as it takes: meanwhile the socket is not read. l is nil
// when there is none.
func (c *Client) emit(l *link, ev Event) {
	select {
	case c.events <- ev:
		return
	default:
	}
	c.block(l, true)
	select {
	case c.events <- ev:
	case <-c.ctx.Done():
	}
	c.block(l, false)
}

// block notes that the reader waits for the application, or no longer does: then the silence meanwhile counts from now.
func (c *Client) block(l *link, blocked bool) {
	if l == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	l.blocked = blocked
	l.heard, l.pinged = c.cfg.now(), time.Time{}
}

// handle answers one frame. An error ends the link.
func (c *Client) handle(l *link, f codec.Frame) error {
	switch f.Kind {
	case codec.KindDeliver:
		return c.handleDeliver(l, f)
	case codec.KindAck:
		return c.handleTick(l, f)
	case codec.KindReceipt:
		return c.handleReceipt(l, f)
	case codec.KindPresence:
		return c.handlePresence(l, f)
	case codec.KindTyping:
		return c.handleTyping(l, f)
	case codec.KindError:
		return c.handleError(l, f)
	case codec.KindGoAway:
		return c.handleGoAway(l, f)
	case codec.KindPing:
		return c.handlePing()
	case codec.KindPong:
		c.handlePong(l)
		return nil
	case codec.KindTicket:
		return c.handleTicket(f)
	case codec.KindNode:
		return c.handleNode(l, f)
	}
	if f.Kind.Skipped() {
		return nil
	}
	return fmt.Errorf("%w: frame %#02x from the server", ErrProtocol, uint8(f.Kind))
}
