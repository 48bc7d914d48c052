package client

import (
	crand "crypto/rand"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// The model: a server that keeps the delivery rules and has every kind of bad luck, a client whose process ends and is
// killed at any moment, and a peer that sends again what it must. Some of its processes show what comes, others only send and
// leave what comes in the inbox. Nothing may be lost or overtake another of its stream, nothing may be shown twice but
// what a killed process had shown without saying so, no number may ever mean two messages, and who has caught up
// behind a tick knows whether it was a rejection.

const (
	modelMessages = 150 // each way
	modelWindow   = 8
)

type modelServer struct {
	r           *rand.Rand
	t           *testing.T
	incarnation uint64
	gen         uint16
	mark        uint64
	refusedAt   uint64
	taken       map[uint64]string // cseq -> text, over all incarnations
	mailbox     []modelEntry      // not acknowledged
	mu          sync.Mutex
	rejected    map[uint64]bool // of these data: the rejection is in the mailbox, or was acknowledged
	fallen      map[uint64]bool // ever rejected, over all incarnations
	seq         uint64
	pushed      int // of mailbox, on this connection
	written     int // ids given out by the peer
	token       uint64
	epoch       uint32
	vault       *vault // nil: the plain transport
	resumes     int    // connections that came with a ticket at once
	done        bool
}

// modelEntry is a message of the peer, or the rejection of a cseq.
type modelEntry struct{ seq, id, cseq uint64 }

// connection plays one connection to its end, which bad luck chooses.
func (s *modelServer) connection(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	if s.vault != nil {
		if s.luck(30) {
			return // not even an answer to the first flight
		}
		rc, h, err := s.vault.shake(conn)
		if err != nil {
			return
		}
		if h.device == (secure.PublicKey{}) {
			s.resumes++
		}
		conn = rc
	}
	in := &frameReader{conn: conn}
	f, err := in.next(func() {})
	if err != nil {
		return
	}
	h, err := codec.ParseHello(f)
	if err != nil || s.luck(20) {
		return
	}
	s.login(&h)
	out, err := codec.AppendSuccess(nil, &codec.Success{
		Incarnation: s.incarnation, Gen: s.gen, UpHigh: s.mark, KeepaliveSec: 1, WindowEntries: modelWindow, WindowBytes: 1 << 16,
	})
	if err != nil {
		s.t.Errorf("SUCCESS: %v", err)
	}
	out = s.ticket(out)
	for {
		out = s.push(out)
		if s.luck(40) {
			out = out[:s.r.IntN(len(out)+1)] // in the middle of a frame
			_, _ = conn.Write(out)
			return
		}
		if _, err := conn.Write(out); err != nil {
			return
		}
		if f, err = in.next(func() {}); err != nil {
			return
		}
		out = s.frame(out[:0], f)
	}
}

// ticket adds a ticket, now and then, and has the keys of those before forgotten, now and then. Some do not last.
func (s *modelServer) ticket(out []byte) []byte {
	if s.vault == nil || s.luck(4) {
		return out
	}
	for s.luck(6) {
		if err := s.vault.tickets.Rotate(0, crand.Reader); err != nil {
			s.t.Errorf("rotate: %v", err)
		}
	}
	if s.luck(20) {
		s.vault.rotate(s.t)
	}
	b, err := s.vault.issue(s.gen, time.Duration(1+s.r.IntN(100))*time.Second)
	if err != nil {
		s.t.Errorf("TICKET: %v", err)
	}
	return append(out, b...)
}

func (s *modelServer) luck(oneIn int) bool { return !s.done && s.r.IntN(oneIn) == 0 }

// login applies rule 6.
func (s *modelServer) login(h *codec.Hello) {
	if h.Epoch <= s.epoch {
		s.t.Errorf("an attempt with epoch %d after one with %d", h.Epoch, s.epoch)
	}
	s.epoch = h.Epoch
	s.pushed, s.refusedAt = 0, 0
	if s.luck(8) {
		s.loseData()
	}
	switch {
	case h.Gen == 0:
		if h.DownSeq == 0 || s.token != 0 && h.DownSeq != s.token {
			s.t.Errorf("token %d, then %d", s.token, h.DownSeq)
		}
		s.gen, s.mark, s.token = 1, 0, h.DownSeq
		if len(s.taken) > 0 {
			s.t.Error("a client with state registered a new generation")
		}
	case h.Incarnation == s.incarnation:
		s.ack(h.DownSeq)
		fallthrough
	default:
		s.mark = max(s.mark, h.Ticked)
	}
}

// loseData empties the server; the peer sends again what was not acknowledged, and for good measure some that was.
func (s *modelServer) loseData() {
	s.incarnation++
	s.mark, s.seq = 0, uint64(s.r.IntN(3))
	again := s.written + 1
	for _, e := range slices.Backward(s.mailbox) {
		if e.cseq == 0 {
			again = int(e.id)
			continue
		}
		s.mu.Lock()
		delete(s.rejected, e.cseq) // nobody will ever know
		s.mu.Unlock()
	}
	s.mailbox = nil
	for id := max(1, again-s.r.IntN(4)); id <= s.written; id++ {
		s.store(modelEntry{id: uint64(id)})
	}
}

func (s *modelServer) store(e modelEntry) {
	s.seq += 1 + uint64(s.r.IntN(3))
	e.seq = s.seq
	s.mailbox = append(s.mailbox, e)
}

func (s *modelServer) ack(seq uint64) {
	for len(s.mailbox) > 0 && s.mailbox[0].seq <= seq {
		s.mailbox = s.mailbox[1:]
		s.pushed = max(s.pushed-1, 0)
	}
}

// push adds deliveries up to the window, and writes new ones.
func (s *modelServer) push(out []byte) []byte {
	if s.written < modelMessages && (s.done || s.r.IntN(2) == 0) {
		s.written++
		s.store(modelEntry{id: uint64(s.written)})
	}
	for s.pushed < min(len(s.mailbox), modelWindow) {
		e := s.mailbox[s.pushed]
		s.pushed++
		b, err := e.append(out)
		if err != nil {
			s.t.Errorf("entry %+v: %v", e, err)
		}
		out = b
	}
	return out
}

func (e *modelEntry) append(out []byte) ([]byte, error) {
	if e.cseq == 0 {
		return codec.AppendDeliver(out, &codec.Deliver{Seq: e.seq, From: testPeer, Gen: 1, ID: e.id, Blob: fmt.Append(nil, e.id)})
	}
	return codec.AppendReceipt(out, &codec.Receipt{
		Seq: e.seq, Kind: codec.ReceiptRejected, Code: uint8(codec.CodeMailboxFull), Gen: 1, Peer: testPeer, First: e.cseq, Last: e.cseq,
	})
}

// frame takes one frame of the client; the answer is added to out.
func (s *modelServer) frame(out []byte, f codec.Frame) []byte {
	switch f.Kind {
	case codec.KindPing:
		return codec.AppendPong(out)
	case codec.KindAck:
		a, err := codec.ParseAck(f)
		if err != nil || s.pushed == 0 || a.Seq > s.mailbox[s.pushed-1].seq {
			s.t.Errorf("ACK %+v (%v) above what was delivered", a, err)
		}
		s.ack(a.Seq)
		return out
	case codec.KindSend:
		v, err := codec.ParseSend(f)
		if err != nil {
			s.t.Errorf("SEND: %v", err)
		}
		return s.send(out, &v)
	}
	s.t.Errorf("frame %v", f.Kind)
	return out
}

func (s *modelServer) send(out []byte, v *codec.Send) []byte {
	part, _, _ := v.Parts.Next()
	text := string(part.Blob)
	if was, ok := s.taken[v.Cseq]; ok && was != text {
		s.t.Errorf("number %d means %q and %q", v.Cseq, was, text)
	}
	switch {
	case s.refusedAt != 0 && v.Cseq > s.refusedAt:
		return out // ignored until the refused one returns
	case v.Cseq > s.mark+1:
		s.t.Errorf("gap: %d after %d", v.Cseq, s.mark)
		return out
	case v.Cseq == s.mark+1 && s.luck(15):
		s.refusedAt = v.Cseq
		b, err := codec.AppendError(out, &codec.Error{Code: codec.CodeServerFull, Ref: v.Cseq, RetryAfterMs: 700})
		if err != nil {
			s.t.Errorf("ERROR: %v", err)
		}
		return b
	case v.Cseq == s.mark+1:
		s.mark++
		s.refusedAt = 0
		if s.luck(8) {
			s.reject(v.Cseq)
		} else {
			s.taken[v.Cseq] = text
		}
	}
	if s.luck(6) {
		return out // the tick will come with a later one, or with SUCCESS
	}
	b, err := codec.AppendTick(out, &codec.Tick{UpHigh: s.mark})
	if err != nil {
		s.t.Errorf("ACK: %v", err)
	}
	return b
}

// reject has the mark pass a cseq together with its rejection.
func (s *modelServer) reject(cseq uint64) {
	s.store(modelEntry{cseq: cseq})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rejected[cseq], s.fallen[cseq] = true, true
}

// killable is a state that stops hearing its client when the process is killed.
type killable struct {
	State
	mu     sync.Mutex
	killed bool
}

var errKilled = errors.New("killed")

func (k *killable) Commit(c *Change) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.killed {
		return errKilled
	}
	return k.State.Commit(c)
}

