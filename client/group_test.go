package client

import (
	"errors"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
)

func sendGroup(t *testing.T, c *Client, text string) uint64 {
	t.Helper()
	id, err := c.SendGroup(t.Context(), testGroup, []byte(text))
	if err != nil {
		t.Fatalf("SendGroup: %v", err)
	}
	return id
}

func TestAGroupHasMessagesEventsAndTicksInOneOrder(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.groupEvent(1, 4, testPeer, iq.Event{Op: iq.OpGroupAdd, Epoch: 3, Users: []uint64{testUser}})
		ev := want[GroupEvent](t, c)
		if ev.Group != testGroup || ev.GroupSeq != 4 || ev.Change != GroupAdded || ev.Epoch != 3 || ev.By != testPeer || !slices.Equal(ev.Users, []uint64{testUser}) {
			t.Errorf("event is %+v", ev)
		}
		p.expectAck(1) // nobody has to acknowledge it
		id := sendGroup(t, c, "hello all")
		if s := p.anySend(); s.to != testGroup || !s.group || s.known != 3 || s.text != "hello all" {
			t.Errorf("SEND is %+v", s)
		}
		p.tick(1)
		want[Tick](t, c)
		p.groupReceipt(2, codec.ReceiptDelivered, testGroup, 1, 1)
		if tick := want[Tick](t, c); tick.Level != TickDelivered || tick.Group != testGroup || tick.Peer != 0 || tick.First != id {
			t.Errorf("tick is %+v", tick)
		}
		p.expectAck(2)
		b, err := codec.AppendDeliver(nil, &codec.Deliver{
			Seq: 3, From: testPeer, Gen: 7, ID: 90, TimeSec: 1_700_000_000, Flags: codec.FlagGroup, Group: testGroup, GroupSeq: 6, Blob: []byte("hi"),
		})
		p.write(b, err)
		m := want[Message](t, c)
		if m.Group != testGroup || m.GroupSeq != 6 || m.Own || string(m.Payload) != "hi" {
			t.Errorf("message is %+v", m)
		}
		if err := c.Read(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		for receipt := (codec.Receipt{}); receipt.Seq == 0; {
			fr := p.next()
			if fr.Kind == codec.KindAck {
				continue
			}
			if receipt, err = codec.ParseReceipt(fr); err != nil {
				t.Fatal(err)
			}
			if receipt.Group != testGroup || receipt.First != 6 || receipt.Last != 6 || receipt.Kind != codec.ReceiptRead || receipt.Peer != 0 {
				t.Errorf("read receipt is %+v", receipt)
			}
		}
		p.groupEvent(4, 7, testPeer, iq.Event{Op: iq.OpGroupRemove, Epoch: 4, Users: []uint64{testUser}})
		want[GroupEvent](t, c)
		p.groupEvent(5, 7, testPeer, iq.Event{Op: iq.OpGroupRemove, Epoch: 4, Users: []uint64{testUser}}) // once more, after a crash of the server
		noEvent(t, c)
		levelOf(t, c, id, TickDelivered)
		if epoch := c.known.epoch(testGroup); epoch != 0 {
			t.Errorf("epoch %d of a group that the user was removed from", epoch)
		}
		closeClient(t, c)
	})
}

