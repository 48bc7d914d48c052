package post

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"trunkline/client"
	"trunkline/client/chat/history"
	"trunkline/client/chat/talk"
	"trunkline/codec"
	"trunkline/codec/iq"
)

const (
	me       = 1001
	ann      = talk.Peer(1002)
	hikers   = talk.Peer(codec.GroupBit | 7)
	patience = 20 * time.Second
)

// fake is an SDK that notes what it is asked for.
type fake struct {
	mu     sync.Mutex
	said   []string
	next   uint64
	sent   map[uint64]client.Sent
	full   bool
	events chan client.Event
	acked  chan uint64
}

func newFake() *fake {
	return &fake{sent: map[uint64]client.Sent{}, events: make(chan client.Event, 1000), acked: make(chan uint64, 1000)}
}

func (f *fake) sdk() SDK {
	return SDK{Messages: f, Presence: f, Events: f.events, Err: func() error { return client.ErrReplaced }, Ask: func(_ context.Context, a talk.Ask) talk.Answered {
		f.note("ask %v %v", a.Op, a.User)
		return talk.Answered{Ask: a}
	}}
}

func (f *fake) note(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.said = append(f.said, fmt.Sprintf(format, args...))
}

// notes is what was asked for since the last call.
func (f *fake) notes() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	list := f.said
	f.said = nil
	return list
}

func (f *fake) Send(_ context.Context, to uint64, payload []byte) (uint64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full {
		return 0, client.ErrOutboxFull
	}
	f.next += 2 // other things take numbers too
	f.sent[f.next] = client.Sent{ID: f.next, Peer: to, Level: client.TickNone}
	f.said = append(f.said, fmt.Sprintf("send %s %s", talk.Peer(to), payload))
	return f.next, nil
}

func (f *fake) SendGroup(ctx context.Context, group uint64, payload []byte) (uint64, error) {
	return f.Send(ctx, group, payload)
}

func (f *fake) Sent(id uint64) (client.Sent, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, ok := f.sent[id]
	return s, ok
}

func (f *fake) Ack(m client.Message) error {
	f.note("ack %d", m.ID)
	f.acked <- m.ID
	return nil
}

func (f *fake) ReadEarlier(_ context.Context, first, last client.Message) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.full {
		return client.ErrOutboxFull
	}
	f.said = append(f.said, fmt.Sprintf("read %d..%d of %d %s", first.ID, last.ID, last.From, talk.Peer(last.Group)))
	return nil
}

func (f *fake) Subscribe(_ context.Context, users ...uint64) error {
	f.note("watch %v", users)
	return nil
}

func (f *fake) Unsubscribe(_ context.Context, users ...uint64) error {
	f.note("leave %v", users)
	return nil
}

func (f *fake) Typing(_ context.Context, to uint64, state client.TypingState) error {
	f.note("typing %d %d", to, state)
	return nil
}

func (f *fake) SetActive(yes bool) error {
	f.note("active %v", yes)
	return nil
}

// desk is an office at work and what it reports.
type desk struct {
	t       *testing.T
	o       *Office
	f       *fake
	path    string
	reports chan talk.Report
}

// work opens an office over a history. Its first report is the start.
func work(t *testing.T, path string, f *fake) *desk {
	t.Helper()
	store, err := history.Open(path, me, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, f: f, path: path, reports: make(chan talk.Report, 10_000)}
	d.o = New(f.sdk(), store, func(r talk.Report) { d.reports <- r })
	d.o.Run()
	t.Cleanup(func() { d.o.Close(); _ = store.Close() })
	return d
}

// next waits for a report of type R and passes others over.
func next[R talk.Report](d *desk) R {
	d.t.Helper()
	late := time.After(patience)
	for {
		select {
		case r := <-d.reports:
			if r, ok := r.(R); ok {
				return r
			}
		case <-late:
			var none R
			d.t.Fatalf("no %T came", none)
			return none
		}
	}
}

func (d *desk) do(tasks ...talk.Task) { d.o.Do(tasks) }

// idle waits until everything is done.
func (d *desk) idle() {
	d.t.Helper()
	if !d.o.until(func() bool { return len(d.o.tasks) == 0 && !d.o.busy && len(d.o.asks) == 0 }) {
		d.t.Fatal("the office has ended")
	}
}

func (d *desk) wants(want ...string) {
	d.t.Helper()
	d.idle()
	if got := d.f.notes(); !slices.Equal(got, want) {
		d.t.Errorf("the SDK was asked for\n  %q\nwant\n  %q", got, want)
	}
}

func line(p talk.Peer, id uint64, text string) talk.Line {
	return talk.Line{Local: id, Peer: p, From: 1002, Kind: talk.LineText, Text: text, At: time.UnixMilli(1), Gen: 1, ID: id, GroupSeq: id}
}

func own(p talk.Peer, text string) talk.Line {
	return talk.Line{Local: 99, Peer: p, From: me, Mine: true, Kind: talk.LineText, Text: text, At: time.UnixMilli(1), Seen: talk.SeenTold}
}

