package shard

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"trunkline/codec"
	"trunkline/store"
)

func TestMailboxRecordIsSmallAndWithoutPointers(t *testing.T) {
	if n := unsafe.Sizeof(mailbox{}); n > 128 {
		t.Errorf("a mailbox takes %d bytes, more than 128", n)
	}
	if n := unsafe.Sizeof(ledger{}); n > 104 {
		t.Errorf("a ledger takes %d bytes, more than 104", n)
	}
	holdsNoPointers(t, reflect.TypeFor[mailbox]())
	holdsNoPointers(t, reflect.TypeFor[ledger]())
	holdsNoPointers(t, reflect.TypeFor[held]())
	holdsNoPointers(t, reflect.TypeFor[watch]())
}

var messageKindNames = [msgKindEnd]string{
	msgAttach: "attach", msgDetach: "detach", msgSend: "send", msgRead: "read", msgAck: "ack", msgAttached: "attached",
	msgRefused: "refused", msgPush: "push", msgTicked: "ticked", msgSoft: "soft", msgKick: "kick", msgRoute: "route",
	msgStored: "stored", msgRejected: "rejected", msgReceipt: "receipt", msgWatch: "watch", msgUnwatch: "unwatch",
	msgPresence: "presence", msgTyping: "typing", msgTypingIs: "typingIs", msgIntake: "intake", msgPing: "ping", msgPonged: "ponged",
	msgHold: "hold", msgConfirm: "confirm", msgActive: "active", msgWriting: "writing",
}

const (
	testConn    = Conn(1<<32 | 5)
	testGen     = 9
	testPeer    = 2002
	testSeqBase = uint64(1) << seqCounterBits
)

// mailboxIn is a mailbox in a state: mark 3, cseq 4 in flight, one receipt for cseq 1 waiting, with the client when online.
func mailboxIn(s *Shard, state mailboxState) mailbox {
	s.cfg.Queue = store.NewMailboxes()
	m := mailbox{
		user: userOn(s.cfg.Placement, 0), state: state, gen: testGen, epoch: 5, mark: 3, inflight: 1,
		last: testSeqBase + 1, acked: testSeqBase, sent: testSeqBase, notices: 1, entries: 0,
	}
	entry := store.Entry{
		Key:  store.Key{User: m.user, Seq: testSeqBase + 1},
		Kind: store.EntryKind(codec.ReceiptDelivered), Peer: testPeer, Gen: testGen, First: 1, Last: 1,
	}
	if err := s.cfg.Queue.Append(&entry, nil); err != nil {
		panic(err)
	}
	switch {
	case m.attached():
		m.conn, m.sent, m.window, m.windowBytes = testConn, m.last, 1, windowEntryBytes
	case state == mailboxGone:
		s.cfg.Queue.Drop(m.user, 0, m.last, nil)
		m.acked, m.sent, m.notices, m.inflight = m.last, m.last, 0, 0
	}
	return m
}

