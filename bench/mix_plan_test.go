package bench

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestADayCanBePlannedAgain(t *testing.T) {
	day := MixDay{Users: 300, Length: 6 * time.Hour, Seed: 7}
	one, two := mustPlan(t, day), mustPlan(t, day)
	if !slices.Equal(one.Events, two.Events) {
		t.Error("the same seed gives two days")
	}
	day.Seed = 8
	if slices.Equal(one.Events, mustPlan(t, day).Events) {
		t.Error("two seeds give one day")
	}
}

func mustPlan(t testing.TB, d MixDay) *MixPlan {
	t.Helper()
	p, err := PlanMix(d)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestAbsencesAreAsLongAsTheySay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const draws = 200_000
	var all []time.Duration
	var sum float64
	for range draws {
		d := drawAbsence(r)
		all = append(all, d)
		sum += float64(d)
	}
	slices.Sort(all)
	for _, row := range []struct {
		at        float64
		low, high time.Duration
	}{
		{0.50, 3 * time.Minute, 5 * time.Minute},
		{0.90, 55 * time.Minute, 65 * time.Minute},
		{0.99, 22 * time.Hour, 26 * time.Hour},
		{0.999999, 6 * 24 * time.Hour, absenceMax},
	} {
		if d := all[int(row.at*draws)]; d < row.low || d > row.high {
			t.Errorf("quantile %v of an absence: %v, want %v to %v", row.at, d, row.low, row.high)
		}
	}
	if mean := time.Duration(sum / draws); mean < absenceMean()*95/100 || mean > absenceMean()*105/100 {
		t.Errorf("mean absence %v, computed %v", mean, absenceMean())
	}
}

func TestADayIsAsItWasOrdered(t *testing.T) {
	p := mustPlan(t, MixDay{Users: 1_500, Online: 0.3, Messages: 40, Bytes: 200, Spike: 10})
	t.Logf("messages %d (%.0f%% to absent), visits %d, waiting peak %d, end %d, spike %.0f/h", p.Messages,
		100*float64(p.ToAbsent)/float64(p.Messages), p.Visits, p.WaitingPeak, p.WaitingEnd, p.SpikePerHour)
	var online, last time.Duration
	there, bytes, now := 0, 0, time.Duration(0)
	state := make([]bool, p.Day.Users)
	for _, e := range p.Events {
		if e.At < now {
			t.Fatalf("event at %v behind one at %v", e.At, now)
		}
		now = e.At
		online += time.Duration(there) * (e.At - last) / time.Duration(p.Day.Users)
		last = e.At
		switch e.Kind {
		case MixComes, MixGoes:
			comes := e.Kind == MixComes
			if state[e.User] == comes {
				t.Fatalf("user %d at %v: there %v, kind %d", e.User, e.At, state[e.User], e.Kind)
			}
			state[e.User] = comes
			if comes {
				there++
			} else {
				there--
			}
		case MixWrites:
			bytes += int(e.Bytes)
			if !state[e.User] || e.Peer == e.User || int(e.Peer) >= p.Day.Users {
				t.Fatalf("user %d writes to %d, there: %v", e.User, e.Peer, state[e.User])
			}
		}
	}
	if share := float64(online) / float64(p.Day.Length); share < 0.2 || share > 0.4 {
		t.Errorf("%.2f were online, 0.3 were ordered", share)
	}
	if mean := bytes / p.Messages; mean < 180 || mean > 220 {
		t.Errorf("a message has %d bytes", mean)
	}
	calm := float64(p.Messages) / p.Day.Length.Hours()
	if times := p.SpikePerHour / calm; times < 6 || times > 20 {
		t.Errorf("in the spike there are %.1f times as many messages as on average", times)
	}
	if share := float64(p.ToAbsent) / float64(p.Messages); share < 0.2 || share > 0.8 {
		t.Errorf("%.0f %% of the messages are for people who are away", 100*share)
	}
}
