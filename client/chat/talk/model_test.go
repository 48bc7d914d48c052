package talk

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"trunkline/client"
	"trunkline/codec"
	"trunkline/codec/iq"
)

const (
	me     = 1001
	ann    = 1002
	bob    = 1003
	hikers = codec.GroupBit | 7
)

var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// stage is a model and its tasks.
type stage struct {
	t     *testing.T
	m     *Model
	now   time.Time
	tasks []Task
}

// begin is a model that is connected and has asked what it asks then.
func begin(t *testing.T, start Start) *stage {
	s := &stage{t: t, m: New(me), now: noon}
	s.in(start)
	s.in(Events{client.Connected{Generation: 1}})
	s.in(Answered{Ask: Ask{Op: iq.OpGroupList}})
	s.in(Answered{Ask: Ask{Op: iq.OpProfileGet, User: me}, Profile: client.Profile{User: me}})
	s.tasks = nil
	return s
}

// in feeds the model; the tasks that follow are in s.tasks.
func (s *stage) in(in any) { s.tasks = s.m.Update(s.now, in) }

// kinds names the tasks without what is not compared.
func (s *stage) kinds() string {
	var list []string
	for _, t := range s.tasks {
		switch t := t.(type) {
		case Write:
			list = append(list, fmt.Sprintf("write %d lines %d ticks %d rejects ack=%v", len(t.Lines), len(t.Ticks), len(t.Rejects), t.Ack != nil))
		case Send:
			list = append(list, fmt.Sprintf("send %s %q", t.Line.Peer, t.Line.Text))
		case Ask:
			list = append(list, fmt.Sprintf("ask %d", t.Op))
		default:
			list = append(list, strings.TrimPrefix(fmt.Sprintf("%T%+v", t, t), "talk."))
		}
	}
	return strings.Join(list, "; ")
}

func (s *stage) want(what string) {
	s.t.Helper()
	if got := s.kinds(); got != what {
		s.t.Errorf("tasks are\n  %s\nwant\n  %s", got, what)
	}
}

func message(from, id uint64, text string) client.Message {
	return client.Message{ID: id, From: from, Gen: 1, Seq: id + 100, Time: noon, Payload: []byte(text)}
}

// open shows a conversation and answers what it loads.
func (s *stage) open(p Peer, lines ...Line) {
	s.in(Open{Peer: p})
	s.in(Page{Load: Load{Peer: p}, Lines: lines})
	s.in(Answered{Ask: Ask{Op: iq.OpProfileGet, User: uint64(p)}, Profile: client.Profile{User: uint64(p)}})
	s.tasks = nil
}

func TestAMessageIsKeptThenAcknowledgedAndReadWhenItIsSeen(t *testing.T) {
	s := begin(t, Start{})
	s.in(Events{message(ann, 1, "one"), message(ann, 2, "two")})
	s.want(fmt.Sprintf("write 2 lines 0 ticks 0 rejects ack=true; ask %d", iq.OpProfileGet))
	w := s.tasks[0].(Write)
	if w.Ack.ID != 2 || w.Lines[0].Seen != SeenNot || s.m.Talk(ann).Unread != 2 || s.m.Unread() != 2 {
		t.Errorf("acknowledged %d, %d unread: %+v", w.Ack.ID, s.m.Talk(ann).Unread, w.Lines[0])
	}
	s.in(Open{Peer: ann})
	s.want("Load{Peer:1002 Before:0 After:0 Around:0}; See{Peer:1002}; Watch{Add:[1002] Drop:[]}")
	if s.m.Talk(ann).Unread != 0 {
		t.Error("still unread")
	}
	s.in(Events{message(ann, 3, "three")})
	if w := s.tasks[0].(Write); w.Lines[0].Seen != SeenOwed {
		t.Errorf("in sight, but %+v", w.Lines[0])
	}
	for name, hide := range map[string][2]any{
		"the terminal has no focus": {Focus{}, Focus{Yes: true}}, "the past is shown": {Shown{}, Shown{End: true}},
		"help is shown": {Say{Text: "/help"}, Close{}},
	} {
		s.in(hide[0])
		s.in(Events{message(ann, 4, name)})
		if w := s.tasks[0].(Write); w.Lines[0].Seen != SeenNot || s.m.Talk(ann).Unread != 1 {
			t.Errorf("%s, but %+v", name, w.Lines[0])
		}
		s.in(hide[1])
		if got := s.kinds(); !strings.HasSuffix(got, "See{Peer:1002}") || s.m.Talk(ann).Unread != 0 {
			t.Errorf("%s no more: %s", name, got)
		}
	}
}