func TestTasksAreDoneInTheirOrder(t *testing.T) {
	f := newFake()
	d := work(t, filepath.Join(t.TempDir(), "h"), f)
	next[talk.Start](d)
	a, b, c := line(ann, 1, "a"), line(ann, 2, "b"), line(hikers, 3, "c")
	b.Seen = talk.SeenOwed
	d.do(talk.Write{Lines: []talk.Line{a, b, c}, Ack: &client.Message{ID: 3}}, talk.Send{Line: own(ann, "hi")}, talk.Send{Line: own(hikers, "all")},
		talk.See{Peer: hikers}, talk.Watch{Add: []uint64{5}, Drop: []uint64{6}}, talk.Typing{Peer: ann, State: 1}, talk.Active{})
	d.wants("ack 3", "read 2..2 of 1002 0", "send 1002 hi", "send g7 all", "read 3..3 of 1002 g7", "leave [6]", "watch [5]", "typing 1002 1", "active false")
	if k := next[talk.Kept](d); len(k.Lines) != 3 || k.Lines[2].Row != 3 || k.Lines[2].Local != 3 {
		t.Errorf("kept %+v", k)
	}
	if s := next[talk.Sent](d); s.Err != nil || s.Line.Row != 4 || s.Line.Cseq != 2 || s.Line.Local != 99 {
		t.Errorf("sent %+v", s)
	}
	d.do(talk.Load{Peer: ann}, talk.Find{Text: "hi"}, talk.Forget{Peer: ann}, talk.Load{Peer: ann})
	if p := next[talk.Page](d); len(p.Lines) != 3 || p.Lines[2].Cseq != 2 || p.Lines[1].Seen != talk.SeenTold || p.Lines[0].Seen != talk.SeenNot {
		t.Errorf("page %+v", p)
	}
	if found := next[talk.Found](d); len(found.Lines) != 1 || found.Err != nil {
		t.Errorf("found %+v", found)
	}
	if p := next[talk.Page](d); len(p.Lines) != 0 {
		t.Errorf("forgotten, but %+v", p)
	}
}

func TestReadReceiptsAreAsFewAsCanBe(t *testing.T) {
	in := func(p talk.Peer, from, id uint64, gen uint16) talk.Line {
		return talk.Line{Row: int64(id), Peer: p, From: from, ID: id, GroupSeq: id, Gen: gen}
	}
	var got []string
	for _, r := range receipts([]talk.Line{
		in(ann, 1002, 1, 1), in(ann, 1002, 5, 1), in(ann, 1002, 2, 2), in(1003, 1003, 7, 2), in(hikers, 1002, 1, 1), in(hikers, 1003, 4, 9), in(hikers|8, 1003, 5, 9),
	}) {
		got = append(got, fmt.Sprintf("%d..%d of %d in %x rows %v", r.first.ID, r.last.ID, r.last.From, r.last.Group, r.rows))
	}
	want := []string{
		"1..5 of 1002 in 0 rows [1 5]", "2..2 of 1002 in 0 rows [2]", "7..7 of 1003 in 0 rows [7]",
		fmt.Sprintf("1..4 of 1003 in %x rows [1 4]", uint64(hikers)), fmt.Sprintf("5..5 of 1003 in %x rows [5]", uint64(hikers|8)),
	}
	if !slices.Equal(got, want) {
		t.Errorf("receipts\n  %q\nwant\n  %q", got, want)
	}
}

func TestReceiptsThatFindNoRoomAreOwedToTheNextRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "h")
	f := newFake()
	f.full = true
	d := work(t, path, f)
	d.do(talk.Write{Lines: []talk.Line{line(ann, 1, "a"), line(ann, 2, "b")}}, talk.See{Peer: ann}, talk.Send{Line: own(ann, "x")})
	if s := next[talk.Sent](d); !errors.Is(s.Err, client.ErrOutboxFull) {
		t.Errorf("sent %+v", s)
	}
	d.wants()
	d.o.Close()
	_ = d.o.store.Close()
	f.full = false
	d = work(t, path, f)
	if s := next[talk.Start](d); len(s.Talks) != 1 || s.Talks[0].Last.Text != "b" {
		t.Errorf("start %+v: a line that was not sent stayed", s.Talks)
	}
	d.do(talk.Load{Peer: ann})
	next[talk.Page](d)
	d.wants("read 1..2 of 1002 0")
}

