package client

import (
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"
	"time"

	"trunkline/codec"
)

// Tests over real TCP: what a pipe can't show.

// patience bounds every wait of these tests.
const patience = 20 * time.Second

// oneSession accepts one connection on loopback, greets it and hands it to play.
func oneSession(t *testing.T, play func(p *peer)) (addr string, done chan struct{}) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done = make(chan struct{})
	go func() {
		defer close(done)
		defer ln.Close()
		conn, err := ln.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		_ = conn.SetDeadline(time.Now().Add(patience))
		play(&peer{t: t, conn: conn, in: &frameReader{conn: conn}})
	}()
	return ln.Addr().String(), done
}

// exchange is what a peer in a goroutine of its own may use: it reports instead of ending the test.
func exchange(p *peer, out []byte, want ...codec.Kind) bool {
	if _, err := p.conn.Write(out); err != nil {
		p.t.Errorf("write: %v", err)
		return false
	}
	for _, kind := range want {
		f, err := p.in.next(func() {})
		if err != nil || f.Kind != kind {
			p.t.Errorf("frame %v, %v; want %v", f.Kind, err, kind)
			return false
		}
	}
	return true
}

func TestTheLastAckArrivesThoughInputWasNotRead(t *testing.T) {
	before := runtime.NumGoroutine()
	acked := make(chan struct{})
	addr, done := oneSession(t, func(p *peer) {
		s := welcome(0)
		if !exchange(p, nil, codec.KindHello) {
			return
		}
		out, err := codec.AppendSuccess(nil, &s)
		for i := uint64(1); i <= 60 && err == nil; i++ {
			out, err = codec.AppendDeliver(out, &codec.Deliver{Seq: i, From: testPeer, ID: i, Gen: 1, Blob: make([]byte, 60_000)})
		}
		if err != nil {
			t.Error(err)
		}
		// The client stops reading after a few messages; a goroutine of its own lets the rest wait in the socket.
		wrote := make(chan error, 1)
		go func() { _, err := p.conn.Write(out); wrote <- err }() // ends when the client reads the rest, or with the socket
		f, err := p.in.next(func() {})
		if err != nil || f.Kind != codec.KindAck {
			t.Errorf("frame %v, %v; want the ACK", f.Kind, err)
		}
		close(acked)
		if _, err := p.in.next(func() {}); !errors.Is(err, io.EOF) {
			t.Errorf("behind the ACK: %v", err)
		}
		_ = p.conn.Close()
		<-wrote
	})
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := Dial(ctx, addr, WithUser(testUser), WithPlaintext(), WithEventBuffer(1))
	if err != nil {
		t.Fatal(err)
	}
	want[Connected](t, c)
	if err := c.Ack(want[Message](t, c)); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	closeClient(t, c)
	if d := time.Since(start); d > patience/2 {
		t.Errorf("Close took %v", d)
	}
	<-acked
	<-done
	settled(t, before)
}

func TestAClientHasTwoGoroutines(t *testing.T) {
	before := runtime.NumGoroutine()
	leave := make(chan struct{})
	addr, done := oneSession(t, func(p *peer) {
		if !exchange(p, nil, codec.KindHello) {
			return
		}
		s := welcome(0)
		out, err := codec.AppendSuccess(nil, &s)
		if err != nil || !exchange(p, out, codec.KindSend) {
			t.Error("no SEND", err)
		}
		<-leave
	})
	c, err := Dial(t.Context(), addr, WithUser(testUser), WithPlaintext())
	if err != nil {
		t.Fatal(err)
	}
	want[Connected](t, c)
	send(t, c, "m")
	settled(t, before+1+2) // the server of this test, and the client's two
	close(leave)
	closeClient(t, c)
	<-done
	settled(t, before)
}

// settled waits until there are at most n goroutines.
func settled(t *testing.T, n int) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for runtime.NumGoroutine() > n {
		select {
		case <-tick.C:
		case <-deadline:
			b := make([]byte, 1<<16)
			t.Fatalf("%d goroutines, want %d:\n%s", runtime.NumGoroutine(), n, b[:runtime.Stack(b, true)])
		}
	}
}
