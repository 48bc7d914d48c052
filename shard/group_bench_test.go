package shard

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// BenchmarkGroupMark: members in random orders acknowledge, one after the other, each of 64 messages that are on their way.
func BenchmarkGroupMark(b *testing.B) {
	for _, n := range []int{10, 1_024, GroupMembersLimit} {
		b.Run(fmt.Sprint(n), func(b *testing.B) { benchmarkMark(b, n) })
	}
}

func benchmarkMark(b *testing.B, n int) {
	const rounds = 64
	g := spreadGroup(n, 5)
	g.ring = ring{}
	for i := range g.members {
		g.members[i].delivered, g.members[i].read = g.seq, g.seq
	}
	rnd := rand.New(rand.NewPCG(1, 1))
	users := make([]uint64, 0, rounds*n) // another order in each round: what was guessed in one does not help in the next
	for range rounds {
		for _, at := range rnd.Perm(n) {
			users = append(users, g.members[at].user)
		}
	}
	var ticks []groupTick
	var at, round int
	base := g.seq
	for b.Loop() {
		if at == 0 {
			base = g.seq
			for range rounds {
				g.take(sentBy{user: users[0], gen: 1, cseq: g.seq})
			}
		}
		ticks = g.mark(users[at], codec.ReceiptDelivered, base+1+uint64(round), ticks[:0])
		if at++; at%n == 0 {
			round = at / n
			if round == rounds {
				at, round = 0, 0
				g.ring.list, g.ring.head = g.ring.list[:0], 0
			}
		}
	}
}

// BenchmarkGroupChange adds one member to a group and removes it again.
func BenchmarkGroupChange(b *testing.B) {
	for _, n := range []int{10, 1_024, GroupMembersLimit - 1} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := spreadGroup(n, 5)
			var out groupChange
			middle := g.members[n/2].user + 1
			add := groupOp{op: iq.OpGroupAdd, actor: g.members[0].user, users: []uint64{middle}, max: GroupMembersLimit}
			remove := add
			remove.op = iq.OpGroupRemove
			for b.Loop() {
				g.change(&add, &out)
				g.change(&remove, &out)
			}
			if out.code != codec.CodeNone || len(out.left) != 1 {
				b.Fatalf("%+v", out)
			}
		})
	}
}

// BenchmarkGroupSnapshot writes a group and reads it.
func BenchmarkGroupSnapshot(b *testing.B) {
	for _, n := range []int{10, 1_024, GroupMembersLimit} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			g := spreadGroup(n, 5)
			var buf []byte
			var back group
			for b.Loop() {
				buf = g.appendSnapshot(buf[:0])
				if err := parseSnapshot(buf, &back); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
