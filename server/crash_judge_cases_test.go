package server

import (
	"strings"
	"testing"
)

// TestTheJudgeFindsEachViolation feeds it fabricated histories: user 1 writes to 2.
func TestTheJudgeFindsEachViolation(t *testing.T) {
	accepted := func(id uint64) happening { return happening{kind: hapAccepted, user: 1, peer: 2, id: id, text: "text"} }
	ticked := func(id uint64) happening { return happening{kind: hapTicked, user: 1, id: id} }
	shown := func(id uint64) happening { return happening{kind: hapShown, user: 2, peer: 1, id: id, text: "text"} }
	told := func(first, last uint64) happening {
		return happening{kind: hapTold, user: 1, peer: 2, id: first, last: last}
	}
	wire := func(seq, id uint64) happening {
		return happening{kind: hapWire, user: 2, peer: 1, inc: 9, seq: seq, id: id}
	}
	conn := happening{kind: hapConn, user: 2}
	cases := []struct {
		name string
		what string // the violation; "": none
		list []happening
	}{
		{"all is well", "", []happening{accepted(1), conn, wire(5, 1), shown(1), ticked(1), told(1, 1)}},
		{"seen before its number was returned", "", []happening{shown(1), ticked(1), told(1, 1), accepted(1)}},
		{"another one between", "", []happening{accepted(1), {kind: hapAccepted, user: 1, peer: 3, id: 2, text: "x"}, accepted(3), shown(1), shown(3), ticked(3), told(1, 3),
			{kind: hapShown, user: 3, peer: 1, id: 2, text: "x"}, {kind: hapTold, user: 1, peer: 3, id: 2, last: 2}}},
		{"on the wire twice, after a new login", "", []happening{accepted(1), conn, wire(5, 1), conn, wire(5, 1), shown(1), ticked(1), told(1, 1)}},
		{"a receipt beside a message", "", []happening{accepted(1), conn, wire(5, 1), wire(6, 0), shown(1), ticked(1), told(1, 1)}},
		{"ticked and gone", wasLost, []happening{accepted(1), ticked(1)}},
		{"shown twice", wasDuplicated, []happening{accepted(1), shown(1), ticked(1), told(1, 1), shown(1)}},
		{"a number given twice", wasDuplicated, []happening{accepted(1), accepted(1), shown(1), ticked(1), told(1, 1)}},
		{"overtaken", wasReordered, []happening{accepted(1), accepted(2), shown(2), shown(1), ticked(2), told(1, 2)}},
		{"neither ticked nor there", wasStuck, []happening{accepted(1)}},
		{"there and never ticked", wasStuck, []happening{accepted(1), shown(1), told(1, 1)}},
		{"no second tick", wasUntold, []happening{accepted(1), shown(1), ticked(1)}},
		{"second tick, and nobody has seen it", wasForetold, []happening{accepted(1), ticked(1), told(1, 1), shown(1)}},
		{"the same, by its number", wasForetold, []happening{ticked(1), told(1, 1), shown(1), accepted(1)}},
		{"one seq, two messages", wasReused, []happening{accepted(1), accepted(2), conn, wire(5, 1), shown(1), conn, wire(5, 2), shown(2), ticked(2), told(1, 2)}},
		{"one seq, a message and a receipt", wasReused, []happening{accepted(1), conn, wire(5, 1), conn, wire(5, 0), shown(1), ticked(1), told(1, 1)}},
		{"a seq that falls", wasUnordered, []happening{accepted(1), accepted(2), conn, wire(6, 1), wire(5, 2), shown(1), shown(2), ticked(2), told(1, 2)}},
		{"data lost", wasForgotten, []happening{{kind: hapLost, user: 1}}},
		{"rejected", wasRejected, []happening{accepted(1), {kind: hapRejected, user: 1, id: 1, text: "full"}}},
		{"another text", wasDamaged, []happening{accepted(1), {kind: hapShown, user: 2, peer: 1, id: 1, text: "test"}, ticked(1), told(1, 1)}},
		{"to somebody else", wasDamaged, []happening{accepted(1), {kind: hapShown, user: 3, peer: 1, id: 1, text: "text"}, ticked(1),
			{kind: hapTold, user: 1, peer: 3, id: 1, last: 1}}},
		{"never sent", wasDamaged, []happening{shown(1)}},
		{"a client that gives up", wasEnded, []happening{{kind: hapEnded, user: 1, text: "stale"}}},
	}
	for _, c := range cases {
		j := newJudge()
		for _, h := range c.list {
			j.take(h)
		}
		settled := j.settled()
		j.finish()
		switch {
		case c.what == "" && len(j.broken) > 0:
			t.Errorf("%s: found %s", c.name, j.report())
		case c.what == "" && !settled:
			t.Errorf("%s: not settled", c.name)
		case c.what != "" && (j.tally[c.what] != 1 || !strings.Contains(j.summary(1), c.what)):
			t.Errorf("%s: want %q once, found %s%s", c.name, c.what, j.report(), j.summary(1))
		}
	}
}

func TestAReportTellsTheLifeOfAMessage(t *testing.T) {
	j := newJudge()
	for _, h := range []happening{
		{kind: hapServer, text: "started"},
		{kind: hapAccepted, user: 1, peer: 2, id: 7, text: "text"},
		{kind: hapWire, user: 2, peer: 1, id: 7, inc: 9, seq: 3<<40 + 5},
		{kind: hapTicked, user: 1, id: 7},
		{kind: hapServer, text: "killed"},
	} {
		j.take(h)
	}
	j.finish()
	for _, want := range []string{"message 7 of 1 to 2", "first tick at 4", "seq 3<<40+5", "before: 1: started", "after: 5: killed"} {
		if !strings.Contains(j.report(), want) {
			t.Errorf("no %q in\n%s", want, j.report())
		}
	}
}
