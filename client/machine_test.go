package client

import (
	"errors"
	"testing"
	"time"

	"trunkline/codec"
)

// Tests of the pure parts: outbox, duplicates, sent messages, backoff.

func TestUplinkKeepsItsNumbers(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	u := newUplink(Marks{Ticked: 10}, []Entry{{Cseq: 11, Payload: []byte("abc")}, {Cseq: 12}})
	if u.last() != 12 || u.bytes != 3 {
		t.Fatalf("last %d, %d bytes", u.last(), u.bytes)
	}
	if cseq := u.add(Entry{Payload: []byte("defg")}); cseq != 13 {
		t.Errorf("next cseq is %d", cseq)
	}
	u.begin(64, 1<<20)
	for want := uint64(11); want <= 12; want++ { // 13 is not durable yet
		if e, ok := u.take(now); !ok || e.Cseq != want {
			t.Errorf("took %d, %v, want %d", e.Cseq, ok, want)
		}
	}
	if e, ok := u.take(now); ok {
		t.Errorf("took %d, which State does not have", e.Cseq)
	}
	if _, _, ok := u.tick(13, all); ok {
		t.Error("took a tick for what was never sent")
	}
	u.durable = 13
	if first, last, ok := u.tick(12, all); first != 11 || last != 12 || !ok {
		t.Errorf("tick is %d..%d, %v", first, last, ok)
	}
	if first, last, ok := u.tick(11, all); first != 0 || last != 0 || !ok {
		t.Errorf("an old tick is %d..%d, %v", first, last, ok)
	}
	if u.bytes != 4 || u.inFlight != 0 || u.flying() != 0 || u.outstanding() != 1 {
		t.Errorf("%+v", u)
	}
	if u.refuse(13, now) {
		t.Error("took a refusal of what was not sent")
	}
	if e, ok := u.take(now); !ok || e.Cseq != 13 || u.inFlight != 4 {
		t.Errorf("took %d, %v", e.Cseq, ok)
	}
	if !u.refuse(13, now.Add(time.Second)) || u.inFlight != 0 {
		t.Error("refusal not taken")
	}
	if _, ok := u.take(now); ok {
		t.Error("took before retry-after")
	}
	if e, ok := u.take(now.Add(time.Second)); !ok || e.Cseq != 13 {
		t.Errorf("took %d, %v", e.Cseq, ok)
	}
}

// all has every message kept behind its first tick.
func all(*Entry) bool { return true }

func TestNothingIsSentFarAboveTheTickThatIsKept(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	u := newUplink(Marks{}, make([]Entry, 130))
	for i := range u.entries {
		u.entries[i].Cseq = uint64(i + 1)
	}
	u.begin(InFlightMax, 1<<20)
	sendAll := func() (last uint64) {
		for {
			e, ok := u.take(now)
			if !ok {
				return last
			}
			last = e.Cseq
		}
	}
	if last := sendAll(); last != 64 {
		t.Fatalf("sent up to %d at first", last)
	}
	if _, _, ok := u.tick(64, all); !ok || !u.waitsForState() {
		t.Fatal("the tick was not taken, or there is no word of State")
	}
	if last := sendAll(); last != 0 {
		t.Errorf("sent up to %d while State has no tick: after a crash 1 would be more than 64 below it", last)
	}
	u.kept = 40
	if last := sendAll(); last != 104 {
		t.Errorf("sent up to %d with a tick of 40 kept", last)
	}
	u.kept = 64
	if last := sendAll(); last != 128 || u.waitsForState() != true {
		t.Errorf("sent up to %d with a tick of 64 kept", last)
	}
}

func TestOutboxBytesAreBounded(t *testing.T) {
	u := newUplink(Marks{}, nil)
	u.bytes = OutboxBytesMax - 10
	if !u.room(10, 1) || u.room(11, 1) {
		t.Error("room does not end at OutboxBytesMax")
	}
}

func TestReceiptsFromAnEarlierRunAreNotWidened(t *testing.T) {
	old := Entry{Cseq: 1, Kind: EntryReceipt, ReceiptKind: 2, Peer: 5, Gen: 1, First: 3, Last: 4}
	u := newUplink(Marks{}, []Entry{old})
	next := old
	next.First, next.Last = 5, 5
	if _, ok := u.extendReceipt(&next, 4); ok {
		t.Error("an earlier run may have sent it already")
	}
	next.Cseq = u.add(next)
	for name, change := range map[string]func(e *Entry) uint64{
		"another device of the peer":  func(e *Entry) uint64 { e.Device = 1; return 5 },
		"another generation":          func(e *Entry) uint64 { e.Gen = 2; return 5 },
		"another peer":                func(e *Entry) uint64 { e.Peer = 6; return 5 },
		"a group":                     func(e *Entry) uint64 { e.Group = 6; return 5 },
		"played instead of read":      func(e *Entry) uint64 { e.ReceiptKind = 3; return 5 },
		"a message between is unread": func(*Entry) uint64 { return 7 },
		"the first of its stream":     func(*Entry) uint64 { return 0 },
	} {
		e := next
		e.First, e.Last = 8, 8
		if _, ok := u.extendReceipt(&e, change(&e)); ok {
			t.Errorf("widened over %s", name)
		}
	}
	e := next
	e.First, e.Last = 8, 8
	if wider, ok := u.extendReceipt(&e, 5); !ok || wider.First != 5 || wider.Last != 8 || wider.Cseq != 2 {
		t.Errorf("neighbour became %+v, %v", wider, ok)
	}
}

