package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// openFile opens a state in a new folder.
func openFile(t testing.TB) (State, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "1001-0.state")
	s, err := OpenState(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, path
}

// randomChange is one step of a client that never existed but obeys the rules of Change.
func randomChange(r *rand.Rand, m *Marks, received *uint64) *Change {
	c := &Change{}
	for range r.IntN(4) {
		e := Entry{Cseq: m.NextCseq, Kind: EntrySend, Peer: r.Uint64N(9) + 1, Time: time.UnixMilli(int64(r.Uint32()))}
		if r.IntN(3) == 0 {
			e.Kind, e.ReceiptKind, e.Device, e.Gen, e.First, e.Last, e.Group = EntryReceipt, 2, 1, uint16(r.Uint32()), 3, 9, r.Uint64()
		} else {
			e.Payload, e.PayloadKind = []byte(strings.Repeat("x", 1+r.IntN(300))), 0x80
			if r.IntN(2) == 0 {
				e.Known, e.Devices = 1+r.Uint32(), []uint8{uint8(r.Uint32()), 3}
			}
			c.Sent = append(c.Sent, Sent{ID: e.Cseq, Peer: e.Peer})
		}
		c.Put = append(c.Put, e)
		m.NextCseq++
	}
	if n := m.NextCseq - 1 - m.Ticked; n > 0 && r.IntN(2) == 0 {
		m.Ticked += r.Uint64N(n + 1)
	}
	m.LastSeq += r.Uint64N(3)
	m.Epoch += r.Uint32N(3)
	m.Token = r.Uint64N(2) * r.Uint64()
	for range r.IntN(3) {
		k := StreamKey{User: r.Uint64N(5), Device: uint8(r.IntN(2)), Gen: uint16(r.IntN(2)), Group: r.Uint64N(2)}
		if r.IntN(4) == 0 {
			c.StreamsGone = append(c.StreamsGone, k)
		} else {
			c.Streams = append(c.Streams, Stream{StreamKey: k, ID: r.Uint64(), Below: r.Uint64(), Used: r.Uint64()})
		}
	}
	for range r.IntN(3) {
		*received++
		c.Inbox = append(c.Inbox, Received{
			No: *received, StreamKey: StreamKey{User: r.Uint64N(5), Device: uint8(r.IntN(2)), Gen: 3, Group: r.Uint64N(2)},
			ID: r.Uint64(), Before: r.Uint64(), Seq: r.Uint64(), GroupSeq: r.Uint64(), Time: seconds(r.Uint32()), Kind: uint8(r.Uint32()),
			Payload: append([]byte(nil), strings.Repeat("y", r.IntN(300))...),
		})
	}
	if r.IntN(3) == 0 {
		c.InboxGone = r.Uint64N(*received + 1)
	}
	if m.NextCseq > 20 {
		c.SentGone = m.NextCseq - 20
	}
	randomKnown(r, m, c)
	if r.IntN(5) == 0 {
		c.Identity = &Identity{Ticket: Ticket{Expires: int64(r.Uint32())}}
		for _, field := range [][]byte{
			c.Identity.Key[:], c.Identity.SignSeed[:], c.Identity.Server.Static[:], c.Identity.Server.Operator[:],
			c.Identity.Ticket.Sealed[:], c.Identity.Ticket.PSK[:],
		} {
			for i := range field {
				field[i] = byte(r.Uint32())
			}
		}
	}
	c.Marks = *m
	return c
}

// randomKnown is what a change says of groups, devices and repetitions.
func randomKnown(r *rand.Rand, m *Marks, c *Change) {
	for range r.IntN(3) {
		if g := r.Uint64N(5); r.IntN(3) == 0 {
			c.GroupsGone = append(c.GroupsGone, g)
		} else {
			c.Groups = append(c.Groups, KnownGroup{Group: g, Epoch: r.Uint32(), Used: r.Uint64()})
		}
	}
	for range r.IntN(3) {
		if u := r.Uint64N(5); r.IntN(3) == 0 {
			c.DevicesGone = append(c.DevicesGone, u)
		} else {
			c.Devices = append(c.Devices, KnownDevices{User: u, Version: r.Uint32(), List: []uint8{0, uint8(r.Uint32())}, Key: [32]byte{byte(r.Uint32())}, Used: r.Uint64()})
		}
	}
	if len(c.Put) > 0 && r.IntN(2) == 0 {
		c.Again = append(c.Again, Again{ID: m.NextCseq - 1, Root: r.Uint64(), Tries: uint8(r.Uint32()), Part: true, Devices: []uint8{uint8(r.Uint32())}})
	}
	if m.NextCseq > 30 {
		c.AgainGone = m.NextCseq - 30
	}
}