func TestAMessageFromBeforeTheGroupChangedIsSentAgainAsOneMessage(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		p.groupEvent(1, 1, testPeer, iq.Event{Op: iq.OpGroupCreate, Epoch: 1, Users: []uint64{testUser}})
		want[GroupEvent](t, c)
		p.expectAck(1)
		first, second := sendGroup(t, c, "one"), sendGroup(t, c, "two")
		p.anySend()
		p.anySend()
		p.notice(iq.Notice{Group: iq.GroupInfo{Group: testGroup, Epoch: 2, Seq: 2, Creator: testPeer, Count: 2}})
		p.reject(2, codec.CodeEpochStale, testGroup, 1, 2)
		var got []sent
		for len(got) < 2 {
			fr := p.next()
			if fr.Kind == codec.KindAck {
				continue
			}
			v, err := codec.ParseSend(fr)
			if err != nil {
				t.Fatal(err)
			}
			epoch, _, _ := v.Known(codec.ExtEpoch)
			part, _, _ := v.Parts.Next()
			got = append(got, sent{cseq: v.Cseq, known: int64(epoch), text: string(part.Blob)})
		}
		if got[0].cseq != 3 || got[0].known != 2 || got[0].text != "one" || got[1].cseq != 4 || got[1].text != "two" {
			t.Errorf("sent again: %+v", got)
		}
		noEvent(t, c) // the old numbers are done, and say nothing
		levelOf(t, c, first, TickNone)
		p.tick(2)
		noEvent(t, c)
		p.tick(4)
		if tick := want[Tick](t, c); tick.Level != TickServer || tick.First != 3 || tick.Last != 4 {
			t.Errorf("tick is %+v", tick)
		}
		for _, id := range []uint64{first, second} {
			if tick := want[Tick](t, c); tick.Level != TickServer || tick.First != id || tick.Last != id {
				t.Errorf("tick of %d is %+v", id, tick)
			}
			levelOf(t, c, id, TickServer)
		}
		p.groupReceipt(3, codec.ReceiptRead, testGroup, 3, 3)
		if tick := want[Tick](t, c); tick.Level != TickRead || tick.First != first || tick.Last != first {
			t.Errorf("tick is %+v", tick)
		}
		levelOf(t, c, second, TickServer)
		closeClient(t, c)
	})
}

// TestAMessageThatHasItsPlaceIsNotSentAgain: the server was killed before it remembered that it has taken the message, and the group has changed since.
func TestAMessageThatHasItsPlaceIsNotSentAgain(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		first, second := sendGroup(t, c, "one"), sendGroup(t, c, "two")
		p.anySend()
		p.anySend()
		p.place(1, first, 8)
		want[GroupPlaced](t, c)
		p.expectAck(1)
		p.place(2, second, 9)
		want[GroupPlaced](t, c)
		p.expectAck(2)
		p.reject(3, codec.CodeEpochStale, testGroup, first, first)
		p.expectAck(3)
		if tick := want[Tick](t, c); tick.Level != TickServer || tick.First != first || tick.Last != first {
			t.Errorf("tick is %+v", tick)
		}
		noEvent(t, c)
		closeClient(t, c)

		c, p, _ = f.connect(welcome(first), WithState(state)) // in another process, too
		p.anySend()
		p.reject(4, codec.CodeNotMember, testGroup, second, second)
		p.expectAck(4)
		if tick := want[Tick](t, c); tick.Level != TickServer || tick.First != second || tick.Last != second {
			t.Errorf("tick is %+v", tick)
		}
		noEvent(t, c)
		levelOf(t, c, first, TickServer)
		levelOf(t, c, second, TickServer)
		closeClient(t, c)
	})
}

// TestARangeOfTicksSaysNothingOfWhatIsRejectedBehindIt: the range goes over a message of which nothing was heard yet.
func TestARangeOfTicksSaysNothingOfWhatIsRejectedBehindIt(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		first, second, third := sendGroup(t, c, "one"), sendGroup(t, c, "two"), sendGroup(t, c, "three")
		for range 3 {
			p.anySend()
		}
		p.groupReceipt(1, codec.ReceiptDelivered, testGroup, first, third)
		want[Tick](t, c)
		levelOf(t, c, first, TickDelivered)
		levelOf(t, c, second, TickNone)
		levelOf(t, c, third, TickDelivered)
		p.expectAck(1)
		p.reject(2, codec.CodeNotMember, testGroup, second, second)
		if ev := want[Rejected](t, c); ev.ID != second {
			t.Errorf("rejected: %+v", ev)
		}
		want[Tick](t, c) // the rejection is a first tick, too
		p.tick(third)
		want[Tick](t, c)
		p.groupReceipt(3, codec.ReceiptRead, testGroup, first, third)
		if ev := want[Tick](t, c); ev.Level != TickRead {
			t.Errorf("tick is %+v", ev)
		}
		levelOf(t, c, second, TickServer) // nobody has read what was rejected
		levelOf(t, c, third, TickRead)
		closeClient(t, c)
	})
}