func TestWhatWasThereBeforeIsShownOnce(t *testing.T) {
	s := begin(t, Start{})
	s.in(Events{message(ann, 1, "again")})
	l := s.tasks[0].(Write).Lines[0]
	s.in(Kept{Lines: []Line{l}}) // row 0
	if s.m.Talk(ann).Unread != 0 {
		t.Error("counted twice")
	}
	s.open(ann)
	s.in(Events{message(ann, 2, "new"), message(ann, 3, "known")})
	lines := s.tasks[0].(Write).Lines
	lines[0].Row = 9
	s.in(Kept{Lines: lines})
	if got := s.m.Talk(ann).Lines; len(got) != 1 || got[0].Row != 9 || got[0].Text != "new" {
		t.Errorf("shown: %+v", got)
	}
}

// TestALineThatComesBeforeTheHistoryIsReadWhenItIsShown: the SDK may be quicker than the disk.
func TestALineThatComesBeforeTheHistoryIsReadWhenItIsShown(t *testing.T) {
	s := &stage{t: t, m: New(me), now: noon}
	s.in(Events{message(ann, 7, "while you were away")})
	s.want("write 1 lines 0 ticks 0 rejects ack=true")
	s.in(Start{Talks: []Summary{
		{Peer: ann, Last: Line{Peer: ann, From: ann, Row: 3, Text: "old"}, Unread: 2}, {Peer: bob, Last: Line{Peer: bob, From: bob, Row: 5, Text: "older"}},
	}})
	if s.m.Open != ann || s.m.Talk(ann).Last.Text != "while you were away" {
		t.Errorf("%v is open, the last line is %q", s.m.Open, s.m.Talk(ann).Last.Text)
	}
	if got := s.kinds(); !strings.Contains(got, "See{Peer:1002}") || s.m.Talk(ann).Unread != 0 {
		t.Errorf("%s, %d unread", got, s.m.Talk(ann).Unread)
	}
	s = &stage{t: t, m: New(me), now: noon}
	s.in(Focus{})
	s.in(Events{message(ann, 7, "while you were away")})
	if s.in(Start{Talks: []Summary{{Peer: ann, Last: Line{Peer: ann, From: ann, Row: 3}, Unread: 2}}}); s.m.Talk(ann).Unread != 3 {
		t.Errorf("%d unread of 2 and one that came", s.m.Talk(ann).Unread)
	}
}

func TestAnOwnLineGoesFromTheOutboxToRead(t *testing.T) {
	s := begin(t, Start{})
	s.open(ann)
	s.in(Say{Text: "  hello \n"})
	s.want(`send 1002 "  hello"`)
	l := s.tasks[0].(Send).Line
	level := func() client.TickLevel { return s.m.Talk(ann).Lines[0].Level }
	early := client.Tick{Level: client.TickDelivered, First: 5, Last: 5, Peer: ann}
	s.in(Events{early}) // it may come before the number is known
	s.want("write 0 lines 1 ticks 0 rejects ack=false")
	if level() != client.TickNone {
		t.Error("a tick without a number")
	}
	l.Row, l.Cseq, l.Level = 3, 5, client.TickServer
	s.in(Sent{Line: l})
	if level() != client.TickDelivered || s.m.Talk(ann).Last.Level != client.TickDelivered {
		t.Errorf("level %v", level())
	}
	for _, tick := range []client.Tick{
		{Level: client.TickRead, First: 5, Last: 5, Peer: bob}, {Level: client.TickRead, First: 6, Last: 9, Peer: ann},
		{Level: client.TickRead, First: 1, Last: 9, Group: hikers}, {Level: client.TickServer, First: 1, Last: 9},
	} {
		s.in(Events{tick})
		if level() != client.TickDelivered {
			t.Errorf("%+v made it %v", tick, level())
		}
	}
	s.in(Events{client.Tick{Level: client.TickRead, First: 1, Last: 5, Peer: ann}})
	if level() != client.TickRead {
		t.Errorf("level %v", level())
	}
	s.in(Events{client.Rejected{ID: 5, Peer: ann, Code: codec.CodeMailboxFull}})
	s.want("write 0 lines 0 ticks 1 rejects ack=false")
	if got := s.m.Talk(ann).Lines[0]; !got.Rejected() || Why(got.Code) != "the recipient's mailbox is full" {
		t.Errorf("rejected: %+v, %s", got, Why(got.Code))
	}
}

