package client

import (
	"bytes"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
)

// withInboxOf is WithInbox with room for n messages.
func withInboxOf(n int) Option {
	return func(c *config) { c.inbox, c.inboxEntries = true, n }
}

// wantText takes the next event, which must be that message.
func wantText(t *testing.T, c *Client, text string) Message {
	t.Helper()
	m := want[Message](t, c)
	if string(m.Payload) != text {
		t.Fatalf("message is %q, want %q", m.Payload, text)
	}
	return m
}

func ack(t *testing.T, c *Client, m Message) {
	t.Helper()
	if err := c.Ack(m); err != nil {
		t.Fatalf("Ack: %v", err)
	}
}

// later dials on a state that has an inbox: before Connected come its messages.
func (f *fake) later(state State, inbox []string, opts ...Option) (*Client, *peer, codec.Hello, []Message) {
	f.t.Helper()
	done := make(chan *Client, 1)
	opts = append([]Option{WithUser(testUser), f.transport(), WithDialer(f.dial), WithState(state)}, opts...)
	go func() {
		c, err := Dial(f.t.Context(), "fake", opts...)
		if err != nil {
			f.t.Errorf("Dial: %v", err)
		}
		done <- c
	}()
	p := f.accept()
	h := p.hello()
	p.success(welcome(0))
	c := <-done
	var got []Message
	for _, text := range inbox {
		got = append(got, wantText(f.t, c, text))
	}
	want[Connected](f.t, c)
	return c, p, h, got
}

func TestWhatNobodyTookIsKeptAndALaterClientHandsItOutFirst(t *testing.T) {
	for name, open := range states(t) {
		t.Run(name, func(t *testing.T) {
			overBoth(t, func(t *testing.T, f *fake) {
				state := open(t)
				c, p, _ := f.connect(welcome(0), WithState(state), WithInbox())
				long := string(bytes.Repeat([]byte("long "), 100))
				packed, kind := packPayload([]byte(long))
				p.deliver(1, testPeer, 1, "one")
				wantText(t, c, "one")
				p.expectAck(1) // nobody acknowledged it
				p.write(codec.AppendDeliver(nil, &codec.Deliver{Seq: 2, From: testPeer, Gen: 7, ID: 2, TimeSec: 1_700_000_000, Kind: kind, Blob: packed}))
				p.expectAck(2)
				p.receipt(3, codec.ReceiptRejected, testPeer, 1, 1) // behind them, and not held up
				p.expectAck(3)
				closeClient(t, c)

				c, p, h, got := f.later(state, []string{"one", long})
				if h.DownSeq != 3 {
					t.Errorf("HELLO says %d is kept, want 3", h.DownSeq)
				}
				m := got[0]
				if m.ID != 1 || m.From != testPeer || m.Gen != 7 || m.Seq != 1 || m.Time != time.Unix(1_700_000_000, 0) || got[1].Kind != 0 {
					t.Errorf("messages %+v", got)
				}
				p.deliver(4, testPeer, 3, "three")
				three := wantText(t, c, "three")
				ack(t, c, got[0])
				p.quiet(time.Minute) // this client has no inbox, the message waits for Ack
				closeClient(t, c)

				c, p, _, _ = f.later(state, []string{long})
				p.deliver(4, testPeer, 3, "three") // the server has not heard of it
				if three = wantText(t, c, "three"); three.Seq != 4 {
					t.Errorf("message %+v", three)
				}
				ack(t, c, three) // and what came before it
				p.expectAck(4)
				closeClient(t, c)
				c, _, _, _ = f.later(state, nil)
				noEvent(t, c)
				closeClient(t, c)
				if snap, err := state.Load(); err != nil || len(snap.Inbox) != 0 {
					t.Errorf("inbox %+v, %v", snap.Inbox, err)
				}
			})
		})
	}
}

// states are the kinds of State there are.
func states(t *testing.T) map[string]func(t *testing.T) State {
	return map[string]func(t *testing.T) State{
		"file":   func(t *testing.T) State { s, _ := openFile(t); return s },
		"memory": func(*testing.T) State { return NewMemoryState() },
	}
}

func TestAFullInboxHasMessagesWaitForAck(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state), withInboxOf(2))
		var got []Message
		for i := uint64(1); i <= 4; i++ {
			p.deliver(i, testPeer, i, fmt.Sprint(i))
			got = append(got, wantText(t, c, fmt.Sprint(i)))
			if i <= 2 {
				p.expectAck(i)
			}
		}
		ack(t, c, got[0])
		p.quiet(time.Minute)
		p.deliver(5, testPeer, 5, "5") // there is room again, but not before what came earlier
		wantText(t, c, "5")
		p.quiet(time.Minute)
		closeClient(t, c)

		c, p, h, got := f.later(state, []string{"2"}, withInboxOf(2))
		if h.DownSeq != 2 {
			t.Errorf("HELLO says %d is kept, want 2", h.DownSeq)
		}
		for i := uint64(3); i <= 4; i++ {
			p.deliver(i, testPeer, i, fmt.Sprint(i))
			got = append(got, wantText(t, c, fmt.Sprint(i)))
		}
		p.expectAck(3) // one found room
		ack(t, c, got[2])
		p.expectAck(4)
		p.deliver(5, testPeer, 5, "5")
		wantText(t, c, "5")
		p.expectAck(5) // and goes on when everything was taken
		closeClient(t, c)
		c, _, _, _ = f.later(state, []string{"5"})
		closeClient(t, c)
	})
}

