package mysql

import (
	"bytes"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
)

// cutter stands between a program and its server, and cuts a connection when the program says a word.
type cutter struct {
	listener net.Listener
	server   string
	word     atomic.Pointer[string] // nil: nothing is cut
	pass     atomic.Bool            // the word still gets through, its answer does not
	closed   atomic.Bool            // takes no more connections
	cuts     atomic.Int64
	running  sync.WaitGroup
}

// newCutter stands before the server of a place, and gives the place that leads through it.
func newCutter(t testing.TB, place string) (*cutter, Place) {
	t.Helper()
	u, err := url.Parse(place)
	must(t, err)
	c := &cutter{server: u.Host}
	c.listener, err = net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	u.Host = c.listener.Addr().String()
	c.running.Go(c.accept) // ended by the cleanup
	t.Cleanup(func() { _ = c.listener.Close(); c.running.Wait() })
	return c, placeOf(t, u.String())
}

// cut cuts once at a word.
func (c *cutter) cut(word string, pass bool) {
	c.pass.Store(pass)
	c.word.Store(&word)
}

func (c *cutter) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return
		}
		if c.closed.Load() {
			_ = conn.Close()
			continue
		}
		c.running.Go(func() { c.serve(conn) }) // ends with either side
	}
}

func (c *cutter) serve(client net.Conn) {
	server, err := net.Dial("tcp", c.server)
	if err != nil {
		_ = client.Close()
		return
	}
	both := func() { _ = client.Close(); _ = server.Close() }
	defer both()
	var silent atomic.Bool
	c.running.Go(func() { // ends with the server's side
		defer both()
		buf := make([]byte, 64<<10)
		for {
			n, err := server.Read(buf)
			if n > 0 && !silent.Load() {
				_, _ = client.Write(buf[:n])
			}
			if err != nil || silent.Load() {
				return
			}
		}
	})
	buf := make([]byte, 64<<10)
	for {
		n, err := client.Read(buf)
		if word := c.word.Load(); word != nil && bytes.Contains(buf[:n], []byte(*word)) && c.word.CompareAndSwap(word, nil) {
			silent.Store(true)
			c.cuts.Add(1)
			if c.pass.Load() { // the answer is waited for, and kept
				_, _ = server.Write(buf[:n])
				_, _ = io.Copy(io.Discard, client)
			}
			return
		}
		if n > 0 {
			_, _ = server.Write(buf[:n])
		}
		if err != nil {
			return
		}
	}
}
