package bench

import (
	"slices"
	"strings"
)

// better says which of two values of a figure is the better one.
type better int8

// The directions of a figure.
const (
	neither better = iota
	lower
	higher
)

// suffix is how keys end whose values have a unit, what is shown, by what the value is multiplied for that, and which direction is better.
type suffix struct {
	key, unit string
	scale     float64
	better    better
}

// suffixes are looked through in order.
var suffixes = []suffix{
	{"_bytes_per_session", "B a session", 1, lower},
	{"_bytes_per_connection", "B a connection", 1, lower},
	{"_us_per_message", "µs a message", 1, lower},
	{"_us_per_member", "µs a member", 1, lower},
	{"_per_second", "a second", 1, higher},
	{"_ms_per_cycle", "ms a cycle", 1, lower},
	{"_percent", "%", 1, lower},
	{"_percent_idle", "%", 1, lower},
	{"_seconds", "s", 1, lower},
	{"_bytes", "B", 1, lower},
	{"_pages", "pages", 1, lower},
	{"_ns", "s", 1e-9, neither},
	{"_us", "µs", 1, lower},
	{"_ms", "ms", 1, lower},
}

// words are last keys without a unit whose direction is known.
var words = map[string]better{
	"lost": lower, "duplicated": lower, "reordered": lower, "corrupted": lower, "damaged": lower, "errors": lower, "failed": lower, "closed": lower,
	"unsent": lower, "first_ticks_missing": lower, "second_ticks_missing": lower, "sessions_lost": lower, "sessions_back": higher, "breaks": lower,
	"hit_ratio": higher, "hit_ratio_spike": higher, "hit_ratio_collected": higher, "p99_ratio": lower, "p99_ratio_self": lower, "rss_ratio": lower,
	"more_bytes": lower,
}

// given are last keys that have a direction by their suffix and none in truth: they say what a run was told to do, when something was, or how
// long a run was.
var given = []string{
	"payload_bytes", "offered_per_second", "measured_seconds", "from_seconds", "spike_from_seconds", "spike_seconds", "budget_bytes",
	"waiting_peak_bytes", "store_bytes", "seconds", "flips_offered_per_second", "asked_per_second",
}

// meaningOf finds what a key's value counts in, what the key is without that, by what the value is multiplied, and which direction is better.
// The parts of a latency mean what the object says that they are in.
func meaningOf(path string) (name, unit string, scale float64, direction better) {
	parent, last, nested := cutLast(path)
	if nested && isPercentile(last) {
		name, unit, scale, direction = meaningOf(parent)
		return name + " " + last, unit, scale, direction
	}
	if nested && last == "count" {
		name, _, _, _ = meaningOf(parent)
		return name + " count", "", 1, neither
	}
	for _, s := range suffixes {
		head, ok := strings.CutSuffix(path, s.key)
		if !ok && last == s.key[1:] { // nothing but the unit: its object says of what
			head, ok = path, true
		}
		if !ok {
			continue
		}
		if slices.Contains(given, last) {
			return head, s.unit, s.scale, neither
		}
		return head, s.unit, s.scale, s.better
	}
	return path, "", 1, words[last]
}

// cutLast parts a path before its last key. The keys of percentiles have dots in them.
func cutLast(path string) (parent, last string, nested bool) {
	if head, ok := strings.CutSuffix(path, ".p99.9"); ok {
		return head, "p99.9", true
	}
	i := strings.LastIndexByte(path, '.')
	if i < 0 {
		return "", path, false
	}
	return path[:i], path[i+1:], true
}

// percentileKeys are the parts of a latency in the order in which they are read.
var percentileKeys = []string{"p50", "p90", "p99", "p99.9", "max", "mean"}

func isPercentile(key string) bool { return slices.Contains(percentileKeys, key) }
