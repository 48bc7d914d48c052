package bench

import (
	"fmt"
	"math"

	"gonum.org/v1/plot/plotter"
)

// plots draws what the run has points for, and names what it has none for.
func (r *Report) plots() (drawn []pagePlot, missing []string, err error) {
	for _, s := range r.sketches() {
		if s.empty() {
			missing = append(missing, s.title)
			continue
		}
		p, err := s.draw()
		if err != nil {
			return nil, nil, err
		}
		drawn = append(drawn, p)
	}
	return drawn, missing, nil
}

// sketches are the plots of every run.
func (r *Report) sketches() []sketch {
	all := []sketch{r.connectionsSketch(), r.memoryEachSketch(), r.memorySketch(), r.comingSketch(), r.messagesSketch(), r.latencySketch(),
		r.histogramSketch(), r.cpuSketch(), r.pausesSketch(), r.errorsSketch()}
	end := 0.0
	if r.Series != nil && len(r.Series.Points) > 0 {
		end = r.Series.Points[len(r.Series.Points)-1].Seconds
	}
	all = append(all, r.stormSketches()...)
	all = append(all, r.mixSketches()...)
	unit, name := timeUnit(end)
	for i := range all {
		s := &all[i]
		if s.x != "" {
			continue
		}
		s.x, s.end = name, end/unit // the same for all, that they can be compared
		for _, c := range s.curves {
			for j := range c.points {
				c.points[j].X /= unit
			}
		}
		if r.Series != nil {
			for _, ph := range r.Series.Phases {
				s.marks = append(s.marks, Phase{ph.Name, ph.FromSeconds / unit})
			}
		}
	}
	return all
}

// timeUnit is what the time axis counts in, in seconds.
func timeUnit(end float64) (float64, string) {
	switch {
	case end > 3*3600:
		return 3600, "hours"
	case end > 600:
		return 60, "minutes"
	}
	return 1, "seconds"
}

// server is a curve of what the server says.
func (r *Report) server(get func(p *ServerPoint) *float64) (xy plotter.XYs) {
	if r.Series == nil {
		return nil
	}
	for i := range r.Series.Points {
		if p := &r.Series.Points[i]; p.Server != nil {
			if v := get(p.Server); v != nil {
				xy = append(xy, plotter.XY{X: p.Seconds, Y: *v})
			}
		}
	}
	return xy
}

// loaded is a curve of what the generator counted.
func (r *Report) loaded(get func(p *LoadPoint) *float64) (xy plotter.XYs) {
	if r.Series == nil {
		return nil
	}
	for i := range r.Series.Points {
		if p := &r.Series.Points[i]; p.Load != nil {
			if v := get(p.Load); v != nil {
				xy = append(xy, plotter.XY{X: p.Seconds, Y: *v})
			}
		}
	}
	return xy
}

func (r *Report) connectionsSketch() sketch {
	s := sketch{title: "Connections", about: "Open at the server, and those of them that are logged in. A gap: the server was left alone while its memory was weighed.", curves: []curve{
		{"connections", inkBlue, 0, r.server(func(p *ServerPoint) *float64 { return ptr(float64(p.Connections)) })},
		{"sessions", inkGreen, 4, r.server(func(p *ServerPoint) *float64 { return ptr(float64(p.Sessions)) })},
	}}
	s.curves = append(s.curves, curve{"by the generator's count", inkGrey, 2, r.loaded(func(p *LoadPoint) *float64 { return ptr(float64(p.Connections)) })})
	return s
}

// memoryEachSketch divides what the server has grown by since the run began by its connections, where there are enough of them to mean something.
func (r *Report) memoryEachSketch() sketch {
	var most int64
	var rss, kernel int64 = -1, -1
	if r.Series != nil {
		for _, p := range r.Series.Points {
			if p.Server == nil {
				continue
			}
			most = max(most, p.Server.Connections)
			if rss < 0 && p.Server.RSSBytes > 0 {
				rss = p.Server.RSSBytes
			}
			if kernel < 0 && p.Server.KernelBytes != nil {
				kernel = *p.Server.KernelBytes
			}
		}
	}
	enough := max(most/10, sampleGrowthMin)
	each := func(now, before int64, p *ServerPoint) *float64 {
		if p.Connections < enough || before < 0 || now <= before {
			return nil
		}
		return ptr(float64(now-before) / float64(p.Connections))
	}
	return sketch{title: "Memory for each connection", unit: "B",
		about: fmt.Sprintf("Growth since the run began, divided by connections, where there are at least %s. Kernel memory is that of the whole machine.", thousands(enough)),
		curves: []curve{
			{"server, resident", inkBlue, 0, r.server(func(p *ServerPoint) *float64 { return each(p.RSSBytes, rss, p) })},
			{"kernel", inkOrange, 4, r.server(func(p *ServerPoint) *float64 {
				if p.KernelBytes == nil || most < kernelGrowthMin {
					return nil
				}
				return each(*p.KernelBytes, kernel, p)
			})},
		}}
}

