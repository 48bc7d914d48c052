package bench

import (
	"net"
	"slices"
	"sync"
	"testing"

	"trunkline/codec"
)

// fakeOffice is a chat server with mailboxes for people who are away, one goroutine for each connection and one lock, with faults on demand.
type fakeOffice struct {
	ln net.Listener
	wg sync.WaitGroup

	mu     sync.Mutex // over everything below
	boxes  map[uint64]*fakeBox
	conns  map[net.Conn]bool
	count  int
	fault  func(o *fakeOffice, n int, to *fakeBox, v *codec.Deliver) // nil: keep
	refuse int                                                       // the n-th SEND is refused for a while, once
	hangUp int                                                       // behind the n-th SEND the sender's connection ends, unticked
}

// fakeBox is one user's mailbox.
type fakeBox struct {
	user    uint64
	conn    net.Conn // nil: away
	mark    uint64
	seq     uint64
	waiting []fakeWaiting
	wait    uint64
}

type fakeWaiting struct {
	seq   uint64
	frame []byte
}

func startFakeOffice(t *testing.T) *fakeOffice {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	o := &fakeOffice{ln: ln, boxes: map[uint64]*fakeBox{}, conns: map[net.Conn]bool{}}
	o.wg.Add(1)
	go o.accept()
	t.Cleanup(func() {
		_ = ln.Close()
		o.mu.Lock()
		for c := range o.conns {
			_ = c.Close()
		}
		o.mu.Unlock()
		o.wg.Wait()
	})
	return o
}

func (o *fakeOffice) accept() {
	defer o.wg.Done()
	for {
		conn, err := o.ln.Accept()
		if err != nil {
			return
		}
		o.mu.Lock()
		o.conns[conn] = true
		o.mu.Unlock()
		o.wg.Add(1)
		go o.serve(conn)
	}
}

func (o *fakeOffice) serve(conn net.Conn) {
	defer o.wg.Done()
	var box *fakeBox
	defer func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if box != nil && box.conn == conn {
			box.conn = nil
		}
		delete(o.conns, conn)
		_ = conn.Close()
	}()
	var have []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return
		}
		have = append(have, buf[:n]...)
		for {
			f, used, err := codec.Next(have, codec.FrameBytesMax)
			if err != nil {
				return
			}
			if used == 0 {
				break
			}
			o.mu.Lock()
			box = o.frame(conn, box, f)
			o.mu.Unlock()
			have = have[used:]
			if box == nil {
				return
			}
		}
	}
}

// box is a user's mailbox, made when somebody asks.
func (o *fakeOffice) box(user uint64) *fakeBox {
	b := o.boxes[user]
	if b == nil {
		b = &fakeBox{user: user}
		o.boxes[user] = b
	}
	return b
}

// frame answers one frame; nil ends the connection.
func (o *fakeOffice) frame(conn net.Conn, box *fakeBox, f codec.Frame) *fakeBox {
	if (box == nil) != (f.Kind == codec.KindHello) || box != nil && box.conn != conn {
		return nil // not logged in, or a later connection of this user has taken over
	}
	switch f.Kind {
	case codec.KindHello:
		v, err := codec.ParseHello(f)
		if err != nil {
			return nil
		}
		box = o.box(v.User)
		box.conn, box.wait = conn, 0
		if v.Gen != 0 {
			o.drop(box, v.DownSeq)
		}
		o.say(box, must(codec.AppendSuccess(nil, &codec.Success{
			Incarnation: 1, Gen: 1, UpHigh: box.mark, KeepaliveSec: 240, WindowEntries: 64, WindowBytes: 256 << 10})))
		for _, w := range box.waiting {
			o.say(box, w.frame)
		}
	case codec.KindAck:
		v, err := codec.ParseAck(f)
		if err != nil || v.Seq > box.seq {
			return nil
		}
		o.drop(box, v.Seq)
	case codec.KindReceipt:
		v, err := codec.ParseReceipt(f)
		if err != nil || !o.counted(box, v.Seq) {
			return box
		}
		cseq := v.Seq
		o.keep(o.box(v.Peer), func(seq uint64) []byte {
			return must(codec.AppendReceipt(nil, &codec.Receipt{Seq: seq, Kind: codec.ReceiptRead, Gen: 1, Peer: box.user, First: v.First, Last: v.Last}))
		})
		o.say(box, must(codec.AppendTick(nil, &codec.Tick{UpHigh: cseq})))
	case codec.KindSend:
		v, err := codec.ParseSend(f)
		if err != nil {
			return nil
		}
		return o.send(box, &v)
	}
	return box
}

// counted says whether a cseq is the next one, and counts it.
func (o *fakeOffice) counted(box *fakeBox, cseq uint64) bool {
	if box.wait != 0 && cseq != box.wait || cseq != box.mark+1 {
		return false
	}
	box.wait = 0
	box.mark++
	return true
}

func (o *fakeOffice) send(box *fakeBox, v *codec.Send) *fakeBox {
	if box.wait != 0 && v.Cseq != box.wait || v.Cseq != box.mark+1 {
		return box
	}
	o.count++
	if o.count == o.refuse {
		box.wait = v.Cseq
		o.say(box, must(codec.AppendError(nil, &codec.Error{Code: codec.CodeServerFull, Ref: v.Cseq, RetryAfterMs: 5})))
		return box
	}
	o.counted(box, v.Cseq)
	part, _, _ := v.Parts.Next()
	m := codec.Deliver{From: box.user, Gen: 1, ID: v.Cseq, Blob: slices.Clone(part.Blob)}
	if o.fault != nil {
		o.fault(o, o.count, o.box(v.To), &m)
	} else {
		o.deliver(o.box(v.To), &m)
	}
	if o.count == o.hangUp {
		return nil
	}
	o.say(box, must(codec.AppendTick(nil, &codec.Tick{UpHigh: v.Cseq})))
	o.keep(box, func(seq uint64) []byte {
		return must(codec.AppendReceipt(nil, &codec.Receipt{Seq: seq, Kind: codec.ReceiptDelivered, Gen: 1, Peer: v.To, First: v.Cseq, Last: v.Cseq}))
	})
	return box
}

// deliver puts a message into a mailbox.
func (o *fakeOffice) deliver(to *fakeBox, m *codec.Deliver) {
	o.keep(to, func(seq uint64) []byte {
		m.Seq = seq
		return must(codec.AppendDeliver(nil, m))
	})
}

// keep adds an entry to a mailbox and says it to who is there.
func (o *fakeOffice) keep(to *fakeBox, frame func(seq uint64) []byte) {
	to.seq++
	w := fakeWaiting{to.seq, frame(to.seq)}
	to.waiting = append(to.waiting, w)
	if to.conn != nil {
		o.say(to, w.frame)
	}
}

func (o *fakeOffice) drop(box *fakeBox, seq uint64) {
	box.waiting = slices.DeleteFunc(box.waiting, func(w fakeWaiting) bool { return w.seq <= seq })
}

func (o *fakeOffice) say(box *fakeBox, b []byte) {
	if box.conn != nil {
		_, _ = box.conn.Write(b)
	}
}
