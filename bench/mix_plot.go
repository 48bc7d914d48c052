package bench

import (
	"fmt"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
)

// mixPlotHeight is the height of the figure: four panels.
const mixPlotHeight = 30 * vg.Centimeter

// plotMix draws messages, hit ratio, what leaves memory and what the server takes, over time, as one SVG.
func plotMix(r *MixResult) ([]byte, error) {
	over := func(get func(p *MixPoint) float64) (xy plotter.XYs) {
		for i := range r.Points {
			xy = append(xy, plotter.XY{X: r.Points[i].Seconds, Y: get(&r.Points[i])})
		}
		return xy
	}
	var hits plotter.XYs
	for i := range r.Points {
		if v := r.Points[i].HitRatio; v != nil {
			hits = append(hits, plotter.XY{X: r.Points[i].Seconds, Y: 100 * *v})
		}
	}
	var spike shaded
	if r.SpikeSeconds > 0 {
		spike = shaded{"spike", r.SpikeFrom, r.SpikeFrom + r.SpikeSeconds}
	}
	end := 1.0
	if n := len(r.Points); n > 0 {
		end = max(end, r.Points[n-1].Seconds)
	}
	panels := []func() (*plot.Plot, error){
		func() (*plot.Plot, error) {
			return panel(spike, fmt.Sprintf("A day of %d users, %.0f times as fast", r.Users, r.Speed), "messages a second", []curve{
				{"written", inkGrey, 4, over(func(p *MixPoint) float64 { return p.Sent })},
				{"delivered", inkBlue, 0, over(func(p *MixPoint) float64 { return p.Delivered })},
			})
		},
		func() (*plot.Plot, error) {
			p, err := panel(spike, "Messages that had waited: share that was in memory", "%", []curve{{"in memory", inkGreen, 0, hits}})
			if err == nil {
				p.Y.Max, p.Legend.Top, p.Legend.YOffs = 105, false, vg.Points(4)
			}
			return p, err
		},
		func() (*plot.Plot, error) {
			return panel(spike, "Between memory and disk", "a second", []curve{
				{"entries that leave memory", inkOrange, 0, over(func(p *MixPoint) float64 { return p.Evicted })},
				{"users loaded", inkBlue, 0, over(func(p *MixPoint) float64 { return p.Loads })},
			})
		},
		func() (*plot.Plot, error) {
			p, err := panel(spike, "Memory of the server", "MB", []curve{
				{"resident", inkBlue, 0, over(func(p *MixPoint) float64 { return mb(p.RSSBytes) })},
				{"waiting payload", inkGreen, 0, over(func(p *MixPoint) float64 { return mb(p.Waiting) })},
			})
			if err == nil {
				p.X.Label.Text = "seconds; when the day is over everybody comes back"
			}
			return p, err
		},
	}
	for i, draws := range panels {
		panels[i] = func() (*plot.Plot, error) {
			p, err := draws()
			if err == nil {
				p.X.Max = end // the same for all, that they can be compared
			}
			return p, err
		}
	}
	return stack(panels, mixPlotHeight)
}
