package server

import (
	"strings"
	"testing"
)

// TestTheJudgeFindsEachViolationInGroups feeds it fabricated histories: user 1 writes to group 9, which it has made with 2 and 3.
func TestTheJudgeFindsEachViolationInGroups(t *testing.T) {
	type list = []happening
	change := func(user uint64, text string, gseq uint64, users ...uint64) happening {
		return happening{kind: hapChange, user: user, peer: 1, group: 9, gseq: gseq, text: text, users: users}
	}
	accepted := func(id uint64, text string) happening {
		return happening{kind: hapAccepted, user: 1, peer: 9, group: 9, id: id, text: text}
	}
	shown := func(user, id, gseq uint64, text string) happening {
		return happening{kind: hapShown, user: user, peer: 1, group: 9, id: id, gseq: gseq, text: text}
	}
	placed := func(id, gseq uint64) happening {
		return happening{kind: hapPlaced, user: 1, group: 9, id: id, gseq: gseq}
	}
	told := happening{kind: hapTold, user: 1, group: 9, id: 1, last: 5}
	rejected := happening{kind: hapRejected, user: 1, group: 9, id: 1, text: "no"}
	stale := happening{kind: hapRejected, user: 1, group: 9, id: 1, text: "epoch_stale"}
	ticked := happening{kind: hapTicked, user: 1, id: 5}
	begin := change(1, "created", 1, 2, 3, 1)
	wire := func(user, id uint64) happening {
		return happening{kind: hapWire, user: user, peer: 1, group: 9, id: id, gseq: 2, seq: 5, text: strings.Repeat("x", int(id))}
	}
	well := list{begin, accepted(1, "a"), placed(1, 2), shown(2, 1, 2, "a"), shown(3, 1, 2, "a"), ticked, told}
	cases := []struct {
		name string
		what string // the violation; "": none
		list list
	}{
		{"all is well", "", well},
		{"seen before its number was returned", "", list{begin, shown(2, 1, 2, "a"), accepted(1, "a"), placed(1, 2), shown(3, 1, 2, "a"), ticked}},
		{"no second tick", "", well[:6]},
		{"taken twice, and somebody came between", "", append(well[:6:6], change(1, "added", 3, 4), placed(1, 4), shown(4, 1, 4, "a"))},
		{"who was removed holds up no second tick", "", list{begin, accepted(1, "a"), placed(1, 2), shown(2, 1, 2, "a"), ticked, told, change(1, "removed", 3, 3),
			shown(3, 1, 2, "a")}},
		{"who was removed gets nothing more", "", list{begin, change(1, "removed", 2, 3), accepted(1, "a"), placed(1, 3), shown(2, 1, 3, "a"), ticked}},
		{"sent again under another number", "", list{begin, accepted(1, "a"), accepted(2, "b"), shown(2, 2, 2, "b"), shown(3, 2, 2, "b"), placed(2, 2),
			shown(2, 3, 3, "a"), shown(3, 3, 3, "a"), placed(1, 3), ticked}},
		{"the sender missed its place", "", list{begin, accepted(1, "a"), {kind: hapLeft, user: 1}, shown(2, 1, 2, "a"), shown(3, 1, 2, "a"), ticked}},
		{"rejected, and its sender was removed", "", list{begin, change(2, "removed", 2, 1), accepted(1, "a"), rejected, ticked}},
		{"rejected, and the group has changed too often", "", list{begin, accepted(1, "a"), change(1, "added", 2, 4), change(1, "removed", 3, 4), change(1, "added", 4, 4),
			change(1, "removed", 5, 4), change(1, "added", 6, 4), stale, ticked}},
		{"rejected, and the group has changed", wasRejected, list{begin, accepted(1, "a"), change(1, "added", 2, 4), change(1, "removed", 3, 4), stale, ticked}},
		{"ticked and gone", wasLost, list{begin, accepted(1, "a"), ticked}},
		{"one member has not got it", wasLost, list{begin, accepted(1, "a"), placed(1, 2), shown(2, 1, 2, "a"), ticked}},
		{"one who came before it has not got it", wasLost, list{begin, change(1, "added", 2, 4), accepted(1, "a"), placed(1, 3), shown(2, 1, 3, "a"), shown(3, 1, 3, "a"), ticked}},
		{"one who was removed behind it has not got it", wasLost, list{begin, accepted(1, "a"), placed(1, 2), shown(2, 1, 2, "a"), ticked, change(1, "removed", 3, 3)}},
		{"never taken", wasStuck, list{begin, accepted(1, "a")}},
		{"shown twice", wasDuplicated, append(well[:5:5], shown(3, 1, 3, "a"), ticked)},
		{"shown twice under two numbers", wasDuplicated, append(well[:5:5], shown(3, 2, 3, "a"), ticked)},
		{"sent twice", wasDuplicated, append(well[:5:5], accepted(1, "a"), ticked)},
		{"another text", wasDamaged, append(well[:6:6], shown(2, 2, 3, "b"), shown(3, 2, 3, "b"))},
		{"in another group", wasDamaged, append(well[:4:4], ticked, happening{kind: hapShown, user: 3, peer: 1, group: 8, id: 1, gseq: 2, text: "a"})},
		{"shown to its sender", wasDamaged, append(well[:3:3], shown(2, 1, 2, "a"), shown(3, 1, 2, "a"), ticked, shown(1, 1, 3, "a"))},
		{"gseqs fall", wasFallen, list{begin, accepted(1, "a"), placed(1, 2), shown(2, 1, 2, "a"), change(3, "subject", 3), shown(3, 1, 2, "a"), ticked}},
		{"the numbers of a sender fall", wasReordered, list{begin, accepted(1, "a"), accepted(2, "b"), shown(2, 2, 2, "b"), {kind: hapShown, user: 2, peer: 1, group: 9, id: 1,
			gseq: 3, text: "a"}, shown(3, 2, 2, "b"), shown(3, 3, 3, "a"), placed(2, 2), placed(1, 3), ticked}},
		{"they fall, but the server was killed and had refused the lower one", "", list{begin, accepted(1, "a"), accepted(2, "b"), {kind: hapServer, text: "start 2, 1 loops"},
			shown(2, 2, 2, "b"), shown(3, 2, 2, "b"), shown(2, 1, 3, "a"), shown(3, 1, 3, "a"), placed(2, 2), placed(1, 3), ticked}},
		{"they fall, and the server was killed before", wasReordered, list{begin, {kind: hapServer, text: "start 2, 1 loops"}, accepted(1, "a"), accepted(2, "b"),
			shown(2, 2, 2, "b"), shown(2, 1, 3, "a"), shown(3, 2, 2, "b"), shown(3, 3, 3, "a"), placed(2, 2), placed(1, 3), ticked}},
		{"one gseq for two members", wasNamedTwice, list{begin, accepted(1, "a"), placed(1, 2), shown(2, 1, 2, "a"), shown(3, 1, 2, "a"), ticked, change(4, "subject", 2)}},
		{"one gseq on two wires", wasNamedTwice, append(well[:7:7], happening{kind: hapConn, user: 2}, happening{kind: hapConn, user: 3}, wire(2, 1), wire(3, 2))},
		{"two places", wasMoved, list{begin, accepted(1, "a"), placed(1, 2), shown(2, 1, 2, "a"), shown(3, 1, 3, "a"), ticked}},
		{"no place", wasUnplaced, list{begin, accepted(1, "a"), shown(2, 1, 2, "a"), shown(3, 1, 2, "a"), ticked}},
		{"a place behind", wasUnplaced, list{begin, accepted(1, "a"), placed(1, 3), shown(2, 1, 2, "a"), shown(3, 1, 2, "a"), ticked}},
		{"a place of what was not sent", wasDamaged, append(well[:7:7], placed(4, 3))},
		{"shown to who came later", wasIntruded, append(well[:7:7], change(1, "added", 3, 4), shown(4, 1, 2, "a"))},
		{"shown to who was removed", wasIntruded, list{begin, change(1, "removed", 2, 3), accepted(1, "a"), placed(1, 3), shown(2, 1, 3, "a"), shown(3, 1, 3, "a"), ticked}},
		{"shown to a stranger", wasIntruded, append(well[:7:7], shown(7, 1, 2, "a"))},
		{"second tick before one has seen it", wasForetold, list{begin, accepted(1, "a"), placed(1, 2), shown(2, 1, 2, "a"), ticked, told, shown(3, 1, 2, "a")}},
		{"rejected", wasRejected, list{begin, accepted(1, "a"), rejected, ticked}},
		{"rejected, and one has got it", wasLost, list{begin, accepted(1, "a"), shown(2, 1, 2, "a"), rejected, ticked, change(2, "removed", 3, 1)}},
	}
	for _, c := range cases {
		j := newJudge()
		for _, h := range c.list {
			j.take(h)
		}
		settled := j.settled()
		j.groups.review()
		switch {
		case c.what == "" && len(j.broken) > 0:
			t.Errorf("%s: found %s", c.name, j.report())
		case c.what == "" && !settled:
			t.Errorf("%s: not settled", c.name)
		case c.what != "" && (j.tally[c.what] != 1 || len(j.broken) > 1 || !strings.Contains(j.summary(1), c.what)):
			t.Errorf("%s: want %q once, found %s%s", c.name, c.what, j.report(), j.summary(1))
		}
	}
}
