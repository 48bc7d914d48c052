package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// ErrResult: a file is not the result of a run, or the two can't be compared.
var ErrResult = errors.New("bench: not a result")

// Comparison are two runs of one kind side by side: A, and B beside it.
type Comparison struct {
	Bench    string    `json:"bench"`
	A        Compared  `json:"a"`
	B        Compared  `json:"b"`
	Warnings []string  `json:"warnings"` // why the figures may differ for other reasons than the ones that are looked for
	Rows     []Versus  `json:"rows"`
	Inputs   []Differs `json:"inputs,omitempty"` // settings that differ
}

// Compared says which run it was.
type Compared struct {
	File    string `json:"file"`
	Started string `json:"started"`
	Machine string `json:"machine"`
	Commit  string `json:"commit,omitempty"`
}

// Versus is one figure of both runs.
type Versus struct {
	Name   string   `json:"name"` // the path of its key
	Unit   string   `json:"unit,omitempty"`
	A      *float64 `json:"a"` // null: not measured
	B      *float64 `json:"b"`
	Change *float64 `json:"change"` // B minus A
	Ratio  *float64 `json:"ratio"`  // B to A; null when A is 0
	Better string   `json:"better"` // A, B, same, or empty: neither direction is better, or one was not measured
}

// Differs is a setting that was not the same.
type Differs struct {
	Name string `json:"name"`
	A    string `json:"a"`
	B    string `json:"b"`
}

// CompareFiles reads two results and compares them.
func CompareFiles(a, b string) (*Comparison, error) {
	one, err := readResult(a)
	if err != nil {
		return nil, err
	}
	two, err := readResult(b)
	if err != nil {
		return nil, err
	}
	return compare(one, two)
}

// result is a result file as it was read: every value, whatever the kind.
type result struct {
	file string
	tree map[string]any
	Report
}

// readResult reads a result file; ErrResult when it is none.
func readResult(path string) (*result, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResult, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, ResultBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrResult, err)
	}
	return parseResult(path, b)
}

// parseResult checks that a document is what a run writes.
func parseResult(path string, b []byte) (*result, error) {
	r := &result{file: filepath.Base(path)}
	if len(b) > ResultBytesMax {
		return nil, fmt.Errorf("%w: %s is larger than %d bytes", ErrResult, path, ResultBytesMax)
	}
	if err := json.Unmarshal(b, &r.tree); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrResult, path, err)
	}
	for _, key := range []string{"bench", "machine", "inputs", "lost", "latency_ms"} {
		if _, ok := r.tree[key]; !ok {
			return nil, fmt.Errorf("%w: %s has no %q", ErrResult, path, key)
		}
	}
	if err := json.NewDecoder(bytes.NewReader(b)).Decode(&r.Report); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrResult, path, err)
	}
	if r.Bench == "" {
		return nil, fmt.Errorf("%w: %s does not say of which kind it is", ErrResult, path)
	}
	if r.Format > ResultFormat {
		return nil, fmt.Errorf("%w: %s has format %d; this program knows those up to %d", ErrResult, path, r.Format, ResultFormat)
	}
	return r, nil
}

// compare puts two results side by side.
func compare(a, b *result) (*Comparison, error) {
	if a.Bench != b.Bench {
		return nil, fmt.Errorf("%w: %s is of kind %s and %s of kind %s", ErrResult, a.file, a.Bench, b.file, b.Bench)
	}
	c := &Comparison{Bench: a.Bench, A: a.compared(), B: b.compared(), Warnings: []string{}, Rows: []Versus{}}
	c.rows(a, b)
	c.inputs(a, b)
	c.warn(a, b)
	return c, nil
}

func (r *result) compared() Compared {
	return Compared{File: r.file, Started: r.Started.UTC().Format("2006-01-02 15:04:05 UTC"), Machine: r.Machine.String(), Commit: r.Machine.Commit}
}

// rows compares every number that either of the two has.
func (c *Comparison) rows(a, b *result) {
	one, two := a.numbers(), b.numbers()
	var names []string
	for name := range one {
		names = append(names, name)
	}
	for name := range two {
		if _, ok := one[name]; !ok {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, byImportance)
	for _, name := range names {
		v := newVersus(name, one[name], two[name])
		if v.A != nil && v.B != nil || slices.Contains(commonKeys, root(name)) {
			c.Rows = append(c.Rows, v)
		}
	}
}

// commonKeys are the keys that every kind has, in the order in which they are read.
var commonKeys = []string{
	"server_rss_bytes_per_session", "kernel_bytes_per_connection", "cpu_us_per_message", "messages_per_second", "latency_ms",
	"gc_cpu_ms_per_cycle", "gc_pause_max_ms", "sessions_back", "lost", "duplicated", "reordered",
}

func root(path string) string {
	head, _, _ := strings.Cut(path, ".")
	return head
}

// byImportance orders the common keys first.
func byImportance(a, b string) int {
	place := func(name string) int {
		if i := slices.Index(commonKeys, root(name)); i >= 0 {
			return i
		}
		return len(commonKeys)
	}
	if d := place(a) - place(b); d != 0 {
		return d
	}
	headA, lastA, _ := cutLast(a)
	headB, lastB, _ := cutLast(b)
	if headA == headB && isPercentile(lastA) && isPercentile(lastB) {
		return slices.Index(percentileKeys, lastA) - slices.Index(percentileKeys, lastB)
	}
	return strings.Compare(a, b)
}

// numbers are the figures of a result by their paths: the common ones and those of its kind.
func (r *result) numbers() map[string]*float64 {
	all := map[string]*float64{}
	for _, key := range sortedKeys(r.tree) {
		if slices.Contains(unfigured, key) {
			continue
		}
		for _, l := range leavesOf(map[string]any{key: r.tree[key]}) {
			if v, ok := l.value.(float64); ok {
				all[l.path] = &v
			}
		}
	}
	return all
}

// unfigured are the keys whose numbers are no figures.
var unfigured = []string{"format", "machine", "inputs", "series", "latency_histogram", "command", "started"}

// newVersus compares one figure.
func newVersus(name string, a, b *float64) Versus {
	_, unit, _, direction := meaningOf(name)
	v := Versus{Name: name, Unit: unit, A: a, B: b}
	if a == nil || b == nil {
		return v
	}
	v.Change = ptr(round(*b-*a, 6))
	if *a != 0 {
		v.Ratio = ptr(round(*b / *a, 4))
	}
	switch {
	case direction == neither:
	case *a == *b:
		v.Better = "same"
	case (*b < *a) == (direction == lower):
		v.Better = "B"
	default:
		v.Better = "A"
	}
	return v
}
