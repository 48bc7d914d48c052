package tuning

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
)

// Fixture is a System that is written down: a box that is not this one, or one of a test. Its zero value has no machine and no limits.
type Fixture struct {
	Box      Machine
	Values   map[string]Value // by the name of a limit; one that is missing is unknown to the release
	Refusals map[string]error // what Read and Write of a name answer instead
	Counted  Counters
	Writes   []Written // what was written, in order
}

// Written is one limit that was set.
type Written struct {
	Name  string
	Value Value
}

// Machine returns Box.
func (f *Fixture) Machine() (Machine, error) { return f.Box, nil }

// Read returns the value of a name. Errors: its refusal, ErrUnsupported for limits of a socket, ErrUnknown.
func (f *Fixture) Read(l *Limit) (Value, error) {
	if err := f.Refusals[l.Name]; err != nil {
		return Value{}, fmt.Errorf("tuning: read %s: %w", l.Name, err)
	}
	if l.Kind == PerSocket || l.Kind == Hardware {
		return Value{}, fmt.Errorf("tuning: read %s: %w", l.Name, ErrUnsupported)
	}
	v, ok := f.Values[l.Name]
	if !ok {
		return Value{}, fmt.Errorf("tuning: read %s: %w", l.Name, ErrUnknown)
	}
	return v, nil
}

// Write sets the value of a name and notes it in Writes. Errors: as Read, ErrReboot for Loader, ErrUnsupported for limits that are not
// sysctls, as a running system answers.
func (f *Fixture) Write(l *Limit, v Value) error {
	if _, err := f.Read(l); err != nil {
		return fmt.Errorf("tuning: set %s: %w", l.Name, err)
	}
	switch l.Kind {
	case Loader:
		return fmt.Errorf("tuning: set %s: %w", l.Name, ErrReboot)
	case Sysctl:
		f.Values[l.Name] = v
		f.Writes = append(f.Writes, Written{Name: l.Name, Value: v})
		return nil
	}
	return fmt.Errorf("tuning: set %s: %w", l.Name, ErrUnsupported)
}

// Counters returns Counted.
func (f *Fixture) Counters() (Counters, error) { return f.Counted, nil }

// fixtureErrors are the refusals that a file can name.
var fixtureErrors = map[string]error{
	"unknown": ErrUnknown, "permission": ErrPermission, "unsupported": ErrUnsupported, "refused": ErrRefused, "reboot": ErrReboot,
}

// fixtureFile is the form of a Fixture on disk.
type fixtureFile struct {
	Schema   int               `json:"schema"`
	Machine  *Machine          `json:"machine"`
	Limits   map[string]Value  `json:"limits"`
	Refusals map[string]string `json:"refusals,omitempty"`
	Counters Counters          `json:"counters,omitempty"`
}

// ReadFixture reads a file that WriteFixture has written, or somebody by hand. Errors name the file and what is wrong with it.
func ReadFixture(path string) (*Fixture, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("tuning: %w", err)
	}
	defer file.Close() // only read
	decoder := json.NewDecoder(file)
	decoder.DisallowUnknownFields() // a typing error must not pass for a limit that is not there
	var form fixtureFile
	if err := decoder.Decode(&form); err != nil {
		return nil, fmt.Errorf("tuning: %s: %w", path, err)
	}
	switch {
	case form.Schema != Schema:
		return nil, fmt.Errorf("tuning: %s: schema is %d, this program reads %d", path, form.Schema, Schema)
	case form.Machine == nil:
		return nil, fmt.Errorf("tuning: %s: there is no machine", path)
	}
	f := &Fixture{Box: *form.Machine, Values: form.Limits, Refusals: map[string]error{}, Counted: form.Counters}
	if f.Values == nil {
		f.Values = map[string]Value{}
	}
	for name, word := range form.Refusals {
		refusal, ok := fixtureErrors[word]
		if !ok {
			return nil, fmt.Errorf("tuning: %s: refusal %q of %s is none of %v", path, word, name, slices.Sorted(maps.Keys(fixtureErrors)))
		}
		f.Refusals[name] = refusal
	}
	return f, nil
}

// WriteFixture writes a fixture into a file, which is replaced.
func WriteFixture(path string, f *Fixture) error {
	form := fixtureFile{Schema: Schema, Machine: &f.Box, Limits: f.Values, Refusals: map[string]string{}, Counters: f.Counted}
	for name, refusal := range f.Refusals {
		form.Refusals[name] = refusalWord(refusal)
	}
	text, err := json.MarshalIndent(form, "", "  ")
	if err != nil {
		return fmt.Errorf("tuning: %s: %w", path, err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("tuning: %w", err)
	}
	return nil
}

func refusalWord(err error) string {
	for word, known := range fixtureErrors {
		if errors.Is(err, known) {
			return word
		}
	}
	return "unsupported"
}

// Record copies a system into a Fixture: a box can be examined on another one. Limits that can't be read are noted as refusals.
func Record(s System) (*Fixture, error) {
	m, err := machine(s)
	if err != nil {
		return nil, err
	}
	f := &Fixture{Box: m, Values: map[string]Value{}, Refusals: map[string]error{}}
	table := Limits(m.OS)
	for i := range table {
		if table[i].Kind == PerSocket {
			continue
		}
		v, err := s.Read(&table[i])
		switch {
		case err == nil:
			f.Values[table[i].Name] = v
		case !errors.Is(err, ErrUnknown):
			f.Refusals[table[i].Name] = err
		}
	}
	if f.Counted, err = s.Counters(); err != nil {
		f.Counted = nil // a box without counters can still be checked
	}
	return f, nil
}
