package tuning

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path"
)

// record is what --undo needs: how everything was before the first apply. It is on the disk before anything is changed.
type record struct {
	Schema int             `json:"schema"`
	Values []recordedValue `json:"values"`
	Files  []recordedFile  `json:"files"`
}

// recordedValue is a limit of the running system. Before and Set are as Value.String has them.
type recordedValue struct {
	Name   string `json:"name"`
	Before string `json:"before"`
	Set    string `json:"set"` // by the latest apply: a value that is another one now was set by somebody else
}

// recordedFile is a file with a block of ours.
type recordedFile struct {
	Path    string `json:"path"`
	Existed bool   `json:"existed"` // else it goes away when nothing but our block was in it
	Joined  bool   `json:"joined"`  // its last line had no end: our block gave it one
	Block   string `json:"block"`   // block that was there already; "" for none
}

// StateDir is the directory, relative to the root, in which Apply keeps what Undo needs.
func StateDir(system OS) string {
	if system == Linux {
		return "var/lib/trunkline-tune"
	}
	return "var/db/trunkline-tune"
}

func recordPath(system OS) string { return path.Join(StateDir(system), "undo.json") }

// readRecord returns an empty record when there is none.
func readRecord(d Disk, system OS) (record, error) {
	name := recordPath(system)
	f, err := d.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return record{Schema: recordSchema}, nil
	}
	if err != nil {
		return record{}, fmt.Errorf("read /%s: %w", name, err)
	}
	var r record
	if err := json.Unmarshal(f.Text, &r); err != nil {
		return record{}, fmt.Errorf("%w: /%s: %w", ErrRecord, name, err)
	}
	if r.Schema != recordSchema {
		return record{}, fmt.Errorf("%w: /%s is of schema %d, and this program writes %d", ErrRecord, name, r.Schema, recordSchema)
	}
	for _, file := range r.Files {
		if !fs.ValidPath(file.Path) {
			return record{}, fmt.Errorf("%w: /%s names %q", ErrRecord, name, file.Path)
		}
	}
	return r, nil
}

// file is the record as it is written.
func (r *record) file() (File, error) {
	r.Values, r.Files = list(r.Values), list(r.Files)
	text, err := json.MarshalIndent(r, "", "  ")
	return File{Text: append(text, '\n'), Mode: 0o600, UID: -1, GID: -1}, err
}

// remember notes how things are before p, where no earlier apply has noted it.
func (r *record) remember(p *Proposal) {
	for _, c := range p.Values {
		if c.Action != ActionSet {
			continue
		}
		set := c.Set.String()
		known := false
		for i := range r.Values {
			if r.Values[i].Name == c.Limit.Name {
				r.Values[i].Set, known = set, true
			}
		}
		if !known {
			r.Values = append(r.Values, recordedValue{c.Limit.Name, c.Have.String(), set})
		}
	}
	for i := range p.Files {
		f := &p.Files[i]
		if !f.writes() || r.has(f.Path) {
			continue
		}
		joined := len(f.was.Text) > 0 && f.was.Text[len(f.was.Text)-1] != '\n'
		r.Files = append(r.Files, recordedFile{f.Path, f.existed, joined, f.Before})
	}
}

func (r *record) has(name string) bool {
	for _, f := range r.Files {
		if f.Path == name {
			return true
		}
	}
	return false
}
