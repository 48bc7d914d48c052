package bench

import "gonum.org/v1/plot/plotter"

// stormTimeName is the x axis of what a storm shows over time.
const stormTimeName = "seconds since the calm began"

// over is a curve of a scene's points.
func (sc *StormScene) over(get func(p *StormPoint) *float64) (xy plotter.XYs) {
	if sc == nil {
		return nil
	}
	for i := range sc.Points {
		if v := get(&sc.Points[i]); v != nil {
			xy = append(xy, plotter.XY{X: sc.Points[i].Seconds, Y: *v})
		}
	}
	return xy
}

// marks are the acts of a storm.
func (o *StormResult) marks() []Phase {
	return []Phase{{"calm", 0}, {"storm", o.Storm.Storm.FromSeconds}, {"calm", o.Storm.After.FromSeconds}}
}

// latencySketch fills s with the latency of live pairs.
func (o *StormResult) latencySketch(s sketch) sketch {
	s.about, s.x, s.marks = "Of live pairs, in the run with the storm and in the one without.", stormTimeName, o.marks()
	s.curves = []curve{
		{"p99", inkOrange, 0, o.Storm.over(func(p *StormPoint) *float64 { return p.P99Ms })},
		{"p50", inkBlue, 0, o.Storm.over(func(p *StormPoint) *float64 { return p.P50Ms })},
		{"p99 without", inkGrey, 4, o.Quiet.over(func(p *StormPoint) *float64 { return p.P99Ms })},
	}
	return s
}

// stormSketches are what a storm shows beyond other runs.
func (r *Report) stormSketches() []sketch {
	if r.Storm == nil || r.Storm.Storm == nil {
		return nil
	}
	sc := r.Storm.Storm
	return []sketch{{title: "Handshakes of who was cut", unit: "a second", x: stormTimeName, marks: r.Storm.marks(), about: "By the generator's count.", curves: []curve{
		{"offered", inkGrey, 4, sc.over(func(p *StormPoint) *float64 { return &p.Offered })},
		{"refused", inkOrange, 0, sc.over(func(p *StormPoint) *float64 { return &p.Refused })},
		{"admitted", inkGreen, 0, sc.over(func(p *StormPoint) *float64 { return &p.Admitted })},
	}}}
}

// latencySketch fills s with the latency of a soak's looks.
func (o *RunSoak) latencySketch(s sketch) sketch {
	over := func(get func(l *Latency) float64) (xy plotter.XYs) {
		for i := range o.Looks {
			if l := o.Looks[i].LatencyMs; l != nil {
				xy = append(xy, plotter.XY{X: o.Looks[i].Seconds / 60, Y: get(l)})
			}
		}
		return xy
	}
	s.about, s.x, s.marks = "Of each look.", "minutes since the measurement began", nil
	s.curves = []curve{
		{"p99.9", inkPurple, 2, over(func(l *Latency) float64 { return l.P999 })},
		{"p99", inkOrange, 0, over(func(l *Latency) float64 { return l.P99 })},
		{"p50", inkBlue, 0, over(func(l *Latency) float64 { return l.P50 })},
	}
	return s
}

// over is a curve of a day's points.
func (o *MixResult) over(get func(p *MixPoint) *float64) (xy plotter.XYs) {
	for i := range o.Points {
		if v := get(&o.Points[i]); v != nil {
			xy = append(xy, plotter.XY{X: o.Points[i].Seconds, Y: *v})
		}
	}
	return xy
}

// mixSketches are what a mixed day shows beyond other runs.
func (r *Report) mixSketches() []sketch {
	o := r.Mix
	if o == nil {
		return nil
	}
	const x = "seconds since the day began"
	var marks []Phase
	if o.SpikeSeconds > 0 {
		marks = []Phase{{"day", 0}, {"spike", o.SpikeFrom}, {"evening", o.SpikeFrom + o.SpikeSeconds}}
	}
	return []sketch{
		{title: "Messages of the day", unit: "a second", x: x, marks: marks, about: "By the generator's count.", curves: []curve{
			{"written", inkGrey, 4, o.over(func(p *MixPoint) *float64 { return &p.Sent })},
			{"delivered", inkBlue, 0, o.over(func(p *MixPoint) *float64 { return &p.Delivered })},
		}},
		{title: "Had waited, and was in memory", unit: "%", x: x, marks: marks, about: "Share of the messages that were fetched.", curves: []curve{
			{"in memory", inkGreen, 0, o.over(func(p *MixPoint) *float64 {
				if p.HitRatio == nil {
					return nil
				}
				return ptr(100 * *p.HitRatio)
			})},
		}},
		{title: "Between memory and disk", unit: "a second", x: x, marks: marks, curves: []curve{
			{"entries that leave memory", inkOrange, 0, o.over(func(p *MixPoint) *float64 { return &p.Evicted })},
			{"users loaded", inkBlue, 0, o.over(func(p *MixPoint) *float64 { return &p.Loads })},
		}},
	}
}