func (k *killable) kill() {
	k.mu.Lock()
	k.killed = true
	k.mu.Unlock()
}

func TestNothingIsLostAndNothingComesTwiceWhateverHappens(t *testing.T) {
	for range 12 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { runModel(t, seed, newFake(t)) })
		})
	}
}

// The same over the encrypted transport, where messages of the outbox go ahead with a ticket, tickets are refused, and the
// server's key changes.
func TestNothingIsLostAndNothingComesTwiceWithTickets(t *testing.T) {
	for range 4 {
		seed := rand.Uint64()
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if s := runModel(t, seed, newSecureFake(t)); s.resumes == 0 {
					t.Error("no connection came with a ticket")
				}
			})
		})
	}
}

func runModel(t *testing.T, seed uint64, f *fake) *modelServer {
	r := rand.New(rand.NewPCG(seed, 2))
	s := &modelServer{r: rand.New(rand.NewPCG(seed, 3)), t: t, incarnation: 1, taken: map[uint64]string{},
		rejected: map[uint64]bool{}, fallen: map[uint64]bool{}, vault: f.vault}
	transport := f.transport()
	served := make(chan struct{})
	stop := make(chan struct{})
	go func() {
		defer close(served)
		for {
			select {
			case conn := <-f.conns:
				s.connection(conn)
			case <-stop:
				return
			}
		}
	}()
	state := NewMemoryState()
	app := &modelApp{t: t, s: s, kept: map[uint64]int{}, killedRuns: map[int]bool{}}
	for run := 0; ; run++ {
		if run > 2000 {
			t.Fatalf("sent %d, kept %d after %d runs", app.sent, len(app.kept), run)
		}
		k := &killable{State: state}
		opts := []Option{WithUser(testUser), transport, WithDialer(f.dial), WithState(k), WithOfflineStart(), WithEventBuffer(1 + r.IntN(20))}
		app.begin(run, r.IntN(3) > 0)
		if !app.shows || r.IntN(2) == 0 {
			opts = append(opts, withInboxOf(r.IntN(12)))
		}
		c, err := Dial(t.Context(), "fake", opts...)
		if err != nil {
			t.Fatal(err)
		}
		finished := app.live(c, r)
		if finished {
			closeClient(t, c)
			break
		}
		if r.IntN(2) == 0 {
			app.killedRuns[run] = true
			k.kill()
			_ = c.Close()
		} else {
			closeClient(t, c)
		}
	}
	close(stop)
	<-served
	app.check(s)
	return s
}

