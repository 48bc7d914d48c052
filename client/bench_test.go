package client

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"trunkline/codec"
)

// offlineClient is a client that never connects, on the given state.
func offlineClient(b testing.TB, state State) *Client {
	cfg, err := newConfig([]Option{WithUser(testUser), WithState(state)})
	if err != nil {
		b.Fatal(err)
	}
	snap, err := state.Load()
	if err != nil {
		b.Fatal(err)
	}
	return newClient("nowhere", cfg, snap)
}

// tickAll has the outbox emptied, as a server's ACK does.
func tickAll(c *Client) {
	c.mu.Lock()
	c.firstTick(c.up.durable)
	c.mu.Unlock()
}

// BenchmarkSendFile shows what concurrency buys: commits are shared, so the cost of a Send falls with the callers.
func BenchmarkSendFile(b *testing.B) {
	for name, parallel := range map[string]int{"callers=1": 1, "callers=64": 64} {
		b.Run(name, func(b *testing.B) {
			s, _ := openFile(b)
			c := offlineClient(b, s)
			payload := make([]byte, 100)
			b.ReportAllocs()
			send := func() {
				for {
					_, err := c.Send(b.Context(), testPeer, payload)
					if !errors.Is(err, ErrOutboxFull) {
						if err != nil {
							b.Error(err)
						}
						return
					}
					tickAll(c)
				}
			}
			if parallel == 1 {
				for b.Loop() {
					send()
				}
				return
			}
			b.SetParallelism(parallel / 2)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					send()
				}
			})
		})
	}
}

// BenchmarkSendMemory is the cost of Send without a disk.
func BenchmarkSendMemory(b *testing.B) {
	c := offlineClient(b, NewMemoryState())
	payload := make([]byte, 100)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Send(b.Context(), testPeer, payload); err != nil {
			tickAll(c)
		}
	}
}

// BenchmarkReceive is a DELIVER from the wire to the application's Ack.
func BenchmarkReceive(b *testing.B) {
	c := offlineClient(b, NewMemoryState())
	l := &link{}
	v := codec.Deliver{From: testPeer, Gen: 7, Blob: make([]byte, 100)}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		v.Seq++
		v.ID++
		buf, _ = codec.AppendDeliver(buf[:0], &v)
		f, _, err := codec.Next(buf, codec.FrameBytesMax)
		if err != nil {
			b.Fatal(err)
		}
		if err := c.handle(l, f); err != nil {
			b.Fatal(err)
		}
		if err := c.Ack((<-c.events).(Message)); err != nil {
			b.Fatal(err)
		}
		c.journal.staged.reset()
	}
}

// deadConn reads from bytes and takes everything.
type deadConn struct{ r io.Reader }

func (d deadConn) Read(b []byte) (int, error)       { return d.r.Read(b) }
func (deadConn) Write(b []byte) (int, error)        { return len(b), nil }
func (deadConn) Close() error                       { return nil }
func (deadConn) LocalAddr() net.Addr                { return nil }
func (deadConn) RemoteAddr() net.Addr               { return nil }
func (deadConn) SetDeadline(time.Time) error        { return nil }
func (deadConn) SetReadDeadline(t time.Time) error  { return nil }
func (deadConn) SetWriteDeadline(t time.Time) error { return nil }
