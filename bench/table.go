package bench

import (
	"fmt"
	"io"
	"math"
	"text/tabwriter"
)

// table writes aligned rows for people.
type table struct {
	w   *tabwriter.Writer
	err error
}

func newTable(w io.Writer) *table { return &table{w: tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)} }

// row writes one line of cells.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		sep := "\t"
		if i == len(cells)-1 {
			sep = "\n"
		}
		if _, err := io.WriteString(t.w, c+sep); err != nil && t.err == nil {
			t.err = err
		}
	}
}

// latency writes one line of percentiles; nothing when there are none.
func (t *table) latency(name string, l *Latency) {
	if l == nil {
		return
	}
	t.row(name, fmt.Sprintf("p50 %.3f ms, p99 %.3f ms, p99.9 %.3f ms, max %.3f ms", l.P50, l.P99, l.P999, l.Max))
}

func (t *table) flush() error {
	if err := t.w.Flush(); err != nil {
		return err
	}
	return t.err
}

// number prints a figure that may be missing.
func number(v *float64, digits int) string {
	if v == nil {
		return "not measured:"
	}
	return fmt.Sprintf("%.*f", digits, *v)
}

// count prints a count that may be missing.
func count(v *uint64) string {
	if v == nil {
		return "not measured"
	}
	return fmt.Sprint(*v)
}

func mb(bytes int64) float64 { return float64(bytes) / 1e6 }

// round keeps digits behind the point, so that JSON shows what was measured and not the noise of division.
func round(v float64, digits int) float64 {
	p := math.Pow(10, float64(digits))
	return math.Round(v*p) / p
}

// ratio is a/b, 0 when there is no b.
func ratio(a, b float64) float64 {
	if b == 0 {
		return 0
	}
	return a / b
}

func ptr[T any](v T) *T { return &v }
