package main

import (
	"fmt"
	"slices"
	"strconv"
)

// Names of figures.
const (
	figureSession   = "session"
	figureCollected = "session, collected"
	figureLogin     = "login"
)

func (p play) figure() string {
	if p.rate > 0 {
		return fmt.Sprintf("paced %d", p.rate)
	}
	return fmt.Sprintf("inflight %d", p.inflight)
}

func figureQueue(n int) string { return "queue " + strconv.Itoa(n) }

func figureDrain(n int) string { return "drain " + strconv.Itoa(n) }

// target is what our server is to reach against a peer: at most `most` times the peer's figure.
type target struct {
	peer string
	most float64
	mine string // which of our systems; "": ours
}

// figure is one row of the table.
type figure struct {
	name    string
	title   string
	unit    string
	targets []target
}

// figures are the rows for these sizes, with what our server is to reach.
func figures(z sizes) []figure {
	all := []figure{
		{figureSession, fmt.Sprintf("memory of an idle session (slope from %d to %d)", z.From, z.Sessions), "B", []target{{"mosquitto", 0.5, ""}, {"ejabberd", 1.0 / 50, ""}}},
		{figureCollected, "the same, after ours and ejabberd were asked to collect garbage", "B", []target{{"mosquitto", 0.5, ""}, {"ejabberd", 1.0 / 50, ""}}},
		{figureLogin, "login of a user whom the server knows", "µs", nil},
	}
	for _, p := range plays(z) {
		f := figure{name: p.figure(), unit: "µs"}
		switch {
		case p.rate > 0:
			f.title, f.targets = fmt.Sprintf("message, %d/s offered whatever comes back", p.rate), []target{{"mosquitto", 1.25, ""}, {"mosquitto", 1.25, ours + "-one"}}
		case p.inflight == 1:
			f.title = "message, 1 in flight on each pair"
			f.targets = []target{{"mosquitto", 1, ""}, {"mosquitto", 1, ours + "-taken"}, {"mosquitto", 1, ours + "-one"}}
		default:
			f.title, f.targets = fmt.Sprintf("message, %d in flight on each pair", p.inflight), []target{{"nats", 0.8, ""}, {"ejabberd", 0.1, ""}}
		}
		all = append(all, f)
	}
	for _, b := range z.Backlogs {
		all = append(all, figure{figureQueue(b.Messages), fmt.Sprintf("queue a message for a user who is away, up to %d", b.Messages), "µs",
			[]target{{"mosquitto", 1, ""}, {"ejabberd", 1.0 / 50, ""}, {"ejabberd-disk", 1.0 / 50, ""}}})
	}
	for _, b := range z.Backlogs {
		all = append(all, figure{figureDrain(b.Messages), fmt.Sprintf("fetch a message of a backlog of %d, login included", b.Messages), "µs", []target{{"mosquitto", 0.5, ""}}})
	}
	return all
}

// summary is what the rounds of one figure of one system come to.
type summary struct {
	Median float64 `json:"median"`
	Least  float64 `json:"least"`
	Most   float64 `json:"most"`
	Rounds int     `json:"rounds"`
	Rate   float64 `json:"per_second,omitempty"` // median
	Lost   int64   `json:"lost"`
	Wrong  int64   `json:"doubled_or_reordered"`
}

// summarize takes medians over the rounds: by figure, then by system.
func summarize(samples []sample) map[string]map[string]summary {
	type values struct {
		value, rate []float64
		lost, wrong int64
	}
	all := map[string]map[string]*values{}
	for _, s := range samples {
		if all[s.Figure] == nil {
			all[s.Figure] = map[string]*values{}
		}
		v := all[s.Figure][s.System]
		if v == nil {
			v = &values{}
			all[s.Figure][s.System] = v
		}
		v.value, v.rate = append(v.value, s.Value), append(v.rate, s.Rate)
		v.lost, v.wrong = v.lost+s.Lost, v.wrong+s.Wrong
	}
	out := map[string]map[string]summary{}
	for figure, of := range all {
		out[figure] = map[string]summary{}
		for name, v := range of {
			out[figure][name] = summary{Median: median(v.value), Least: slices.Min(v.value), Most: slices.Max(v.value), Rounds: len(v.value),
				Rate: median(v.rate), Lost: v.lost, Wrong: v.wrong}
		}
	}
	return out
}

// ratios are a figure of one of our systems divided by a peer's, round by round, the last rounds of both: samples stand in the order of the rounds, and a
// system that came later has fewer.
func ratios(samples []sample, figure, mine, peer string) []float64 {
	pick := func(name string) (v []float64) {
		for _, s := range samples {
			if s.Figure == figure && s.System == name {
				v = append(v, s.Value)
			}
		}
		return v
	}
	a, b := pick(mine), pick(peer)
	var out []float64
	n := min(len(a), len(b))
	a, b = a[len(a)-n:], b[len(b)-n:]
	for i := range n {
		if b[i] > 0 {
			out = append(out, a[i]/b[i])
		}
	}
	return out
}

// median is the middle of v, 0 of nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	if n := len(v); n%2 == 0 {
		return (v[n/2-1] + v[n/2]) / 2
	}
	return v[len(v)/2]
}
