package tuning

import (
	"cmp"
	"errors"
	"slices"
)

// Plan says how many connections a system holds as it is set, what stops it first, and what each costs. The load's Connections may be
// 0; then the memory shown is that of the most this machine's memory holds. Errors: ErrLoad, ErrMachine, ErrUnsupported on other systems.
func Plan(s System, l Load) (Capacity, error) {
	m, err := machine(s)
	if err != nil {
		return Capacity{}, err
	}
	asked := l.Connections
	probe := l
	probe.Connections = cmp.Or(l.Connections, 1)
	if err := probe.valid(); err != nil {
		return Capacity{}, err
	}
	counters := sizes(s, m)
	c := Capacity{Machine: m}
	c.Reachable = most(func(n int64) bool {
		at := l.with(n, m)
		return Memory(at, m, counters).Bytes <= budget(at, m)
	})
	c.Load = l.with(asked, m)
	c.BudgetBytes = budget(c.Load, m)
	c.Stops = append(c.Stops, Stop{
		Name: memoryName, Connections: c.Reachable, Have: Number(c.BudgetBytes),
		Reason: "The memory of the machine: nothing sets it.",
	})
	c.stops(s, l)
	slices.SortStableFunc(c.Stops, func(a, b Stop) int { return cmp.Compare(a.Connections, b.Connections) })
	c.Connections, c.StoppedBy = c.Stops[0].Connections, c.Stops[0].Name
	c.Model = Memory(l.with(cmp.Or(asked, c.Reachable), m), m, counters)
	return c, nil
}

// with is the load with another number of connections, filled. AcceptPerSecond follows the number unless the load says it.
func (l Load) with(n int64, m Machine) Load {
	l.Connections = n
	return l.filled(m)
}

// stops finds for each limit that connections run into at how many they do.
func (c *Capacity) stops(s System, l Load) {
	table := Limits(c.Machine.OS)
	for i := range table {
		limit := &table[i]
		if !limit.Required || limit.Storm || limit.Kind == PerSocket || !limit.Exists(c.Machine.Release) {
			continue
		}
		if limit.Need(l.with(ConnectionsMax, c.Machine), c.Machine).None() {
			continue
		}
		have, err := s.Read(limit)
		if errors.Is(err, ErrUnknown) && limit.Optional {
			continue
		}
		if err != nil {
			c.Unread = append(c.Unread, limit.Name)
			continue
		}
		n, bound := reach(limit, have, l, c.Machine)
		if bound {
			c.Stops = append(c.Stops, Stop{Name: limit.Name, Connections: n, Have: have, Reason: limit.TooSmall})
		}
	}
}

// reach is the most connections for which a limit fits; false when it bounds none that can be counted.
func reach(limit *Limit, have Value, l Load, m Machine) (int64, bool) {
	n := most(func(n int64) bool {
		row := Row{Limit: limit, Have: have, Need: limit.Need(l.with(n, m), m)}
		if row.Need.None() {
			return true
		}
		judge(&row, row.Need)
		return row.Verdict == Fit
	})
	return n, n < ConnectionsMax
}

// most is the largest number of connections up to ConnectionsMax for which ok holds, 0 if there is none. Needs grow with connections, so
// what fits for some fits for fewer.
func most(ok func(int64) bool) int64 {
	low, high := int64(0), int64(ConnectionsMax)+1 // ok(low) is taken for granted, ok(high) is not
	for high-low > 1 {
		middle := low + (high-low)/2
		if ok(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}
