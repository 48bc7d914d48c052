package iq_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// BenchmarkRequest reads one request that names three users.
func BenchmarkRequest(b *testing.B) {
	out, err := iq.AppendRequest(nil, &iq.Request{Ref: 7, Op: iq.OpGroupAdd, Group: groupID, Users: []uint64{4_000_000_001, 4_000_000_002, 4_000_000_003}})
	if err != nil {
		b.Fatal(err)
	}
	var tape codec.Tape
	var r iq.Request
	b.ReportAllocs()
	for b.Loop() {
		f, _, _ := codec.Next(out, codec.FrameBytesMax)
		if err := iq.ParseRequest(&tape, f, &r); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(out)), "frame-bytes")
}

// BenchmarkPage writes and reads the largest page of members: ids drawn from all 10^18, or from a million next to each other.
func BenchmarkPage(b *testing.B) {
	for _, kind := range []struct {
		name  string
		users uint64
		marks bool
	}{{"sparse", codec.UserMax, false}, {"dense", 1_000_000, false}, {"sparse-marks", codec.UserMax, true}, {"dense-marks", 1_000_000, true}} {
		a := page(kind.users, kind.marks)
		out, err := iq.AppendAnswer(nil, &a)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("append/"+kind.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if out, err = iq.AppendAnswer(out[:0], &a); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(out)), "frame-bytes")
		})
		b.Run("parse/"+kind.name, func(b *testing.B) {
			var tape codec.Tape
			var got iq.Answer
			var n iq.Notice
			b.ReportAllocs()
			for b.Loop() {
				f, _, _ := codec.Next(out, codec.FrameBytesMax)
				if _, err := iq.ParseReply(&tape, f, &got, &n); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(out)), "frame-bytes")
		})
	}
}

func page(users uint64, marks bool) iq.Answer {
	rnd := rand.New(rand.NewPCG(1, users))
	list := make([]iq.Member, iq.PageMax)
	for i := range list {
		list[i].User = 1 + rnd.Uint64N(users)
		if marks {
			list[i].Delivered = 5000 + rnd.Uint64N(50)
			list[i].Read = list[i].Delivered - rnd.Uint64N(30)
		} else if i%100 == 0 {
			list[i].Role = iq.RoleAdmin
		}
	}
	slices.SortFunc(list, func(x, y iq.Member) int { return int(x.User>>1) - int(y.User>>1) })
	if marks {
		return iq.Answer{Ref: 1, Op: iq.OpGroupReceipts, Members: list, More: list[len(list)-1].User}
	}
	g := group(0)
	g.Members = list
	return iq.Answer{Ref: 1, Op: iq.OpGroupInfo, Group: g, More: list[len(list)-1].User}
}