func TestFileAndMemoryStateHoldTheSameAfterAnyChanges(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	file, path := openFile(t)
	memory := NewMemoryState()
	marks := Marks{User: 1, Device: 2, Generation: 3, Incarnation: 4, NextCseq: 1}
	received := uint64(0)
	for step := range 150 {
		c := randomChange(r, &marks, &received)
		if err := errors.Join(file.Commit(c), memory.Commit(c)); err != nil {
			t.Fatal(err)
		}
		if step%10 == 0 {
			if err := file.Close(); err != nil {
				t.Fatal(err)
			}
			var err error
			if file, err = OpenState(path); err != nil {
				t.Fatal(err)
			}
		}
		a, errA := file.Load()
		b, errB := memory.Load()
		if err := errors.Join(errA, errB); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("seed %d step %d:\nfile   %+v\nmemory %+v", seed, step, a, b)
		}
		if err := checkSnapshot(&a); err != nil {
			t.Fatalf("seed %d step %d: %v", seed, step, err)
		}
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOneFileIsOneClient(t *testing.T) {
	_, path := openFile(t)
	if _, err := OpenState(path); !errors.Is(err, ErrStateInUse) || !strings.Contains(err.Error(), path) {
		t.Errorf("opened twice: %v", err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, %v", info.Mode(), err)
	}
}

func TestWhatIsNoStateIsSaidToBeDamaged(t *testing.T) {
	for name, content := range map[string]string{
		"a text":          strings.Repeat("not a state\n", 2000),
		"a page of zeros": string(make([]byte, 16<<10)),
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := OpenState(path); !errors.Is(err, ErrStateDamaged) {
				t.Errorf("OpenState: %v", err)
			}
		})
	}
}

func TestDialRefusesAStateThatIsNotItsOwn(t *testing.T) {
	whole := Marks{User: testUser, Generation: 1, Ticked: 4, NextCseq: 7}
	for _, tc := range []struct {
		name string
		c    Change
		want error
	}{
		{"another user", Change{Marks: Marks{User: 5, NextCseq: 1}}, ErrStateOtherDevice},
		{"another device", Change{Marks: Marks{User: testUser, Device: 9, NextCseq: 1}}, ErrStateOtherDevice},
		{"a gap in the outbox", Change{Marks: whole, Put: []Entry{{Cseq: 5}, {Cseq: 7}}}, ErrStateDamaged},
		{"an outbox that ends too soon", Change{Marks: whole, Put: []Entry{{Cseq: 5}}}, ErrStateDamaged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := NewMemoryState()
			if err := s.Commit(&tc.c); err != nil {
				t.Fatal(err)
			}
			if _, err := Dial(t.Context(), "127.0.0.1:1", WithUser(testUser), WithPlaintext(), WithState(s)); !errors.Is(err, tc.want) {
				t.Errorf("Dial: %v", err)
			}
		})
	}
}

// gate is a state whose commits wait, so that a test sees who shares them.
type gate struct {
	State
	enter   chan struct{} // a commit has begun
	leave   chan struct{} // it may end
	mu      sync.Mutex
	commits int
	fail    error
}

func (g *gate) Commit(c *Change) error {
	if g.enter != nil {
		g.enter <- struct{}{}
		<-g.leave
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.commits++
	if g.fail != nil {
		return g.fail
	}
	return g.State.Commit(c)
}

func TestConcurrentSendsShareCommits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.down.Store(true)
		g := &gate{State: NewMemoryState(), enter: make(chan struct{}), leave: make(chan struct{})}
		c, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithOfflineStart(), WithState(g))
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for range c.Events() {
			}
		}()
		const senders = 500
		ids := make(chan uint64, senders)
		for i := range senders {
			go func() {
				id, err := c.Send(t.Context(), testPeer, fmt.Append(nil, i))
				if err != nil {
					t.Errorf("Send: %v", err)
				}
				ids <- id
			}()
		}
		synctest.Wait() // one of them is in the state, all others wait behind it
		if len(ids) != 0 {
			t.Errorf("%d Sends returned before their commit", len(ids))
		}
		for commits := 0; len(ids) < senders; commits++ {
			if commits == 2 {
				t.Fatal("500 concurrent Sends took more than 2 commits")
			}
			<-g.enter
			g.leave <- struct{}{}
			synctest.Wait()
		}
		seen := map[uint64]bool{}
		for range senders {
			seen[<-ids] = true
		}
		if len(seen) != senders {
			t.Errorf("%d different ids for %d messages", len(seen), senders)
		}
		g.enter = nil
		closeClient(t, c)
		snap, err := g.Load()
		if err != nil || len(snap.Outbox) != senders {
			t.Errorf("state holds %d messages, %v", len(snap.Outbox), err)
		}
	})
}

func TestNothingIsSentBeforeTheStateHasIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := &gate{State: NewMemoryState()}
		c, p, _ := f.connect(welcome(0), WithState(g))
		p.deliver(1, testPeer, 1, "m")
		m := want[Message](t, c)
		g.enter, g.leave = make(chan struct{}), make(chan struct{})
		go func() { _, _ = c.Send(t.Context(), testPeer, []byte("x")) }()
		<-g.enter
		if err := c.Ack(m); err != nil {
			t.Fatal(err)
		}
		p.quiet(10 * time.Second) // neither the message nor the ACK
		g.leave <- struct{}{}
		p.expectSend(1)
		<-g.enter // the second commit is for the ACK
		p.quiet(10 * time.Second)
		g.leave <- struct{}{}
		p.expectAck(1)
		g.enter = nil
		closeClient(t, c)
	})
}

func TestTheGenerationIsKeptBeforeAnythingIsSentUnderIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		state := NewMemoryState()
		c, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithOfflineStart(), WithState(state))
		if err != nil {
			t.Fatal(err)
		}
		send(t, c, "written before the first login")
		p := f.accept()
		p.hello()
		p.success(welcome(0))
		want[Connected](t, c)
		p.expectSend(1)
		// A crash now must not register another generation: the message would come twice.
		snap, err := state.Load()
		if err != nil || snap.Marks.Generation != testGen || snap.Marks.Incarnation != testIncarnation {
			t.Errorf("state has %+v, %v", snap.Marks, err)
		}
		closeClient(t, c)
	})
}

func TestAStateThatCannotBeWrittenEndsTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		diskFull := errors.New("no space left")
		g := &gate{State: NewMemoryState()}
		c, p, _ := f.connect(welcome(0), WithState(g))
		g.mu.Lock()
		g.fail = diskFull
		g.mu.Unlock()
		if _, err := c.Send(t.Context(), testPeer, []byte("x")); !errors.Is(err, ErrState) || !errors.Is(err, diskFull) {
			t.Errorf("Send: %v", err)
		}
		if _, err := p.in.next(func() {}); err == nil {
			t.Error("a frame was sent")
		}
		for range c.Events() {
		}
		if !errors.Is(c.Err(), diskFull) {
			t.Errorf("Err: %v", c.Err())
		}
		if err := c.Close(); !errors.Is(err, ErrState) {
			t.Errorf("Close: %v", err)
		}
	})
}

func TestTicksWaitForTheNextCommitButNotLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		g := &gate{State: NewMemoryState()}
		c, p, _ := f.connect(welcome(0), WithState(g))
		for i := uint64(1); i <= 10; i++ {
			send(t, c, "m")
			p.expectSend(i)
		}
		g.mu.Lock()
		before := g.commits
		g.mu.Unlock()
		for i := uint64(1); i <= 10; i++ {
			p.tick(i)
			want[Tick](t, c)
		}
		p.quiet(2 * lazyCommitDelay)
		g.mu.Lock()
		defer func() { closeClient(t, c) }()
		defer g.mu.Unlock()
		if g.commits != before+1 {
			t.Errorf("10 ticks took %d commits", g.commits-before)
		}
		if snap, err := g.Load(); err != nil || snap.Marks.Ticked != 10 {
			t.Errorf("state has %+v, %v", snap.Marks, err)
		}
	})
}

func FuzzOutboxRow(f *testing.F) {
	for _, e := range []Entry{
		{Cseq: 1, Kind: EntrySend, Peer: 2, Time: time.UnixMilli(3), PayloadKind: 0x80, Payload: []byte("hello")},
		{Cseq: 9, Kind: EntryReceipt, Peer: 2, Group: 7, Time: time.UnixMilli(0), ReceiptKind: 2, Device: 1, Gen: 5, First: 3, Last: 4},
	} {
		f.Add(e.Cseq, appendEntry(nil, &e))
	}
	f.Add(uint64(0), []byte{})
	f.Fuzz(func(t *testing.T, cseq uint64, v []byte) {
		var s fileState
		e, err := parseEntry(s.number(cseq), v)
		if err != nil {
			return
		}
		if got := appendEntry(nil, &e); e.Cseq != cseq || string(got) != string(v) {
			t.Errorf("%x became %x", v, got)
		}
	})
}
