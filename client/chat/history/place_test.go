package history

import (
	"strings"
	"testing"

	"trunkline/client"
	"trunkline/client/chat/talk"
)

func TestOwnLinesStandInTheOrderOfTheirGroup(t *testing.T) {
	s := fresh(t)
	own := func(text string, cseq uint64) {
		t.Helper()
		row, err := s.Plan(&talk.Line{Peer: group, From: me, Mine: true, Kind: talk.LineText, Text: text, Seen: talk.SeenTold})
		if err == nil {
			err = s.Number(row, cseq, client.TickServer, 0)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	others := func(gseq uint64, text string) talk.Line {
		l := heard(friend, gseq, text)
		l.Peer, l.GroupSeq = group, gseq
		return l
	}
	texts := func() string {
		var list []string
		for _, l := range newest(t, s, group).Lines {
			list = append(list, l.Text)
		}
		return strings.Join(list, " ")
	}
	own("second", 5)
	own("fourth", 6)
	write(t, s, talk.Write{Lines: []talk.Line{others(1, "first")}})
	if got := texts(); got != "second fourth first" {
		t.Fatalf("order before anything is placed: %s", got)
	}
	_, moved, err := s.Write(&talk.Write{
		Lines: []talk.Line{heard(friend, 99, "elsewhere"), others(3, "third"), others(5, "fifth")},
		Places: []client.GroupPlaced{
			{Group: group, ID: 5, GroupSeq: 2}, {Group: group, ID: 6, GroupSeq: 4}, {Group: group, ID: 77, GroupSeq: 6}, {Group: group + 1, ID: 5, GroupSeq: 9},
		},
	})
	if err != nil || len(moved) != 2 || moved[0].Cseq != 5 || moved[0].Peer != group || moved[1].Row <= moved[0].Row {
		t.Fatalf("moved %+v, %v", moved, err)
	}
	if got := texts(); got != "first second third fourth fifth" {
		t.Errorf("order: %s", got)
	}
	lines := newest(t, s, group).Lines
	if l := lines[1]; l.Row != moved[0].Row || l.GroupSeq != 2 || l.Cseq != 5 || l.Level != client.TickServer || !l.Mine {
		t.Errorf("moved line is %+v", l)
	}
	if found, err := s.Find("second"); err != nil || len(found) != 1 || found[0].Row != moved[0].Row {
		t.Errorf("found %+v, %v", found, err)
	}
	own("sixth", 8) // nothing is behind it: it stays
	if _, moved, err = s.Write(&talk.Write{Places: []client.GroupPlaced{{Group: group, ID: 8, GroupSeq: 6}}}); err != nil || len(moved) != 0 {
		t.Errorf("moved %+v, %v", moved, err)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}
