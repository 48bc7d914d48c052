package tuning

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// Action says what Apply does about a limit or a file.
type Action string

// The actions.
const (
	ActionSet     Action = "set"     // of the running system, now
	ActionKeep    Action = "keep"    // larger than it should be, and nobody said that values may be lowered
	ActionReboot  Action = "reboot"  // in force after the next start of the machine
	ActionRestart Action = "restart" // in force for processes that are started from now on
	ActionNone    Action = "none"    // nothing sets it, or it can't be read; of a file: it has no use here
	ActionCreate  Action = "create"  // a file that was not there
	ActionChange  Action = "change"  // the block in a file
	ActionSame    Action = "same"    // the block is there already
	ActionRestore Action = "restore" // as it was before the first apply
	ActionRemove  Action = "remove"  // a file that was not there before the first apply
)

// Change is what Apply does about one limit of the running system.
type Change struct {
	Limit   *Limit
	Have    Value // none when it could not be read
	Need    Value
	Set     Value // what it is set to
	Action  Action
	Short   bool   // the load can't be held with Have
	Reason  string // why Action is what it is, where that is not plain
	Done    bool
	Problem string // why it could not be done
}

// FileChange is what Apply does about one file.
type FileChange struct {
	Path   string // relative to the root
	Format Format
	Action Action
	Before string // block that is there; "" for none
	Block  string // block that shall be there
	Notes  []string
	Done   bool

	was     File
	existed bool
	text    []byte // the whole file as it shall be
}

// writes says whether anything happens to the file.
func (f *FileChange) writes() bool { return f.Action != ActionNone && f.Action != ActionSame }

// Proposal is what Apply will do, or has done.
type Proposal struct {
	Machine Machine
	Load    Load
	Lower   bool
	Verdict Verdict  // of the running system as it was before; 0 for a root that is not its
	Values  []Change // empty for a root that is not the running system's
	Files   []FileChange
	Next    []string // what is left to be done by hand, as commands
}

// Setup sets up one system: its files below Disk, and with System its limits as they are now.
type Setup struct {
	Disk   Disk
	System System // nil: files only
	Root   string // how commands in Next name the root; "" for this machine's
}

// Propose says what Apply would do and changes nothing. lower allows to make values smaller.
// Errors: ErrLoad, ErrMachine, ErrMarkers, ErrContinued, ErrNotRegular, ErrNoSystem, or what the file system said.
func (s Setup) Propose(load Load, m Machine, lower bool) (*Proposal, error) {
	p := &Proposal{Machine: m, Load: load, Lower: lower}
	have := map[string]Value{}
	if s.System != nil {
		report, err := Check(s.System, load)
		if err != nil {
			return nil, err
		}
		m, p.Machine, p.Verdict = report.Machine, report.Machine, report.Verdict
		for i := range report.Rows {
			row := &report.Rows[i]
			have[row.Limit.Name] = row.Have
			if c, ok := proposeValue(row, report.Load, m, lower); ok {
				p.Values = append(p.Values, c)
			}
		}
	}
	complete, err := load.Complete(m)
	if err != nil {
		return nil, err
	}
	if there, err := s.Disk.HasDir("etc"); err != nil || !there {
		return nil, errors.Join(ErrNoSystem, err)
	}
	lines := needs(complete, m)
	for _, f := range Formats() {
		if f.Place() == "" || f.OS() != m.OS {
			continue
		}
		file, err := s.proposeFile(block{format: f, head: renderHead(f, load, m), lines: lines}, m, have, lower)
		if err != nil {
			return nil, fmt.Errorf("/%s: %w", f.Place(), err)
		}
		p.Files = append(p.Files, file)
	}
	p.Next = s.next(p, false)
	return p, nil
}