func TestARejectionMayComeBeforeTheNumber(t *testing.T) {
	s := begin(t, Start{})
	s.open(ann)
	s.in(Say{Text: "no"})
	l := s.tasks[0].(Send).Line
	s.in(Events{client.Rejected{ID: 7, Peer: ann, Code: codec.CodeRefused}, client.Rejected{ID: 8, Peer: ann, Code: codec.CodeTooLarge}})
	l.Row, l.Cseq = 3, 7
	s.in(Sent{Line: l})
	if got := s.m.Talk(ann).Lines[0].Code; got != codec.CodeRefused {
		t.Errorf("rejected for %v", got)
	}
}

func TestWhatCannotBeSentComesBack(t *testing.T) {
	s := begin(t, Start{})
	s.open(ann)
	s.in(Say{Text: "lost?"})
	s.in(Sent{Line: s.tasks[0].(Send).Line, Err: client.ErrOutboxFull})
	if k := s.m.Talk(ann); len(k.Lines) != 0 || k.Draft != "lost?" || s.m.Notice.Text != "not sent: the outbox is full" {
		t.Errorf("%+v, notice %q", k, s.m.Notice.Text)
	}
	s.in(Say{Text: strings.Repeat("x", client.PayloadBytesMax+1)})
	if s.want(""); !strings.HasPrefix(s.m.Notice.Text, fmt.Sprintf("not sent: %d bytes", client.PayloadBytesMax+1)) {
		t.Errorf("notice %q", s.m.Notice.Text)
	}
	s.in(Ended{Err: errors.New("gone")})
	s.in(Say{Text: "x"})
	if s.want(""); s.m.Notice.Text != "not sent: gone" {
		t.Errorf("notice %q", s.m.Notice.Text)
	}
}

func TestGroups(t *testing.T) {
	s := begin(t, Start{})
	s.in(Answered{Ask: Ask{Op: iq.OpGroupList}, Groups: []uint64{hikers}})
	s.want(fmt.Sprintf("ask %d", iq.OpGroupInfo))
	of := client.Group{
		ID: hikers, Epoch: 2, Subject: "hik\x1b[2Jing", Count: 3, Creator: ann, Created: noon,
		Members: []client.Member{{User: me}, {User: ann, Admin: true}, {User: bob}},
	}
	s.in(Answered{Ask: Ask{Op: iq.OpGroupInfo, Group: hikers}, Group: of})
	if got := s.m.Title(hikers); got != "hik\ufffd[2Jing" {
		t.Errorf("title %q", got)
	}
	m := message(ann, 1, "up there")
	m.Group, m.GroupSeq = hikers, 4
	s.in(Events{m, client.GroupEvent{Group: hikers, GroupSeq: 5, Change: client.GroupAdded, By: ann, Users: []uint64{bob, me}, Time: noon}})
	w := s.tasks[0].(Write)
	if len(w.Lines) != 2 || w.Lines[0].Peer != hikers || w.Lines[0].GroupSeq != 4 || w.Lines[1].Kind != LineEvent || w.Lines[1].Seen != SeenTold {
		t.Fatalf("lines %+v", w.Lines)
	}
	if s.m.Talk(ann) != nil {
		t.Error("a group's message made a conversation with its sender")
	}
	if got := s.m.Spell(&w.Lines[1]); got != "1002 added 1003, you" {
		t.Errorf("in words: %q", got)
	}
	s.in(Answered{Ask: Ask{Op: iq.OpProfileGet, User: ann}, Profile: client.Profile{User: ann, Name: "Ann {1003}"}})
	if got := s.m.Spell(&w.Lines[1]); got != "Ann {1003} added 1003, you" {
		t.Errorf("in words, with a name: %q", got)
	}
	s.open(hikers)
	s.in(Say{Text: "wait for me"})
	s.want(`send g7 "wait for me"`)
	l := s.tasks[0].(Send).Line
	l.Cseq, l.Row = 8, 9
	s.in(Sent{Line: l})
	s.in(Events{client.Tick{Level: client.TickRead, First: 8, Last: 8, Group: hikers}})
	if got := s.m.Talk(hikers).Last.Level; got != client.TickRead {
		t.Errorf("level %v", got)
	}
	s.in(Events{client.GroupEvent{Group: hikers, Change: client.GroupRemoved, By: ann, Users: []uint64{me}}})
	if !s.m.Group(hikers).Gone {
		t.Error("removed, but in it")
	}
}

