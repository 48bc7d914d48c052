package bench

import (
	"math/rand/v2"
	"testing"
)

// feed runs a stream of numbers, of which `sent` were sent, through the checker.
func feed(numbers []uint32, sent uint32) (tally, uint64) {
	var s stream
	var t tally
	for _, n := range numbers {
		t.count(s.take(n, sent))
	}
	return t, missing(uint64(sent), t.Delivered)
}

func TestStreamTellsWhatHappenedToMessages(t *testing.T) {
	for _, row := range []struct {
		name    string
		numbers []uint32
		sent    uint32
		want    tally
		lost    uint64
	}{
		{"every message once and in order is fine", []uint32{1, 2, 3}, 3, tally{Delivered: 3}, 0},
		{"nothing came: all are lost", nil, 3, tally{}, 3},
		{"one in the middle is lost", []uint32{1, 3}, 3, tally{Delivered: 2}, 1},
		{"the first is lost", []uint32{2, 3}, 3, tally{Delivered: 2}, 1},
		{"the last is lost", []uint32{1, 2}, 3, tally{Delivered: 2}, 1},
		{"one comes twice", []uint32{1, 2, 2, 3}, 3, tally{Delivered: 3, Duplicated: 1}, 0},
		{"an old one comes again later", []uint32{1, 2, 3, 1}, 3, tally{Delivered: 3, Duplicated: 1}, 0},
		{"two change places", []uint32{2, 1, 3}, 3, tally{Delivered: 3, Reordered: 1}, 0},
		{"one comes three places late", []uint32{2, 3, 4, 1}, 4, tally{Delivered: 4, Reordered: 1}, 0},
		{"a late one comes twice", []uint32{2, 1, 1}, 2, tally{Delivered: 2, Reordered: 1, Duplicated: 1}, 0},
		{"a hole is filled from its middle", []uint32{5, 3, 2, 4, 1}, 5, tally{Delivered: 5, Reordered: 4}, 0},
		{"backwards", []uint32{4, 3, 2, 1}, 4, tally{Delivered: 4, Reordered: 3}, 0},
		{"one that was never sent", []uint32{1, 9}, 2, tally{Delivered: 1, Corrupted: 1}, 1},
		{"number zero is never sent", []uint32{0}, 1, tally{Corrupted: 1}, 1},
	} {
		got, lost := feed(row.numbers, row.sent)
		if got != row.want || lost != row.lost {
			t.Errorf("%s: got %+v and %d lost, want %+v and %d", row.name, got, lost, row.want, row.lost)
		}
	}
}

func TestStreamForgetsOnlyTheOldestHoleWhenThereAreTooMany(t *testing.T) {
	var numbers []uint32
	for i := range uint32(gapsMax + 1) {
		numbers = append(numbers, 2*i+2) // passes over 1, 3, 5, ...
	}
	sent := uint32(2*gapsMax + 2)
	got, lost := feed(append(numbers, 3), sent)
	if got.Reordered != 1 || got.Duplicated != 0 {
		t.Errorf("a message of the second hole: %+v, want it counted as reordered", got)
	}
	if lost != gapsMax {
		t.Errorf("lost %d, want %d", lost, gapsMax)
	}
	got, _ = feed(append(numbers, 1), sent)
	if got.Duplicated != 1 {
		t.Errorf("a message of the forgotten hole: %+v, want it counted as duplicated", got)
	}
}

// TestStreamAgreesWithAList compares the checker with the obvious way to do it, on streams that are disturbed at random.
func TestStreamAgreesWithAList(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 1))
	for range 300 {
		sent := 1 + rnd.Uint32N(60)
		var numbers []uint32
		for n := uint32(1); n <= sent; n++ {
			for range [...]int{0, 1, 1, 1, 2}[rnd.IntN(5)] {
				numbers = append(numbers, n)
			}
		}
		for range rnd.IntN(4) {
			if len(numbers) > 1 {
				i := rnd.IntN(len(numbers) - 1)
				numbers[i], numbers[i+1] = numbers[i+1], numbers[i]
			}
		}
		got, lost := feed(numbers, sent)
		want, wantLost := listVerdict(numbers, sent)
		if got != want || lost != wantLost {
			t.Fatalf("seed %d, stream %v of %d: got %+v and %d lost, want %+v and %d", seed, numbers, sent, got, lost, want, wantLost)
		}
	}
}

func listVerdict(numbers []uint32, sent uint32) (t tally, lost uint64) {
	seen := map[uint32]bool{}
	high := uint32(0)
	for _, n := range numbers {
		switch {
		case seen[n]:
			t.Duplicated++
			continue
		case n < high:
			t.Reordered++
		}
		seen[n] = true
		high = max(high, n)
		t.Delivered++
	}
	return t, uint64(sent) - t.Delivered
}

func TestPayloadIsKnownAgainAndNothingElseIs(t *testing.T) {
	c := newPayloadCodec()
	for _, size := range []int{PayloadBytesMin, 17, 20, 300} {
		b := make([]byte, size)
		c.fill(b, 7, payload{seq: 12, at: 345})
		if got, ok := c.parse(b, 7); !ok || got != (payload{seq: 12, at: 345}) {
			t.Fatalf("%d bytes: got %+v, %v", size, got, ok)
		}
		if _, ok := c.parse(b, 8); ok {
			t.Errorf("%d bytes: another pair's message was taken", size)
		}
		for i := range b {
			b[i] ^= 0x10
			if _, ok := c.parse(b, 7); ok {
				t.Errorf("%d bytes: a changed byte %d was not seen", size, i)
			}
			b[i] ^= 0x10
		}
		if _, ok := c.parse(b[:PayloadBytesMin-1], 7); ok {
			t.Errorf("%d bytes: a cut message was taken", size)
		}
	}
}
