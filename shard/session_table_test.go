package shard

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
	"unsafe"

	"trunkline/codec"
)

func TestSessionRecordIsSmallAndWithoutPointers(t *testing.T) {
	if n := unsafe.Sizeof(session{}); n > 72 {
		t.Errorf("a session takes %d bytes, more than 72", n)
	}
	holdsNoPointers(t, reflect.TypeFor[session]())
	holdsNoPointers(t, reflect.TypeFor[subscription]())
}

func holdsNoPointers(t *testing.T, typ reflect.Type) {
	t.Helper()
	for i := range typ.NumField() {
		switch f := typ.Field(i); f.Type.Kind() {
		case reflect.Struct:
			holdsNoPointers(t, f.Type)
		case reflect.Pointer, reflect.Slice, reflect.String, reflect.Map, reflect.Interface, reflect.Func, reflect.Chan:
			t.Errorf("%v.%s is a %v", typ, f.Name, f.Type)
		}
	}
}

var sessionStateNames = [sessionStates]string{"free", "handshaking", "attaching", "early", "open", "closing"}

// sessionIn is a session in a state, with its deadline long passed.
func sessionIn(s *Shard, state sessionState) session {
	return session{
		conn: 1<<32 | 5, user: userOn(s.cfg.Placement, 0), state: state, heardMs: moment(testNow - 10*KeepaliveMsDefault),
	}
}

// sessionEvents makes the event of each row.
func sessionEvents(t *testing.T, s *Shard) map[string]event {
	frame := func(b []byte, err error) event {
		if err != nil {
			t.Fatal(err)
		}
		f, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil {
			t.Fatal(err)
		}
		return event{kind: evFrame, frame: f, used: used}
	}
	hello := func(version uint8, user uint64) event {
		return frame(codec.AppendHello(nil, &codec.Hello{Version: version, User: user}))
	}
	said := func(m message) event { return event{kind: evMessage, message: &m} }
	deliver, err := codec.AppendDeliver(nil, &codec.Deliver{Seq: 1, From: 1, Gen: 1, ID: 1})
	if err != nil {
		t.Fatal(err)
	}
	send, err := codec.AppendSend(nil, &codec.Send{Cseq: 1, To: 5, Parts: parts("x"), N: 1})
	if err != nil {
		t.Fatal(err)
	}
	here, away := userOn(s.cfg.Placement, 0), userOn(s.cfg.Placement, 1)
	return map[string]event{
		"opened":         {kind: evOpened},
		"hello":          hello(codec.Version, here),
		"identified":     {kind: evIdentified, identity: Identity{User: here}},
		"confirmed":      {kind: evConfirmed},
		"hello early":    hello(codec.Version, here),
		"hello held":     hello(codec.Version, here),
		"hello unread":   hello(codec.Version, here),
		"hello other":    hello(codec.Version, here+2),
		"hello stale":    frame(codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: here, Gen: 4})),
		"hello unproven": hello(codec.Version, here),
		"send":           frame(send, nil),
		"hello away":     hello(codec.Version, away),
		"hello bad":      hello(9, here),
		"ping":           frame(codec.AppendPing(nil), nil),
		"unknown":        {kind: evFrame, frame: codec.Frame{Kind: 0x99}, used: 3},
		"malformed":      {kind: evMalformed},
		"attached":       said(message{kind: msgAttached, gen: 3}),
		"attached early": said(message{kind: msgAttached, gen: 3}),
		"attached late":  said(message{kind: msgAttached, gen: 3}),
		"hold":           said(message{kind: msgHold}),
		"refused":        said(message{kind: msgRefused, code: uint8(codec.CodeGenerationStale)}),
		"push":           said(message{kind: msgPush, last: 1, payload: deliver}),
		"ticked":         said(message{kind: msgTicked, first: 1}),
		"soft":           said(message{kind: msgSoft, code: uint8(codec.CodeServerFull)}),
		"kick":           said(message{kind: msgKick, code: uint8(codec.CodeReplaced)}),
		"presence":       said(message{kind: msgPresence, code: 1}),
		"presence held":  said(message{kind: msgPresence, code: 1}),
		"flush":          {kind: evFlush},
		"typing stale":   said(message{kind: msgTypingIs, code: 1}),
		"ponged":         said(message{kind: msgPonged}),
		"typing":         said(message{kind: msgTypingIs, code: 1}),
		"timer":          {kind: evTimer},
		"half closed":    {kind: evHalfClosed},
		"slow":           {kind: evSlow},
		"drain":          {kind: evDrain},
		"crashed":        {kind: evCrashed},
		"closed":         {kind: evClosed},
	}
}

