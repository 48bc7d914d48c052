package netpoll

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"trunkline/internal/slab"
)

func newChainLoop(arenaBytes int64) *Loop {
	return &Loop{arena: slab.NewArena(arenaBytes)}
}

// TestOutputChainAgreesWithAPlainBuffer appends and drops at random and compares with a byte slice.
func TestOutputChainAgreesWithAPlainBuffer(t *testing.T) {
	seed := rand.Uint64()
	rnd := rand.New(rand.NewPCG(seed, 0))
	l := newChainLoop(64 << 20)
	var s slot
	var want []byte
	for step := range 5000 {
		if rnd.IntN(2) == 0 && len(want) < 2<<20 {
			b := pattern(1+rnd.IntN(1<<rnd.IntN(18)), rnd.Uint32())
			if !l.appendOut(&s, b) {
				t.Fatalf("seed %d step %d: refused", seed, step)
			}
			want = append(want, b...)
		} else if len(want) > 0 {
			n := 1 + rnd.IntN(len(want))
			l.dropOut(&s, n)
			want = want[n:]
		}
		if int(s.outLen) != len(want) {
			t.Fatalf("seed %d step %d: length %d, want %d", seed, step, s.outLen, len(want))
		}
		if step%50 == 0 && !bytes.Equal(l.appendChain(nil, s.outHead, s.outOff), want) {
			t.Fatalf("seed %d step %d: bytes differ", seed, step)
		}
	}
	l.discardOut(&s)
	if n := l.arena.InUse(); n != 0 {
		t.Errorf("%d bytes are still in use", n)
	}
}

func TestFullArenaTakesNothingOfASend(t *testing.T) {
	l := newChainLoop(300 << 10)
	var s slot
	first := pattern(1000, 1)
	if !l.appendOut(&s, first) {
		t.Fatal("the first bytes were refused")
	}
	if l.appendOut(&s, pattern(1<<20, 2)) {
		t.Fatal("more than the arena holds was taken")
	}
	if got := l.appendChain(nil, s.outHead, s.outOff); !bytes.Equal(got, first) || int(s.outLen) != len(first) {
		t.Errorf("after the refusal %d bytes wait, want %d", len(got), len(first))
	}
	if !l.appendOut(&s, pattern(100, 3)) {
		t.Error("a small one was refused after the large one")
	}
}

func TestKeptInputComesBackWhole(t *testing.T) {
	l := newChainLoop(64 << 20)
	for _, n := range []int{1, 120, 121, 5000, 65528, 65529, 131072} {
		var s slot
		want := pattern(n, uint32(n))
		if !l.keepIn(&s, want) || int(s.inLen) != n {
			t.Fatalf("%d bytes: kept %d", n, s.inLen)
		}
		got := make([]byte, n)
		if m := l.takeIn(&s, got); m != n || !bytes.Equal(got, want) {
			t.Errorf("%d bytes: %d came back", n, m)
		}
	}
	if n := l.arena.InUse(); n != 0 {
		t.Errorf("%d bytes are still in use", n)
	}
}
