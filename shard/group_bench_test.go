package shard

import (
	"encoding/binary"
	"fmt"
	"syscall"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/store"
)

// crowdHost counts what is written, and keeps the last seq that each connection was shown.
type crowdHost struct {
	quietHost
	frames, bytes int
	last          []uint64 // by slot
}

func (h *crowdHost) Send(conn Conn, b []byte) error {
	h.bytes += len(b)
	for len(b) > 0 {
		f, used, _ := codec.Next(b, codec.FrameBytesMax)
		if f.Kind == codec.KindDeliver {
			h.frames++
			h.last[conn.slot()] = binary.BigEndian.Uint64(f.Body)
		}
		b = b[used:]
	}
	return nil
}

// BenchmarkGroupMessage is what a message to a group costs the shards for each member that is there: its entry, its frame, its ACK, its mark. The
// socket's part is not in it. Bytes are of the frames. With run=4 four messages wait together, and an ACK is for 32.
func BenchmarkGroupMessage(b *testing.B) {
	for _, members := range []int{10, 100, 1_024} {
		for _, acked := range []bool{false, true} {
			b.Run(fmt.Sprintf("members=%d/acks=%v", members, acked), func(b *testing.B) { benchGroup(b, members, 1, acked) })
		}
		b.Run(fmt.Sprintf("members=%d/run=4", members), func(b *testing.B) { benchGroup(b, members, 4, true) })
	}
}

func benchGroup(b *testing.B, members, run int, acked bool) {
	h := &crowdHost{last: make([]uint64, members+1)}
	s := New(Config{Placement: Placement{Seed: 1, Loops: 1}, Incarnation: 7, OwnerEpoch: 1, Queue: store.NewMailboxes(), Open: true}, h)
	s.Tick(testNow)
	conns, users := make([]Conn, members), make([]uint64, 0, members)
	for i := range conns {
		conns[i] = Conn(1<<32 | uint64(i))
		user := uint64(1001 + i)
		s.Open(testNow, conns[i], false)
		hello, _ := codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: user, DownSeq: 1 + user, Epoch: 1})
		s.Data(testNow, conns[i], hello)
		users = append(users, user)
	}
	place := s.groupPlace(users[0], 1)
	ask, _ := iq.AppendRequest(nil, &iq.Request{Ref: 1, Op: iq.OpGroupCreate, Token: 1, Text: "bench"})
	s.Data(testNow, conns[0], ask)
	s.Tick(testNow)
	for from := 1; from < members; from += iq.UsersMax {
		ask, _ = iq.AppendRequest(nil, &iq.Request{Ref: 2, Op: iq.OpGroupAdd, Group: groupID(place), Users: users[from:min(from+iq.UsersMax, members)]})
		s.Data(testNow, conns[0], ask)
		s.Tick(testNow)
		s.Tick(testNow)
	}
	acks := func() {
		for i, conn := range conns {
			if h.last[i] != 0 {
				ack, _ := codec.AppendAck(nil, &codec.Ack{Seq: h.last[i]})
				s.Data(testNow, conn, ack)
				h.last[i] = 0
			}
		}
		s.Tick(testNow)
	}
	acks()
	if g := s.groups[place]; g == nil || len(g.members) != members || len(g.pending) != 0 {
		b.Fatalf("the group is not there: %+v", s.stats)
	}
	spent := processCPU()
	blob := make([]byte, 200)
	h.frames, h.bytes = 0, 0
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		for range run {
			n++
			send, _ := codec.AppendSend(nil, &codec.Send{
				Cseq: uint64(n), To: groupID(place), Flags: codec.FlagGroup, N: 1, Parts: codec.Parts{}.Append(codec.Part{Blob: blob}),
			})
			s.Data(testNow, conns[0], send)
		}
		s.Tick(testNow)
		if run > 1 && n%32 == 0 || run == 1 && acked {
			acks()
		} else if run > 1 {
			continue
		} else if n%32 == 0 {
			b.StopTimer()
			acks()
			b.StartTimer()
		}
	}
	if h.frames != n*members {
		b.Fatalf("%d frames for %d messages to %d members", h.frames, n, members)
	}
	each := float64(n * members)
	b.ReportMetric(float64((processCPU()-spent).Nanoseconds())/each, "cpu-ns/member")
	b.ReportMetric(float64(h.bytes)/each, "B/member")
	b.ReportMetric(0, "ns/op")
}

// processCPU is the processor's time that this process has taken: a machine that others use too tells it better than a clock.
func processCPU() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
