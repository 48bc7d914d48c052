package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"trunkline/client"
	"trunkline/codec"
	"trunkline/codec/secure"
)

// Dial logs in, Send returns when the outbox has the message, ticks come as events.
func ExampleDial() {
	addr, stop := tinyServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, addr, client.WithUser(1001), client.WithPlaintext())
	if err != nil {
		fmt.Println(err)
		return
	}
	id, err := c.Send(ctx, 1002, []byte("hello"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for ev := range c.Events() {
		switch ev := ev.(type) {
		case client.Connected:
			fmt.Println("connected")
		case client.Tick:
			fmt.Println("message", id, "reached", ev.Level)
			if ev.Level == client.TickRead {
				go c.Close() // the channel of events closes with it
			}
		}
	}
	// Output:
	// connected
	// message 1 reached server
	// message 1 reached delivered
	// message 1 reached read
}

// A receiver acknowledges what it has kept: what it has not comes again in its next run.
func ExampleClient_Ack() {
	addr, stop := tinyServer()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, addr, client.WithUser(1002), client.WithPlaintext())
	if err != nil {
		fmt.Println(err)
		return
	}
	defer c.Close()
	for ev := range c.Events() {
		if m, ok := ev.(client.Message); ok {
			fmt.Printf("%d says %q\n", m.From, m.Payload) // keep it, then:
			if err := c.Ack(m); err != nil {
				fmt.Println(err)
			}
			return
		}
	}
	// Output:
	// 1001 says "welcome"
}

// A device registers once, with a token and the server's key; the state keeps what later logins need.
func ExampleWithRegistrationToken() {
	register := func(ctx context.Context, state client.State, addr, serverKey, token string) error {
		key, err := secure.ParseServerKey(serverKey) // as trunkline serve prints it
		if err != nil {
			return err
		}
		proof, err := secure.ParseTokenText(token) // as trunkline token prints it
		if err != nil {
			return err
		}
		c, err := client.Dial(ctx, addr, client.WithUser(1001), client.WithState(state),
			client.WithServerKey(key), client.WithRegistrationToken(proof))
		if err != nil {
			return err
		}
		return c.Close()
	}
	err := register(context.Background(), client.NewMemoryState(), "chat.example:5222", "tlk1...", "tlt1...")
	fmt.Println(errors.Is(err, secure.ErrServerKey))
	// Output:
	// true
}

// With a state in a file the outbox and the marks outlive the process.
func ExampleOpenState() {
	addr, stop := tinyServer()
	defer stop()
	dir, err := os.MkdirTemp("", "trunkline")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "1001.state")

	for range 2 {
		state, err := client.OpenState(path)
		if err != nil {
			fmt.Println(err)
			return
		}
		c, err := client.Dial(context.Background(), addr, client.WithUser(1001), client.WithPlaintext(), client.WithState(state))
		if err != nil {
			fmt.Println(err)
			return
		}
		id, err := c.Send(context.Background(), 1002, []byte("hello"))
		fmt.Println("message", id, err)
		if err := c.Flush(context.Background()); err != nil {
			fmt.Println(err)
		}
		if err := c.Close(); err != nil {
			fmt.Println(err)
		}
		if err := state.Close(); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// message 1 <nil>
	// message 2 <nil>
}

// tinyServer takes every message, says at once that it was read, and has one message for whomever logs in. A real one is
// started with: trunkline serve
func tinyServer() (addr string, stop func()) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var mark uint64
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			mark = tinySession(conn, mark)
		}
	}()
	return ln.Addr().String(), func() {
		_ = ln.Close()
		<-done
	}
}

// tinySession serves one connection until its client leaves.
func tinySession(conn net.Conn, mark uint64) uint64 {
	defer conn.Close()
	var in []byte
	seq, greeted := uint64(1), false
	for {
		f, used, err := codec.Next(in, codec.FrameBytesMax)
		if err != nil {
			return mark
		}
		if used == 0 {
			chunk := make([]byte, 4096)
			n, err := conn.Read(chunk)
			if err != nil {
				return mark
			}
			in = append(in, chunk[:n]...)
			continue
		}
		var out []byte
		switch f.Kind {
		case codec.KindHello:
			h, _ := codec.ParseHello(f)
			out, _ = codec.AppendSuccess(out, &codec.Success{
				Incarnation: 1, Gen: 1, UpHigh: mark, KeepaliveSec: 240, WindowEntries: 64, WindowBytes: 1 << 18,
			})
			if !greeted && h.User == 1002 {
				out, _ = codec.AppendDeliver(out, &codec.Deliver{Seq: 1, From: 1001, ID: 1, Gen: 1, Blob: []byte("welcome")})
			}
			greeted = true
		case codec.KindSend:
			s, _ := codec.ParseSend(f)
			mark = s.Cseq
			out, _ = codec.AppendTick(out, &codec.Tick{UpHigh: mark})
			for _, kind := range []codec.ReceiptKind{codec.ReceiptDelivered, codec.ReceiptRead} {
				seq++
				out, _ = codec.AppendReceipt(out, &codec.Receipt{Seq: seq, Kind: kind, Peer: s.To, Gen: 1, First: s.Cseq, Last: s.Cseq})
			}
		}
		in = in[used:]
		if _, err := conn.Write(out); err != nil {
			return mark
		}
	}
}
