package bench

import (
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

func TestOrdersAreDividedWithoutLoss(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	for range 2_000 {
		cfg := RunConfig{Connections: 64 + rng.IntN(100_000), Scenario: []Scenario{ScenarioConnect, ScenarioMessage, ScenarioMix, ScenarioStorm, ScenarioSlow}[rng.IntN(5)]}
		cfg = cfg.withDefaults()
		whole, _ := cfg.orders()
		weights := make([]int, 1+rng.IntN(9))
		for i := range weights {
			weights[i] = 1 + rng.IntN(3)
		}
		var connections, away, talk, stalled int
		var rate, logins float64
		next := whole.From
		for _, p := range whole.split(weights) {
			if p.From != next || p.users()%p.Cell != 0 || p.Talk > p.users()/p.Cell || p.Stalled > p.Talk || p.Connections < 0 {
				t.Fatalf("part %+v of %+v, the next index is %d", p, whole, next)
			}
			next += p.users()
			connections, away, talk, stalled = connections+p.Connections, away+p.Away, talk+p.Talk, stalled+p.Stalled
			rate, logins = rate+p.Rate, logins+p.Logins
		}
		if connections != whole.Connections || away != whole.Away || talk != whole.Talk || stalled != whole.Stalled || next != whole.From+whole.users() {
			t.Fatalf("the parts of %+v have %d connections, %d away, %d cells that talk, %d stalled, up to %d", whole, connections, away, talk, stalled, next)
		}
		if math.Abs(rate-whole.Rate) > 1e-6*whole.Rate+1e-9 || math.Abs(logins-whole.Logins) > 1e-6*whole.Logins+1e-9 {
			t.Fatalf("the parts of %+v have %v messages and %v logins a second", whole, rate, logins)
		}
	}
}

func TestAPartWithoutACellIsLeftOut(t *testing.T) {
	o := crewOrders{Connections: 4, Cell: 2, Talk: 2, Rate: 1}
	if parts := o.split(evenly(5)); len(parts) != 2 {
		t.Errorf("%d parts: %+v", len(parts), parts)
	}
}

func TestMixIsThePublishedOneScaled(t *testing.T) {
	r := ScaleMix(2_400_000, MixShares{}.withDefaults(), 1)
	near := func(name string, got, want float64) {
		if math.Abs(got-want) > want/100 {
			t.Errorf("%s: %.1f, want %.1f", name, got, want)
		}
	}
	near("logins", r.Logins, 3_755)
	near("messages in", r.In, 5_584)
	near("messages out", r.Out, 11_624)
	near("out for each in", r.Out/r.In, 2.08)
	near("what groups make of it", (r.In-r.GroupIn)+7*r.GroupIn, r.Out)
	near("away", float64(r.Away), 800_000)
	near("everything of ten times as much", ScaleMix(2_400_000, MixShares{}.withDefaults(), 10).In, 10*r.In)
	text := strings.Join(r.Lines(), "\n")
	for _, word := range []string{"published", "derived", "assumed", "147 M", "230 k", "342 k", "712 k"} {
		if !strings.Contains(text, word) {
			t.Errorf("the sources do not mention %q:\n%s", word, text)
		}
	}
	none := MixShares{Offline: -1, Read: -1, Typing: -1, Presence: -1}.withDefaults()
	if r := ScaleMix(8_000, none, 1); r.Away != 0 || r.Read != 0 || r.Typing != 0 || r.State != 0 {
		t.Errorf("shares of none: %+v", r)
	}
}

func TestMixOrdersAreWholeCircles(t *testing.T) {
	for _, n := range []int{8, 17, 1_000, 99_999} {
		cfg := RunConfig{Scenario: ScenarioMix, Connections: n}.withDefaults()
		o, rates := cfg.orders()
		if o.users()%o.Cell != 0 || o.Connections > n || n-o.Connections >= o.Cell || o.Away != rates.Away {
			t.Errorf("%d: %+v", n, o)
		}
	}
}

func TestRunRefusesWhatMakesNoSense(t *testing.T) {
	for name, cfg := range map[string]RunConfig{
		"a scenario that is none":       {Scenario: "flood"},
		"no connections":                {Connections: -1},
		"a circle of too few":           {Scenario: ScenarioMix, Connections: 3},
		"a ramp below nothing":          {Ramp: -1},
		"a rate that is no number":      {Rate: math.NaN()},
		"a soak of a year":              {Scenario: ScenarioSoak, Duration: 365 * 24 * time.Hour},
		"a group of two":                {Scenario: ScenarioMix, Shares: MixShares{GroupSize: 2}},
		"nobody who is there":           {Scenario: ScenarioMix, Shares: MixShares{Offline: 0.9}},
		"agents without a key":          {Agents: []string{"127.0.0.1:1"}},
		"a key that is too short":       {Agents: []string{"127.0.0.1:1"}, Key: []byte("short")},
		"a stall of everybody":          {Scenario: ScenarioSlow, Stalled: 1},
		"a payload without its head":    {Bytes: 3},
		"an admin address alone":        {Target: Target{Admin: "127.0.0.1:1"}},
		"a process without connections": {PerProcess: -1},
	} {
		if err := cfg.withDefaults().validate(); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := (RunConfig{}).withDefaults().validate(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
}