// proposeValue says what to do about one limit of the running system. ok is false when there is nothing to do.
func proposeValue(row *Row, load Load, m Machine, lower bool) (c Change, ok bool) {
	l := row.Limit
	c = Change{Limit: l, Have: row.Have, Need: row.Need, Short: row.Verdict == Short}
	switch {
	case row.Need.None():
		return c, false
	case row.Verdict == Unknown:
		c.Action, c.Reason = ActionNone, row.Reason
		return c, true
	case row.Need.Count == 0:
		c.Action, c.Reason = ActionNone, "the system has chosen "+row.Have.String()+" by itself: see "+l.Manual+" before you force another"
		return c, row.Verdict != Fit
	case l.Kind == Sysctl:
		set, held := settle(l, row.Have, row.Need, l.Suggested(load, m), lower)
		c.Set = set
		switch {
		case set != row.Have:
			c.Action = ActionSet
		case held:
			c.Action, c.Set, c.Reason = ActionKeep, Value{}, "it is larger than it should be; --lower allows to make it smaller"
		}
		return c, c.Action != ""
	case row.Verdict == Fit:
		return c, false
	case l.Kind == Loader:
		c.Action, c.Set = ActionReboot, row.Set
	case l.Kind == Hardware:
		c.Action, c.Reason = ActionNone, "nothing sets it"
	default:
		c.Action = ActionRestart
	}
	return c, true
}

// proposeFile says what to do about the file of one format, whose lines are mine.
func (s Setup) proposeFile(mine block, m Machine, have map[string]Value, lower bool) (FileChange, error) {
	f := mine.format
	row := f.row()
	out := FileChange{Path: row.place, Format: f}
	if there, err := s.Disk.HasDir(row.dir); err != nil {
		return out, err
	} else if !there {
		out.Action = ActionNone
		out.Notes = append(out.Notes, fmt.Sprintf("there is no /%s: this system does not read it", row.dir))
		return out, nil
	}
	was, err := s.Disk.Read(row.place)
	switch {
	case err == nil:
		out.was, out.existed = was, true
	case errors.Is(err, fs.ErrNotExist):
		out.was = File{Mode: 0o644, UID: -1, GID: -1}
	default:
		return out, err
	}
	parts, err := splitBlock(out.was.Text)
	if err != nil {
		return out, err
	}
	out.Notes = mine.settle(parts, m, have, lower)
	notes, err := s.overruled(f, parts, mine.lines)
	if err != nil {
		return out, err
	}
	out.Notes = append(out.Notes, notes...)
	text := mine.text()
	if f == LoginConf && definesClass(parts.outside(), ourClass) {
		text = nil
		out.Notes = append(out.Notes, fmt.Sprintf("the class %s is defined outside of the block: it is left alone, and so is this file", ourClass))
	}
	out.Before, out.Block = string(parts.block), string(text)
	if out.text, err = parts.with(text); err != nil {
		return out, err
	}
	switch {
	case bytes.Equal(out.text, out.was.Text):
		out.Action = ActionSame
	case out.existed:
		out.Action = ActionChange
	default:
		out.Action = ActionCreate
	}
	return out, nil
}

// settle decides the values of the block's lines by what the system has now and by what the rest of the file says.
func (k *block) settle(parts marked, m Machine, have map[string]Value, lower bool) (notes []string) {
	outside, inside := confLines(parts.outside()), confLines(parts.block)
	if k.format == RcConf {
		k.besides(outside)
	}
	var settled []renderLine
	for _, line := range k.lines {
		l := line.limit
		if !k.format.takes(l.Kind) {
			continue
		}
		said := lastOf(outside, l.bootName())
		if k.format == RcConf {
			said = limitOf(outside, l.Name)
		}
		now := said
		if l.Kind == Sysctl || l.Kind == Loader {
			now = largest(have[l.Name], said)
		}
		if now.None() {
			settled = append(settled, k.format.fromNothing(line, m))
			continue
		}
		alone := said.None() && lastOf(inside, l.bootName()).None()
		line, note := k.format.fromNow(line, now, alone, m, lower)
		if note != "" {
			notes = append(notes, note)
		}
		settled = append(settled, line)
	}
	k.lines = settled
	return notes
}

