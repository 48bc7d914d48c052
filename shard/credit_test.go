package shard

import (
	"testing"

	"trunkline/codec"
)

// poorHost gives as much credit as it has.
type poorHost struct {
	quietHost
	credit int
	posts  int
	woken  int64
}

func (h *poorHost) Credit(int) int         { return h.credit }
func (h *poorHost) Post(int, []byte) error { h.posts++; return nil }
func (h *poorHost) WakeAt(unixMs int64)    { h.woken = unixMs }

func poorShard(t *testing.T) (*Shard, *poorHost) {
	s, h := quietShard(), &poorHost{credit: 1 << 20}
	s.host, s.mesh = h, h
	s.Tick(testNow)
	return s, h
}

func TestFramesThatMayRouteAreLeftUnreadWithoutCredit(t *testing.T) {
	frame := func(b []byte, err error) []byte {
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, b := range map[string][]byte{
		"SEND": frame(codec.AppendSend(nil, &codec.Send{Cseq: 1, To: userOn(Placement{Seed: 1, Loops: 2}, 1), N: 1, Parts: parts("x")})),
		"RECEIPT": frame(codec.AppendReceipt(nil, &codec.Receipt{
			Seq: 1, Kind: codec.ReceiptRead, Peer: userOn(Placement{Seed: 1, Loops: 2}, 1), First: 1, Last: 1,
		})),
		"ACK":       frame(codec.AppendAck(nil, &codec.Ack{Seq: testSeqBase})),
		"SUBSCRIBE": frame(codec.AppendSubscribe(nil, &codec.Subscribe{Op: 1, N: 1, Peers: codec.Peers(nil).Append(5)})),
	} {
		s, h := poorShard(t)
		onlineMailbox(t, s, userOn(s.cfg.Placement, 0))
		s.lookup(testConn).pushed = testSeqBase
		h.credit = StepBytesMax - 1
		s.Tick(testNow)
		if n := s.Data(testNow, testConn, b); n != 0 {
			t.Errorf("%s: %d bytes were read without credit", name, n)
		}
		h.credit = StepBytesMax
		s.Tick(testNow)
		if n := s.Data(testNow, testConn, b); n != len(b) {
			t.Errorf("%s: %d of %d bytes were read with credit", name, n, len(b))
		}
	}
}

func TestRoomForAcksShrinksWithWhatIsPostedInATurn(t *testing.T) {
	s, h := poorShard(t)
	h.credit = StepBytesMax
	s.Tick(testNow)
	s.send(1, &message{kind: msgStored})
	if s.leastRoom != StepBytesMax-messageBytes {
		t.Errorf("room for %d bytes is left, want %d", s.leastRoom, StepBytesMax-messageBytes)
	}
}

func TestPushesToAnotherLoopWaitForCredit(t *testing.T) {
	s, h := poorShard(t)
	user := userOn(s.cfg.Placement, 0)
	m := s.mailboxes.At(onlineMailbox(t, s, user))
	m.loop = 1
	h.credit = pushCost(1) - 1
	for seq := range uint64(3) {
		tellMailbox(s, message{kind: msgRoute, user: user, peer: testPeer, peerGen: 2, seq: seq + 1, parts: 1, payload: parts("x")})
	}
	if m.sent == m.last || m.window != 0 || h.posts != 0 {
		t.Fatalf("%d entries were pushed without credit", m.window)
	}
	s.Tick(testNow)
	if m.window != 0 || h.woken != testNow+starvedRetryMs {
		t.Fatalf("%d entries pushed, woken at %d", m.window, h.woken)
	}
	h.credit = 2 * pushCost(1)
	s.Tick(testNow)
	if m.window != 2 {
		t.Errorf("with credit for two, %d were pushed", m.window)
	}
	s.Tick(testNow)
	if m.window != 3 || m.sent != m.last || len(s.starving) != 0 {
		t.Errorf("%d were pushed in the end, %d mailboxes starve", m.window, len(s.starving))
	}
}

// A rejection is a tick, and on its way between loops it comes before the tick proper: whoever has it may go on at once.
func TestAPushedRejectionOpensTheUplinkLikeATick(t *testing.T) {
	s := quietShard()
	user := userOn(s.cfg.Placement, 0)
	m := s.mailboxes.At(onlineMailbox(t, s, user))
	m.mark, m.inflight, m.done = 99, 1, 0b1111110
	p := s.lookup(testConn)
	p.mark, p.ahead = 99, 7
	tellMailbox(s, message{kind: msgRejected, user: user, gen: testGen, seq: 100, code: uint8(codec.CodeMailboxFull)})
	if p.mark != 106 || p.ahead != 0 {
		t.Errorf("the session's mark is %d with %d ahead, want 106 and none", p.mark, p.ahead)
	}
}
