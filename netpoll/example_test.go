//go:build linux || freebsd || darwin

package netpoll_test

import (
	"context"
	"fmt"
	"io"
	"net"

	"trunkline/netpoll"
)

// echo sends back what it reads.
type echo struct{ l *netpoll.Loop }

func (e echo) OnOpen(netpoll.ConnID, netpoll.OpenInfo) {}

func (e echo) OnData(id netpoll.ConnID, b []byte) int {
	if e.l.Send(id, b) != nil {
		return 0 // the cap is reached: keep b until OnWritable
	}
	return len(b)
}

func (e echo) OnWritable(id netpoll.ConnID)                  { e.l.Redeliver(id) }
func (e echo) OnHalfClose(id netpoll.ConnID)                 { e.l.CloseFlush(id, 0) }
func (e echo) OnClose(netpoll.ConnID, netpoll.CloseReason)   {}
func (e echo) OnMessage(int, []byte)                         {}
func (e echo) OnTimer(netpoll.ConnID)                        {}
func (e echo) OnTick()                                       {}
func (e echo) OnPanic(_ netpoll.ConnID, v any, stack []byte) { fmt.Println(v, string(stack)) }

func Example() {
	r, err := netpoll.New(netpoll.Config{Loops: 2}, func(l *netpoll.Loop) netpoll.Handler { return echo{l} })
	if err != nil {
		panic(err)
	}
	ln, err := r.Listen(netpoll.ListenConfig{Addr: "127.0.0.1:0"})
	if err != nil {
		panic(err)
	}
	if err := r.Start(); err != nil {
		panic(err)
	}
	c, err := net.Dial("tcp", ln.Addr().String())
	if err != nil {
		panic(err)
	}
	_, _ = c.Write([]byte("hello"))
	b := make([]byte, 5)
	_, _ = io.ReadFull(c, b)
	fmt.Println(string(b))
	_ = c.Close()
	fmt.Println(r.Shutdown(context.Background()))
	// Output:
	// hello
	// <nil>
}
