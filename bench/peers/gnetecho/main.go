// Command gnetecho is an echo server on gnet.Run, to be compared with the reactor of this project:
//
//	trunkline bench echo --peer bin/gnetecho
//	trunkline bench connect --raw --peer bin/gnetecho
//
// It owns one event loop on a free loopback port, no timers and no limits, and talks with the benchmark over its
// standard input and output: a line {"addr":"127.0.0.1:PORT"} when it is ready, then for each line "stat" or "settle"
// (which collects garbage first) one JSON object with its CPU time and resident memory. It ends with its input.
// It is a module of its own, so that what is compared is no dependency of the server.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime/debug"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/panjf2000/gnet/v2"
)

// bootTimeout bounds the start of the engine; over it the program fails.
const bootTimeout = 5 * time.Second

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "gnetecho:", err)
		os.Exit(1)
	}
}

// echo answers every byte with itself.
type echo struct {
	gnet.BuiltinEventEngine
	booted chan gnet.Engine
	open   atomic.Int64
}

// OnBoot hands the engine over.
func (e *echo) OnBoot(engine gnet.Engine) gnet.Action {
	e.booted <- engine
	return gnet.None
}

// OnOpen counts.
func (e *echo) OnOpen(gnet.Conn) ([]byte, gnet.Action) {
	e.open.Add(1)
	return nil, gnet.None
}

// OnClose counts.
func (e *echo) OnClose(gnet.Conn, error) gnet.Action {
	e.open.Add(-1)
	return gnet.None
}

// OnTraffic takes all that waits in one piece and writes it back with one call.
func (e *echo) OnTraffic(c gnet.Conn) gnet.Action {
	b, err := c.Next(-1)
	if err != nil {
		return gnet.Close
	}
	if _, err := c.Write(b); err != nil {
		return gnet.Close
	}
	return gnet.None
}

// errorLog is gnet's logger: errors go to standard error, the rest is dropped.
type errorLog struct{}

// Debugf drops.
func (errorLog) Debugf(string, ...any) {}

// Infof drops.
func (errorLog) Infof(string, ...any) {}

// Warnf drops.
func (errorLog) Warnf(string, ...any) {}

// Errorf prints.
func (errorLog) Errorf(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }

// Fatalf prints and ends.
func (errorLog) Fatalf(format string, args ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", args...)
	os.Exit(1)
}

// run serves until the input ends.
func run() error {
	addr, err := freeAddr()
	if err != nil {
		return err
	}
	e := &echo{booted: make(chan gnet.Engine, 1)}
	ended := make(chan error, 1)
	go func() {
		ended <- gnet.Run(e, "tcp://"+addr, gnet.WithNumEventLoop(1), gnet.WithTCPNoDelay(gnet.TCPNoDelay),
			gnet.WithLogger(errorLog{})) // its own logger writes to standard output
	}()
	var engine gnet.Engine
	select {
	case engine = <-e.booted:
	case err := <-ended:
		return err
	case <-time.After(bootTimeout):
		return fmt.Errorf("gnet does not start on %s", addr)
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(map[string]string{"addr": addr}); err != nil {
		return err
	}
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if err := out.Encode(e.answer(in.Text())); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), bootTimeout)
	defer cancel()
	return engine.Stop(ctx)
}

// freeAddr finds a free loopback port; gnet can't be asked which one it got.
func freeAddr() (string, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	defer ln.Close()
	return ln.Addr().String(), nil
}

// answer is one line of the benchmark's protocol.
func (e *echo) answer(command string) map[string]any {
	switch command {
	case "settle":
		debug.FreeOSMemory()
		debug.FreeOSMemory()
	case "stat":
	default:
		return map[string]any{"error": "unknown command " + strconv.Quote(command)}
	}
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return map[string]any{"error": err.Error()}
	}
	return map[string]any{
		"cpu_ns": ru.Utime.Nano() + ru.Stime.Nano(), "rss_bytes": residentBytes(), "connections": e.open.Load(),
	}
}

// residentBytes reads the page tables where there is /proc, else asks ps(1); 0 when neither knows.
func residentBytes() int64 {
	kb := ""
	if b, err := os.ReadFile("/proc/self/smaps_rollup"); err == nil {
		for _, line := range strings.Split(string(b), "\n") {
			if rest, ok := strings.CutPrefix(line, "Rss:"); ok {
				kb = strings.TrimSuffix(rest, " kB")
			}
		}
	} else if b, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(os.Getpid())).Output(); err == nil {
		kb = string(b)
	}
	n, err := strconv.ParseInt(strings.TrimSpace(kb), 10, 64)
	if err != nil {
		return 0
	}
	return n << 10
}
