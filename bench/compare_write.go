package bench

import (
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"

	_ "embed"
)

// comparePageText is the template of a comparison's page, under the rules of pageText.
//
//go:embed html_compare.tmpl
var comparePageText string

// WriteJSON writes the comparison as one indented JSON object and a newline.
func (c *Comparison) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(c)
}

// WriteTable writes the comparison for people.
func (c *Comparison) WriteTable(w io.Writer) error {
	t := newTable(w)
	t.row("bench "+c.Bench, "A", "B", "B-A", "B/A", "better", "")
	t.row("file", c.A.File, c.B.File, "", "", "", "")
	t.row("started", c.A.Started, c.B.Started, "", "", "", "")
	for _, v := range c.Rows {
		s := c.shown(v)
		t.row(s.Name, s.A, s.B, s.Change, s.Ratio, s.Better, s.Unit)
	}
	if err := t.flush(); err != nil {
		return err
	}
	for _, text := range c.Warnings {
		if _, err := fmt.Fprintf(w, "warning: %s\n", text); err != nil {
			return err
		}
	}
	return nil
}

// shownVersus is a row as people read it.
type shownVersus struct{ Name, Unit, A, B, Change, Ratio, Better, Class string }

// shown writes a row. That a figure is of the section of its kind goes without saying.
func (c *Comparison) shown(v Versus) shownVersus {
	name, unit, scale, _ := meaningOf(v.Name)
	number := func(p *float64) string {
		if p == nil {
			return "-"
		}
		return short(*p * scale)
	}
	s := shownVersus{Name: plain(strings.TrimPrefix(name, c.Bench+".")), Unit: unit, A: number(v.A), B: number(v.B), Change: number(v.Change), Better: v.Better, Ratio: "-"}
	if v.Change != nil && *v.Change > 0 {
		s.Change = "+" + s.Change
	}
	if v.Ratio != nil {
		s.Ratio = fmt.Sprintf("%.3f", *v.Ratio)
	}
	if v.Better == "A" || v.Better == "B" {
		s.Class = "won" + v.Better
	}
	return s
}

// WriteHTML writes the comparison as one page that needs no network.
func (c *Comparison) WriteHTML(w io.Writer) error {
	t, err := template.New("compare").Parse(comparePageText)
	if err != nil {
		return fmt.Errorf("%w: page: %w", ErrGenerator, err)
	}
	page := struct {
		*Comparison
		Shown []shownVersus
		Style template.CSS
	}{Comparison: c, Style: template.CSS(pageStyle())} // the style sheet of this program's own template
	for _, v := range c.Rows {
		page.Shown = append(page.Shown, c.shown(v))
	}
	return t.Execute(w, page)
}

// pageStyle is the style sheet of the pages.
func pageStyle() string {
	_, rest, _ := strings.Cut(pageText, "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	return style
}
