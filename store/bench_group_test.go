package store

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"
)

// groupMembers is how many mailboxes a message of these benchmarks goes to.
const groupMembers = 1_024

// groupBench is a loop's memory with what waits for others, and the members of a group.
type groupBench struct {
	m       *Mailboxes
	members []uint64
	seq     uint64
	payload []byte
}

// newGroupBench has others entries of others, and members whose ids are anywhere among them.
func newGroupBench(b *testing.B, others int) *groupBench {
	g := &groupBench{m: NewMailboxes(), payload: make([]byte, 200)}
	fill(b, g.m, others, g.payload, patterns[3].where)
	r := rand.New(rand.NewPCG(7, 7))
	for range groupMembers {
		g.members = append(g.members, r.Uint64N(1e15))
	}
	return g
}

// append gives every member an entry with one payload.
func (g *groupBench) append(b *testing.B) {
	g.seq++
	e := Entry{Kind: KindMessage, Peer: 9, First: g.seq}
	e.Key = Key{User: g.members[0], Seq: g.seq}
	first := e.Key
	if err := g.m.Append(&e, g.payload); err != nil {
		b.Fatal(err)
	}
	for _, user := range g.members[1:] {
		e.User = user
		if err := g.m.AppendShared(&e, first, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// drop takes the oldest entry of every member.
func (g *groupBench) drop() {
	for _, user := range g.members {
		g.m.Drop(user, 0, g.seq, nil)
	}
}

// cpuTime is what the process has used of the processors: a busy machine does not change it as much as it does the time that passes.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkGroupAppendDrop gives 1,024 mailboxes one message of 200 bytes, and takes it from each, with so much else waiting.
func BenchmarkGroupAppendDrop(b *testing.B) {
	for _, others := range []int{0, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d others", others), func(b *testing.B) {
			g := newGroupBench(b, others)
			b.ReportAllocs()
			begun := cpuTime(b)
			for b.Loop() {
				g.append(b)
				g.drop()
			}
			b.ReportMetric(float64(cpuTime(b)-begun)/float64(b.N)/groupMembers, "cpu-ns/entry")
		})
	}
}

// BenchmarkGroupAppend gives only, sixteen messages before they are taken untimed.
func BenchmarkGroupAppend(b *testing.B) {
	for _, others := range []int{0, 100_000, 1_000_000} {
		b.Run(fmt.Sprintf("%d others", others), func(b *testing.B) {
			g := newGroupBench(b, others)
			var used time.Duration
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				begun := cpuTime(b)
				g.append(b)
				used += cpuTime(b) - begun
				if n++; n%16 == 0 {
					b.StopTimer()
					g.drop()
					b.StartTimer()
				}
			}
			b.ReportMetric(float64(used)/float64(b.N)/groupMembers, "cpu-ns/entry")
		})
	}
}
