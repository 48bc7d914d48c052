package talk

import (
	"slices"

	"trunkline/client"
)

// placed takes where in its group's order an own line stands. What has a lower place has come by then, and nothing that has a higher one.
func (m *Model) placed(ev client.GroupPlaced, w *Write) {
	w.Places = append(w.Places, ev)
	m.remember(ev)
	t := m.talks[Peer(ev.Group)]
	if t == nil {
		return
	}
	if t.Last.Cseq == ev.ID {
		t.Last.GroupSeq = ev.GroupSeq
	}
	if i := t.own(ev.ID); i >= 0 {
		t.Lines[i].GroupSeq = ev.GroupSeq
		t.order(i)
	}
}

// moved takes the row that the history has given to an own line.
func (m *Model) moved(in Moved) {
	t := m.talks[in.Peer]
	if t == nil {
		return
	}
	if t.Last.Cseq == in.Cseq {
		t.Last.Row = in.Row
	}
	if i := t.own(in.Cseq); i >= 0 {
		t.Lines[i].Row = in.Row
	}
}

// own finds the line that this device has sent under a number; -1: it is not among those in memory. Lines of an earlier registration may
// have the same number: the newest is meant.
func (t *Talk) own(cseq uint64) int {
	for i := len(t.Lines) - 1; i >= 0; i-- {
		if t.Lines[i].Mine && t.Lines[i].Cseq == cseq {
			return i
		}
	}
	return -1
}

// order moves line i behind the last one that has a lower place in the group's order, if it does not stand there.
func (t *Talk) order(i int) {
	l := t.Lines[i]
	if l.GroupSeq == 0 {
		return
	}
	to := i
	for j := i + 1; j < len(t.Lines); j++ {
		if s := t.Lines[j].GroupSeq; s != 0 && s < l.GroupSeq {
			to = j
		}
	}
	if to == i {
		return
	}
	copy(t.Lines[i:to], t.Lines[i+1:to+1])
	t.Lines[to] = l
	if to == len(t.Lines)-1 {
		t.Last = l
	}
}

// Placed finds an own message whose receipts can be asked for: the nth newest that has its place in the group's order, among lines in memory.
func (t *Talk) Placed(n int) (Line, bool) {
	for _, l := range slices.Backward(t.Lines) {
		if l.Mine && l.Kind != LineEvent && l.GroupSeq != 0 && !l.Rejected() {
			if n--; n == 0 {
				return l, true
			}
		}
	}
	return Line{}, false
}