type modelApp struct {
	t          *testing.T
	s          *modelServer
	sent       int
	kept       map[uint64]int // id -> run in which it was shown
	killedRuns map[int]bool

	// Of the present run.
	run      int
	shows    bool // what comes; else it only sends
	last     uint64
	shown    []Message // and not acknowledged yet
	asked    uint64    // number of the CatchUp that is under way, 0: none
	ticked   uint64    // what was ticked when it was asked
	answered int
}

// begin is a new process.
func (a *modelApp) begin(run int, shows bool) {
	a.run, a.shows, a.last, a.shown, a.asked, a.answered = run, shows, 0, nil, 0, 0
}

// live is one process: it sends and keeps for a random time, or until everything is through.
func (a *modelApp) live(c *Client, r *rand.Rand) (finished bool) {
	life := time.NewTimer(time.Duration(r.IntN(20_000)) * time.Millisecond)
	defer life.Stop()
	write := time.NewTicker(time.Duration(1+r.IntN(200)) * time.Millisecond)
	defer write.Stop()
	for {
		select {
		case <-life.C:
			a.ack(c, len(a.shown))
			return false
		case <-write.C:
			if a.sent < modelMessages {
				id, err := c.Send(a.t.Context(), testPeer, fmt.Append(nil, a.sent+1))
				if err != nil || id != uint64(a.sent+1) {
					a.t.Fatalf("Send %d: id %d, %v", a.sent+1, id, err)
				}
				a.sent++
			} else if len(a.kept) == modelMessages && c.Outstanding() == 0 &&
				a.shows && a.answered > 0 && a.asked == 0 && a.ticked == modelMessages {
				a.ack(c, len(a.shown))
				return true
			}
			a.ask(c)
			a.ack(c, r.IntN(len(a.shown)+1))
		case ev, open := <-c.Events():
			if !open {
				a.t.Fatalf("the client ended: %v", c.Err())
			}
			switch ev := ev.(type) {
			case Message:
				a.keep(c, ev)
			case CaughtUp:
				a.caughtUp(c, ev)
			}
		}
	}
}

