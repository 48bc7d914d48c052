package rig

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// tickHz is the unit of the CPU times in /proc/PID/stat: USER_HZ is 100 on every Linux that Go runs on.
	tickHz = 100
	// settleEvery, settleSame and settleWithin say when memory stands still: that many readings, that far apart, within that many bytes.
	settleEvery  = 250 * time.Millisecond
	settleSame   = 6
	settleWithin = 128 << 10
	// settleTimeout ends the wait for it; then the last reading counts.
	settleTimeout = 20 * time.Second
	// quietEvery is how far apart readings of the CPU are while waiting until a server has nothing left to do, and quietTicks is how
	// much it may use between two: timers of its own.
	quietEvery = 300 * time.Millisecond
	quietTicks = 2
)

// CPU is user and system time of the server so far: utime and stime of the process, in steps of 10 ms, or what its threads have run by the scheduler's own
// count, which is the same in nanoseconds as long as no thread has ended.
func (s *Server) CPU() (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID))
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w%s", ErrServer, s.Name, err, s.tail.said())
	}
	d, err := parseStat(string(b))
	return max(d, threadTimes(s.PID)), err
}

// threadTimes adds up the first number of each thread's schedstat; 0 where the kernel does not keep it.
func threadTimes(pid int) (sum time.Duration) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid)) // the pattern is well-formed
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			continue // the thread has ended since
		}
		first, _, _ := strings.Cut(string(b), " ")
		if n, err := strconv.ParseInt(first, 10, 64); err == nil {
			sum += time.Duration(n)
		}
	}
	return sum
}

// parseStat reads utime and stime out of /proc/PID/stat (proc(5)): fields 14 and 15, counted behind the name, which may hold anything.
func parseStat(stat string) (time.Duration, error) {
	_, rest, ok := cutLast(stat, ")")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("%w: /proc/PID/stat is %.100q", ErrServer, stat)
	}
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("%w: /proc/PID/stat: %w", ErrServer, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * (time.Second / tickHz), nil
}

// cutLast is strings.Cut at the last place.
func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}

// Resident is the server's resident memory by its page tables.
func (s *Server) Resident() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", s.PID))
	if err != nil {
		return 0, fmt.Errorf("%w: %s: %w%s", ErrServer, s.Name, err, s.tail.said())
	}
	return parseRollup(string(b))
}

// parseRollup reads the Rss line of /proc/PID/smaps_rollup.
func parseRollup(rollup string) (int64, error) {
	for _, line := range strings.Split(rollup, "\n") {
		if rest, ok := strings.CutPrefix(line, "Rss:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(rest, "kB")), 10, 64)
			if err != nil {
				return 0, fmt.Errorf("%w: smaps_rollup: %w", ErrServer, err)
			}
			return kb << 10, nil
		}
	}
	return 0, fmt.Errorf("%w: smaps_rollup has no Rss", ErrServer)
}

// Steady reads the memory when it stands still.
func (s *Server) Steady(ctx context.Context) (int64, error) {
	return s.steady(ctx, func(context.Context) error { return nil })
}

// Settled is Steady after the server has collected its garbage, where it has a command for that; it is asked again whenever the memory has moved.
func (s *Server) Settled(ctx context.Context) (int64, error) { return s.steady(ctx, s.Collect) }

func (s *Server) steady(ctx context.Context, before func(context.Context) error) (int64, error) {
	deadline := time.Now().Add(settleTimeout)
	var last int64
	for same := 0; same < settleSame && time.Now().Before(deadline); {
		if same == 0 {
			if err := before(ctx); err != nil {
				return 0, err
			}
		}
		if err := s.pause(ctx, settleEvery); err != nil {
			return 0, err
		}
		now, err := s.Resident()
		if err != nil {
			return 0, err
		}
		if d := now - last; d > settleWithin || d < -settleWithin {
			same, last = 0, now
			continue
		}
		same++
	}
	return last, nil
}

// Quiet waits until the server has nothing left to do, and gives its CPU then.
func (s *Server) Quiet(ctx context.Context) (time.Duration, error) {
	deadline := time.Now().Add(settleTimeout)
	last, err := s.CPU()
	for err == nil && time.Now().Before(deadline) {
		if err = s.pause(ctx, quietEvery); err != nil {
			break
		}
		var now time.Duration
		now, err = s.CPU()
		if now-last <= quietTicks*time.Second/tickHz {
			return now, err
		}
		last = now
	}
	return last, err
}