// mailboxEvents makes the event of each row; prepare, where there is one, changes the world or the mailbox first.
func mailboxEvents() map[string]mailboxRow {
	said := func(m message) mailboxEvent { return mailboxEvent{kind: evMessage, index: 1, message: &m} }
	send := func(cseq uint64, code codec.ErrorCode) mailboxEvent {
		parts := codec.Parts(nil).Append(codec.Part{Blob: []byte("x")})
		return said(message{kind: msgSend, conn: testConn, seq: cseq, peer: testPeer, parts: 1, payload: parts, code: uint8(code)})
	}
	receipt := func(gen uint16, first, seq uint64, kind codec.ReceiptKind) mailboxEvent {
		return said(message{kind: msgReceipt, gen: gen, peer: testPeer, first: first, last: first, seq: seq, code: uint8(kind)})
	}
	route := said(message{kind: msgRoute, peer: testPeer, peerGen: 1, seq: 1})
	route.part = codec.Part{Blob: []byte("x")}
	message4 := func(s *Shard, m *mailbox) {
		entry := store.Entry{Key: store.Key{User: m.user, Seq: m.last + 1}, Kind: entryMessage, Peer: testPeer, First: 1}
		if err := s.cfg.Queue.Append(&entry, []byte("x")); err != nil {
			panic(err)
		}
		m.last, m.entries, m.bytes = m.last+1, m.entries+1, m.bytes+1
		if m.attached() {
			m.sent, m.window, m.windowBytes = m.last, m.window+1, m.windowBytes+windowCost(1)
		}
	}
	other := receipt(testGen, 2, 0, codec.ReceiptDelivered)
	other.message.peerDevice = 4
	read := func(s *Shard, m *mailbox) {
		e, ok := s.cfg.Queue.Last(m.user, 0)
		if !ok {
			return // nothing waits where the device is gone
		}
		e.Kind = store.EntryKind(codec.ReceiptRead)
		if err := s.cfg.Queue.Replace(&e); err != nil {
			panic(err)
		}
	}
	early := func(gen uint16, epoch uint64) mailboxEvent {
		return said(message{
			kind: msgAttach, code: attachEarly, conn: 77, gen: gen, peerGen: gen, peer: 7, first: testSeqBase + 1, last: 3, seq: epoch,
		})
	}
	removal := func(conn Conn, gen uint16) mailboxEvent { return said(message{kind: msgRemove, conn: conn, gen: gen}) }
	account := func(_ *Shard, m *mailbox) { m.flags |= flagAccount }
	behind := func(_ *Shard, m *mailbox) { m.sent, m.window, m.windowBytes = m.acked, 0, 0 }
	stop := func(s *Shard, _ *mailbox) { s.setIntake(s.home(testPeer), 1) }
	return map[string]mailboxRow{
		"attach":       {ev: said(message{kind: msgAttach, conn: 77, gen: testGen, peer: 7, first: testSeqBase + 1, last: 3, seq: 5}), prepare: acked},
		"attach ghost": {ev: said(message{kind: msgAttach, conn: 77, gen: testGen, peer: 7, first: testSeqBase + 1, last: 3, seq: 4}), prepare: acked},
		"attach early": {ev: early(testGen, 6), prepare: acked},
		"early old":    {ev: early(testGen, 5)},
		"early stale":  {ev: early(testGen-1, 6)},
		"confirm":      {ev: said(message{kind: msgConfirm, conn: testConn})},
		"confirm late": {ev: said(message{kind: msgConfirm, conn: 99})},
		"attach newer": {
			ev:      said(message{kind: msgAttach, conn: 77, peerGen: testGen + 1, peer: 7, first: 3, seq: 1}),
			prepare: func(s *Shard, m *mailbox) { acked(s, m); account(s, m) },
		},
		"remove":       {ev: removal(0, 0)},
		"remove own":   {ev: removal(testConn, testGen+1), prepare: account},
		"remove late":  {ev: removal(0, testGen), prepare: account},
		"active":       {ev: said(message{kind: msgActive, conn: testConn, code: 1})},
		"inactive":     {ev: said(message{kind: msgActive, conn: testConn})},
		"active late":  {ev: said(message{kind: msgActive, conn: 99, code: 1})},
		"attach stale": {ev: said(message{kind: msgAttach, conn: 77, gen: testGen - 1, peer: 7})},
		"detach":       {ev: said(message{kind: msgDetach, conn: testConn})},
		"detach late":  {ev: said(message{kind: msgDetach, conn: 99})},
		"send":         {ev: send(5, codec.CodeNone)},
		"send again":   {ev: send(3, codec.CodeNone)},
		"send gap":     {ev: send(7, codec.CodeNone)},
		"send stopped": {ev: send(5, codec.CodeNone), prepare: stop},
		"send invalid": {ev: send(4, codec.CodeInvalidReceiver), prepare: func(_ *Shard, m *mailbox) { m.inflight = 0 }},
		"read":         {ev: said(message{kind: msgRead, conn: testConn, seq: 5, peer: testPeer, first: 1, last: 1, code: uint8(codec.ReceiptRead)})},
		"ack":          {ev: said(message{kind: msgAck, conn: testConn, first: testSeqBase + 2}), prepare: message4},
		"route":        {ev: route},
		"stored":       {ev: said(message{kind: msgStored, gen: testGen, seq: 4})},
		"stored late":  {ev: said(message{kind: msgStored, gen: testGen - 1, seq: 4})},
		"rejected":     {ev: said(message{kind: msgRejected, gen: testGen, seq: 4, code: uint8(codec.CodeMailboxFull)})},
		"receipt":      {ev: other},
		"receipt gap":  {ev: receipt(testGen, 5, 0, codec.ReceiptDelivered)},
		"read gap":     {ev: receipt(testGen, 5, 8, codec.ReceiptRead), prepare: read},
		"receipt next": {ev: receipt(testGen, 2, 0, codec.ReceiptDelivered)},
		"receipt late": {ev: receipt(testGen-1, 2, 0, codec.ReceiptDelivered)},
		"read receipt": {ev: receipt(testGen, 2, 8, codec.ReceiptRead)},
		"tick":         {ev: mailboxEvent{kind: evTick, index: 1}},
		"credit":       {ev: mailboxEvent{kind: evCredit, index: 1}, prepare: behind},
		"ping":         {ev: said(message{kind: msgPing, conn: testConn})},
		"ping starved": {ev: said(message{kind: msgPing, conn: testConn}), prepare: func(_ *Shard, m *mailbox) { m.flags |= flagStarved }},
		"durable": {ev: mailboxEvent{kind: evDurable, index: 1, promised: promised{gen: testGen, mark: 3}}, prepare: func(s *Shard, m *mailbox) {
			behind(s, m)
			m.unticked = 1
		}},
		"durable late": {ev: mailboxEvent{kind: evDurable, index: 1, promised: promised{gen: testGen - 1, mark: 3}}, prepare: func(_ *Shard, m *mailbox) {
			m.unticked = 1
		}},
		"unsettled": {ev: mailboxEvent{kind: evDurable, index: 1, promised: promised{gen: testGen, mark: 3}}, prepare: func(s *Shard, m *mailbox) {
			behind(s, m)
			m.flags |= flagUnsettled
		}},
		"loaded pinged": {ev: mailboxEvent{kind: evLoaded, index: 1}, prepare: func(s *Shard, m *mailbox) {
			behind(s, m)
			m.flags |= flagPinged | flagBehind
		}},
		"unread pinged": {ev: mailboxEvent{kind: evUnread, index: 1}, prepare: func(_ *Shard, m *mailbox) { m.flags |= flagPinged | flagBehind }},
		"ping behind":   {ev: said(message{kind: msgPing, conn: testConn}), prepare: func(_ *Shard, m *mailbox) { m.flags |= flagBehind }},
		"loaded":        {ev: mailboxEvent{kind: evLoaded, index: 1}, prepare: behind},
		"credit pinged": {ev: mailboxEvent{kind: evCredit, index: 1}, prepare: func(s *Shard, m *mailbox) {
			behind(s, m)
			m.flags |= flagStarved | flagPinged
		}},
	}
}