func TestAnInboxIsBoundedInEntriesAndBytes(t *testing.T) {
	b := newInbox([]Received{{No: 3, Payload: make([]byte, InboxBytesMax-10)}, {No: 4}})
	if !b.room(10, 3) || b.room(11, 3) || b.room(0, 2) {
		t.Error("room does not end at the bounds")
	}
	var c Change
	b.add(Received{No: 5, Payload: make([]byte, 10)}, &c)
	if b.room(1, 9) {
		t.Error("there is room behind the last byte")
	}
	if b.drop(2, &c) || !b.drop(3, &c) || b.bytes != 10 || len(c.Inbox) != 1 || c.InboxGone != 3 {
		t.Errorf("%+v, %d written, gone up to %d", b, len(c.Inbox), c.InboxGone)
	}
	if !b.drop(5, &c) || len(c.Inbox) != 0 || c.InboxGone != 5 || !b.room(InboxBytesMax, 1) {
		t.Errorf("%+v, %d written, gone up to %d: what was taken at once needs no room", b, len(c.Inbox), c.InboxGone)
	}
}

func TestWhatIsInTheInboxIsReadAndRecognisedLikeAnyMessage(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state), WithInbox())
		for i := uint64(1); i <= 3; i++ {
			p.deliver(i, testPeer, 2*i, "m")
			p.expectAck(i)
		}
		closeClient(t, c)

		f.down.Store(true)
		c, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithState(state), WithOfflineStart())
		if err != nil {
			t.Fatal(err)
		}
		for range 3 { // they are here without any connection
			if err := c.Read(t.Context(), wantText(t, c, "m")); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		snap, err := state.Load()
		if err != nil || len(snap.Inbox) != 0 || len(snap.Outbox) != 1 || snap.Outbox[0].First != 2 || snap.Outbox[0].Last != 6 {
			t.Errorf("neighbours share one receipt, and the inbox is empty: %+v, %v", snap, err)
		}
		f.down.Store(false)
		want[Disconnected](t, c)
		p = f.accept()
		p.hello()
		s := welcome(0)
		s.Incarnation++
		p.success(s)
		if ev := want[Connected](t, c); !ev.ServerLost {
			t.Errorf("%+v", ev)
		}
		if r, err := codec.ParseReceipt(p.next()); err != nil || r.First != 2 || r.Last != 6 {
			t.Errorf("receipt %+v, %v", r, err)
		}
		p.deliver(1, testPeer, 6, "m") // the sender could not know
		p.expectAck(1)
		noEvent(t, c)
		closeClient(t, c)
	})
}

func TestTheInboxIsWrittenBeforeTheServerHearsOfIt(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		g := &gate{State: NewMemoryState()}
		c, p, _ := f.connect(welcome(0), WithState(g), WithInbox())
		g.enter, g.leave = make(chan struct{}), make(chan struct{})
		p.deliver(1, testPeer, 1, "m")
		wantText(t, c, "m")
		<-g.enter
		p.quiet(10 * time.Second)
		if snap, err := g.Load(); err != nil || len(snap.Inbox) != 0 {
			t.Errorf("%+v, %v", snap, err)
		}
		g.leave <- struct{}{}
		p.expectAck(1)
		if snap, err := g.Load(); err != nil || len(snap.Inbox) != 1 || snap.Marks.LastSeq != 1 {
			t.Errorf("%+v, %v", snap, err)
		}
		g.enter = nil
		closeClient(t, c)
	})
}

func FuzzInboxRow(f *testing.F) {
	f.Add(uint64(1), appendReceived(nil, &Received{
		StreamKey: StreamKey{User: 2, Device: 3, Gen: 4, Group: 5}, ID: 6, Before: 5, Seq: 7, GroupSeq: 8,
		Time: seconds(9), Kind: 0x80, Payload: []byte("hello"),
	}))
	f.Add(uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, no uint64, v []byte) {
		var s fileState
		r, err := parseReceived(s.number(no), v)
		if err != nil {
			return
		}
		if got := appendReceived(nil, &r); r.No != no || string(got) != string(v) {
			t.Errorf("%x became %x", v, got)
		}
	})
}
