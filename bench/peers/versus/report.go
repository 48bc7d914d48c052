package main

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// report is everything that is written down.
type report struct {
	stretch
	Earlier []stretch         `json:"earlier,omitempty"` // whose samples are among these
	Machine string            `json:"machine"`
	Sizes   sizes             `json:"sizes"`
	Systems []described       `json:"systems"`
	Absent  []string          `json:"absent,omitempty"`
	Samples []sample          `json:"samples"`
	Figures map[string]byName `json:"figures"`

	began time.Time
}

// stretch is when rounds were measured.
type stretch struct {
	Started string    `json:"started"`
	Seconds float64   `json:"seconds"`
	Load    [2]string `json:"load_average"` // before and after
	Rounds  int       `json:"rounds"`       // that were finished
}

// byName has a figure's summaries by the system's name.
type byName = map[string]summary

// described is a system as it was measured.
type described struct {
	Name     string `json:"name"`
	Version  string `json:"version"`
	Settings string `json:"settings"`
}

func newReport(z sizes, all []system, absent []string) *report {
	r := &report{Sizes: z, Absent: absent, Machine: machine(), began: time.Now()}
	r.Started, r.Load[0] = r.began.UTC().Format(time.RFC3339), loadAverage()
	for _, s := range all {
		version, _ := s.kind.Version() // it answered a moment ago
		r.Systems = append(r.Systems, described{s.kind.Name(), version, s.kind.Settings()})
	}
	return r
}

// add takes one sample.
func (r *report) add(s sample) { r.Samples = append(r.Samples, s) }

// continues adds the samples of an earlier run with the same sizes.
func (r *report) continues(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var e report
	if err := json.Unmarshal(b, &e); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if e.Machine != r.Machine || e.Sizes.Bytes != r.Sizes.Bytes || e.Sizes.Pairs != r.Sizes.Pairs || e.Sizes.Sessions != r.Sizes.Sessions {
		return fmt.Errorf("%s was measured on another machine or with other sizes", path)
	}
	r.Samples = append(e.Samples, r.Samples...)
	r.Earlier = append(e.Earlier, e.stretch)
	for _, s := range e.Systems {
		if !slices.ContainsFunc(r.Systems, func(d described) bool { return d.Name == s.Name }) {
			r.Systems = append(r.Systems, s)
		}
	}
	return nil
}

// finish works out what the samples come to.
func (r *report) finish() {
	r.Seconds, r.Load[1] = time.Since(r.began).Round(time.Second).Seconds(), loadAverage()
	r.Figures = summarize(r.Samples)
}

// wrong says whether any message was lost, doubled or reordered.
func (r *report) wrong() bool {
	for _, s := range r.Samples {
		if s.Lost != 0 || s.Wrong != 0 {
			return true
		}
	}
	return false
}

// machine is a line about where this ran.
func machine() string {
	cpu := ""
	b, _ := os.ReadFile("/proc/cpuinfo") // empty where there is none
	for _, line := range strings.Split(string(b), "\n") {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			cpu = strings.TrimSpace(value)
			break
		}
	}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	return strings.Join(strings.Fields(fmt.Sprintf("%d processors %s, %s %s, %s", runtime.NumCPU(), cpu, runtime.GOOS, kernel, runtime.Version())), " ")
}

// write makes the files.
func (r *report) write(o options) error {
	if o.json != "" {
		if err := writeJSON(o.json, r); err != nil {
			return err
		}
	}
	if o.markdown == "" || o.short {
		return nil
	}
	return os.WriteFile(o.markdown, []byte(r.markdown()), 0o644)
}