// TestARangeOfTicksIsTrueOfWhatIsTickedLater: also in another process; a rejection may be behind the first tick, too.
func TestARangeOfTicksIsTrueOfWhatIsTickedLater(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state, err := OpenState(filepath.Join(t.TempDir(), "state"))
		if err != nil {
			t.Fatal(err)
		}
		c, p, _ := f.connect(welcome(0), WithState(state))
		first, second, third, fourth := sendGroup(t, c, "one"), sendGroup(t, c, "two"), sendGroup(t, c, "three"), sendGroup(t, c, "four")
		for range 4 {
			p.anySend()
		}
		p.tick(first)
		want[Tick](t, c)
		p.groupReceipt(1, codec.ReceiptDelivered, testGroup, first, fourth)
		want[Tick](t, c)
		levelOf(t, c, second, TickNone)
		p.expectAck(1)
		closeClient(t, c)

		c, p, _ = f.connect(welcome(first), WithState(state))
		for range 3 {
			p.anySend()
		}
		p.tick(fourth)
		want[Tick](t, c)
		levelOf(t, c, second, TickDelivered)
		levelOf(t, c, third, TickDelivered)
		p.reject(2, codec.CodeNotMember, testGroup, third, third)
		if ev := want[Rejected](t, c); ev.ID != third {
			t.Errorf("rejected: %+v", ev)
		}
		levelOf(t, c, third, TickServer)
		levelOf(t, c, fourth, TickDelivered)
		closeClient(t, c)
	})
}

// TestMessagesToUsersWhoAreAwayLetNoneToAGroupGo: what waits for a user for days must not cost a group's message its repetition.
func TestMessagesToUsersWhoAreAwayLetNoneToAGroupGo(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		first := sendGroup(t, c, "one")
		p.anySend()
		p.tick(first)
		want[Tick](t, c)
		last := first
		for range heldEntriesMax + 1 {
			last = send(t, c, "are you there?")
			p.anySend()
			p.tick(last)
			want[Tick](t, c)
		}
		p.reject(1, codec.CodeEpochStale, testGroup, first, first)
		p.expectAck(1)
		if got := p.anySend(); got.cseq != last+1 || got.text != "one" {
			t.Errorf("sent again: %+v", got)
		}
		noEvent(t, c)
		p.tick(last + 1)
		want[Tick](t, c)
		want[Tick](t, c)
		p.place(2, last+1, 3)
		want[GroupPlaced](t, c)
		c.mu.Lock()
		if n := len(c.up.held.groups.rows); n != 0 {
			t.Errorf("%d messages are kept that have their place", n)
		}
		c.mu.Unlock()
		closeClient(t, c)
	})
}

func TestAMessageLearnsItsPlaceOnce(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		first := sendGroup(t, c, "one")
		p.anySend()
		p.tick(1)
		want[Tick](t, c)
		p.place(1, 1, 8)
		if ev := want[GroupPlaced](t, c); ev != (GroupPlaced{Group: testGroup, ID: first, GroupSeq: 8}) {
			t.Errorf("placed %+v", ev)
		}
		p.expectAck(1) // nobody has to acknowledge it
		p.place(2, 1, 8)
		noEvent(t, c)
		p.expectAck(2)
		second := sendGroup(t, c, "two")
		p.anySend()
		p.reject(3, codec.CodeEpochStale, testGroup, 2, 2)
		for p.next().Kind == codec.KindAck {
		}
		p.tick(3)
		p.place(4, 3, 9) // under its new number
		for {
			ev, ok := (<-c.Events()).(GroupPlaced)
			if !ok {
				continue
			}
			if ev.ID != second || ev.GroupSeq != 9 {
				t.Errorf("placed %+v, want message %d", ev, second)
			}
			break
		}
		closeClient(t, c)
	})
}

func TestAMessageIsNotSentAgainForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		id := sendGroup(t, c, "never")
		for n := uint64(1); n <= RepeatsMax+1; n++ {
			for p.next().Kind == codec.KindAck {
			}
			p.tick(n) // the tick may come first
			p.reject(n, codec.CodeEpochStale, testGroup, n, n)
		}
		var rejected []Rejected
		synctest.Wait()
		for len(c.Events()) > 0 {
			if ev, ok := (<-c.Events()).(Rejected); ok {
				rejected = append(rejected, ev)
			}
		}
		if len(rejected) != 1 || rejected[0].ID != id || rejected[0].Group != testGroup || rejected[0].Peer != 0 || rejected[0].Code != codec.CodeEpochStale {
			t.Errorf("rejected: %+v", rejected)
		}
		closeClient(t, c)
	})
}

func TestWhoIsNoMemberIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		id := sendGroup(t, c, "may I?")
		if s := p.anySend(); s.known != -1 {
			t.Errorf("it names epoch %d of a group that it knows nothing of", s.known)
		}
		p.reject(1, codec.CodeNotMember, testGroup, 1, 1)
		if ev := want[Rejected](t, c); ev.ID != id || ev.Group != testGroup || ev.Code != codec.CodeNotMember {
			t.Errorf("rejected: %+v", ev)
		}
		closeClient(t, c)
	})
}

func TestAGroupIsAskedForPageByPageAndBegunAgainWhenItChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		type got struct {
			g   Group
			err error
		}
		result := later(func() got { g, err := c.Group(t.Context(), testGroup); return got{g, err} })
		page := func(cursor uint64, epoch uint32, more uint64, users ...uint64) {
			t.Helper()
			r := p.request(iq.OpGroupInfo)
			if r.Cursor != cursor || r.Group != testGroup {
				t.Errorf("asked for %+v, want cursor %d", r, cursor)
			}
			g := iq.GroupInfo{Group: testGroup, Epoch: epoch, Seq: 9, Creator: 3, Subject: "s", Count: 3}
			for _, u := range users {
				g.Members = append(g.Members, iq.Member{User: u, Role: iq.Role(u % 2)})
			}
			p.answer(&r, iq.Answer{Group: g, More: more})
		}
		page(0, 1, 3, 2, 3)
		page(3, 2, 0, 4) // it has changed
		page(0, 2, 3, 2, 3)
		page(3, 2, 0, 5)
		r := result()
		want := []Member{{2, false}, {3, true}, {5, true}}
		if r.err != nil || r.g.Epoch != 2 || r.g.Subject != "s" || !slices.Equal(r.g.Members, want) {
			t.Errorf("group is %+v, %v", r.g, r.err)
		}
		bad := later(func() error { _, err := c.Group(t.Context(), testGroup); return err })
		page(0, 2, 3, 2, 3)
		page(3, 2, 3, 4) // a cursor that does not move
		if err := bad(); !errors.Is(err, ErrProtocol) {
			t.Errorf("a page that leads nowhere: %v", err)
		}
		receipts := later(func() []GroupReceipt { l, _ := c.GroupReceipts(t.Context(), testGroup, 8); return l })
		q := p.request(iq.OpGroupReceipts)
		p.answer(&q, iq.Answer{Members: []iq.Member{{User: 2, Delivered: 7}, {User: 3, Delivered: 8, Read: 7}, {User: 4, Delivered: 9, Read: 8}}})
		if l := receipts(); len(l) != 3 || l[0].Level != TickServer || l[1].Level != TickDelivered || l[2].Level != TickRead {
			t.Errorf("receipts %+v", l)
		}
		closeClient(t, c)
	})
}

