package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestAMixedDayIsReportedWithItsFigure(t *testing.T) {
	o := startFakeOffice(t)
	out := t.TempDir()
	cfg := MixConfig{Target: Target{Server: o.ln.Addr().String()}, Day: shortDay, Speed: 30_000, Out: out, stall: 300 * time.Millisecond}
	r, err := Mix(context.Background(), cfg, Env{})
	if err != nil {
		t.Fatal(err)
	}
	m := r.Mix
	if r.Failed() || *r.Lost != 0 || m.Clients.Sent != int64(m.Messages) || m.Clients.Delivered != m.Clients.Sent || len(m.Points) < 2 || m.HitRatio != nil {
		t.Errorf("%+v", m)
	}
	var table strings.Builder
	if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "not counted of 0 messages") {
		t.Errorf("a ratio that nobody counted is none: %v\n%s", err, &table)
	}
	b, err := os.ReadFile(filepath.Join(out, "mix.json"))
	if err != nil {
		t.Fatal(err)
	}
	var doc struct{ Mix struct{ Files []string } }
	if err := json.Unmarshal(b, &doc); err != nil || len(doc.Mix.Files) != 3 {
		t.Errorf("%v, %v", err, doc)
	}
}

func TestAMixedDayThatLosesMessagesHasFailed(t *testing.T) {
	for _, c := range []MixRecord{{Lost: 1}, {Duplicated: 1}, {Reordered: 1}, {Damaged: 1}} {
		r := &Report{Mix: &MixResult{Clients: c}, Lost: ptr(uint64(c.Lost)), Duplicated: ptr(uint64(c.Duplicated)), Reordered: ptr(uint64(c.Reordered))}
		if !r.Failed() {
			t.Errorf("%+v", c)
		}
	}
}

func TestTheHitRatioIsThatOfTheDay(t *testing.T) {
	before := offlineCacheStatus{Hits: 100, Misses: 900}
	now := offlineCacheStatus{Hits: 1_085, Misses: 915}
	if v := now.minus(before).hitRatio(); v == nil || *v != 0.985 {
		t.Errorf("%v", v)
	}
	if v := now.minus(now).hitRatio(); v != nil {
		t.Errorf("nobody came for anything: %v", *v)
	}
}

func TestTheFigureOfAMixedDayShowsAllSeries(t *testing.T) {
	r := &MixResult{Users: 4_000, Speed: 480, SpikeFactor: 10, SpikeFrom: 105, SpikeSeconds: 3.75}
	for i := range 200 {
		at, wave := float64(i), math.Sin(float64(i)/9)
		r.Points = append(r.Points, MixPoint{
			Seconds: at, Sent: 900 + 100*wave, Delivered: 880 + 90*wave, HitRatio: ptr(0.985 + wave/100), Evicted: 20, Loads: 3, RSSBytes: int64(60e6 + at*1e5), Waiting: int64(at * 4e4),
		})
	}
	svg, err := plotMix(r)
	if err != nil {
		t.Fatal(err)
	}
	checkSVG(t, svg, "written", "delivered", "in memory", "entries that leave memory", "users loaded", "resident", "waiting payload", "A day of 4000 users", "spike")
	if svg, err = plotMix(&MixResult{}); err != nil {
		t.Fatal(err)
	}
	checkSVG(t, svg, "Memory of the server")
}

func TestDaysThatMakeNoSenseStartNothing(t *testing.T) {
	for name, c := range map[string]MixConfig{
		"nobody to write to":         {Day: MixDay{Users: 1}},
		"more people than addresses": {Day: MixDay{Users: MixUsersMax + 1}},
		"everybody always online":    {Day: MixDay{Online: 1}},
		"nobody ever online":         {Day: MixDay{Online: -1}},
		"not a number":               {Day: MixDay{Messages: math.NaN()}},
		"messages without a head":    {Day: MixDay{Bytes: 3}},
		"a spike downwards":          {Day: MixDay{Spike: 0.5}},
		"a spike beyond the day":     {Day: MixDay{SpikeFor: 48 * time.Hour}},
		"a day of no length":         {Day: MixDay{Length: time.Second}},
		"slower than a day":          {Speed: 0.5},
		"less memory than nothing":   {StoreBytes: -1},
		"the encrypted transport":    {Target: Target{Transport: Noise}},
	} {
		if _, err := Mix(context.Background(), c, Env{Executable: "/nonexistent"}); !errors.Is(err, ErrInput) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
