package shard

import (
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

const (
	gotIt  = codec.ReceiptDelivered
	readIt = codec.ReceiptRead
)

// TestASenderIsToldOnce that everybody has it, and once that everybody has read it, in ranges of its stream.
func TestASenderIsToldOnce(t *testing.T) {
	g := groupOf(t, 3)
	g.send(1, 5, 6)
	last := g.send(1, 9) // 7 and 8 went elsewhere
	wantTicks(t, g.mark(2, gotIt, last, nil))
	wantTicks(t, g.mark(3, gotIt, last-1, nil), tick(1, gotIt, 5, 6))
	wantTicks(t, g.mark(3, codec.ReceiptPlayed, last, nil), tick(1, gotIt, 9, 9))
	wantTicks(t, g.mark(2, readIt, last, nil), tick(1, readIt, 5, 9))
	wantTicks(t, g.mark(2, readIt, last, nil))
	wantTicks(t, g.mark(3, readIt, last, nil))
}

// TestStreamsThatAlternate are told in a range for each.
func TestStreamsThatAlternate(t *testing.T) {
	g := groupOf(t, 3)
	for cseq := range uint64(20) {
		g.send(1, cseq+1)
		g.send(2, cseq+101)
	}
	g.mark(1, gotIt, g.seq, nil)
	g.mark(2, gotIt, g.seq, nil)
	wantTicks(t, g.mark(3, gotIt, g.seq, nil), tick(1, gotIt, 1, 20), tick(2, gotIt, 101, 120))
}

// TestWhoLeavesHoldsNothingUp; what nobody has is not told, and no range goes over it.
func TestWhoLeavesHoldsNothingUp(t *testing.T) {
	g := groupOf(t, 4)
	had := g.send(1, 4)
	g.mark(2, gotIt, had, nil)
	g.mark(4, gotIt, had, nil)
	wantTicks(t, g.do(iq.OpGroupLeave, 2).ticks)
	wantTicks(t, g.do(iq.OpGroupRemove, 1, 4).ticks)
	g.send(1, 5) // for 3 alone
	g.do(iq.OpGroupAdd, 1, 6)
	g.mark(6, gotIt, g.send(1, 6), nil)
	wantTicks(t, g.do(iq.OpGroupRemove, 1, 3).ticks, tick(1, gotIt, 4, 4), tick(1, gotIt, 6, 6))
}

// TestWhoHasLeftIsNotTold: nothing of a group goes to those who are out.
func TestWhoHasLeftIsNotTold(t *testing.T) {
	g := groupOf(t, 3)
	gseq := g.send(2, 5)
	g.do(iq.OpGroupRemove, 1, 2)
	g.do(iq.OpGroupAdd, 1, 2)
	g.mark(1, gotIt, gseq, nil)
	wantTicks(t, g.mark(3, gotIt, gseq, nil))
	if n := len(g.ring.live()); n != 0 {
		t.Errorf("%d messages are remembered", n)
	}
}

// TestMarksThatSayNothing: of strangers, above what there is, below what a member gets, below what it has said.
func TestMarksThatSayNothing(t *testing.T) {
	g := groupOf(t, 2)
	first := g.send(1, 1)
	g.do(iq.OpGroupAdd, 1, 3)
	since := g.seq
	second := g.send(1, 2)
	wantTicks(t, g.mark(9, gotIt, second, nil))
	wantTicks(t, g.mark(2, gotIt, second+1, nil))
	wantTicks(t, g.mark(3, gotIt, first, nil))
	if m := g.find(3); m.delivered != since || m.read != since {
		t.Errorf("a mark below the membership: %+v", *m)
	}
	g.mark(2, readIt, second, nil)
	g.mark(2, readIt, first, nil)
	g.mark(2, gotIt, first, nil)
	if m := g.find(2); m.delivered != second || m.read != second {
		t.Errorf("a mark fell: %+v", *m)
	}
}

// TestTheOldestIsForgotten when too many wait: it is never told, the others are.
func TestTheOldestIsForgotten(t *testing.T) {
	g := groupOf(t, 2)
	for cseq := range uint64(3*groupTicksMax + 5) {
		g.send(1, cseq+1)
	}
	if n := len(g.ring.live()); n != groupTicksMax {
		t.Errorf("%d are remembered", n)
	}
	if n := cap(g.ring.list); n > 4*groupTicksMax {
		t.Errorf("there is room for %d", n)
	}
	wantTicks(t, g.mark(2, readIt, g.seq, nil),
		tick(1, gotIt, 2*groupTicksMax+6, 3*groupTicksMax+5), tick(1, readIt, 2*groupTicksMax+6, 3*groupTicksMax+5))
	if g.ring.list != nil {
		t.Errorf("an empty ring keeps room for %d", cap(g.ring.list))
	}
}

// TestAloneInAGroup nobody is told anything.
func TestAloneInAGroup(t *testing.T) {
	g := groupOf(t, 1)
	gseq := g.send(1, 1)
	if len(g.ring.live()) != 0 {
		t.Error("the message is remembered")
	}
	wantTicks(t, g.mark(1, readIt, gseq, nil))
}