func TestSessionTable(t *testing.T) {
	s := quietShard()
	head, rows := docTable(t, "session.go")
	events := sessionEvents(t, s)
	rows = append(rows, []string{"opened", "-", "-", "-", "-", "ignore"})
	if len(rows) != len(events) {
		t.Fatalf("the table has %d rows, the test %d events", len(rows), len(events))
	}
	for _, row := range rows {
		ev, ok := events[row[0]]
		if !ok || len(row) != len(head) {
			t.Fatalf("row %q does not fit the test", row)
		}
		for i, want := range row[1:] {
			state := sessionHandshaking + sessionState(i)
			if sessionStateNames[state] != head[1+i] {
				t.Fatalf("column %q is not %q", head[1+i], sessionStateNames[state])
			}
			if got := sessionCell(t, s, state, row[0], ev); got != want {
				t.Errorf("%s in %s: %q, the table says %q", row[0], head[1+i], got, want)
			}
		}
		got := sessionCell(t, s, sessionFree, row[0], ev)
		if want := "-"; row[0] == "opened" && got != "handshaking" || row[0] != "opened" && row[0] != "closed" && got != want {
			t.Errorf("%s in free: %q", row[0], got)
		}
	}
}

// sessionRows prepares the session for the rows that need it.
var sessionRows = map[string]func(p *session){
	"identified":     func(p *session) { p.user = 0 },
	"confirmed":      func(p *session) { p.flags |= flagEarly },
	"hello":          func(p *session) { p.user = 0 },
	"hello away":     func(p *session) { p.user = 0 },
	"hello unproven": func(p *session) { p.user = 0 },
	"hello early":    func(p *session) { p.flags |= flagEarly },
	"hello held":     func(p *session) { p.flags |= flagEarly | flagHeldBack },
	"hello unread":   func(p *session) { p.flags |= flagUnread },
	"hello stale":    func(p *session) { p.mark = 5 },
	"attached early": func(p *session) { p.flags |= flagEarly | flagUnread },
	"attached late":  func(p *session) { p.flags |= flagUnread },
	"hold":           func(p *session) { p.flags |= flagEarly | flagUnread },
	"presence held":  func(p *session) { p.flags |= flagInactive },
	"flush":          func(p *session) { p.flags |= flagFlushing | flagHolding; p.subs, p.subsCount = 1, 1 },
	"typing stale":   func(p *session) { p.flags |= flagInactive },
}

// sessionCell steps a session and says in the words of the table what it did.
func sessionCell(t *testing.T, s *Shard, state sessionState, row string, ev event) string {
	p := sessionIn(s, state)
	if s.subs.Len() == 0 {
		_, c := s.subs.Alloc()
		*c = newSubscription(testPeer, 0)
		c.hold(1, 0)
	}
	s.cfg.Proven = row == "hello unproven"
	if prepare := sessionRows[row]; prepare != nil {
		prepare(&p)
	}
	unexpected := s.stats.Unexpected
	s.out.reset()
	p.step(testNow, &ev, &s.world, &s.out)
	var cell strings.Builder
	if p.state != state || p.state == sessionFree && s.out.free {
		cell.WriteString(sessionStateNames[p.state])
	}
	if b := s.out.output(); len(b) > 0 {
		f, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil || used != len(b) {
			t.Errorf("%d bytes written, %v", len(b), err)
		}
		fmt.Fprintf(&cell, ": %v", f.Kind)
	}
	left := state >= sessionAttaching && state <= sessionOpen && (p.state == sessionClosing || p.state == sessionFree)
	if detached := len(s.out.posts) == 1 && s.out.posts[0].message.kind == msgDetach; left != detached {
		t.Errorf("from %s to %s it posted %+v", sessionStateNames[state], sessionStateNames[p.state], s.out.posts)
	}
	if p.state == sessionClosing && state != sessionClosing && !s.out.close {
		t.Errorf("closing without asking the host to close")
	}
	switch {
	case cell.Len() > 0:
		return cell.String()
	case s.out.leave:
		return "wait"
	case s.stats.Unexpected != unexpected:
		return "-"
	}
	return "ignore"
}
