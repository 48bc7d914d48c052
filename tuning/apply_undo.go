package tuning

import (
	"errors"
	"fmt"
	"io/fs"
)

// ProposeUndo says what Undo would do and changes nothing. m needs no more than its OS.
// Errors: ErrNothingToUndo, ErrRecord, ErrMarkers, or what the file system said.
func (s Setup) ProposeUndo(m Machine) (*Proposal, error) {
	r, err := readRecord(s.Disk, m.OS)
	if err != nil {
		return nil, err
	}
	if len(r.Values)+len(r.Files) == 0 {
		return nil, ErrNothingToUndo
	}
	p := &Proposal{Machine: m, Lower: true}
	for i := range r.Files {
		f, err := s.undoFile(&r.Files[i])
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", r.Files[i].Path, err)
		}
		p.Files = append(p.Files, f)
	}
	for _, v := range r.Values {
		p.Values = append(p.Values, s.undoValue(&v, m.OS))
	}
	p.Next = s.next(p, true)
	return p, nil
}

// undoFile takes our block out of a file as it is now, or puts the one back that was there. The rest of the file is left as it is.
func (s Setup) undoFile(r *recordedFile) (FileChange, error) {
	out := FileChange{Path: r.Path, Action: ActionRestore, Block: r.Block}
	for _, f := range Formats() {
		if f.Place() == r.Path {
			out.Format = f
		}
	}
	was, err := s.Disk.Read(r.Path)
	if errors.Is(err, fs.ErrNotExist) {
		out.Action, out.Notes = ActionNone, []string{"it is not there any more"}
		return out, nil
	}
	if err != nil {
		return out, err
	}
	parts, err := splitBlock(was.Text)
	if err != nil {
		return out, err
	}
	out.was, out.existed, out.Before = was, true, string(parts.block)
	if len(parts.block) == 0 {
		out.Action, out.Notes = ActionNone, []string{"the block is not there any more"}
		return out, nil
	}
	if r.Joined && r.Block == "" && len(parts.after) == 0 && len(parts.before) > 0 {
		parts.before = parts.before[:len(parts.before)-1]
	}
	if out.text, err = parts.with([]byte(r.Block)); err != nil {
		return out, err
	}
	if !r.Existed && len(out.text) == 0 {
		out.Action = ActionRemove
	}
	return out, nil
}

// undoValue sets a limit back, but not over what somebody else has set since.
func (s Setup) undoValue(r *recordedValue, system OS) Change {
	c := Change{Action: ActionNone, Set: ParseValue(r.Before)}
	limits := Limits(system)
	for i := range limits {
		if limits[i].Name == r.Name {
			c.Limit = &limits[i]
		}
	}
	if c.Limit == nil {
		c.Limit = &Limit{Name: r.Name, OS: system, Kind: Sysctl}
		c.Reason = "this version does not know it"
		return c
	}
	if s.System == nil {
		c.Reason = "the root is not the running system's"
		return c
	}
	have, err := s.System.Read(c.Limit)
	c.Have = have
	switch now := have.String(); {
	case err != nil:
		c.Reason = err.Error()
	case now == r.Before:
		c.Reason = "it is as it was"
	case !tookAs(c.Limit, have, ParseValue(r.Set)):
		c.Reason = fmt.Sprintf("it was set to %s, and somebody has changed it to %s", r.Set, now)
	default:
		c.Action = ActionRestore
	}
	return c
}

// Undo does what ProposeUndo proposes, files first, and forgets what it has done: Done and Problem in p say what became of
// each. What could not be taken back stays in the record for another Undo.
// An error is of the files, as in Apply.
func (s Setup) Undo(p *Proposal) error {
	st := stage{disk: s.Disk}
	for i := range p.Files {
		f := &p.Files[i]
		switch f.Action {
		case ActionRestore:
			next := f.was
			next.Text = f.text
			if err := st.put(f.Path, next); err != nil {
				return errors.Join(err, st.abandon(), ErrNothing)
			}
		case ActionRemove:
			st.drop(f.Path)
		}
	}
	moved := false
	err := st.commit(func(name string) {
		moved = true
		for i := range p.Files {
			if p.Files[i].Path == name {
				p.Files[i].Done = true
			}
		}
	})
	if err != nil {
		if !moved {
			err = errors.Join(err, ErrNothing)
		}
		return err
	}
	left := false
	for i := range p.Values {
		c := &p.Values[i]
		if c.Action != ActionRestore {
			continue
		}
		if err := s.System.Write(c.Limit, c.Set); err != nil {
			c.Problem, left = err.Error(), true
			continue
		}
		c.Done = true
	}
	return s.forget(p, left)
}

// forget removes backups and the record; with values left, the record keeps those.
func (s Setup) forget(p *Proposal, left bool) error {
	for i := range p.Files {
		name := p.Files[i].Path + backupSuffix
		if err := s.Disk.Remove(name); err != nil {
			return fmt.Errorf("remove /%s: %w", name, err)
		}
	}
	name := recordPath(p.Machine.OS)
	if !left {
		if err := s.Disk.Remove(name); err != nil {
			return fmt.Errorf("remove /%s: %w", name, err)
		}
		return nil
	}
	r, err := readRecord(s.Disk, p.Machine.OS)
	if err != nil {
		return err
	}
	r.Files = nil
	kept := r.Values[:0]
	for i, v := range r.Values {
		if p.Values[i].Problem != "" {
			kept = append(kept, v)
		}
	}
	r.Values = kept
	notes, err := r.file()
	if err != nil {
		return err
	}
	st := stage{disk: s.Disk}
	if err := st.put(name, notes); err != nil {
		return errors.Join(err, st.abandon())
	}
	return st.commit(func(string) {})
}