func TestACrashBetweenHistoryAndOutboxNeitherLosesNorRepeats(t *testing.T) {
	for _, row := range []struct {
		name  string
		given bool // the outbox had it, the history was not told
		want  []string
	}{{"before the outbox", false, []string{"send 1002 late"}}, {"behind it", true, nil}} {
		path := filepath.Join(t.TempDir(), "h")
		f := newFake()
		store, err := history.Open(path, me, 0, false)
		if err != nil {
			t.Fatal(err)
		}
		first, late := own(ann, "first"), own(ann, "late")
		r, err := store.Plan(&first)
		id, _ := f.Send(t.Context(), uint64(ann), []byte("first"))
		if err == nil {
			err = store.Number(r, id, client.TickServer, 0)
		}
		if _, perr := store.Plan(&late); err != nil || perr != nil {
			t.Fatal(err, perr)
		}
		if row.given {
			_, _ = f.Send(t.Context(), 4711, []byte("elsewhere"))
			id, _ := f.Send(t.Context(), uint64(ann), []byte("late"))
			f.sent[id] = client.Sent{ID: id, Peer: uint64(ann), Level: client.TickDelivered}
		}
		f.sent[id] = client.Sent{ID: id, Peer: uint64(ann), Level: client.TickRead}
		_ = store.Close()
		f.notes()
		d := work(t, path, f)
		start := next[talk.Start](d)
		d.do(talk.Load{Peer: ann})
		p := next[talk.Page](d)
		d.wants(row.want...)
		if len(p.Lines) != 2 || p.Lines[0].Level != client.TickRead || p.Lines[1].Cseq <= p.Lines[0].Cseq || start.Talks[0].Last.Cseq == 0 {
			t.Errorf("%s: %+v", row.name, p.Lines)
		}
		if row.given && p.Lines[1].Level != client.TickDelivered {
			t.Errorf("%s: its ticks are lost: %+v", row.name, p.Lines[1])
		}
	}
}

// TestNothingIsAcknowledgedThatIsNotKept closes the history under an office, as a disk that fails for good.
func TestNothingIsAcknowledgedThatIsNotKept(t *testing.T) {
	f := newFake()
	d := work(t, filepath.Join(t.TempDir(), "h"), f)
	next[talk.Start](d)
	d.idle()
	tried := make(chan struct{}, 100)
	d.o.wait = func(ctx context.Context, _ time.Duration) {
		tried <- struct{}{}
		pause(ctx, time.Millisecond)
	}
	_ = d.o.store.Close()
	d.do(talk.Write{Lines: []talk.Line{line(ann, 1, "a")}, Ack: &client.Message{ID: 1}}, talk.Send{Line: own(ann, "x")})
	if tr := next[talk.Trouble](d); tr.Err == nil {
		t.Error("trouble without an error")
	}
	for range 3 {
		<-tried
	}
	if got := f.notes(); len(got) != 0 {
		t.Errorf("not kept, but %q", got)
	}
	d.o.Close()
	if got := f.notes(); len(got) != 0 {
		t.Errorf("at the end: %q", got)
	}
}

func TestEventsComeInBurstsWhileThereIsRoom(t *testing.T) {
	f := newFake()
	d := work(t, filepath.Join(t.TempDir(), "h"), f)
	next[talk.Start](d)
	const n = 700
	for i := range n {
		f.events <- client.Presence{User: uint64(i + 1)}
	}
	got, bursts := 0, 0
	for got < n {
		ev := next[talk.Events](d)
		for _, e := range ev {
			if got++; e.(client.Presence).User != uint64(got) {
				t.Fatalf("event %d is %+v", got, e)
			}
		}
		if bursts++; len(ev) > burstMax {
			t.Errorf("a burst of %d", len(ev))
		}
	}
	close(f.events)
	if e := next[talk.Ended](d); !errors.Is(e.Err, client.ErrReplaced) {
		t.Errorf("ended by %v", e.Err)
	}
}

func TestQuestionsOfTheUserGoFirst(t *testing.T) {
	f := newFake()
	gate := make(chan struct{})
	sdk := f.sdk()
	plain := sdk.Ask
	sdk.Ask = func(ctx context.Context, a talk.Ask) talk.Answered {
		<-gate
		return plain(ctx, a)
	}
	store, err := history.Open(filepath.Join(t.TempDir(), "h"), me, 0, false)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(chan talk.Answered, 2*asksMax)
	o := New(sdk, store, func(r talk.Report) {
		if a, ok := r.(talk.Answered); ok {
			answers <- a
		}
	})
	o.Run()
	defer func() { o.Close(); _ = store.Close() }()
	o.Do([]talk.Task{talk.Ask{Op: iq.OpProfileGet, User: 1}})
	o.until(func() bool { return len(o.asks) == 0 }) // it is being put
	for i := uint64(2); i <= asksMax+10; i++ {
		o.Do([]talk.Task{talk.Ask{Op: iq.OpProfileGet, User: i}})
	}
	o.Do([]talk.Task{talk.Ask{Op: iq.OpBlocksGet, Show: true}, talk.Ask{Op: iq.OpDevicesGet, Show: true}})
	close(gate)
	var order []iq.Op
	for range 4 {
		order = append(order, (<-answers).Ask.Op)
	}
	if want := []iq.Op{iq.OpProfileGet, iq.OpBlocksGet, iq.OpDevicesGet, iq.OpProfileGet}; !slices.Equal(order, want) {
		t.Errorf("answered %v, want %v", order, want)
	}
}