// ask begins to catch up.
func (a *modelApp) ask(c *Client) {
	if a.asked != 0 {
		return
	}
	a.ticked = 0
	for id := uint64(1); id <= uint64(a.sent); id++ {
		if s, ok := c.Sent(id); ok && (s.Level > TickNone || s.Rejected != 0) {
			a.ticked = id
		}
	}
	var err error
	if a.asked, err = c.CatchUp(); err != nil {
		a.t.Errorf("CatchUp: %v", err)
	}
}

// caughtUp: what was rejected of the ticked messages is known.
func (a *modelApp) caughtUp(c *Client, ev CaughtUp) {
	if ev.No != a.asked {
		a.t.Errorf("answer %d to question %d", ev.No, a.asked)
	}
	a.asked = 0
	a.answered++
	a.s.mu.Lock()
	defer a.s.mu.Unlock()
	for cseq := range a.s.rejected {
		if s, _ := c.Sent(cseq); cseq <= a.ticked && s.Rejected == 0 {
			a.t.Errorf("run %d: caught up behind the tick of %d and does not know of the rejection of %d", a.run, a.ticked, cseq)
		}
	}
}

func (a *modelApp) keep(c *Client, m Message) {
	if !a.shows {
		return
	}
	if before, twice := a.kept[m.ID]; twice && !a.killedRuns[before] {
		a.t.Errorf("message %d shown in run %d and again in run %d", m.ID, before, a.run)
	}
	if m.ID <= a.last || m.ID > uint64(len(a.kept))+1 {
		a.t.Errorf("run %d: message %d behind %d, when %d were shown", a.run, m.ID, a.last, len(a.kept))
	}
	a.last = m.ID
	if string(m.Payload) != fmt.Sprint(m.ID) {
		a.t.Errorf("message %d carries %q", m.ID, m.Payload)
	}
	a.kept[m.ID] = a.run
	a.shown = append(a.shown, m)
}

// ack acknowledges the first n of what is on the screen.
func (a *modelApp) ack(c *Client, n int) {
	if n == 0 {
		return
	}
	if err := c.Ack(a.shown[n-1]); err != nil {
		a.t.Errorf("Ack: %v", err)
	}
	a.shown = a.shown[n:]
}

func (a *modelApp) check(s *modelServer) {
	for i := uint64(1); i <= modelMessages; i++ {
		if s.taken[i] != fmt.Sprint(i) && !s.fallen[i] {
			a.t.Errorf("the server has %q for message %d", s.taken[i], i)
		}
	}
	if len(a.kept) != modelMessages {
		a.t.Errorf("%d kept, want %d", len(a.kept), modelMessages)
	}
}
