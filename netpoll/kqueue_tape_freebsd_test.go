//go:build amd64 || arm64

package netpoll

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// kqueueLive is a real queue with real sockets.
type kqueueLive struct {
	kqueue
	t    *testing.T
	ends map[string]*pollerEnd
	at   map[string]unix.Sockaddr // of listeners
	gone map[string]int           // numbers that were closed
}

// openKqueueWorld opens a kernel's queue, unless the tape is one to be played.
func openKqueueWorld(t *testing.T, text string) kqueueWorld {
	t.Helper()
	if strings.Contains(text, "\nplayed\n") {
		return nil
	}
	q, err := openKqueue()
	must(t, err)
	return &kqueueLive{kqueue: q, t: t, ends: map[string]*pollerEnd{}, at: map[string]unix.Sockaddr{}, gone: map[string]int{}}
}

func (w *kqueueLive) number(name string) int {
	if name == "queue" {
		return int(w.kqueue)
	}
	if e, ok := w.ends[name]; ok {
		return e.fd
	}
	if fd, ok := w.gone[name]; ok {
		return fd
	}
	return -1
}

func (w *kqueueLive) do(f []string) {
	switch f[0] {
	case "pair":
		w.ends[f[1]], w.ends[f[2]] = pollerPair(w.t)
	case "listen":
		w.ends[f[1]], w.at[f[1]] = pollerListen(w.t)
	case "connect":
		w.ends[f[1]] = pollerConnect(w.t, w.at[f[2]])
	case "accept":
		fd, _, err := unix.Accept(w.ends[f[2]].fd)
		must(w.t, err)
		w.ends[f[1]] = newPollerEnd(w.t, fd)
	case "closed":
		a, _ := pollerPair(w.t)
		a.close()
		w.gone[f[1]] = a.fd
	case "close", "abandon":
		w.ends[f[1]].close()
	case "reset":
		must(w.t, unix.SetsockoptLinger(w.ends[f[1]].fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
		w.ends[f[1]].close()
	case "shutdown":
		must(w.t, unix.Shutdown(w.ends[f[1]].fd, unix.SHUT_WR))
	case "write":
		n, err := strconv.Atoi(f[2])
		must(w.t, err)
		w.ends[f[1]].write(strings.Repeat("x", n))
	case "read":
		w.ends[f[1]].read()
	case "fill":
		w.fill(w.ends[f[1]])
	case "drain":
		w.drain(w.ends[f[1]], w.ends[f[2]])
	case "take":
		w.take(w.ends[f[1]], f[2])
	case "settle":
		w.settle(w.ends[f[1]], f[2:])
	default:
		w.t.Fatalf("no command %q", f[0])
	}
}

// take moves a socket to a number, which is closed first when it is open.
func (w *kqueueLive) take(e *pollerEnd, to string) {
	fd, err := strconv.ParseInt(to, 0, 32)
	if err != nil {
		fd = int64(w.number(to))
		if other := w.ends[to]; other != nil {
			other.close()
		}
	}
	saved := -1
	if fd == 0 {
		if saved, err = unix.Dup(0); err != nil {
			saved = -1
		}
	}
	must(w.t, unix.Dup2(e.fd, int(fd)))
	e.close()
	e.fd, e.open = int(fd), true
	if saved >= 0 {
		w.t.Cleanup(func() { // runs before e's own close, which then closes the old descriptor 0 nowhere
			e.open = false
			must(w.t, unix.Dup2(saved, 0))
			must(w.t, unix.Close(saved))
		})
	}
}

// fill writes until there is no room, also after what is under way has been acknowledged.
func (w *kqueueLive) fill(e *pollerEnd) {
	for e.fill(); w.probe(e.fd, filterWrite, func(kevent) bool { return true }); {
		e.fill()
	}
}

// drain reads at one end until the other has room again.
func (w *kqueueLive) drain(reader, writer *pollerEnd) {
	for end := time.Now().Add(pollerPatience); reader.read() > 0 || !w.probe(writer.fd, filterWrite, func(kevent) bool { return true }); {
		if time.Now().After(end) {
			w.t.Fatal("no room")
		}
	}
	reader.read()
}

// settle waits until the kernel holds so many bytes (or connections) and, with "eof", the end of the stream.
func (w *kqueueLive) settle(e *pollerEnd, f []string) {
	bytes, err := strconv.ParseInt(f[0], 10, 64)
	must(w.t, err)
	eof := len(f) > 1
	w.until(e, func(ev kevent) bool { return ev.Data >= bytes && (ev.Flags&evEOF != 0) == eof })
}

func (w *kqueueLive) until(e *pollerEnd, ok func(kevent) bool) {
	for end := time.Now().Add(pollerPatience); !w.probe(e.fd, filterRead, ok); {
		if time.Now().After(end) {
			w.t.Fatal("the sockets did not settle")
		}
	}
}

// probe asks a queue of its own.
func (w *kqueueLive) probe(fd int, filter int16, ok func(kevent) bool) bool {
	q, err := openKqueue()
	must(w.t, err)
	defer func() { must(w.t, q.close()) }()
	wait := unix.NsecToTimespec(int64(100 * time.Millisecond))
	var got [1]kevent
	n, err := q.call([]kevent{{Ident: uint64(fd), Filter: filter, Flags: evAdd}}, got[:], &wait)
	return err == nil && n == 1 && got[0].Flags&evError == 0 && ok(got[0])
}
