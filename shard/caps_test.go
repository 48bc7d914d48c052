package shard

import (
	"testing"

	"trunkline/codec"
)

// onlineMailbox is a mailbox in the table of a shard, with a generation and nothing in it, attached to the open session testConn.
func onlineMailbox(t *testing.T, s *Shard, user uint64) (index uint32) {
	t.Helper()
	if code := s.makeMailbox(user, 0); code != codec.CodeNone {
		t.Fatal(code)
	}
	index = s.users.first(user)
	m := s.mailboxes.At(index)
	m.state, m.conn, m.gen = mailboxOnline, testConn, testGen
	*s.sessions.At(testConn.slot()) = session{conn: testConn, user: user, state: sessionOpen}
	s.stats.Sessions++
	s.stats.LoggedIn++
	return index
}

// tellMailbox has the shard take a message, as if it came from a session or mailbox of this loop.
func tellMailbox(s *Shard, m message) {
	s.current = m
	s.take(testNow)
	s.drainLocal(testNow)
}

func TestASendWaitsWhileThereIsNoRoomForItsRejection(t *testing.T) {
	s := quietShard()
	user := userOn(s.cfg.Placement, 0)
	m := s.mailboxes.At(onlineMailbox(t, s, user))
	send := message{kind: msgSend, user: user, conn: testConn, peer: 0, code: uint8(codec.CodeInvalidReceiver)}
	for send.seq = 1; send.seq <= RejectionEntriesMax; send.seq++ {
		tellMailbox(s, send)
	}
	if m.rejections != RejectionEntriesMax || m.mark != RejectionEntriesMax {
		t.Fatalf("%d rejections, mark %d", m.rejections, m.mark)
	}
	tellMailbox(s, send)
	if m.mark != RejectionEntriesMax || m.flags&flagRefused == 0 || s.stats.Refusals != 1 {
		t.Errorf("the one above the cap was taken: mark %d, %d refusals", m.mark, s.stats.Refusals)
	}
	tellMailbox(s, message{kind: msgAck, user: user, conn: testConn, first: m.sent})
	tellMailbox(s, send)
	if m.mark != RejectionEntriesMax+1 {
		t.Errorf("after an ACK it was not taken: mark %d", m.mark)
	}
}

func TestReceiptsOverTheCapAreDropped(t *testing.T) {
	s := quietShard()
	user := userOn(s.cfg.Placement, 0)
	m := s.mailboxes.At(onlineMailbox(t, s, user))
	for i := range uint64(ReceiptEntriesMax + 3) {
		tellMailbox(s, message{kind: msgReceipt, user: user, gen: testGen, peer: 5 + i, first: 1, last: 1, code: uint8(codec.ReceiptDelivered)})
	}
	if m.notices != ReceiptEntriesMax || s.stats.ReceiptsDropped != 3 {
		t.Errorf("%d receipts wait, %d dropped", m.notices, s.stats.ReceiptsDropped)
	}
}

func TestTheHeldRejectionsOfALoopAreBounded(t *testing.T) {
	s := quietShard()
	user := userOn(s.cfg.Placement, 0)
	m := s.mailboxes.At(onlineMailbox(t, s, user))
	m.inflight = 3 // cseqs 1 and 2
	for range heldMax {
		s.helds.Alloc()
	}
	tellMailbox(s, message{kind: msgRejected, user: user, gen: testGen, seq: 2, code: uint8(codec.CodeMailboxFull)})
	if m.inflight != 1 || m.done != 0 || m.mark != 0 {
		t.Errorf("in flight %b, done %b, mark %d: want cseq 2 forgotten", m.inflight, m.done, m.mark)
	}
	if n := s.cfg.Queue.Stats().Entries; n != 0 {
		t.Errorf("%d entries", n)
	}
}

func TestSecondTicksAreJoinedForwardsOnly(t *testing.T) {
	s := quietShard()
	user := userOn(s.cfg.Placement, 0)
	m := s.mailboxes.At(onlineMailbox(t, s, user))
	for _, id := range []uint64{3, 4, 9, 7, 8} { // 7 was sent again after its answer was lost
		tellMailbox(s, message{kind: msgRoute, user: user, peer: testPeer, peerGen: 2, seq: id, parts: 1, payload: parts("x")})
	}
	s.out.reset()
	m.acknowledge(testNow, m.sent, &s.world, &s.out)
	want := [][2]uint64{{3, 9}, {7, 8}}
	if len(s.out.posts) != len(want) {
		t.Fatalf("%d receipts, want %d", len(s.out.posts), len(want))
	}
	for i, w := range want {
		if r := s.out.posts[i].message; r.first != w[0] || r.last != w[1] {
			t.Errorf("receipt %d is of %d to %d, want %v", i, r.first, r.last, w)
		}
	}
}