func TestCommands(t *testing.T) {
	ask := func(op iq.Op) string { return fmt.Sprintf("ask %d", op) }
	for _, row := range []struct {
		open   Peer
		text   string
		tasks  string
		notice string
	}{
		{0, "/new 1003", "Load{Peer:1003 Before:0 After:0 Around:0}; " + ask(iq.OpProfileGet) + "; Watch{Add:[1003] Drop:[]}", ""},
		{0, "/new you", "", "a user is a number"},
		{0, "/new g9", "", "you are in no such group"},
		{0, "hello", "", "no conversation is open"},
		{ann, "/find red shoes", "Find{Text:red shoes}", ""},
		{ann, "/find", "", "it takes words"},
		{ann, "/group 1002 1003 hiking on sunday", ask(iq.OpGroupCreate), ""},
		{ann, "/group 1002", "", "and then a name"},
		{ann, "/add 1003", "", "that is for a group"},
		{hikers, "/add 1003, 1002", ask(iq.OpGroupAdd), ""},
		{hikers, "/add", "", "it takes numbers"},
		{hikers, "/add bob", "", "a user is a number"},
		{hikers, "/remove 1003", ask(iq.OpGroupRemove), ""},
		{hikers, "/promote 1003", ask(iq.OpGroupPromote), ""},
		{hikers, "/demote 1003", ask(iq.OpGroupDemote), ""},
		{hikers, "/subject new name", ask(iq.OpGroupSubject), ""},
		{hikers, "/invite", ask(iq.OpGroupInvite), ""},
		{hikers, "/invite on", "", "it takes nothing, or off"},
		{ann, "/join g7-00112233445566778899aabbccddeeff", ask(iq.OpGroupJoin), ""},
		{ann, "/join g7", "", "no invite code"},
		{hikers, "/leave", ask(iq.OpGroupLeave), ""},
		{hikers, "/info", ask(iq.OpGroupInfo), ""},
		{ann, "/info", ask(iq.OpProfileGet), ""},
		{ann, "/block", ask(iq.OpBlocksAdd), ""},
		{ann, "/block 1001", "", "that is you"},
		{hikers, "/block", "", "that is for a user"},
		{hikers, "/unblock 1003", ask(iq.OpBlocksDrop), ""},
		{ann, "/blocks", ask(iq.OpBlocksGet), ""},
		{ann, "/profile", ask(iq.OpProfileGet), ""},
		{ann, "/name " + strings.Repeat("n", iq.NameBytesMax+1), "", "at most 128 bytes"},
		{ann, "/name Me", ask(iq.OpProfileSet), ""},
		{ann, "/about " + strings.Repeat("n", iq.AboutBytesMax+1), "", "at most 512 bytes"},
		{ann, "/devices", ask(iq.OpDevicesGet), ""},
		{ann, "/unlink 2", ask(iq.OpDeviceRemove), ""},
		{ann, "/unlink 0", "", "number of a companion"},
		{ann, "/forget", "Forget{Peer:1002}; Watch{Add:[] Drop:[1002]}", "1002 is forgotten"},
		{hikers, "/forget", "", "/leave the group first"},
		{ann, "/blo", "", "could be"},
		{ann, "/dev", ask(iq.OpDevicesGet), ""},
		{ann, "/nothing\x1b", "", "there is no /nothing\ufffd"},
		{ann, "//slash", `send 1002 "/slash"`, ""},
		{ann, "/block\nof text", `send 1002 "/block\nof text"`, ""},
	} {
		s := begin(t, Start{})
		if row.open != 0 {
			s.open(row.open)
		}
		s.in(Say{Text: row.text})
		if got := s.kinds(); got != row.tasks || !strings.Contains(s.m.Notice.Text, row.notice) || row.notice == "" && s.m.Notice.Text != "" {
			t.Errorf("%s: tasks %s, notice %q", row.text, got, s.m.Notice.Text)
		}
	}
	s := begin(t, Start{})
	s.in(Events{client.Disconnected{}})
	s.in(Say{Text: "/blocks"})
	if s.want(""); s.m.Notice.Text != errOffline.Error() {
		t.Errorf("offline: %q", s.m.Notice.Text)
	}
	if s.in(Say{Text: "/quit"}); !s.m.Leaving {
		t.Error("does not leave")
	}
}

