package bench

import (
	"bytes"
	"fmt"
	"image/color"
	"math"
	"strconv"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of the figure: three panels, one above the other.
const (
	plotWidth  = 24 * vg.Centimeter
	plotHeight = 24 * vg.Centimeter
)

// The colours of the figure. It brings its own paper, so that it reads the same on light and dark pages; the colours keep
// apart for the colour-blind (Okabe and Ito's palette).
var (
	inkPaper  = color.NRGBA{0xfb, 0xfb, 0xf8, 0xff}
	inkText   = color.NRGBA{0x22, 0x26, 0x2b, 0xff}
	inkGrid   = color.NRGBA{0xd9, 0xdb, 0xdd, 0xff}
	inkStorm  = color.NRGBA{0xf5, 0xe3, 0xc8, 0xff}
	inkBlue   = color.NRGBA{0x00, 0x72, 0xb2, 0xff}
	inkOrange = color.NRGBA{0xd5, 0x5e, 0x00, 0xff}
	inkGreen  = color.NRGBA{0x00, 0x9e, 0x73, 0xff}
	inkGrey   = color.NRGBA{0x76, 0x7d, 0x85, 0xff}
)

// sans is the variant of the plot's own font family that screens show best.
const sans = font.Variant("Sans")

// curve is one line of a panel.
type curve struct {
	name   string
	ink    color.Color
	dashed vg.Length // length of a dash; 0: solid
	points plotter.XYs
}

// shaded is a time that a panel marks.
type shaded struct {
	name     string
	from, to float64
}

// plotStorm draws latency, handshakes and memory over time as one SVG.
func plotStorm(r *StormResult) ([]byte, error) {
	one := func(draws func(*StormResult) (*plot.Plot, error)) func() (*plot.Plot, error) {
		return func() (*plot.Plot, error) { return draws(r) }
	}
	return stack([]func() (*plot.Plot, error){one(latencyPanel), one(handshakePanel), one(memoryPanel)}, plotHeight)
}

// stormTime is when a storm was.
func stormTime(sc *StormScene) shaded {
	return shaded{"storm", sc.Storm.FromSeconds, sc.Storm.FromSeconds + sc.Storm.Seconds}
}

// stack draws panels one above the other as one SVG.
func stack(panels []func() (*plot.Plot, error), height vg.Length) ([]byte, error) {
	canvas := vgsvg.New(plotWidth, height)
	dc := draw.New(canvas)
	dc.SetColor(inkPaper)
	dc.Fill(dc.Rectangle.Path())
	var rows [][]*plot.Plot
	for _, draws := range panels {
		p, err := draws()
		if err != nil {
			return nil, err
		}
		rows = append(rows, []*plot.Plot{p})
	}
	tiles := draw.Tiles{Rows: len(rows), Cols: 1, PadX: vg.Centimeter / 2, PadY: vg.Centimeter * 0.7,
		PadTop: vg.Centimeter / 2, PadBottom: vg.Centimeter / 2, PadLeft: vg.Centimeter / 2, PadRight: vg.Centimeter / 2}
	for i, row := range plot.Align(rows, tiles, dc) {
		rows[i][0].Draw(row[0])
	}
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// latencyPanel has the percentiles of live pairs.
func latencyPanel(r *StormResult) (*plot.Plot, error) {
	over := func(sc *StormScene, get func(p *StormPoint) *float64) (xy plotter.XYs) {
		for i := range sc.Points {
			if v := get(&sc.Points[i]); v != nil {
				xy = append(xy, plotter.XY{X: sc.Points[i].Seconds, Y: *v})
			}
		}
		return xy
	}
	p50 := func(p *StormPoint) *float64 { return p.P50Ms }
	p99 := func(p *StormPoint) *float64 { return p.P99Ms }
	p, err := panel(stormTime(r.Storm), fmt.Sprintf("Latency of %d live pairs, %d messages/s", r.Pairs, r.Rate), "ms", []curve{
		{"p99", inkOrange, 0, over(r.Storm, p99)},
		{"p50", inkBlue, 0, over(r.Storm, p50)},
		{"p99 of the run without the storm", inkGrey, 4, over(r.Quiet, p99)},
	})
	return p, err
}

// handshakePanel has what the crowd did.
func handshakePanel(r *StormResult) (*plot.Plot, error) {
	over := func(get func(p *StormPoint) float64) (xy plotter.XYs) {
		for i := range r.Storm.Points {
			xy = append(xy, plotter.XY{X: r.Storm.Points[i].Seconds, Y: get(&r.Storm.Points[i])})
		}
		return xy
	}
	return panel(stormTime(r.Storm), fmt.Sprintf("Handshakes of %d clients that were cut at once", r.Clients), "a second", []curve{
		{"offered", inkGrey, 4, over(func(p *StormPoint) float64 { return p.Offered })},
		{"refused", inkOrange, 0, over(func(p *StormPoint) float64 { return p.Refused })},
		{"admitted", inkGreen, 0, over(func(p *StormPoint) float64 { return p.Admitted })},
	})
}

// memoryPanel has the server's resident memory in both runs.
func memoryPanel(r *StormResult) (*plot.Plot, error) {
	over := func(sc *StormScene) (xy plotter.XYs) {
		for i := range sc.Points {
			if b := sc.Points[i].RSSBytes; b > 0 {
				xy = append(xy, plotter.XY{X: sc.Points[i].Seconds, Y: mb(b)})
			}
		}
		return xy
	}
	p, err := panel(stormTime(r.Storm), "Resident memory of the server", "MB", []curve{
		{"with the storm", inkBlue, 0, over(r.Storm)},
		{"without", inkGrey, 4, over(r.Quiet)},
	})
	if err == nil {
		p.X.Label.Text = "seconds"
	}
	return p, err
}

// panel is one plot with its curves and a time shaded.
func panel(when shaded, title, unit string, curves []curve) (*plot.Plot, error) {
	p := plot.New()
	p.BackgroundColor = inkPaper
	p.Title.Text, p.Title.TextStyle.Color, p.Title.Padding = title, inkText, vg.Points(6)
	p.Title.TextStyle.Font.Size, p.Title.TextStyle.Font.Variant = font.Length(13), sans
	p.Y.Label.Text = unit
	axes(p)
	top := 0.0
	for _, c := range curves {
		for _, xy := range c.points {
			top = math.Max(top, xy.Y)
		}
	}
	if top == 0 {
		top = 1
	}
	if err := shade(p, when, top*1.25); err != nil {
		return nil, err
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = inkGrid, inkGrid
	p.Add(grid)
	for _, c := range curves {
		if len(c.points) == 0 {
			continue
		}
		line, err := plotter.NewLine(c.points)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		line.Color, line.Width = c.ink, vg.Points(1.6)
		if c.dashed > 0 {
			line.Dashes = []vg.Length{vg.Points(float64(c.dashed)), vg.Points(3)}
		}
		p.Add(line)
		p.Legend.Add(c.name, line)
	}
	p.X.Min, p.Y.Min, p.Y.Max = 0, 0, top*1.25
	p.X.Max = math.Max(p.X.Max, 1)
	return p, nil
}

// axes dresses both axes and the legend.
func axes(p *plot.Plot) {
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Color, a.Label.TextStyle.Color, a.Tick.Color, a.Tick.Label.Color = inkText, inkText, inkText, inkText
		a.Label.TextStyle.Font.Size, a.Tick.Label.Font.Size = font.Length(11), font.Length(10)
		a.Label.TextStyle.Font.Variant, a.Tick.Label.Font.Variant = sans, sans
		a.Padding = 0
	}
	p.X.Tick.Marker, p.Y.Tick.Marker = ticks{}, ticks{}
	p.Legend.Top, p.Legend.Padding = true, vg.Points(2)
	p.Legend.Left, p.Legend.XOffs, p.Legend.YOffs = true, vg.Points(8), vg.Points(-4) // over the calm, where little happens
	p.Legend.TextStyle.Color, p.Legend.TextStyle.Font.Size = inkText, font.Length(10)
	p.Legend.TextStyle.Font.Variant = sans
}

// shade colours a time; none when it has no length and no name.
func shade(p *plot.Plot, when shaded, top float64) error {
	if when.name == "" {
		return nil
	}
	area, err := plotter.NewPolygon(plotter.XYs{{X: when.from, Y: 0}, {X: when.from, Y: top}, {X: when.to, Y: top}, {X: when.to, Y: 0}})
	if err != nil {
		return err
	}
	area.Color, area.LineStyle.Width = inkStorm, 0
	p.Add(area)
	p.Legend.Add(when.name, area)
	return nil
}

// ticks are five to ten round numbers, with blanks in large ones.
type ticks struct{}

// Ticks are for plot.Ticker.
func (ticks) Ticks(low, high float64) (all []plot.Tick) {
	step := roundStep((high - low) / 5)
	for i := math.Ceil(low / step); i*step <= high*(1+1e-9); i++ {
		v := i * step
		label := strconv.FormatFloat(round(v, 6), 'f', -1, 64)
		if whole := int(v); v >= 1_000 {
			label = fmt.Sprintf("%d %03d", whole/1_000, whole%1_000)
		}
		all = append(all, plot.Tick{Value: v, Label: label})
	}
	return all
}

// roundStep is the largest of 1, 2 and 5 times a power of ten that is not above v.
func roundStep(v float64) float64 {
	if v <= 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{5, 2} {
		if m*power <= v {
			return m * power
		}
	}
	return power
}
