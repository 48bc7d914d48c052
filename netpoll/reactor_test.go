//go:build linux || freebsd || darwin

package netpoll

import (
	"bytes"
	"io"
	"testing"
)

// echo is a script that sends back what it gets.
func echo(s *script) {
	s.data = func(id ConnID, b []byte) int {
		if s.l.Send(id, b) != nil {
			return 0
		}
		return len(b)
	}
	s.writable = func(id ConnID) { s.l.Redeliver(id) }
}

// pattern is n bytes that differ from place to place.
func pattern(n int, seed uint32) []byte {
	b := make([]byte, n)
	for i := range b {
		seed = seed*1664525 + 1013904223
		b[i] = byte(seed >> 24)
	}
	return b
}

func TestReactorEchoesWhatItReads(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		g := newRig(t, cfg, echo)
		for _, size := range []int{1, 100, 5000, 70_000, 1 << 20} {
			c := g.dial()
			want := pattern(size, uint32(size))
			go func() {
				_, _ = c.Write(want)
				_ = c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%d bytes: got %d, %v", size, len(got), err)
			}
		}
	})
}