// acked empties the mailbox, so that an attach has nothing to push.
func acked(s *Shard, m *mailbox) {
	s.cfg.Queue.Drop(m.user, 0, math.MaxUint64, nil)
	m.acked, m.sent, m.notices, m.window, m.windowBytes = m.last, m.last, 0, 0, 0
}

type mailboxRow struct {
	ev      mailboxEvent
	prepare func(s *Shard, m *mailbox)
}

func TestMailboxTable(t *testing.T) {
	head, rows := docTable(t, "mailbox.go")
	events := mailboxEvents()
	if len(rows) != len(events) {
		t.Fatalf("the table has %d rows, the test %d events", len(rows), len(events))
	}
	for _, row := range rows {
		r, ok := events[row[0]]
		if !ok || len(row) != len(head) {
			t.Fatalf("row %q does not fit the test", row)
		}
		for i, want := range row[1:] {
			s := quietShard()
			m := mailboxIn(s, mailboxOffline+mailboxState(i))
			if r.prepare != nil {
				r.prepare(s, &m)
			}
			if got := mailboxCell(s, &m, r.ev); got != want {
				t.Errorf("%s in %s: %q, the table says %q", row[0], head[1+i], got, want)
			}
		}
	}
}

// mailboxCell steps a mailbox and says in the words of the table what it did.
func mailboxCell(s *Shard, m *mailbox, ev mailboxEvent) string {
	before := m.state
	attach := ev.message != nil && ev.message.kind == msgAttach
	s.out.reset()
	m.step(testNow, &ev, &s.world, &s.out)
	var words []string
	for i := range s.out.posts {
		words = append(words, messageKindNames[s.out.posts[i].message.kind])
	}
	for _, q := range s.out.queue {
		words = append([]string{[]string{"", "append", "replace", "drop", "discard"}[q.op]}, words...)
	}
	if m.state != before || attach && words[len(words)-1] == "attached" {
		words = append([]string{[]string{"free", "offline", "gone", "early", "online", "idle"}[m.state]}, words...)
	}
	if s.out.ticking {
		words = append(words, "owe")
	}
	if len(words) == 0 {
		return "ignore"
	}
	return strings.Join(words, " ")
}
