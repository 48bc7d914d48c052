package talk

import (
	"fmt"
	"strings"
	"testing"

	"trunkline/client"
	"trunkline/codec/iq"
)

func inGroup(from, gseq uint64, text string) client.Message {
	m := message(from, gseq, text)
	m.Group, m.GroupSeq = hikers, gseq
	return m
}

func texts(t *Talk) string {
	var list []string
	for i := range t.Lines {
		list = append(list, t.Lines[i].Text)
	}
	return strings.Join(list, " ")
}

func TestOwnLinesMoveToTheirPlaceInTheGroup(t *testing.T) {
	s := begin(t, Start{})
	s.in(Answered{Ask: Ask{Op: iq.OpGroupList}, Groups: []uint64{hikers}})
	s.open(hikers)
	s.in(Say{Text: "/receipts"})
	if s.want(""); !strings.Contains(s.m.Notice.Text, "no such message of yours") {
		t.Errorf("notice %q", s.m.Notice.Text)
	}
	var own []Line
	for i, text := range []string{"two", "four"} {
		s.in(Say{Text: text})
		l := s.tasks[0].(Send).Line
		l.Row, l.Cseq = int64(i+1), uint64(i+5)
		own = append(own, l)
	}
	s.in(Sent{Line: own[0]})
	s.in(Events{inGroup(ann, 1, "one"), client.GroupPlaced{Group: hikers, ID: 5, GroupSeq: 2}, inGroup(ann, 3, "three")})
	if w := s.tasks[0].(Write); len(w.Places) != 1 || w.Places[0].ID != 5 {
		t.Errorf("to be kept: %+v", w.Places)
	}
	if got := texts(s.m.Talk(hikers)); got != "four one two three" {
		t.Errorf("order: %s", got)
	}
	s.in(Events{client.GroupPlaced{Group: hikers, ID: 6, GroupSeq: 4}}) // before its number is known
	s.in(Sent{Line: own[1]})
	if k := s.m.Talk(hikers); texts(k) != "one two three four" || k.Last.Text != "four" {
		t.Errorf("order: %s, last %q", texts(k), k.Last.Text)
	}
	s.in(Moved{Peer: hikers, Cseq: 6, Row: 9})
	if k := s.m.Talk(hikers); k.Lines[3].Row != 9 || k.Last.Row != 9 {
		t.Errorf("row %d, last %d", k.Lines[3].Row, k.Last.Row)
	}
	for args, want := range map[string]uint64{"": 4, " 1": 4, " 2": 2} {
		s.in(Say{Text: "/receipts" + args})
		if a := s.tasks[0].(Ask); a.Op != iq.OpGroupReceipts || a.Group != hikers || a.Seq != want {
			t.Errorf("/receipts%s asks %+v", args, a)
		}
	}
	for _, args := range []string{" 3", " 0", " x"} {
		s.in(Say{Text: "/receipts" + args})
		s.want("")
	}
	s.in(Answered{Ask: Ask{Op: iq.OpGroupInfo, Group: hikers}, Group: client.Group{ID: hikers, Count: 5}})
	answer := Answered{Ask: Ask{Op: iq.OpGroupReceipts, Group: hikers, Text: "four"}, Receipts: []client.GroupReceipt{
		{User: me, Level: client.TickDelivered}, {User: ann, Level: client.TickRead}, {User: bob, Level: client.TickDelivered},
	}}
	s.in(answer)
	if c := s.m.Card; c == nil || c.Title != "Who has “four”" || len(c.Rows) != 3 || c.Rows[0].Text != "read it" || c.Rows[1].Text != "has it" ||
		!strings.HasPrefix(c.Rows[2].Text, "2 more") {
		t.Errorf("card %+v", c)
	}
	answer.Receipts = answer.Receipts[:1]
	s.in(answer)
	if c := s.m.Card; len(c.Rows) != 1 || c.Rows[0].Text != "Nobody has it yet." {
		t.Errorf("card %+v", c)
	}
}

func TestAGroupThatOnlyEventsTellOfIsAskedFor(t *testing.T) {
	s := &stage{t: t, m: New(me), now: noon}
	s.in(Events{client.GroupEvent{Group: hikers, GroupSeq: 4, Change: client.GroupLeft, By: ann, Users: []uint64{ann}}}) // kept by another command
	s.in(Events{client.Connected{Generation: 1}})
	s.in(Answered{Ask: Ask{Op: iq.OpGroupList}, Groups: []uint64{hikers}})
	s.want(fmt.Sprintf("ask %d", iq.OpGroupInfo))
	s.in(Answered{Ask: Ask{Op: iq.OpGroupInfo, Group: hikers}, Group: client.Group{ID: hikers, Subject: "hiking", Count: 2}})
	if got := s.m.Title(hikers); got != "hiking" {
		t.Errorf("title %q", got)
	}
	s.in(Answered{Ask: Ask{Op: iq.OpGroupList}, Groups: []uint64{hikers}})
	s.want("")
}
