package bench

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"testing"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// fault says what a fake server does wrong with one message: the n-th of all, from 1.
type fault func(s *fakeServer, n int, to *fakeSession, frame []byte)

// fakeServer is just enough of a chat server for the generator, one goroutine for each connection, with faults on demand.
type fakeServer struct {
	ln    net.Listener
	fault fault
	wg    sync.WaitGroup

	mu       sync.Mutex // over everything below
	sessions map[uint64]*fakeSession
	count    int
	refuse   int    // the n-th SEND is refused for a while, once
	held     []byte // a frame that a fault keeps back
	window   uint16 // of a sender; 0: 64
	login    func(v codec.Hello) []byte
	veil     *fakeVeil // nil: the plain transport

	hangUps map[int]hangUp // the n-th SEND of all has its sender's session closed
	keeps   bool           // who comes back gets what it has not acknowledged, and what it sends again counts once
}

// hangUp is how the fake server closes a session.
type hangUp struct {
	code  codec.ErrorCode // 0: without a word
	taken bool            // the message that it answers counts, and only its tick is missing
}

type fakeSession struct {
	conn  net.Conn
	link  secure.Link // with a veil
	user  uint64
	seq   uint64
	ack   uint64 // what it has acknowledged
	ended bool   // its connection
	wait  uint64 // the cseq that was refused for a while: later ones are ignored until it returns
	mark  uint64 // highest cseq taken
	kept  []keptEntry
	deaf  bool // its last word is said
}

// keptEntry is one that the fake server keeps for a session.
type keptEntry struct {
	seq   uint64
	frame []byte
}

// startFakeServer listens on loopback until the test ends.
func startFakeServer(t *testing.T, f fault) *fakeServer {
	t.Helper()
	return startFake(t, &fakeServer{fault: f})
}

// startFake has a server listen that is complete but for that.
func startFake(t *testing.T, s *fakeServer) *fakeServer {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ln, s.sessions = ln, map[uint64]*fakeSession{}
	s.wg.Add(1)
	go s.accept()
	t.Cleanup(func() {
		_ = ln.Close()
		s.mu.Lock()
		for _, one := range s.sessions {
			_ = one.conn.Close()
		}
		s.mu.Unlock()
		s.wg.Wait()
	})
	return s
}

func (s *fakeServer) addr() string { return s.ln.Addr().String() }

func (s *fakeServer) accept() {
	defer s.wg.Done()
	for {
		conn, err := s.ln.Accept()
		if err != nil {
			return
		}
		s.wg.Add(1)
		go s.serve(&fakeSession{conn: conn})
	}
}

// serve reads frames until the connection ends.
func (s *fakeServer) serve(one *fakeSession) {
	defer s.wg.Done()
	defer func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		one.ended = true
		_ = one.conn.Close()
	}()
	var have []byte
	buf := make([]byte, 64<<10)
	for {
		n, err := one.conn.Read(buf)
		if err != nil {
			return
		}
		have = append(have, buf[:n]...)
		if s.veil != nil {
			have, err = s.veil.take(s, one, have)
		} else {
			n, err = s.frames(one, have)
			have = have[n:]
		}
		if err != nil {
			return
		}
	}
}

// frames takes all whole frames of b.
func (s *fakeServer) frames(one *fakeSession, b []byte) (consumed int, err error) {
	for {
		f, used, err := codec.Next(b[consumed:], codec.FrameBytesMax)
		if err != nil || used == 0 {
			return consumed, err
		}
		if err := s.frame(one, f); err != nil {
			return consumed, err
		}
		consumed += used
	}
}

// frame answers one frame, all sessions under one lock.
func (s *fakeServer) frame(one *fakeSession, f codec.Frame) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if one.deaf {
		return nil
	}
	switch f.Kind {
	case codec.KindHello:
		v, err := codec.ParseHello(f)
		if err != nil {
			return err
		}
		one.user = v.User
		if old := s.sessions[v.User]; old != nil && s.keeps {
			one.seq, one.mark, one.kept = old.seq, old.mark, old.kept
		}
		s.sessions[v.User] = one
		if s.login != nil {
			return s.write(one, s.login(v))
		}
		window := s.window
		if window == 0 {
			window = 64
		}
		answer := must(codec.AppendSuccess(nil, &codec.Success{
			Incarnation: 1, Gen: 1, UpHigh: one.mark, KeepaliveSec: 240, WindowEntries: window, WindowBytes: 256 << 10}))
		if s.veil != nil {
			answer = s.veil.ticket(answer, v)
		}
		for _, e := range one.kept {
			if e.seq > v.DownSeq {
				answer = append(answer, e.frame...)
			}
		}
		return s.write(one, answer)
	case codec.KindAck:
		v, err := codec.ParseAck(f)
		if err != nil || v.Seq > one.seq {
			return errors.New("acknowledged what was not delivered")
		}
		one.ack = v.Seq
	case codec.KindSend:
		v, err := codec.ParseSend(f)
		if err != nil {
			return err
		}
		return s.send(one, &v)
	}
	return nil
}