func TestStreamsAreBoundedAndTheQuietOnesGoFirst(t *testing.T) {
	d := newDownlink(Marks{Incarnation: 1}, nil, nil)
	gone := map[StreamKey]bool{}
	for i := uint64(1); i <= StreamsMax+1; i++ {
		arrival, _, fresh := d.accept(&codec.Deliver{Seq: i, From: i, ID: 1, Gen: 1})
		if !fresh || !d.acknowledge(arrival) {
			t.Fatalf("message %d was not fresh", i)
		}
		var c Change
		d.settle(&c)
		for _, k := range c.StreamsGone {
			gone[k] = true
		}
	}
	if len(gone) != StreamsMax/16 || len(d.streams) != StreamsMax+1-StreamsMax/16 {
		t.Errorf("%d forgotten, %d kept", len(gone), len(d.streams))
	}
	if !gone[StreamKey{User: 1, Gen: 1}] || gone[StreamKey{User: StreamsMax, Gen: 1}] {
		t.Error("not the quiet ones were forgotten")
	}
}

func TestWhatWasKeptOfLostDataIsNotToldToTheNewServer(t *testing.T) {
	d := newDownlink(Marks{Incarnation: 1}, nil, nil)
	arrival, _, _ := d.accept(&codec.Deliver{Seq: 101, From: 5, ID: 3, Gen: 1})
	if !d.begin(2, 0) {
		t.Error("another incarnation is not noticed")
	}
	var c Change
	if !d.acknowledge(arrival) || !d.settle(&c) || d.last != 0 {
		t.Errorf("last is %d in data that never had it", d.last)
	}
	if len(c.Streams) != 1 || c.Streams[0].ID != 3 {
		t.Errorf("the stream's last id is not kept: %+v", c.Streams)
	}
}

func TestIDsBelowTheHighestAreTakenOnce(t *testing.T) {
	var s idSet
	for _, step := range []struct {
		id    uint64
		fresh bool
	}{
		{100, true}, {100, false}, {99, true}, {99, false}, {101, true}, {99, false}, {100, false}, {98, true},
		{37, true}, {37, false}, {36, false}, {1, false}, {164, true}, {100, false}, {101, false}, {102, true},
		{164 + 64, true}, {164, false}, {165, true}, {1000, true}, {228, false}, {999, true}, {936, true}, {935, false},
	} {
		if fresh := s.take(step.id); fresh != step.fresh {
			t.Fatalf("id %d with highest %d: fresh %v, want %v", step.id, s.last, fresh, step.fresh)
		}
	}
}

func TestOnlyWhatWasKeptIsRememberedAcrossRuns(t *testing.T) {
	d := newDownlink(Marks{Incarnation: 1}, nil, nil)
	var c Change
	for i, id := range []uint64{5, 9, 7} {
		if _, _, fresh := d.accept(&codec.Deliver{Seq: uint64(i + 1), From: 5, ID: id, Gen: 1}); !fresh {
			t.Fatalf("id %d is not fresh", id)
		}
	}
	d.acknowledge(2) // 5 and 9; 7 was shown and never acknowledged
	d.settle(&c)
	d = newDownlink(Marks{Incarnation: 1, LastSeq: 2}, c.Streams, nil)
	d.begin(2, 0)
	for i, step := range []struct {
		id    uint64
		fresh bool
	}{{5, false}, {7, true}, {9, false}, {10, true}} {
		if _, _, fresh := d.accept(&codec.Deliver{Seq: uint64(i + 1), From: 5, ID: step.id, Gen: 1}); fresh != step.fresh {
			t.Errorf("id %d in the next run: fresh %v, want %v", step.id, fresh, step.fresh)
		}
	}
}

func TestPendingIsBounded(t *testing.T) {
	d := newDownlink(Marks{Incarnation: 1}, nil, nil)
	for i := uint64(1); i <= PendingMax; i++ {
		if d.full() {
			t.Fatalf("full at %d", i)
		}
		d.accept(&codec.Deliver{Seq: i, From: 1, ID: i, Gen: 1})
	}
	if !d.full() {
		t.Error("not full at PendingMax")
	}
}

func TestSentMessagesAreBoundedAndTheOldestGoFirst(t *testing.T) {
	var table sentTable
	var c Change
	for id := uint64(1); id <= SentMax+10; id++ {
		table.add(id, 5, &c)
	}
	if len(table.rows) != SentMax || c.SentGone != 10 {
		t.Errorf("%d rows, gone up to %d", len(table.rows), c.SentGone)
	}
	if !table.raise(5, 1, 3, TickRead, &c) {
		t.Error("a receipt for what is forgotten is no news")
	}
	if table.raise(6, 20, 30, TickRead, &c) {
		t.Error("a receipt of another peer is news")
	}
	if !table.raise(5, 20, 30, TickRead, &c) || table.raise(5, 20, 30, TickDelivered, &c) {
		t.Error("levels do not only rise")
	}
}

func TestBackoffDoublesItsBoundAndAddsRetryAfter(t *testing.T) {
	b := backoff{base: time.Second, max: 10 * time.Second, jitter: func(d time.Duration) time.Duration { return d }}
	lost := errors.New("lost")
	for i, want := range []time.Duration{1, 2, 4, 8, 10, 10} {
		if got := b.next(lost); got != want*time.Second {
			t.Errorf("bound of attempt %d is %v, want %v", i, got, want*time.Second)
		}
	}
	for range 100 {
		if got := b.next(lost); got != 10*time.Second {
			t.Fatalf("bound is %v", got)
		}
	}
	b.reset()
	busy := &ServerError{Code: codec.CodeBusy, RetryAfter: time.Minute}
	if got := b.next(errors.Join(busy)); got != time.Minute+time.Second {
		t.Errorf("after retry-after of a minute: %v", got)
	}
	busy.RetryAfter = 1000 * time.Hour
	if got := b.next(busy); got > RetryAfterMax+10*time.Second {
		t.Errorf("a damaged retry-after is believed: %v", got)
	}
}