func TestTypingIsToldNotTooOftenAndEnds(t *testing.T) {
	s := begin(t, Start{})
	s.open(ann)
	const on, off = "Typing{Peer:1002 State:1}", "Typing{Peer:1002 State:0}"
	for _, step := range []struct {
		wait time.Duration
		in   any
		want string
	}{
		{0, Compose{"h"}, on},
		{time.Second, Compose{"he"}, ""},
		{TypingEvery, Compose{"hel"}, on},
		{time.Second, Clock{}, ""},
		{TypingPause, Clock{}, off},
		{time.Second, Clock{}, ""},
		{0, Compose{"hell"}, on},
		{0, Compose{""}, off},
		{0, Compose{"/new"}, ""},
		{0, Compose{"x"}, on},
		{0, Say{"x"}, `send 1002 "x"`},
		{0, Compose{"y"}, on},
		{0, Open{bob}, off + "; Load{Peer:1003 Before:0 After:0 Around:0}; " + fmt.Sprintf("ask %d", iq.OpProfileGet) + "; Watch{Add:[1003] Drop:[1002]}"},
		{0, Open{hikers}, "Load{Peer:g7 Before:0 After:0 Around:0}; " + fmt.Sprintf("ask %d", iq.OpGroupInfo) + "; Watch{Add:[] Drop:[1003]}"},
		{0, Compose{"to many"}, ""},
	} {
		s.now = s.now.Add(step.wait)
		s.in(step.in)
		if got := s.kinds(); got != step.want {
			t.Errorf("%+v: %s, want %s", step.in, got, step.want)
		}
	}
	s.in(Open{Peer: ann})
	s.in(Events{client.Typing{User: ann, State: client.TypingComposing}})
	if got := s.m.Writing(ann, s.now); !reflect.DeepEqual(got, []uint64{ann}) {
		t.Errorf("writing: %v", got)
	}
	if got := s.m.Writing(ann, s.now.Add(TypingLasts)); got != nil {
		t.Errorf("long after: %v", got)
	}
	s.in(Events{message(ann, 1, "there")})
	if got := s.m.Writing(ann, s.now); got != nil {
		t.Errorf("after the message: %v", got)
	}
	s.in(Events{client.Typing{User: 4711, State: client.TypingComposing}}) // a stranger without a conversation
	if s.m.Talk(4711) != nil {
		t.Error("typing made a conversation")
	}
}

func TestActivityFollowsFocusAndKeys(t *testing.T) {
	s := begin(t, Start{})
	for i, step := range []struct {
		wait time.Duration
		in   any
		want string
	}{
		{0, Focus{}, "Active{Yes:false}"},
		{0, Key{}, ""},
		{0, Focus{Yes: true}, "Active{Yes:true}"},
		{IdleAfter, Clock{}, "Active{Yes:false}"},
		{time.Hour, Clock{}, ""},
		{0, Events{client.Connected{}}, fmt.Sprintf("ask %d; ask %d; Active{Yes:false}; ask %d", iq.OpGroupList, iq.OpBlocksGet, iq.OpProfileGet)},
		{0, Key{}, "Active{Yes:true}"},
	} {
		s.now = s.now.Add(step.wait)
		if s.in(step.in); s.kinds() != step.want {
			t.Errorf("step %d: %s, want %s", i, s.kinds(), step.want)
		}
	}
}

