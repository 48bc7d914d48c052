package bench

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
)

// keyFigures are the rows that every run's page begins with; what was not measured says so.
func (r *Report) keyFigures() []figure {
	value := func(v *float64) string {
		if v == nil {
			return notMeasured
		}
		return short(*v)
	}
	number := func(v *uint64) string {
		if v == nil {
			return notMeasured
		}
		return thousands(int64(*v))
	}
	rows := []figure{
		{Name: "Server memory for each session", Value: value(r.RSSBytesPerSession), Unit: "B"},
		{Name: "Kernel memory for each connection", Value: value(r.KernelBytesPerConnection), Unit: "B"},
		{Name: "Server CPU for each message", Value: value(r.CPUUsPerMessage), Unit: "µs"},
		{Name: "Messages", Value: value(r.MessagesPerSecond), Unit: "a second"},
	}
	if l := r.LatencyMs; l != nil {
		rows = append(rows, figure{Name: "Latency p50, p99", Value: short(l.P50) + ", " + short(l.P99), Unit: "ms"},
			figure{Name: "Latency p99.9, longest", Value: short(l.P999) + ", " + short(l.Max), Unit: "ms"})
	} else {
		rows = append(rows, figure{Name: "Latency", Value: notMeasured})
	}
	rows = append(rows,
		figure{Name: "CPU of a garbage collection", Value: value(r.GCCPUMsPerCycle), Unit: "ms"},
		figure{Name: "Longest pause for it, at most", Value: value(r.GCPauseMaxMs), Unit: "ms"},
		figure{Name: "Sessions that came back", Value: number(r.SessionsBack)},
		figure{Name: "Lost", Value: number(r.Lost)},
		figure{Name: "Duplicated", Value: number(r.Duplicated)},
		figure{Name: "Out of order", Value: number(r.Reordered)})
	for i := range rows {
		if rows[i].Value == notMeasured {
			rows[i].Unit = ""
		}
	}
	return rows
}

// notMeasured stands for what a run has not measured.
const notMeasured = "not measured"

// leaf is one value of a document, by the path of its keys.
type leaf struct {
	path  string
	value any // float64, string or bool
}

// leavesOf are the values of a document in the order of their paths. Lists of values are one text; lists of objects are followed when they are
// short (rounds, cases, peers), and left out when they are long: those are points over time.
func leavesOf(v any) (all []leaf) {
	var walk func(path string, v any)
	walk = func(path string, v any) {
		switch v := v.(type) {
		case nil:
		case map[string]any:
			for _, key := range sortedKeys(v) {
				walk(join(path, key), v[key])
			}
		case []any:
			if text, ok := flat(v); ok {
				if text != "" {
					all = append(all, leaf{path, text})
				}
				return
			}
			for i := 0; i < len(v) && len(v) <= leafListMax; i++ {
				walk(join(path, nameOf(v[i], i)), v[i])
			}
		default:
			all = append(all, leaf{path, v})
		}
	}
	walk("", v)
	return all
}

// flat is a list of values as one text; false when there are objects in it.
func flat(list []any) (string, bool) {
	var words []string
	for _, v := range list {
		switch v := v.(type) {
		case float64:
			words = append(words, short(v))
		case string:
			words = append(words, v)
		case bool:
			words = append(words, fmt.Sprint(v))
		default:
			return "", false
		}
	}
	if len(words) > leafListMax {
		return fmt.Sprintf("%d values", len(words)), true
	}
	return strings.Join(words, ", "), true
}

// nameOf is what an object in a list is called.
func nameOf(v any, i int) string {
	if m, ok := v.(map[string]any); ok {
		if name, ok := m["name"].(string); ok && name != "" {
			return name
		}
	}
	return fmt.Sprint(i + 1)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// keyDot is a dot between two keys; one in a key has a digit behind it.
var keyDot = regexp.MustCompile(`\.(\D)`)

// plain is the path of a key as words.
func plain(path string) string {
	return keyDot.ReplaceAllString(strings.ReplaceAll(path, "_", " "), " / $1")
}

// figure is a leaf as a row: its name without the unit that its key ends with.
func (l leaf) figure() figure {
	name, unit, scale, _ := meaningOf(l.path)
	name = plain(name)
	switch v := l.value.(type) {
	case float64:
		if unit == "" && v == math.Trunc(v) {
			return figure{Name: name, Value: thousands(int64(v))}
		}
		return figure{Name: name, Value: short(v * scale), Unit: unit}
	case bool:
		return figure{Name: plain(l.path), Value: map[bool]string{true: "yes", false: "no"}[v], Words: true}
	}
	return figure{Name: plain(l.path), Value: fmt.Sprint(l.value), Words: true}
}

// sectionsOf are the objects of a report that belong to its kind alone.
func sectionsOf(tree map[string]any) (all []figures) {
	for _, key := range sortedKeys(tree) {
		section, ok := tree[key].(map[string]any)
		if !ok || slices.Contains(commonObjects, key) {
			continue
		}
		part := figures{Name: key}
		for _, l := range leavesOf(section) {
			part.Rows = append(part.Rows, l.figure())
		}
		slices.SortStableFunc(part.Rows, func(a, b figure) int { return cmp.Compare(a.Name, b.Name) })
		part.Few = len(part.Rows) <= figuresOpenMax
		all = append(all, part)
	}
	return all
}

// commonObjects are the objects that every kind's report has.
var commonObjects = []string{"machine", "inputs", "latency_ms", "series"}

// latencyMeans says what the latency of a run is the latency of; empty: the run's section has it.
func (r *Report) latencyMeans() string {
	if r.LatencyMs == nil {
		return ""
	}
	return map[string]string{
		"message": "Latency: from the moment a message was due until it was delivered.",
		"storm":   "Latency: of live pairs' messages in the storm, from due to delivered.",
		"mix":     "Latency: of messages to people who were there, from due to delivered.",
		"connect": "Latency: from connected to logged in.",
		"login":   "Latency: of a login with a ticket.",
		"backlog": "Latency: of the pairs' messages while devices fetched from the disk, from due to delivered.",
		"echo":    "Latency: of a round trip.",
	}[r.Bench]
}
