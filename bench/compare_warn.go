package bench

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
)

// inputs lists the settings that differ. Where a result was written to and how its addresses were called makes no difference.
func (c *Comparison) inputs(a, b *result) {
	one, two := settings(a.tree["inputs"]), settings(b.tree["inputs"])
	var names []string
	for name, v := range one {
		if two[name] != v {
			names = append(names, name)
		}
	}
	for name := range two {
		if _, ok := one[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	for _, name := range names {
		c.Inputs = append(c.Inputs, Differs{name, one[name], two[name]})
	}
}

// settings are inputs by their paths, as text.
func settings(inputs any) map[string]string {
	all := map[string]string{}
	for _, l := range leavesOf(inputs) {
		if !slices.Contains(placeKeys, l.path) {
			all[l.path] = l.figure().Value + unitBehind(l.figure().Unit)
		}
	}
	return all
}

func unitBehind(unit string) string {
	if unit == "" {
		return ""
	}
	return " " + unit
}

// placeKeys are inputs that say where something is.
var placeKeys = []string{"out", "target.server", "target.admin"}

// warn says why the two may differ for other reasons.
func (c *Comparison) warn(a, b *result) {
	say := func(format string, args ...any) { c.Warnings = append(c.Warnings, fmt.Sprintf(format, args...)) }
	for _, r := range []*result{a, b} {
		if r.Aborted {
			say("%s was interrupted: it has the figures of the time before", r.file)
		}
		if r.Failed() {
			say("%s failed: something was lost, doubled, out of order or damaged", r.file)
		}
		if load, ok := r.Machine.busy(); ok {
			say("%s: the machine was busy when the run began: a load of %.1f on %d cores", r.file, load, r.Machine.Cores)
		}
	}
	m, n := reflect.ValueOf(a.Machine), reflect.ValueOf(b.Machine)
	for i := range m.NumField() {
		field := m.Type().Field(i)
		if field.Name == "Load" || field.Name == "Commit" || reflect.DeepEqual(m.Field(i).Interface(), n.Field(i).Interface()) {
			continue
		}
		key, _, _ := strings.Cut(field.Tag.Get("json"), ",")
		say("the machines differ: %s is %v and %v", key, m.Field(i).Interface(), n.Field(i).Interface())
	}
	for _, d := range c.Inputs {
		name, _, _, _ := meaningOf(d.Name)
		say("the inputs differ: %s is %s and %s", plain(name), orNothing(d.A), orNothing(d.B))
	}
}

func orNothing(s string) string {
	if s == "" {
		return "not given"
	}
	return s
}

// busy says that something else ran: a load average of more than half the cores.
func (m Machine) busy() (float64, bool) {
	first, _, _ := strings.Cut(m.Load, " ")
	load, err := strconv.ParseFloat(first, 64)
	return load, err == nil && m.Cores > 0 && load > float64(m.Cores)/2
}
