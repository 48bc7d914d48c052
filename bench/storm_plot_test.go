package bench

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

// exampleStorm is a storm as it may look: 12 s of calm, 4 s of storm, 6 s of calm.
func exampleStorm() *StormResult {
	scene := func(storm float64) *StormScene {
		o := &StormScene{
			Calm:  StormAct{Seconds: 12, LatencyMs: &Latency{P50: 0.4, P99: 1.1, Max: 3}},
			Storm: StormAct{FromSeconds: 12, Seconds: 4, LatencyMs: &Latency{P50: 0.5, P99: 1.1 + storm, Max: 5}},
			After: StormAct{FromSeconds: 16, Seconds: 6}, RSSBeforeBytes: 50e6, RSSAfterBytes: 52e6,
		}
		for i := 1; i <= 88; i++ {
			at := float64(i) / 4
			wave := math.Sin(float64(i)) / 10
			p := StormPoint{Seconds: at, Ready: 5_000, RSSBytes: int64(50e6 + 1e6*wave), P50Ms: ptr(0.4 + wave/4), P99Ms: ptr(1.1 + wave)}
			if at > 12 && at <= 16 && storm > 0 {
				p.P99Ms, p.Admitted, p.Refused = ptr(1.1+storm+wave), 1_250+100*wave, 5_000*math.Exp(12.25-at)
				p.Offered, p.RSSBytes = p.Admitted+p.Refused, int64(50e6+2e6*(at-12))
			}
			o.Points = append(o.Points, p)
		}
		return o
	}
	return &StormResult{
		Pairs: 50, Rate: 1_000, PayloadBytes: 20, Clients: 5_000, AdmittedPerSecond: 1_250, OfferedPerSecond: 6_250,
		Storm: scene(0.8), Quiet: scene(0), P99Ratio: ptr(1.73), P99RatioSelf: ptr(1.7), RSSRatio: ptr(1.04),
	}
}

func TestTheFigureOfAStormShowsAllSeries(t *testing.T) {
	svg, err := plotStorm(exampleStorm())
	if err != nil {
		t.Fatal(err)
	}
	checkSVG(t, svg, "p50", "p99", "p99 of the run without the storm", "offered", "admitted", "refused",
		"with the storm", "without", "Resident memory of the server", "Latency of 50 live pairs", "Handshakes of 5000 clients", "seconds", "5 000")
}

func TestTheFigureOfAStormThatHardlyWasIsDrawnToo(t *testing.T) {
	for name, r := range map[string]*StormResult{
		"no points at all":       {Storm: &StormScene{}, Quiet: &StormScene{}},
		"one point and no more":  {Storm: &StormScene{Points: []StormPoint{{Seconds: 0.25}}}, Quiet: &StormScene{}},
		"memory that is unknown": {Storm: &StormScene{Points: []StormPoint{{Seconds: 1, P99Ms: ptr(1.0)}, {Seconds: 2}}}, Quiet: &StormScene{}},
	} {
		svg, err := plotStorm(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		checkSVG(t, svg, "Resident memory of the server")
	}
}

// checkSVG holds a figure against what it must show.
func checkSVG(t *testing.T, svg []byte, texts ...string) {
	t.Helper()
	paths := 0
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok && e.Name.Local == "path" {
			paths++
		}
	}
	for _, text := range texts {
		if !strings.Contains(string(svg), ">"+text) {
			t.Errorf("the figure does not say %q", text)
		}
	}
	if paths < 10 || strings.Contains(string(svg), "NaN") || strings.Contains(string(svg), "href") {
		t.Errorf("%d paths, or numbers that are none, or something of the network", paths)
	}
}

func TestTicksAreRoundNumbers(t *testing.T) {
	for want, high := range map[string]float64{"0 2 4 6 8 10 12": 12, "0 1 000 2 000 3 000 4 000 5 000 6 000": 6_250, "0 0.1 0.2 0.3 0.4 0.5": 0.55} {
		var labels []string
		for _, tick := range (ticks{}).Ticks(0, high) {
			labels = append(labels, tick.Label)
		}
		if got := strings.Join(labels, " "); got != want {
			t.Errorf("to %v: %s, want %s", high, got, want)
		}
	}
}

func TestStormJSONHasTheKeysThatScriptsRead(t *testing.T) {
	r := newReport("storm", StormConfig{}.withDefaults())
	r.Storm = exampleStorm()
	var out bytes.Buffer
	if err := r.WriteJSON(&out); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		Storm map[string]any
	}
	if err := json.Unmarshal(out.Bytes(), &doc); err != nil {
		t.Fatal(err)
	}
	scene := doc.Storm["storm"].(map[string]any)
	for where, row := range map[string]struct {
		got  map[string]any
		want string
	}{
		"storm": {doc.Storm, "admitted_per_second admitted_source clients files offered_per_second p99_ratio p99_ratio_self pairs payload_bytes quiet rate rss_ratio storm"},
		"storm.storm": {scene, "after back back_seconds calm closed corrupted crowd duplicated failed generator_late_ms lost points " +
			"reordered rss_after_bytes rss_before_bytes rss_peak_bytes sent sessions_lost storm"},
		"storm.storm.storm":     {scene["storm"].(map[string]any), "from_seconds latency_ms seconds server_cpu_percent"},
		"storm.storm.crowd":     {scene["crowd"].(map[string]any), "admitted dropped offered prepared refused resumed returned stale tickets unreachable"},
		"storm.storm.points[0]": {scene["points"].([]any)[0].(map[string]any), "admitted_per_second offered_per_second p50_ms p99_ms ready refused_per_second rss_bytes seconds"},
	} {
		var keys []string
		for k := range row.got {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		if got := strings.Join(keys, " "); got != row.want {
			t.Errorf("%s has keys\n%s, want\n%s", where, got, row.want)
		}
	}
}

func TestStormTableShowsWhatWasMeasured(t *testing.T) {
	r := newReport("storm", StormConfig{}.withDefaults())
	r.Storm = exampleStorm()
	r.Storm.Files = []string{"out/bench/storm.svg"}
	var out bytes.Buffer
	if err := r.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"1250/s admitted", "6250/s offered", "1.73 times", "1.040 times before", "out/bench/storm.svg", "p99 1.900 ms"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	login := newReport("login", LoginConfig{}.withDefaults())
	login.Login = &LoginResult{Logins: 10, Rounds: 2, Contact: &LoginCost{CPUUs: 412, RoundsUs: []float64{400, 424}},
		Resume: &LoginCost{CPUUs: 155, RoundsUs: []float64{155}}, ResumeMoreUs: ptr(99.0), CPUSource: "getrusage"}
	out.Reset()
	if err := login.WriteTable(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"412 us of server CPU", "rounds 400 to 424", "155 us", "99 us more than plain"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}
