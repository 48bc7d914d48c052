package bench

import (
	"bytes"
	"fmt"
	"html/template"
	"image/color"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// The size of one plot of a page. It scales with the column that it stands in; so small, its letters can be read on a telephone.
const (
	sketchWidth  = 400 * vg.Length(1)
	sketchHeight = 210 * vg.Length(1)
	sketchFont   = 12
	// gapSteps is how many times the usual distance two points are apart when there is a gap between them.
	gapSteps = 3.5
)

// inkPurple is the fifth colour of curves, for pages only.
var inkPurple = color.NRGBA{0xaa, 0x4b, 0x9c, 0xff}

// inkClasses are the colours that a page has in a light and in a dark kind. In its plots they are drawn as marks, and replaced.
var inkClasses = []struct {
	ink  color.NRGBA
	name string // of the CSS variable
}{
	{inkText, "text"}, {inkGrid, "grid"}, {inkStorm, "band"}, {inkBlue, "blue"}, {inkOrange, "orange"}, {inkGreen, "green"}, {inkGrey, "grey"},
	{inkPurple, "purple"},
}

// sketch is one plot of a page before it is drawn.
type sketch struct {
	title, unit, about string
	curves             []curve
	log                bool    // the y axis
	bottom             float64 // of the y axis, with log
	x                  string  // name of the x axis
	end                float64 // of the x axis; 0: where the last point is
	ticks              plot.Ticker
	marks              []Phase // where on the x axis parts begin
	dots               bool    // the points are events, and nothing lies between them
}

// pageKey is one entry of a plot's legend, which stands outside the drawing and so covers nothing.
type pageKey struct {
	Name, Ink string
	Dashed    bool
}

// empty says that there is nothing to draw.
func (s *sketch) empty() bool {
	for _, c := range s.curves {
		if len(c.points) > 0 {
			return false
		}
	}
	return true
}

// draw draws the sketch and its legend.
func (s *sketch) draw() (pagePlot, error) {
	out := pagePlot{Title: s.title, Unit: s.unit, About: s.about}
	p := plot.New()
	p.BackgroundColor = color.Transparent
	axes(p)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.Label.TextStyle.Font.Size, a.Tick.Label.Font.Size = font.Length(sketchFont), font.Length(sketchFont)
		a.LineStyle.Width, a.Tick.LineStyle.Width = vg.Points(0.8), vg.Points(0.8)
	}
	p.X.Label.Text = s.x
	s.scale(p)
	s.mark(p)
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = inkGrid, color.Transparent
	p.Add(grid)
	for _, c := range s.curves {
		if len(c.points) == 0 {
			continue
		}
		if err := s.add(p, c); err != nil {
			return out, fmt.Errorf("%s: %s: %w", s.title, c.name, err)
		}
		out.Keys = append(out.Keys, pageKey{Name: c.name, Ink: inkName(c.ink), Dashed: c.dashed > 0})
	}
	svg, err := themed(p)
	out.SVG = template.HTML(svg) // drawn here, from numbers and escaped names
	return out, err
}

// scale sets both axes to what the curves need.
func (s *sketch) scale(p *plot.Plot) {
	top, low, end := 0.0, math.Inf(1), s.end
	for _, c := range s.curves {
		for _, xy := range c.points {
			top, end = math.Max(top, xy.Y), math.Max(end, xy.X)
			if xy.Y > 0 {
				low = math.Min(low, xy.Y)
			}
		}
	}
	p.X.Min, p.X.Max = 0, math.Max(end, 1e-3)
	if s.ticks != nil {
		p.X.Tick.Marker = s.ticks
	}
	if s.log && top > 0 {
		p.Y.Min, p.Y.Max = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(top*1.05)))
		s.bottom = p.Y.Min
		p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, decades{}
		return
	}
	if top == 0 {
		top = 1
	}
	p.Y.Min, p.Y.Max = 0, top*1.12
	p.Y.Tick.Marker = commas{ticks{}}
}

// add draws one curve. A single point is a dot, as are events.
func (s *sketch) add(p *plot.Plot, c curve) error {
	points := c.points
	if s.log {
		points = append(plotter.XYs{}, points...)
		for i := range points {
			points[i].Y = math.Max(points[i].Y, s.bottom)
		}
	}
	for _, part := range parted(points) {
		if len(part) == 1 || s.dots {
			dot, err := plotter.NewScatter(part)
			if err != nil {
				return err
			}
			dot.GlyphStyle = draw.GlyphStyle{Color: c.ink, Radius: vg.Points(2), Shape: draw.CircleGlyph{}}
			p.Add(dot)
			continue
		}
		line, err := plotter.NewLine(part)
		if err != nil {
			return err
		}
		line.Color, line.Width = c.ink, vg.Points(1.7)
		if c.dashed > 0 {
			line.Dashes = []vg.Length{vg.Points(float64(c.dashed)), vg.Points(3)}
		}
		p.Add(line)
	}
	return nil
}