func TestPresenceIsAskedForWhoIsOnTheScreen(t *testing.T) {
	s := begin(t, Start{})
	s.in(Shown{Peers: []Peer{ann, hikers, me, bob}, End: true})
	s.want("Watch{Add:[1002 1003] Drop:[]}")
	s.in(Events{client.Presence{User: bob, Available: true}, client.Presence{User: ann, LastSeen: noon}})
	if a, b := s.m.Person(ann), s.m.Person(bob); !a.Known || a.Here || !a.LastSeen.Equal(noon) || !b.Here {
		t.Errorf("%+v %+v", a, b)
	}
	s.in(Shown{Peers: []Peer{ann}, End: true})
	s.want("Watch{Add:[] Drop:[1003]}")
	if s.m.Person(bob).Known {
		t.Error("not watched, but known")
	}
	many := make([]Peer, 3*WatchMax)
	for i := range many {
		many[i] = Peer(5000 + i)
	}
	s.in(Shown{Peers: many, End: true})
	if w := s.tasks[0].(Watch); len(w.Add) != WatchMax {
		t.Errorf("watches %d", len(w.Add))
	}
	s.in(Events{client.Disconnected{Err: errors.New("client: x\x1b[2J")}})
	if s.m.Person(ann).Known || s.m.Link.Why != "x\ufffd[2J" {
		t.Errorf("after the connection was lost: %q", s.m.Link.Why)
	}
	for in, want := range map[string]string{
		"dial tcp 127.0.0.1:5222: connect: connection refused": "connection refused", "client: no PONG in time": "no PONG in time",
		"read tcp 127.0.0.1:4->127.0.0.1:5: i/o timeout": "i/o timeout", "server: busy (code 67); later": "server: busy (code 67); later",
	} {
		if s.in(Events{client.Disconnected{Err: errors.New(in)}}); s.m.Link.Why != want {
			t.Errorf("%q is shown as %q", in, s.m.Link.Why)
		}
	}
}

func TestNamesThatPretend(t *testing.T) {
	s := begin(t, Start{})
	for name, want := range map[string]string{
		"Ann": "Ann", "": "1002", "1003": "1002", " 1 0 0 3 ": "1002", "Ann\u202enna": "Ann\ufffdnna", "a\nb\tc": "a⏎b    c",
		strings.Repeat("x", 100): strings.Repeat("x", NameRunesMax-1) + "…", "\x1b]0;x\a": "\ufffd]0;x\ufffd", "١٠٠٣": "1002", "…": "1002",
	} {
		s.in(Answered{Ask: Ask{Op: iq.OpProfileGet, User: ann}, Profile: client.Profile{Name: name}})
		if got := s.m.Name(ann); got != want {
			t.Errorf("%q is shown as %q, want %q", name, got, want)
		}
	}
}

func TestThePastIsLoadedInBothDirections(t *testing.T) {
	s := begin(t, Start{})
	s.open(ann, Line{Row: 50, Peer: ann}, Line{Row: 51, Peer: ann})
	s.in(Older{})
	s.want("") // there is nothing before
	s.in(Jump{Peer: ann, Row: 20})
	s.want("Load{Peer:1002 Before:0 After:0 Around:20}")
	s.in(Page{Load: Load{Peer: ann, Around: 20}, Lines: []Line{{Row: 19}, {Row: 20}, {Row: 21}}, More: true, Newer: true})
	s.in(Events{message(ann, 9, "now")})
	k := s.m.Talk(ann)
	if len(k.Lines) != 3 || k.Unread != 1 {
		t.Fatalf("the past has %d lines, %d unread", len(k.Lines), k.Unread)
	}
	s.in(Older{})
	s.want("Load{Peer:1002 Before:19 After:0 Around:0}")
	s.in(Older{})
	s.want("") // it is under way
	s.in(Page{Load: Load{Peer: ann, Before: 19}, Lines: []Line{{Row: 18}}})
	s.in(Shown{End: true})
	s.want("Load{Peer:1002 Before:0 After:21 Around:0}")
	s.in(Page{Load: Load{Peer: ann, After: 21}, Lines: []Line{{Row: 50}, {Row: 51}}})
	if s.want("See{Peer:1002}"); len(k.Lines) != 6 || k.Newer || k.More || k.Unread != 0 {
		t.Errorf("%d lines, newer %v, more %v", len(k.Lines), k.Newer, k.More)
	}
	s.in(Jump{Peer: ann, Row: 20})
	s.in(Say{Text: "from the past"})
	s.want(`send 1002 "from the past"; Load{Peer:1002 Before:0 After:0 Around:0}`)
}
