package bench

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"
)

// pageText is the template of the page. It is well-formed XML, names nothing outside itself, and has no script.
//
//go:embed html_page.tmpl
var pageText string

// page is what the template shows.
type page struct {
	Title    string
	Kind     string
	Verdict  string // empty: nothing is wrong
	When     string
	Took     string
	Latency  string   // what it is the latency of
	Figures  []figure // of every run
	Sections []figures
	Plots    []pagePlot
	Missing  []string // plots that this run has no points for
	Phases   []figure
	About    []figure // machine, versions, command line
	Inputs   []figure
	Notes    []string
}

// figures are the numbers of one part of a report.
type figures struct {
	Name string
	Rows []figure
	Few  bool // few enough to be shown at once
}

// figure is one row of a table.
type figure struct {
	Name, Value, Unit string
	Words             bool // the value is no number
}

// pagePlot is one plot with what it shows in words.
type pagePlot struct {
	Title, Unit, About string
	Keys               []pageKey
	SVG                template.HTML
}

// WriteHTML writes the report as one page: plots, figures, machine, inputs. It needs no network and follows the reader's light or dark.
func (r *Report) WriteHTML(w io.Writer) error {
	t, err := template.New("page").Parse(pageText)
	if err != nil {
		return fmt.Errorf("%w: page: %w", ErrGenerator, err)
	}
	p, err := r.page()
	if err != nil {
		return fmt.Errorf("%w: page: %w", ErrGenerator, err)
	}
	return t.Execute(w, p)
}

// page gathers what the template shows.
func (r *Report) page() (*page, error) {
	p := &page{
		Title: "trunkline bench " + r.Bench, Kind: r.Bench, Notes: r.Notes, Verdict: r.verdict(),
		When: r.Started.UTC().Format("2006-01-02 15:04:05 UTC"), Took: spell(r.Seconds), Figures: r.keyFigures(), Latency: r.latencyMeans(), About: r.about(),
	}
	tree, err := r.tree()
	if err != nil {
		return nil, err
	}
	p.Sections = sectionsOf(tree)
	if inputs, ok := tree["inputs"].(map[string]any); ok {
		for _, leaf := range leavesOf(inputs) {
			p.Inputs = append(p.Inputs, leaf.figure())
		}
	}
	if r.Series != nil {
		for _, ph := range r.Series.Phases {
			p.Phases = append(p.Phases, figure{Name: ph.Name, Value: "from " + short(ph.FromSeconds), Unit: "s"})
		}
	}
	p.Plots, p.Missing, err = r.plots()
	return p, err
}

// tree is the report as its JSON has it.
func (r *Report) tree() (tree map[string]any, err error) {
	var b strings.Builder
	if err = r.WriteJSON(&b); err == nil {
		err = json.Unmarshal([]byte(b.String()), &tree)
	}
	return tree, err
}

// verdict is what is wrong with the run, in a sentence.
func (r *Report) verdict() string {
	switch {
	case r.Aborted:
		return "Interrupted: the figures are those of the time before."
	case r.Failed():
		return "Failed: messages or sessions were lost, or messages doubled, out of order or damaged."
	}
	return ""
}

// spell writes seconds for people.
func spell(seconds float64) string {
	if seconds < 60 {
		return short(seconds) + " s"
	}
	return time.Duration(seconds * float64(time.Second)).Round(time.Second).String()
}

// about is where and how the run was.
func (r *Report) about() (rows []figure) {
	add := func(name, value string) {
		if value != "" {
			rows = append(rows, figure{Name: name, Value: value})
		}
	}
	m := r.Machine
	add("System", strings.TrimSpace(m.OS+" "+m.Kernel+" ("+m.Arch+")"))
	add("Processor", m.CPU)
	add("Cores", fmt.Sprint(m.Cores))
	if m.MemoryBytes > 0 {
		add("Memory", short(float64(m.MemoryBytes)/1e9)+" GB")
	}
	add("Load at the start", m.Load)
	add("Go", m.Go)
	add("Commit", m.Commit)
	add("Command", strings.Join(quoted(r.Command), " "))
	return rows
}

// quoted writes words as a shell takes them.
func quoted(words []string) (out []string) {
	for _, w := range words {
		if w == "" || strings.ContainsAny(w, " \t\n'\"\\$`*?[]{}()<>|&;~#!") {
			w = "'" + strings.ReplaceAll(w, "'", `'\''`) + "'"
		}
		out = append(out, w)
	}
	return out
}
