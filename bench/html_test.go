package bench

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// sampledReport is a report with everything that a page shows.
func sampledReport() *Report {
	r := newReport("message", MessageConfig{}.withDefaults())
	r.Started = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	r.Machine = Machine{OS: "linux", Arch: "amd64", CPU: "a <fast> one", Cores: 2, Go: "go1.26"}
	r.Seconds, r.Command = 40, []string{"trunkline", "bench", "message", "--out", "a dir"}
	r.RSSBytesPerSession, r.CPUUsPerMessage, r.Lost = ptr(401.5), ptr(17.25), ptr[uint64](0)
	r.note("a remark with <b>markup</b> & an ampersand")
	h := newHistogram()
	for i := range 20_000 {
		record(h, int64(i)*int64(time.Microsecond))
	}
	r.latency(h)
	r.Message = &MessageResult{Pairs: 500, MeasuredSeconds: 10, RSSEndBytes: 60_000_000}
	s := &Series{EverySeconds: 0.5, Phases: []Phase{{"log in", 1}, {"measure & <see>", 10}, {"end", 39.9}}}
	for i := range 80 {
		v := float64(i)
		s.add(Point{Seconds: v / 2, Server: &ServerPoint{
			Connections: int64(50 * i), Sessions: int64(49 * i), RSSBytes: int64(50e6 + 20_000*v), HeapBytes: 20e6, KernelBytes: ptr(int64(9e6 + 150_000*v)),
			CPUCores: 0.5, ConnectsPerSecond: ptr(100.0), LoginsPerSecond: 98, MessagesPerSecond: 1000 + v, GCPauseMaxMs: ptr(0.1 + v/100),
		}, Load: &LoadPoint{Connections: int64(50 * i), MessagesPerSecond: 1000, ErrorsPerSecond: 1, P50Ms: ptr(0.2), P99Ms: ptr(1 + v), P999Ms: ptr(2 + 3*v)}})
	}
	s.closePoint()
	r.Series = s
	return r
}

// pageOf writes a report's page.
func pageOf(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// checkPage holds a page to what pages promise: well-formed, without scripts, and with nothing from elsewhere.
func checkPage(t *testing.T, name, text string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(text))
	d.Strict = true
	for {
		_, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s is not well-formed: %v", name, err)
		}
	}
	lower := strings.ToLower(text)
	for _, never := range []string{"http:", "https:", "//cdn", "<script", "url(", "@import", " src=", " href=", "javascript:", "ZgotmplZ", "%!", "NaN", "Inf"} {
		if strings.Contains(lower, strings.ToLower(never)) && never != "NaN" && never != "Inf" || (never == "NaN" || never == "Inf") && strings.Contains(text, never) {
			t.Errorf("%s contains %q", name, never)
		}
	}
}

func TestAPageStandsByItself(t *testing.T) {
	empty := newReport("group", GroupConfig{})
	aborted := sampledReport()
	aborted.Aborted, aborted.Message = true, nil
	broken := sampledReport()
	broken.Lost = ptr[uint64](3)
	for name, r := range map[string]*Report{"a full page": sampledReport(), "an empty one": empty, "an interrupted one": aborted, "a failed one": broken} {
		checkPage(t, name, pageOf(t, r.WriteHTML))
	}
	if text := pageOf(t, empty.WriteHTML); strings.Contains(text, "<figure>") || !strings.Contains(text, "No points in this run for: Connections,") {
		t.Error("a run without points does not say so")
	}
	if text := pageOf(t, aborted.WriteHTML); !strings.Contains(text, "Interrupted:") {
		t.Error("an interrupted run does not say so")
	}
	if text := pageOf(t, broken.WriteHTML); !strings.Contains(text, "Failed:") {
		t.Error("a failed run does not say so")
	}
}