// fromNow is a line for a system that has a value now. alone says that no file is known to set it.
func (f Format) fromNow(line renderLine, now Value, alone bool, m Machine, lower bool) (_ renderLine, note string) {
	l := line.limit
	set, held := settle(l, now, line.need, line.value, lower)
	byItself := alone && (l.Kind == Loader || line.enough(m) || line.need.Count == 0)
	switch {
	case byItself && !f.says() && fitsNeed(l, now, line.need) && (set == now || line.need.Count == 0):
		line.note = fmt.Sprintf("%s by itself, which is enough: no line.", now)
		line.value = Value{}
	case held:
		lowered, _ := settle(l, now, line.need, line.value, true)
		note = fmt.Sprintf("%s stays %s: --lower writes %s", l.Name, now, lowered)
		line.note = fmt.Sprintf("%s now, and it would have to be lowered to %s: no line.", now, lowered)
		line.value = Value{}
	case set == now && set != line.value:
		line.note = fmt.Sprintf("It was %s already; %s would do.", now, line.need)
		line.value = set
	default:
		line.value = set
	}
	return line, note
}

// limitOf is what trunkline_limits in rc.conf says of a resource limit.
func limitOf(lines []confLine, rlimit string) (v Value) {
	for _, l := range lines {
		if l.name != rcLimitsName {
			continue
		}
		v = Value{}
		words := strings.Fields(l.value)
		for i, word := range words {
			if word == limitsFlag(rlimit) && i+1 < len(words) {
				v = confValue(words[i+1])
			}
		}
	}
	return v
}

// besides takes over what the rest of rc.conf hands to limits(1) beside our limits: a line of ours replaces all of it.
func (k *block) besides(outside []confLine) {
	for _, l := range outside {
		if l.name != rcLimitsName {
			continue
		}
		k.rest = ""
		words := strings.Fields(l.value)
		for i := 0; i < len(words); i++ {
			if k.sets(words[i]) {
				i++ // and its number
				continue
			}
			k.rest += " " + words[i]
		}
	}
}

// sets says whether a line of the block is a flag of limits(1).
func (k *block) sets(flag string) bool {
	for _, line := range k.lines {
		if line.limit.Kind == Rlimit && flag != "" && limitsFlag(line.limit.Name) == flag {
			return true
		}
	}
	return false
}

// definesClass says whether login.conf has a class of that name.
func definesClass(text []byte, class string) bool {
	for _, line := range strings.Split(string(text), "\n") {
		names, _, found := strings.Cut(line, ":")
		if !found || strings.HasPrefix(line, "#") {
			continue
		}
		for _, name := range strings.Split(names, "|") {
			if strings.TrimSpace(name) == class {
				return true
			}
		}
	}
	return false
}

// overruled names the places that are read later than the block and set the same limits to something else.
func (s Setup) overruled(f Format, parts marked, lines []renderLine) (notes []string, err error) {
	look := func(where string, later []confLine) {
		for _, line := range lines {
			got := lastOf(later, line.limit.bootName())
			if !got.None() && !line.value.None() && got != line.value {
				notes = append(notes, fmt.Sprintf("%s sets %s to %s and is read later: that wins", where, line.limit.Name, got))
			}
		}
	}
	look("a line behind the block", confLines(parts.after))
	for _, name := range f.later() {
		file, err := s.Disk.Read(name)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrNotRegular) {
			continue // a link to a file that was looked at, or nothing to read
		}
		if err != nil {
			return nil, fmt.Errorf("read /%s: %w", name, err)
		}
		look("/"+name, confLines(file.Text))
	}
	return notes, nil
}

// later are files that the system reads after the format's own.
func (f Format) later() []string {
	switch f {
	case SysctlConf:
		return []string{"etc/sysctl.conf.local"}
	case LoaderConf:
		return []string{"boot/loader.conf.local"}
	case LinuxSysctlD:
		return []string{"etc/sysctl.conf"}
	}
	return nil
}
