package bench

import (
	"context"
	"testing"
	"time"

	"trunkline/codec"
)

// shortDay is a day of a few hundred messages that passes in a second.
var shortDay = MixDay{Users: 60, Online: 0.4, Messages: 60, Length: 3 * time.Hour, Seed: 3}

// playShortDay plays it against a fake server and has all come back.
func playShortDay(t *testing.T, o *fakeOffice) MixRecord {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testWait)
	defer cancel()
	m := NewMixPlay(mustPlan(t, shortDay), o.ln.Addr().String(), 15_000)
	defer m.Close()
	if err := m.PlayDay(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.Collect(ctx, 300*time.Millisecond); err != nil {
		t.Fatal(err)
	}
	return m.Record()
}

func TestAMixedDaySeesWhatAServerDoesWrong(t *testing.T) {
	type fault func(o *fakeOffice, n int, to *fakeBox, v *codec.Deliver)
	for _, row := range []struct {
		name                        string
		fault                       fault
		lost, doubled, moved, wrong int64
	}{
		{"a good server", nil, 0, 0, 0, 0},
		{"a server that loses a message", func(o *fakeOffice, n int, to *fakeBox, v *codec.Deliver) {
			if n != 50 {
				o.deliver(to, v)
			}
		}, 1, 0, 0, 0},
		{"a server that keeps one twice", func(o *fakeOffice, n int, to *fakeBox, v *codec.Deliver) {
			o.deliver(to, v)
			if n == 50 {
				o.deliver(to, v)
			}
		}, 0, 1, 0, 0},
		{"a server that damages one", func(o *fakeOffice, n int, to *fakeBox, v *codec.Deliver) {
			if n == 50 {
				v.Blob[len(v.Blob)-1] ^= 1
			}
			o.deliver(to, v)
		}, 1, 0, 0, 1},
		{"a server that changes the order of two messages of one sender", swapSecondAndThird(t), 0, 0, 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel() // each mostly waits for its day to pass
			o := startFakeOffice(t)
			o.fault = row.fault
			r := playShortDay(t, o)
			if r.Lost != row.lost || r.Duplicated != row.doubled || r.Reordered != row.moved || r.Damaged != row.wrong {
				t.Errorf("%+v", r)
			}
			if r.Sent < 200 || r.Waited == 0 || r.Waited == r.Sent || r.Read == 0 || r.Second == 0 || r.Ticked != r.Sent || r.Failure != "" {
				t.Errorf("%+v", r)
			}
			if r.LatencyMs == nil || r.TickMs == nil || r.Online != int64(shortDay.Users) {
				t.Errorf("%+v", r)
			}
		})
	}
}

// swapSecondAndThird has the third message of the day's busiest pair overtake the second.
func swapSecondAndThird(t *testing.T) func(o *fakeOffice, n int, to *fakeBox, v *codec.Deliver) {
	type pair struct{ from, to uint32 }
	wrote := map[pair]int{}
	var busiest pair
	for _, e := range mustPlan(t, shortDay).Events {
		if p := (pair{e.User, e.Peer}); e.Kind == MixWrites {
			if wrote[p]++; wrote[p] > wrote[busiest] {
				busiest = p
			}
		}
	}
	if wrote[busiest] < 3 {
		t.Fatal("nobody writes three times to the same person")
	}
	var second codec.Deliver
	return func(o *fakeOffice, _ int, to *fakeBox, v *codec.Deliver) {
		m, ok := newPayloadCodec().parse(v.Blob, streamOf(busiest.from, busiest.to))
		if ok && m.seq == 2 {
			second = *v
			return
		}
		o.deliver(to, v)
		if ok && m.seq == 3 {
			o.deliver(to, &second)
		}
	}
}

func TestAMixedDayGoesOnAfterRefusalsAndBrokenConnections(t *testing.T) {
	o := startFakeOffice(t)
	o.refuse, o.hangUp = 40, 90
	r := playShortDay(t, o)
	if r.Lost+r.Duplicated+r.Reordered+r.Damaged != 0 || r.Refused != 1 || r.Breaks != 1 || r.Ticked != r.Sent {
		t.Errorf("%+v", r)
	}
}