func TestAPageShowsPlotsFiguresAndWhereTheyAreFrom(t *testing.T) {
	text := pageOf(t, sampledReport().WriteHTML)
	for _, want := range []string{
		"Connections", "Memory for each connection", "Latency over time", "Latency by percentile", "Errors", "CPU of the server",
		">402 <small>B</small>", ">17.2 <small>µs</small>", "a remark with &lt;b&gt;markup", "a &lt;fast&gt; one", "trunkline bench message --out &#39;a dir&#39;",
		">99.9<", "prefers-color-scheme: dark", "measure &amp; &lt;see&gt;", "rss end",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	if n := strings.Count(text, "<figure>"); n != 10 {
		t.Errorf("%d plots, want 10", n)
	}
	svg := text[strings.Index(text, "<svg"):strings.LastIndex(text, "</svg>")]
	if left := regexp.MustCompile(`#[0-9A-Fa-f]{6}`).FindAllString(svg, -1); len(left) > 0 {
		t.Errorf("colours that do not follow light and dark: %v", left)
	}
}

func TestKindsWithPlotsOfTheirOwn(t *testing.T) {
	l := &Latency{P50: 1, P99: 2, P999: 3}
	scene := &StormScene{Points: []StormPoint{{Seconds: 1, Offered: 5, P50Ms: ptr(1.0), P99Ms: ptr(2.0)}, {Seconds: 2, Admitted: 4, P99Ms: ptr(3.0)}}}
	for kind, row := range map[string]struct {
		fill  func(r *Report)
		plots []string
	}{
		"storm": {func(r *Report) { r.Storm = &StormResult{Storm: scene} }, []string{"Latency over time", "Handshakes of who was cut"}},
		"mix": {func(r *Report) {
			r.Mix = &MixResult{SpikeSeconds: 1, Points: []MixPoint{{Seconds: 1, HitRatio: ptr(0.5)}, {Seconds: 2}}}
		}, []string{"Messages of the day", "Had waited, and was in memory", "Between memory and disk"}},
		"run-soak": {func(r *Report) {
			r.Run = &RunResult{Soak: &RunSoak{Looks: []SoakLook{{Seconds: 60, LatencyMs: l}, {Seconds: 120}, {Seconds: 180, LatencyMs: l}}}}
		}, []string{"Latency over time"}},
		"an interrupted storm": {func(r *Report) { r.Storm, r.Aborted = &StormResult{}, true }, nil},
	} {
		r := newReport(kind, nil)
		row.fill(r)
		text := pageOf(t, r.WriteHTML)
		checkPage(t, kind, text)
		for _, want := range row.plots {
			if !strings.Contains(text, "<h3>"+want) {
				t.Errorf("%s has no plot %q", kind, want)
			}
		}
		if n := strings.Count(text, "<figure>"); n != len(row.plots) {
			t.Errorf("%s has %d plots, want %d", kind, n, len(row.plots))
		}
	}
}

func TestACurveIsPartedWhereNothingWasSeen(t *testing.T) {
	xy := sampledReport().server(func(p *ServerPoint) *float64 { return &p.CPUCores })
	if parts := parted(xy); len(parts) != 1 || len(parts[0]) != len(xy) {
		t.Errorf("a curve without gaps has %d parts", len(parts))
	}
	if parts := parted(append(xy[:10:10], xy[30:]...)); len(parts) != 2 || len(parts[0]) != 10 {
		t.Errorf("a curve with a gap has %d parts", len(parts))
	}
	if parts := parted(xy[:1]); len(parts) != 1 {
		t.Errorf("a point is %d parts", len(parts))
	}
}

func TestTicksOfALogarithmicAxisAreItsDecades(t *testing.T) {
	var labels []string
	for _, tick := range (decades{}).Ticks(0.1, 10_000) {
		if tick.Label != "" {
			labels = append(labels, tick.Label)
		}
	}
	if got := strings.Join(labels, " "); got != "0.1 1 10 100 1,000 10,000" {
		t.Errorf("labels are %q", got)
	}
	if got := nines(99.9); math.Abs(got-3) > 1e-9 {
		t.Errorf("99.9 %% is at %v", got)
	}
}

func TestSaveWritesBothFilesWhole(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "not", "there")
	files, err := sampledReport().Save(dir)
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if b, err := os.ReadFile(name); err != nil || len(b) == 0 {
			t.Errorf("%s: %d bytes, %v", name, len(b), err)
		}
	}
	if _, err := readResult(files[0]); err != nil {
		t.Error(err)
	}
	if all, _ := os.ReadDir(dir); len(all) != 2 {
		t.Errorf("%d files are there", len(all))
	}
	if _, err := sampledReport().Save(files[0]); !errors.Is(err, ErrGenerator) {
		t.Errorf("a file as directory: %v", err)
	}
}
