package client

import (
	"context"
	"fmt"

	"trunkline/codec"
)

// watchOp is one change of what is subscribed, not written yet.
type watchOp struct {
	user uint64
	op   uint8
}

// The ops of SUBSCRIBE.
const (
	watchRemove uint8 = 0
	watchAdd    uint8 = 1
)

// watchQueueMax bounds the changes not written yet. Over it: ErrTooManySubscriptions.
const watchQueueMax = 4 * SubscriptionsMax

// setWatch changes the set of watched users. It is kept here, so that a reconnect restores it.
func (c *Client) setWatch(ctx context.Context, op uint8, users []uint64) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	for _, u := range users {
		if u == 0 || u > codec.UserMax {
			return fmt.Errorf("%w: %d", ErrReceiver, u)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return err
	}
	if op == watchAdd && len(c.subscribed)+c.notWatched(users) > SubscriptionsMax || len(c.watch)+len(users) > watchQueueMax {
		return ErrTooManySubscriptions
	}
	for _, u := range users {
		if op == watchAdd {
			c.subscribed[u] = struct{}{}
		} else {
			delete(c.subscribed, u)
		}
		if c.link != nil {
			c.watch = append(c.watch, watchOp{user: u, op: op})
		}
	}
	c.poke()
	return nil
}

func (c *Client) notWatched(users []uint64) (n int) {
	for _, u := range users {
		if _, ok := c.subscribed[u]; !ok {
			n++
		}
	}
	return n
}

// watchAgain queues everything for a new connection. The mutex is held.
func (c *Client) watchAgain() {
	c.watch = c.watch[:0]
	for u := range c.subscribed {
		c.watch = append(c.watch, watchOp{user: u, op: watchAdd})
	}
}

// appendWatch adds SUBSCRIBE frames for what is queued, one for each run of equal ops. The mutex is held.
func (c *Client) appendWatch(b []byte) []byte {
	for len(c.watch) > 0 {
		op := c.watch[0].op
		n := 1
		for n < len(c.watch) && n < codec.SubscribePeersMax && c.watch[n].op == op {
			n++
		}
		var peers codec.Peers
		for _, w := range c.watch[:n] {
			peers = peers.Append(w.user)
		}
		frame, err := codec.AppendSubscribe(b, &codec.Subscribe{Op: op, N: uint8(n), Peers: peers})
		if err != nil {
			c.log.Error("subscribe", "err", err) // the ids were checked: a bug
		}
		b = frame
		c.watch = c.watch[n:]
	}
	return b
}