func (s *fakeServer) send(one *fakeSession, v *codec.Send) error {
	if one.wait != 0 && v.Cseq != one.wait {
		return nil
	}
	one.wait = 0
	if s.keeps && v.Cseq <= one.mark {
		return s.write(one, must(codec.AppendTick(nil, &codec.Tick{UpHigh: one.mark})))
	}
	s.count++
	hang, hangs := s.hangUps[s.count]
	if hangs && !hang.taken {
		return s.hangUp(one, hang)
	}
	if s.count == s.refuse {
		one.wait = v.Cseq
		return s.write(one, must(codec.AppendError(nil, &codec.Error{Code: codec.CodeServerFull, Ref: v.Cseq, RetryAfterMs: 5})))
	}
	to := s.sessions[v.To]
	if to == nil {
		return errors.New("no such user")
	}
	part, _, _ := v.Parts.Next()
	to.seq++
	frame := must(codec.AppendDeliver(nil, &codec.Deliver{Seq: to.seq, From: one.user, Gen: 1, ID: v.Cseq, Blob: part.Blob}))
	one.mark = v.Cseq
	s.keep(to, frame)
	if s.fault != nil {
		s.fault(s, s.count, to, frame)
	} else if err := s.write(to, frame); err != nil {
		return err
	}
	one.seq++
	receipt := must(codec.AppendReceipt(nil, &codec.Receipt{
		Seq: one.seq, Kind: codec.ReceiptDelivered, Gen: 1, Peer: v.To, First: v.Cseq, Last: v.Cseq}))
	s.keep(one, receipt)
	if hangs {
		return s.hangUp(one, hang)
	}
	return s.write(one, append(must(codec.AppendTick(nil, &codec.Tick{UpHigh: v.Cseq})), receipt...))
}

// keep remembers the entry that a session has as its last.
func (s *fakeServer) keep(one *fakeSession, frame []byte) {
	if s.keeps {
		one.kept = append(one.kept, keptEntry{one.seq, bytes.Clone(frame)})
	}
}

// hangUp ends a session: with an ERROR and a FIN, or without a word and with a reset.
func (s *fakeServer) hangUp(one *fakeSession, h hangUp) error {
	tcp := one.conn.(*net.TCPConn)
	if h.code == 0 {
		_ = tcp.SetLinger(0)
		return errFakeHangUp
	}
	err := s.write(one, must(codec.AppendError(nil, &codec.Error{Code: h.code, RetryAfterMs: 5})))
	one.deaf = true
	return errors.Join(err, tcp.CloseWrite())
}

func (s *fakeServer) write(one *fakeSession, b []byte) error {
	if s.veil != nil {
		b = must(one.link.Seal(nil, b))
	}
	_, err := one.conn.Write(b)
	return err
}

func must(b []byte, err error) []byte {
	if err != nil {
		panic(err)
	}
	return b
}

// The faults.
func deliverAll(s *fakeServer, _ int, to *fakeSession, frame []byte) { _ = s.write(to, frame) }

func lose(which int) fault {
	return func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		if n != which {
			_ = s.write(to, frame)
		}
	}
}

func double(which int) fault {
	return func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		_ = s.write(to, frame)
		if n == which {
			_ = s.write(to, frame)
		}
	}
}

// renumbered is a DELIVER under another seq.
func renumbered(frame []byte, seq uint64) []byte {
	f, _, err := codec.Next(frame, codec.FrameBytesMax)
	if err != nil {
		panic(err)
	}
	v, err := codec.ParseDeliver(f)
	if err != nil {
		panic(err)
	}
	v.Seq = seq
	return must(codec.AppendDeliver(nil, &v))
}

func swap(which int) fault {
	return func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		switch n {
		case which:
			s.held = frame
		default:
			_ = s.write(to, frame)
			_ = s.write(to, s.held)
			s.held = nil
		}
	}
}

func damage(which int) fault {
	return func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		if n == which {
			frame[len(frame)-1] ^= 1
		}
		_ = s.write(to, frame)
	}
}
