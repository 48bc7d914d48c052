package main

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// fakeBroker is the least MQTT broker that keeps sessions: what the crowd is tested with. dropEach > 0 has it lose each n-th message; twice sends each one twice.
type fakeBroker struct {
	ln       net.Listener
	dropEach int
	twice    bool

	mu    sync.Mutex
	users map[string]*fakeUser // by topic
	conns []net.Conn
	seen  int
	done  sync.WaitGroup
}

type fakeUser struct {
	conn  net.Conn // nil: away
	queue [][]byte
	known bool
}

func startBroker(t *testing.T, b *fakeBroker) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b.ln, b.users = ln, map[string]*fakeUser{}
	b.done.Add(1)
	// Ends with the listener, which the cleanup closes.
	go func() {
		defer b.done.Done()
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			b.mu.Lock()
			b.conns = append(b.conns, c)
			b.mu.Unlock()
			b.done.Add(1)
			go b.serve(c) // ends with its connection
		}
	}()
	t.Cleanup(func() {
		_ = ln.Close()
		b.mu.Lock()
		for _, c := range b.conns {
			_ = c.Close()
		}
		b.mu.Unlock()
		b.done.Wait()
	})
	return ln.Addr().String()
}

// serve reads the packets of one connection.
func (b *fakeBroker) serve(c net.Conn) {
	defer b.done.Done()
	defer c.Close()
	var u *fakeUser
	for {
		kind, body, err := readPacket(c)
		if err != nil {
			break
		}
		b.mu.Lock()
		switch kind & 0xf0 {
		case 0x10:
			u = b.user("u/" + string(body[13:]))
			u.conn = c
			answer := []byte{0x20, 2, 0, 0}
			if u.known {
				answer[2] = 1
			}
			_, _ = c.Write(answer)
			for _, p := range u.queue {
				_, _ = c.Write(p)
			}
			u.queue = nil
		case 0x80:
			u.known = true
			_, _ = c.Write([]byte{0x90, 3, body[0], body[1], 1})
		case 0x30:
			n := 2 + int(binary.BigEndian.Uint16(body))
			_, _ = c.Write([]byte{0x40, 2, body[n], body[n+1]})
			b.pass(string(body[2:n]), body)
		}
		b.mu.Unlock()
	}
	b.mu.Lock()
	if u != nil && u.conn == c {
		u.conn = nil
	}
	b.mu.Unlock()
}

// pass gives a message to its user, or keeps it.
func (b *fakeBroker) pass(topic string, body []byte) {
	b.seen++
	if b.dropEach > 0 && b.seen%b.dropEach == 0 {
		return
	}
	p := append([]byte{0x32, byte(len(body)) | 0x80, byte(len(body) >> 7)}, body...)
	times := 1
	if b.twice {
		times = 2
	}
	for range times {
		if u := b.user(topic); u.conn != nil {
			_, _ = u.conn.Write(p)
		} else {
			u.queue = append(u.queue, p)
		}
	}
}

func (b *fakeBroker) user(topic string) *fakeUser {
	if b.users[topic] == nil {
		b.users[topic] = &fakeUser{}
	}
	return b.users[topic]
}

// readPacket reads one packet.
func readPacket(c net.Conn) (kind byte, body []byte, err error) {
	var head [1]byte
	if _, err := io.ReadFull(c, head[:]); err != nil {
		return 0, nil, err
	}
	kind = head[0]
	length := 0
	for shift := 0; ; shift += 7 {
		if _, err := io.ReadFull(c, head[:]); err != nil {
			return 0, nil, err
		}
		length |= int(head[0]&0x7f) << shift
		if head[0] < 0x80 {
			break
		}
	}
	body = make([]byte, length)
	_, err = io.ReadFull(c, body)
	return kind, body, err
}

// fakeMeter uses a millisecond for each look.
type fakeMeter struct{ looks int }

func (m *fakeMeter) CPU() (time.Duration, error) {
	m.looks++
	return time.Duration(m.looks) * time.Millisecond, nil
}

func (m *fakeMeter) Quiet(context.Context) (time.Duration, error) { return m.CPU() }