func TestAUserHasSoManyDevicesAndALoopSoManyUsers(t *testing.T) {
	s := quietShard()
	s.cfg.UsersMax = 2
	for device := range DevicesMax {
		if code := s.makeMailbox(1001, uint8(device)); code != codec.CodeNone {
			t.Fatalf("device %d: %v", device, code)
		}
	}
	if code := s.makeMailbox(1001, DevicesMax); code != codec.CodeNotAuthorized {
		t.Errorf("one device more: %v", code)
	}
	if code := s.makeMailbox(1002, 0); code != codec.CodeNone {
		t.Errorf("the second user: %v", code)
	}
	if code := s.makeMailbox(1003, 0); code != codec.CodeBusy {
		t.Errorf("the third user: %v", code)
	}
}

func TestTheWatchersOfAUserAreBounded(t *testing.T) {
	s := quietShard()
	user := userOn(s.cfg.Placement, 0)
	for i := range WatchersMax + 5 {
		tellMailbox(s, message{kind: msgWatch, user: user, conn: Conn(1000 + i), from: 1})
	}
	tellMailbox(s, message{kind: msgWatch, user: user, conn: 1000, from: 1}) // again: no second cell
	if n := s.watches.Len(); n != WatchersMax || s.stats.EphemeralDropped != 5 {
		t.Errorf("%d watchers, %d dropped", n, s.stats.EphemeralDropped)
	}
	for i := range WatchersMax {
		tellMailbox(s, message{kind: msgUnwatch, user: user, conn: Conn(1000 + i), from: 1})
	}
	if s.watches.Len() != 0 || len(s.watched) != 0 {
		t.Errorf("%d watchers of %d users are left", s.watches.Len(), len(s.watched))
	}
}

// stuckHost refuses to post until it is told otherwise.
type stuckHost struct {
	quietHost
	stuck  bool
	posted [][]byte
}

func (h *stuckHost) Post(_ int, msg []byte) error {
	if h.stuck {
		return errMessage
	}
	h.posted = append(h.posted, append([]byte(nil), msg...))
	return nil
}

func TestWhatALoopRefusesWaitsInOrder(t *testing.T) {
	h := &stuckHost{stuck: true}
	s := quietShard()
	s.host, s.mesh = h, h
	for i := range uint64(3) {
		s.send(1, &message{kind: msgStored, seq: i})
		h.stuck = i != 1 // the last one finds the way free and must not overtake
	}
	if len(h.posted) != 0 {
		t.Fatalf("%d messages have overtaken", len(h.posted))
	}
	if s.Tick(testNow); len(h.posted) != 0 {
		t.Fatalf("%d messages went to a loop that refuses", len(h.posted))
	}
	h.stuck = false
	s.Tick(testNow)
	for i, b := range h.posted {
		var m message
		if err := parseMessage(&m, b); err != nil || m.seq != uint64(i) {
			t.Errorf("message %d is %d, %v", i, m.seq, err)
		}
	}
	if len(h.posted) != 3 || s.stats.MessagesLost != 0 {
		t.Errorf("%d messages came, %d lost", len(h.posted), s.stats.MessagesLost)
	}
	h.stuck = true
	big := message{kind: msgPush, payload: make([]byte, 1<<20)}
	for range backlogBytesMax>>20 + 1 {
		s.send(1, &big)
	}
	if s.stats.MessagesLost == 0 {
		t.Errorf("the backlog has no end")
	}
}

// sendFrame makes a SEND by hand, so that it may hold what no encoder writes.
func sendFrame(flags codec.Flags, ext, blob []byte) []byte {
	body := make([]byte, 17, 32+len(ext)+len(blob))
	body[7], body[15], body[16] = 1, 5, 1 // cseq 1, to 5, one part
	body = append(body, ext...)
	body = append(body, 0, 0, byte(len(blob)>>8), byte(len(blob)))
	body = append(body, blob...)
	n := len(body) + 2
	head := []byte{byte(n) | 0x80, byte(n>>7) | 0x80, byte(n >> 14)}
	if n < 1<<14 {
		head = []byte{byte(n) | 0x80, byte(n >> 7)}
	}
	if n < 1<<7 {
		head = []byte{byte(n)}
	}
	return append(append(head, byte(codec.KindSend), byte(flags)), body...)
}

func TestWhatCanNotBeDeliveredIsRejectedAndTheConnectionStays(t *testing.T) {
	for code, b := range map[codec.ErrorCode][]byte{
		codec.CodeTooLarge:        sendFrame(0, nil, make([]byte, codec.BlobBytesMax+1)),
		codec.CodeUnsupported:     sendFrame(codec.FlagExt, []byte{0, 2, 0x80, 0}, []byte("x")),
		codec.CodeInvalidReceiver: sendFrame(codec.FlagGroup, nil, []byte("x")), // a user's id
	} {
		s := quietShard()
		m := s.mailboxes.At(onlineMailbox(t, s, userOn(s.cfg.Placement, 0)))
		if n := s.Data(testNow, testConn, b); n != len(b) {
			t.Errorf("%v: %d of %d bytes consumed", code, n, len(b))
		}
		if s.stats.Rejections[code] != 1 || m.mark != 1 || m.rejections != 1 || s.lookup(testConn).state != sessionOpen {
			t.Errorf("%v: rejected %d times, mark %d, state %d", code, s.stats.Rejections[code], m.mark, s.lookup(testConn).state)
		}
	}
}