func (r *Report) memorySketch() sketch {
	return sketch{title: "Memory", unit: "MB", about: "Of the server's process, its heap, and what the kernel of its machine keeps for sockets.", curves: []curve{
		{"resident", inkBlue, 0, r.server(func(p *ServerPoint) *float64 {
			if p.RSSBytes == 0 {
				return nil
			}
			return ptr(mb(p.RSSBytes))
		})},
		{"heap", inkGreen, 0, r.server(func(p *ServerPoint) *float64 { return ptr(mb(p.HeapBytes)) })},
		{"kernel", inkOrange, 4, r.server(func(p *ServerPoint) *float64 {
			if p.KernelBytes == nil {
				return nil
			}
			return ptr(mb(*p.KernelBytes))
		})},
	}}
}

func (r *Report) comingSketch() sketch {
	return sketch{title: "Connections and logins", unit: "a second", about: "As the server counts them.", curves: []curve{
		{"connections", inkBlue, 0, r.server(func(p *ServerPoint) *float64 { return p.ConnectsPerSecond })},
		{"logins", inkGreen, 4, r.server(func(p *ServerPoint) *float64 { return &p.LoginsPerSecond })},
	}}
}

func (r *Report) messagesSketch() sketch {
	s := sketch{title: "Messages", unit: "a second", about: "Acknowledged by who they were for, as the server counts; arrived, as the generator does.", curves: []curve{
		{"acknowledged", inkBlue, 0, r.server(func(p *ServerPoint) *float64 { return &p.MessagesPerSecond })},
		{"arrived", inkGrey, 4, r.loaded(func(p *LoadPoint) *float64 { return &p.MessagesPerSecond })},
	}}
	if s.flat() {
		s.curves = nil
	}
	return s
}

// flat says that all curves lie on zero.
func (s *sketch) flat() bool {
	for _, c := range s.curves {
		for _, xy := range c.points {
			if xy.Y != 0 {
				return false
			}
		}
	}
	return true
}

func (r *Report) latencySketch() sketch {
	s := sketch{title: "Latency over time", unit: "ms", log: true, about: "Percentiles of what was noted since the point before.", curves: []curve{
		{"p99.9", inkPurple, 2, r.loaded(func(p *LoadPoint) *float64 { return p.P999Ms })},
		{"p99", inkOrange, 0, r.loaded(func(p *LoadPoint) *float64 { return p.P99Ms })},
		{"p50", inkBlue, 0, r.loaded(func(p *LoadPoint) *float64 { return p.P50Ms })},
	}}
	if st := r.Storm; s.empty() && st != nil && st.Storm != nil {
		return st.latencySketch(s)
	}
	if s.empty() && r.Run != nil && r.Run.Soak != nil {
		return r.Run.Soak.latencySketch(s)
	}
	return s
}

// histogramSketch is the latency over percentiles, each halving of what is left as wide as the one before.
func (r *Report) histogramSketch() sketch {
	s := sketch{title: "Latency by percentile", unit: "ms", x: "percentile", about: "So many percent took at most that long.",
		ticks: percentiles}
	var xy plotter.XYs
	low, top := math.Inf(1), 0.0
	for _, b := range r.LatencyHistogram {
		if b.Percentile >= 100 {
			continue // the longest one stands in the table; its place on this axis is without end
		}
		xy = append(xy, plotter.XY{X: nines(b.Percentile), Y: b.Ms})
		low, top = math.Min(low, b.Ms), math.Max(top, b.Ms)
	}
	s.log = top > 20*low
	s.curves = []curve{{"latency", inkBlue, 0, xy}}
	return s
}

// nines is where a percentile stands: at how many powers of ten the rest is smaller than all.
func nines(percentile float64) float64 { return -math.Log10(1 - percentile/100) }

// percentiles are the ticks of that axis.
var percentiles = places{
	{Value: 0, Label: "0"}, {Value: nines(50), Label: "50"}, {Value: 1, Label: "90"}, {Value: 2, Label: "99"}, {Value: 3, Label: "99.9"},
	{Value: 4, Label: "99.99"}, {Value: 5, Label: "99.999"}, {Value: 6, Label: "99.9999"},
}

func (r *Report) cpuSketch() sketch {
	return sketch{title: "CPU of the server", unit: "cores", about: "User and system time of its process.", curves: []curve{
		{"cores", inkBlue, 0, r.server(func(p *ServerPoint) *float64 { return &p.CPUCores })},
	}}
}

func (r *Report) pausesSketch() sketch {
	return sketch{title: "Pauses for the garbage collector", unit: "ms", log: true, dots: true, about: "The longest since the point before, at most a quarter too long.", curves: []curve{
		{"longest pause", inkPurple, 0, r.server(func(p *ServerPoint) *float64 { return p.GCPauseMaxMs })},
	}}
}

func (r *Report) errorsSketch() sketch {
	s := sketch{title: "Errors", unit: "a second", about: "Connections and sessions that failed or were ended, as the generator counts.", curves: []curve{
		{"errors", inkOrange, 0, r.loaded(func(p *LoadPoint) *float64 { return &p.ErrorsPerSecond })},
	}}
	if s.flat() {
		s.curves = nil
	}
	return s
}
