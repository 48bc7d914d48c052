package tuning

import (
	"errors"
	"fmt"
	"path"
	"strings"
)

// Apply does what p proposes: first what Undo needs goes to the disk, then the files are replaced, each as a whole, then the
// limits of the running system are set in the order of the table. Done and Problem in p say what became of each.
// An error is of the files: ErrNothing when nothing has changed, else some files are the new ones and Undo takes them back.
// A limit that the system refuses is no error: its Problem says why, and the others are set.
func (s Setup) Apply(p *Proposal) error {
	r, err := readRecord(s.Disk, p.Machine.OS)
	if err != nil {
		return errors.Join(err, ErrNothing)
	}
	r.remember(p)
	if err := s.write(p, &r); err != nil {
		return err
	}
	if s.System == nil {
		return nil
	}
	for i := range p.Values {
		c := &p.Values[i]
		if c.Action != ActionSet {
			continue
		}
		if err := s.System.Write(c.Limit, c.Set); err != nil {
			c.Problem = err.Error()
			continue
		}
		c.Done = true
	}
	return nil
}

// write puts the record and all files in their places.
func (s Setup) write(p *Proposal, r *record) error {
	if len(r.Values)+len(r.Files) == 0 {
		return nil
	}
	st := stage{disk: s.Disk}
	if err := s.prepare(p, r, &st); err != nil {
		return errors.Join(err, st.abandon(), ErrNothing)
	}
	moved := false
	err := st.commit(func(name string) {
		for i := range p.Files {
			if p.Files[i].Path == name {
				p.Files[i].Done, moved = true, true
			}
		}
	})
	if err != nil && !moved {
		err = errors.Join(err, ErrNothing)
	}
	return err
}

// prepare stages the record, a backup of each file that is changed for the first time, and the files.
func (s Setup) prepare(p *Proposal, r *record, st *stage) error {
	system := p.Machine.OS
	if err := s.Disk.MakeDir(StateDir(system)); err != nil {
		return fmt.Errorf("make /%s: %w", StateDir(system), err)
	}
	notes, err := r.file()
	if err != nil {
		return err
	}
	if err := st.put(recordPath(system), notes); err != nil {
		return err
	}
	for i := range p.Files {
		f := &p.Files[i]
		if !f.writes() {
			continue
		}
		if f.existed && f.Before == "" {
			if err := st.put(f.Path+backupSuffix, f.was); err != nil {
				return err
			}
		}
		if err := s.Disk.MakeDir(path.Dir(f.Path)); err != nil {
			return fmt.Errorf("make /%s: %w", path.Dir(f.Path), err)
		}
		next := f.was
		next.Text = f.text
		if err := st.put(f.Path, next); err != nil {
			return err
		}
	}
	return nil
}

// next are commands for what Apply and Undo do not do themselves. Below another root nothing runs that could be started anew.
func (s Setup) next(p *Proposal, undo bool) []string {
	root := strings.TrimSuffix(s.Root, "/")
	class, inRoot := ourClass, ""
	if undo {
		class = "default"
	}
	if root != "" {
		inRoot = " -R " + root
	}
	var list []string
	restart, reboot := false, false
	for i := range p.Files {
		f := &p.Files[i]
		if !f.writes() {
			continue
		}
		switch f.Format {
		case LoginConf:
			list = append(list, "cap_mkdb "+root+"/"+f.Path, "pw"+inRoot+" usermod trunkline -L "+class)
		case Systemd:
			if s.System != nil {
				list = append(list, "systemctl daemon-reload")
			}
		}
		restart = restart || f.Format == LoginConf || f.Format == Systemd || f.Format == RcConf
		reboot = reboot || f.Format == LoaderConf
	}
	for _, c := range p.Values {
		if c.Action == ActionReboot && p.Machine.OS == Linux {
			list = append(list, c.Limit.atBoot(c.Set))
		}
		restart = restart || c.Action == ActionRestart
		reboot = reboot || c.Action == ActionReboot
	}
	switch {
	case s.System == nil:
	case reboot:
		list = append(list, "reboot")
	case restart && p.Machine.OS == Linux:
		list = append(list, "systemctl restart trunkline")
	case restart:
		list = append(list, "service trunkline restart")
	}
	return list
}

// Left are the limits without which the load can't be held and that stay too small or too large although they can be set now.
func (p *Proposal) Left() []Change {
	var list []Change
	for _, c := range p.Values {
		if c.Problem != "" || c.Short && c.Action == ActionKeep {
			list = append(list, c)
		}
	}
	return list
}
