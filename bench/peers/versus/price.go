package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// The price of encryption is measured by the project's own load tool, whose generator speaks both transports: the same run on the plain one and on Noise. The
// names of these two systems in samples:
const (
	pricedPlain = "bench-plain"
	pricedNoise = "bench-noise"
)

// benchReport is what is read of the load tool's JSON.
type benchReport struct {
	CPUUs   *float64 `json:"cpu_us_per_message"`
	Lost    *int64   `json:"lost"`
	Doubled *int64   `json:"duplicated"`
	Moved   *int64   `json:"reordered"`
	Bytes   *float64 `json:"server_rss_bytes_per_session"`
	Connect *struct {
		PlainBytes float64 `json:"plain_bytes"`
	} `json:"connect"`
	Login *struct {
		Plain, Resume, Contact *struct {
			CPUUs float64 `json:"cpu_us"`
		}
	} `json:"login"`
}

// parseBench reads the load tool's JSON.
func parseBench(b []byte) (r benchReport, err error) {
	if err := json.Unmarshal(b, &r); err != nil {
		return r, fmt.Errorf("the load tool's report: %w", err)
	}
	return r, nil
}

// benchTimeout ends a run of the load tool.
const benchTimeout = 5 * time.Minute

// loadTool runs `trunkline bench`.
func loadTool(ctx context.Context, program string, args ...string) (benchReport, error) {
	ctx, cancel := context.WithTimeout(ctx, benchTimeout)
	defer cancel()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append([]string{"bench"}, args...)...)
	cmd.Stdout, cmd.Stderr = &out, &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) } // so that it ends its server
	cmd.WaitDelay = 20 * time.Second
	if err := cmd.Run(); err != nil {
		return benchReport{}, fmt.Errorf("%s bench %v: %w: %.2000s", program, args, err, said.String())
	}
	return parseBench(out.Bytes())
}

// prices measures messages on both transports, one after the other for each way of talking; in the first round, counted from 0, also logins and memory of
// sessions, which have rounds of their own in the load tool.
func prices(ctx context.Context, o options, round int, add func(sample)) error {
	z := o.sizes
	for _, p := range plays(z) {
		for _, transport := range []string{"plain", "noise"} {
			args := []string{"message", "--transport", transport, "--pairs", strconv.Itoa(z.Pairs), "--size", strconv.Itoa(z.Bytes), "--duration", z.Time.String(),
				"--warmup", z.Warm.String(), "--rate", strconv.Itoa(p.rate), "--inflight", strconv.Itoa(max(p.inflight, 1)), "--json", "--", "--ack", "memory", "--data", "off"}
			r, err := loadTool(ctx, o.program, args...)
			if err != nil {
				return err
			}
			add(priced(transport, p.figure(), orZero(r.CPUUs), orZero(r.Lost), orZero(r.Doubled)+orZero(r.Moved)))
		}
	}
	if round > 0 {
		return nil
	}
	r, err := loadTool(ctx, o.program, "login", "--logins", strconv.Itoa(z.Logins/4), "--rounds", "3", "--json")
	if err != nil {
		return err
	}
	if l := r.Login; l != nil {
		add(priced("plain", figureLogin, orZero(l.Plain).CPUUs, 0, 0))
		add(priced("noise", figureLogin, orZero(l.Resume).CPUUs, 0, 0))
		add(priced("noise", figureContact, orZero(l.Contact).CPUUs, 0, 0))
	}
	if o.short {
		return nil // idle sessions of both transports alone take a minute
	}
	if r, err = loadTool(ctx, o.program, "connect", "--transport", "both", "--from", strconv.Itoa(z.From), "--connections", strconv.Itoa(z.Sessions), "--json"); err != nil {
		return err
	}
	if r.Connect != nil {
		add(priced("plain", figureCollected, r.Connect.PlainBytes, 0, 0))
	}
	add(priced("noise", figureCollected, orZero(r.Bytes), 0, 0))
	return nil
}

// figureContact is a first login on the encrypted transport.
const figureContact = "contact"

func priced(transport, figure string, value float64, lost, wrong int64) sample {
	name := pricedPlain
	if transport == "noise" {
		name = pricedNoise
	}
	return sample{System: name, Figure: figure, Value: value, Lost: lost, Wrong: wrong}
}

func orZero[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}