// parted parts a curve where points are missing: a line there would say what nobody has seen.
func parted(points plotter.XYs) (parts []plotter.XYs) {
	var steps []float64
	for i := 1; i < len(points); i++ {
		steps = append(steps, points[i].X-points[i-1].X)
	}
	slices.Sort(steps)
	from := 0
	for i := 1; i < len(points); i++ {
		if points[i].X-points[i-1].X > gapSteps*steps[len(steps)/2] {
			parts = append(parts, points[from:i])
			from = i
		}
	}
	return append(parts, points[from:])
}

// mark draws where parts of the run begin, and their names where there is room.
func (s *sketch) mark(p *plot.Plot) {
	for i, m := range s.marks {
		if m.FromSeconds > p.X.Max {
			continue
		}
		end := p.X.Max
		if i+1 < len(s.marks) {
			end = math.Min(s.marks[i+1].FromSeconds, end)
		}
		if m.FromSeconds > 0 {
			line, err := plotter.NewLine(plotter.XYs{{X: m.FromSeconds, Y: p.Y.Min}, {X: m.FromSeconds, Y: p.Y.Max}})
			if err != nil {
				continue // a place that is no number is not marked
			}
			line.Color, line.Width, line.Dashes = inkGrey, vg.Points(0.6), []vg.Length{vg.Points(2), vg.Points(2)}
			p.Add(line)
		}
		room := (end - m.FromSeconds) / p.X.Max * float64(sketchWidth) * 0.88
		if room < float64(len(m.Name))*5.6+6 {
			continue
		}
		names, err := plotter.NewLabels(plotter.XYLabels{XYs: plotter.XYs{{X: m.FromSeconds, Y: p.Y.Max}}, Labels: []string{m.Name}})
		if err != nil {
			continue
		}
		names.Offset = vg.Point{X: vg.Points(3), Y: vg.Points(-2)}
		names.TextStyle[0].Color, names.TextStyle[0].YAlign = inkGrey, text.YTop
		names.TextStyle[0].Font.Size, names.TextStyle[0].Font.Variant = font.Length(10), sans
		p.Add(names)
	}
}

// commas writes another's ticks as the tables of the page write numbers.
type commas struct{ plot.Ticker }

// Ticks are for plot.Ticker.
func (c commas) Ticks(low, high float64) []plot.Tick {
	all := c.Ticker.Ticks(low, high)
	for i := range all {
		if all[i].Label != "" && all[i].Value >= 1_000 {
			all[i].Label = thousands(int64(math.Round(all[i].Value)))
		}
	}
	return all
}

// decades are the ticks of a logarithmic axis: a number at each power of ten.
type decades struct{}

// Ticks are for plot.Ticker.
func (decades) Ticks(low, high float64) (all []plot.Tick) {
	first, last := math.Round(math.Log10(low)), math.Round(math.Log10(high))
	for e := first; e <= last; e++ {
		v := math.Pow(10, e)
		label := strconv.FormatFloat(v, 'f', -1, 64)
		if v >= 1 {
			label = thousands(int64(v))
		}
		all = append(all, plot.Tick{Value: v, Label: label})
		for m := 2.0; m < 10 && e < last && last-first <= 4; m++ {
			all = append(all, plot.Tick{Value: m * v})
		}
	}
	return all
}

// places are ticks at given values.
type places []plot.Tick

// Ticks are for plot.Ticker.
func (p places) Ticks(_, high float64) (all []plot.Tick) {
	for _, t := range p {
		if t.Value <= high*(1+1e-9) {
			all = append(all, t)
		}
	}
	return all
}

var (
	svgHead = regexp.MustCompile(`(?s)^.*?<svg[^>]*>`)
	svgFont = regexp.MustCompile(`font-family:[^;"]*`)
)

// themed draws a plot as SVG that stands in a page: it has the width of its column, its colours are the page's variables, and its letters are the
// page's.
func themed(p *plot.Plot) (string, error) {
	canvas := vgsvg.New(sketchWidth, sketchHeight)
	p.Draw(draw.Crop(draw.New(canvas), vg.Points(2), vg.Points(-8), vg.Points(2), vg.Points(-4)))
	var out bytes.Buffer
	if _, err := canvas.WriteTo(&out); err != nil {
		return "", err
	}
	svg := svgHead.ReplaceAllString(out.String(), "")
	svg = svgFont.ReplaceAllString(svg, "font-family:inherit")
	for _, c := range inkClasses {
		svg = strings.ReplaceAll(svg, hexOf(c.ink), "var(--"+c.name+")")
	}
	return fmt.Sprintf(`<svg viewBox="0 0 %g %g" role="img">`, float64(sketchWidth), float64(sketchHeight)) + svg, nil
}

// hexOf is a colour as SVG has it.
func hexOf(c color.NRGBA) string { return fmt.Sprintf("#%02X%02X%02X", c.R, c.G, c.B) }

// inkName is the variable of a curve's colour.
func inkName(c color.Color) string {
	for _, k := range inkClasses {
		if k.ink == c {
			return k.name
		}
	}
	return "text"
}
