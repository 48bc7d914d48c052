package tuning

import (
	"errors"
	"fmt"
	"strings"
)

// Check compares a system with what a load needs. Errors: ErrLoad, ErrMachine, ErrUnsupported on other operating systems; a limit that
// can't be read is a row of the report, not an error.
func Check(s System, l Load) (Report, error) {
	m, err := machine(s)
	if err != nil {
		return Report{}, err
	}
	if l, err = l.Complete(m); err != nil {
		return Report{}, err
	}
	r := Report{Machine: m, Load: l, Verdict: Fit}
	r.Rows = append(r.Rows, hardwareRows(l, m, sizes(s, m))...)
	table := Limits(m.OS)
	for i := range table {
		if row, ok := checkLimit(s, &table[i], l, m); ok {
			r.Rows = append(r.Rows, row)
		}
	}
	for i := range r.Rows {
		r.Verdict = max(r.Verdict, weight(&r.Rows[i]))
	}
	return r, nil
}

// machine asks a system what it is and checks the answer.
func machine(s System) (Machine, error) {
	m, err := s.Machine()
	if err != nil {
		return m, fmt.Errorf("tuning: ask what this machine is: %w", err)
	}
	return m, m.valid()
}

// sizes are the counters of a system that tells with them how large its objects are, else nil: then the sizes of its release count.
func sizes(s System, m Machine) Counters {
	if m.OS != FreeBSD {
		return nil
	}
	c, err := s.Counters()
	if err != nil {
		return nil
	}
	return c
}

// weight is what a row means for the whole.
func weight(r *Row) Verdict {
	if r.Verdict == Unknown && !r.Limit.Required {
		return Advice
	}
	return r.Verdict
}

// checkLimit is false for limits that this load, machine or release does not run into.
func checkLimit(s System, l *Limit, load Load, m Machine) (Row, bool) {
	row := Row{Limit: l}
	if l.Kind == PerSocket || !l.Exists(m.Release) {
		return row, false
	}
	if row.Need = l.Need(load, m); row.Need.None() {
		return row, false
	}
	have, err := s.Read(l)
	switch {
	case errors.Is(err, ErrUnknown) && l.Optional:
		return row, false
	case err != nil:
		row.Verdict, row.Set, row.Reason = Unknown, l.Suggested(load, m), "It can't be read: "+plain(err)+"."
		return row, true
	}
	row.Have = have
	judge(&row, l.Suggested(load, m))
	return row, true
}

// plain is the innermost text that an operator can do something with.
func plain(err error) string {
	for _, known := range []error{ErrUnknown, ErrPermission, ErrUnsupported} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return err.Error()
}

// judge sets a row's verdict from Have and Need.
func judge(r *Row, suggested Value) {
	if !sameShape(r.Have, r.Need) {
		r.Verdict, r.Set, r.Reason = Unknown, suggested, fmt.Sprintf("It reads %q, which can't be compared with %q.", r.Have, r.Need)
		return
	}
	r.Set = merge(r.Limit.Rules, r.Have, r.Need, suggested)
	switch {
	case r.Set == r.Have:
		r.Set, r.Verdict, r.Reason = Value{}, Fit, r.Limit.Reason
	case r.Limit.Required:
		r.Verdict, r.Reason = Short, r.Limit.TooSmall
	default:
		r.Verdict, r.Reason = Advice, r.Limit.TooSmall
	}
}

// sameShape says whether both are words, or both as many numbers.
func sameShape(have, need Value) bool {
	return have.Count == need.Count && !have.None()
}

// merge is what to set: what is suggested where have does not fit need, and have where it does.
func merge(rules [ValueNumbersMax]Rule, have, need, suggested Value) Value {
	if need.Count == 0 {
		if fitsWord(rules[0], have.Text, need.Text) {
			return have
		}
		return suggested
	}
	set := have
	for i := range need.Count {
		if !fits(rules[i], have.Numbers[i], need.Numbers[i]) {
			set.Numbers[i] = suggested.Numbers[i]
		}
	}
	return set
}

func fits(rule Rule, have, need int64) bool {
	switch rule {
	case AtLeast:
		return have >= need
	case AtMost:
		return have <= need
	case Equal:
		return have == need
	}
	return true
}

// fitsWord: at least means any of the same family, as "TSC" where "TSC-low" is needed.
func fitsWord(rule Rule, have, need string) bool {
	switch rule {
	case AtLeast:
		family, _, _ := strings.Cut(need, "-")
		return strings.HasPrefix(have, family)
	case Any:
		return true
	}
	return have == need
}

// Names of the rows that no table holds.
const (
	memoryName    = "memory"
	addressesName = "outbound addresses"
)

// hardwareRows are the limits that nothing sets: memory, and addresses to connect from.
func hardwareRows(l Load, m Machine, c Counters) []Row {
	need := Memory(l, m, c).Bytes
	rows := []Row{hardwareRow(&Limit{
		Name: memoryName, OS: m.OS, Unit: "bytes", Reason: "Kernel and server together, with the share of the memory that the load may take.",
		TooSmall: "The machine swaps or kills processes before all are connected: plan with fewer connections or more memory.",
	}, budget(l, m), need)}
	if l.Outbound > 0 {
		ports := int64(portLast - portFirstMin + 1 - portReserve)
		rows = append(rows, hardwareRow(&Limit{
			Name: addressesName, OS: m.OS, Unit: "addresses", Reason: "Each address that connections are opened from has some 63,500 ports.",
			TooSmall: "connect(2) fails with EADDRNOTAVAIL: add addresses to the interface (aliases) and use them all.",
		}, int64(l.OutboundAddresses), ceilDiv(l.Outbound, ports)))
	}
	return rows
}

func hardwareRow(l *Limit, have, need int64) Row {
	l.Kind, l.Rules, l.Required = Hardware, atLeast, true
	row := Row{Limit: l, Have: Number(have), Need: Number(need)}
	judge(&row, row.Need)
	row.Set = Value{} // there is nothing to set
	return row
}

// budget is what of a machine's memory a load may take.
func budget(l Load, m Machine) int64 { return m.MemoryBytes / 1000 * l.MemoryPerMille }