func TestManyMembersAreNamedInSeveralRequests(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		users := make([]uint64, iq.UsersMax+3)
		for i := range users {
			users[i] = uint64(i + 1)
		}
		type got struct {
			outcomes []Outcome
			err      error
		}
		result := later(func() got { _, o, err := c.CreateGroup(t.Context(), "crowd", users...); return got{o, err} })
		r := p.request(iq.OpGroupCreate)
		p.answer(&r, iq.Answer{Group: iq.GroupInfo{Group: testGroup, Epoch: 1, Seq: 1, Creator: testUser}, Outcomes: []iq.Outcome{{User: 9, Code: codec.CodeNoSuchUser}}})
		more := p.request(iq.OpGroupAdd)
		if len(r.Users) != iq.UsersMax || !slices.Equal(more.Users, users[iq.UsersMax:]) || more.Group != testGroup {
			t.Errorf("%d users, then %v", len(r.Users), more.Users)
		}
		p.answer(&more, iq.Answer{Group: iq.GroupInfo{Group: testGroup, Epoch: 2, Seq: 2, Creator: testUser}, Outcomes: []iq.Outcome{{User: 258, Code: codec.CodeRefused}}})
		if got := result(); got.err != nil || !slices.Equal(got.outcomes, []Outcome{{9, codec.CodeNoSuchUser}, {258, codec.CodeRefused}}) {
			t.Errorf("%+v", got)
		}
		if epoch := c.known.epoch(testGroup); epoch != 2 {
			t.Errorf("the epoch is %d", epoch)
		}
		closeClient(t, c)
	})
}

func TestAServerThatLostItsDataMayBeginItsGroupsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		p.groupEvent(1, 9, testPeer, iq.Event{Op: iq.OpGroupCreate, Epoch: 9, Users: []uint64{testUser}})
		want[GroupEvent](t, c)
		p.close()
		s := welcome(0)
		s.Incarnation++
		p, _ = f.again(c, s)
		p.groupEvent(1, 1, testPeer, iq.Event{Op: iq.OpGroupCreate, Epoch: 1, Users: []uint64{testUser}})
		if ev := want[GroupEvent](t, c); ev.Epoch != 1 || c.known.epoch(testGroup) != 1 {
			t.Errorf("event %+v, epoch %d", ev, c.known.epoch(testGroup))
		}
		closeClient(t, c)
	})
}

func TestNamesOfGroupsAndInvites(t *testing.T) {
	code := []byte("0123456789abcdef")
	text := InviteText(testGroup, code)
	if GroupName(testGroup) != "g5" || text != "g5-30313233343536373839616263646566" {
		t.Errorf("%s, %s", GroupName(testGroup), text)
	}
	if g, c, err := ParseInvite(text); g != testGroup || string(c) != string(code) || err != nil {
		t.Errorf("%d %q %v", g, c, err)
	}
	for _, bad := range []string{"", "5", "g", "g0", "g-5", "g+5", "G5", "g05x", "g144115188075855872", "g5 "} {
		if g, err := ParseGroup(bad); !errors.Is(err, ErrGroup) {
			t.Errorf("%q is group %d, %v", bad, g, err)
		}
	}
	for _, bad := range []string{"g5", "g5-", "g5-00", "x-30313233343536373839616263646566", text + "00", "g5-3031323334353637383961626364656g"} {
		if _, _, err := ParseInvite(bad); !errors.Is(err, ErrGroup) {
			t.Errorf("%q is an invite: %v", bad, err)
		}
	}
	if g, err := ParseGroup("g144115188075855871"); g != codec.GroupBit|codec.GroupMax || err != nil {
		t.Errorf("the last group is %d, %v", g, err)
	}
}

func TestTypingEndsByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0), WithEventBuffer(1))
		typing := func(user uint64, state TypingState) {
			t.Helper()
			p.write(codec.AppendTyping(nil, &codec.Typing{Peer: user, Device: 1, State: uint8(state)}))
		}
		start := time.Now()
		typing(testPeer, TypingComposing)
		want[Typing](t, c)
		p.quiet(TypingLasts - time.Second)
		typing(testPeer, TypingRecording) // still at it
		want[Typing](t, c)
		if ev := want[Typing](t, c); ev.State != TypingPaused || ev.User != testPeer || ev.Device != 1 || time.Since(start) != 2*TypingLasts-time.Second {
			t.Errorf("%+v after %v", ev, time.Since(start))
		}
		typing(testPeer, TypingComposing)
		want[Typing](t, c)
		typing(testPeer, TypingPaused)
		want[Typing](t, c)
		p.quiet(2 * TypingLasts)
		noEvent(t, c) // it was told already
		typing(testPeer, TypingComposing)
		want[Typing](t, c)
		p.deliver(1, testPeer, 1, "fills the channel")
		p.quiet(TypingLasts + time.Second/2)
		want[Message](t, c)
		if ev := want[Typing](t, c); ev.State != TypingPaused {
			t.Errorf("%+v", ev)
		}
		closeClient(t, c)
	})
}

func TestSomebodyLookingIsSaidOnEveryConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		state := func(active uint8) {
			t.Helper()
			v, err := codec.ParseState(p.next())
			if err != nil || v.Active != active {
				t.Errorf("STATE %+v, %v; want %d", v, err, active)
			}
		}
		p.quiet(time.Second) // what a server takes for granted
		for _, active := range []bool{false, false, true, false} {
			if err := c.SetActive(active); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		state(0)
		p.close()
		p, _ = f.again(c, welcome(0))
		state(0)
		closeClient(t, c)
	})
}

func TestAChangeThatCameToAClientThatOnlyKeepsIsShownByTheNextOne(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state, _ := openFile(t)
		c, p, _ := f.connect(welcome(0), WithState(state), WithInbox())
		p.deliver(1, testPeer, 1, "before")
		p.groupEvent(2, 1, testPeer, iq.Event{Op: iq.OpGroupCreate, Epoch: 1, Users: []uint64{testUser}, Text: "lunch"})
		want[Message](t, c)
		want[GroupEvent](t, c)
		p.expectAck(2)
		closeClient(t, c)

		for range 2 { // the message is not acknowledged, so both come again: what stands behind it can't leave before it
			var dialed *Client
			done := later(func() error {
				var err error
				dialed, err = Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithState(state))
				return err
			})
			p = f.accept()
			p.hello()
			p.success(welcome(0))
			if err := done(); err != nil {
				t.Fatal(err)
			}
			m := want[Message](t, dialed)
			if ev := want[GroupEvent](t, dialed); ev.Subject != "lunch" || ev.GroupSeq != 1 || ev.By != testPeer {
				t.Errorf("%+v", ev)
			}
			want[Connected](t, dialed)
			if dialed.inbox.rows[0].no != 1 || len(dialed.inbox.rows) != 2 {
				t.Errorf("the inbox has %+v", dialed.inbox.rows)
			}
			c = dialed
			closeClient(t, c)
			if snap, err := state.Load(); err != nil || len(snap.Inbox) != 2 {
				t.Fatalf("%d in the inbox, %v", len(snap.Inbox), err)
			}
			_ = m
		}
		done := later(func() *Client {
			c, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithState(state))
			if err != nil {
				t.Error(err)
			}
			return c
		})
		p = f.accept()
		p.hello()
		p.success(welcome(0))
		c = done()
		if err := c.Ack(want[Message](t, c)); err != nil {
			t.Fatal(err)
		}
		want[GroupEvent](t, c)
		want[Connected](t, c)
		closeClient(t, c)
		if snap, err := state.Load(); err != nil || len(snap.Inbox) != 0 {
			t.Errorf("%d are left in the inbox, %v", len(snap.Inbox), err)
		}
	})
}
