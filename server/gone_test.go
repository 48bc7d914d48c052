package server

import (
	"net"
	"testing"

	"trunkline/codec"
	"trunkline/shard"
	"trunkline/store"
)

// standstill is a mailbox memory that holds its loop up at one payload, until it is let go.
type standstill struct {
	shard.Queue
	there chan<- struct{}
	goOn  <-chan struct{}
}

const wait = "wait"

// Append implements shard.Queue.
func (q standstill) Append(e *store.Entry, payload []byte) error {
	if string(payload) == wait {
		q.there <- struct{}{}
		<-q.goOn
	}
	return q.Queue.Append(e, payload)
}

// TestAClientThatIsGoneIsNoSlowConsumer: its reset and a message for it come in one turn, the reset first. The message waits for it.
func TestAClientThatIsGoneIsNoSlowConsumer(t *testing.T) {
	noLeaks(t)
	there, goOn := make(chan struct{}, 1), make(chan struct{})
	r := start(t, func(c *Config) {
		c.Loops = 1
		c.hooks = &hooks{queue: func(q shard.Queue) shard.Queue { return standstill{q, there, goOn} }}
	})
	gone, sender, holder := r.login(t, 50, 0), r.login(t, 51, 0), r.login(t, 52, 0)
	holder.send(53, wait)
	<-there
	_ = gone.conn.(*net.TCPConn).SetLinger(0) // a reset, not a FIN
	_ = gone.conn.Close()
	cseq := sender.send(50, "too late")
	close(goOn)
	sender.expectTick(cseq)
	r.eventually(t, "it is gone", func(s Status) bool { return s.Sessions == 2 && s.Connections == 2 })
	if n := r.Status().Closes["slow_consumer"]; n != 0 {
		t.Errorf("%d slow consumers", n)
	}
	again := r.dial(t)
	again.hello(codec.Hello{Version: 1, User: 50, Gen: gone.gen, Incarnation: gone.inc})
	if d := again.take(); string(d.Blob) != "too late" {
		t.Errorf("got %q", d.Blob)
	}
}
