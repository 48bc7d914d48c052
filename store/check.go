package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
)

// Problem is something in a data directory that is not as it was written. Its JSON keys, like those of Findings, are documented in
// docs/operations.md and never renamed.
type Problem struct {
	Part   string `json:"part"` // seed, state, journal, mailboxes, switch
	Path   string `json:"path"`
	Offset int64  `json:"offset"` // in bytes; -1: unknown, or the whole
	Bytes  int64  `json:"bytes"`  // how many are concerned; 0: unknown
	What   string `json:"what"`
	Repair string `json:"repair"` // what a repair would do
}

// Findings is what reading everything has found.
type Findings struct {
	Problems     []Problem `json:"problems"`
	Notes        []Problem `json:"notes"` // said, but nothing is wrong: the end of a journal that a crash tore
	More         int       `json:"more"`  // problems beyond ProblemsMax
	Lost         bool      `json:"lost"`  // something that was kept can't be read
	Mailboxes    int       `json:"mailboxes"`
	Entries      int       `json:"entries"`
	PayloadBytes uint64    `json:"payload_bytes"`
	Rounds       uint64    `json:"journal_rounds"`
	Records      uint64    `json:"journal_records"`
}

// The parts that a Problem names.
const (
	partSeed      = "seed"
	partState     = "state"
	partJournal   = "journal"
	partMailboxes = "mailboxes"
	partSwitch    = "switch"
)

// inspection is a check under way. What it has read is kept: a repair goes on from there.
type inspection struct {
	dir     Directory
	report  Findings
	state   state
	stateOK bool
	seed    uint64
	seedOK  bool
	dirs    []string // of the journal, that are there
	tail    JournalReport
}

// Check reads everything. Nothing on the disk changes. An error means that it could not be done; what is wrong is in the report.
// Errors: ErrNoData, ErrStoreVersion, the system's.
func (d Directory) Check() (Findings, error) {
	i, err := d.inspect()
	if errors.Is(err, ErrUnfinished) {
		path := d.FS.PathJoin(d.Path, switchFile)
		i.problem(Problem{Part: partSwitch, Path: path, Offset: -1, What: "a tool was interrupted while it put new parts in place", Repair: "ends what it began"})
		return i.report, nil
	}
	return i.report, err
}

func (d Directory) inspect() (i *inspection, err error) {
	d, err = d.settled()
	i = &inspection{dir: d, report: Findings{Problems: []Problem{}, Notes: []Problem{}}}
	if err != nil {
		return i, err
	}
	return i, inOrder(i.checkState, i.checkSeed, i.checkJournals, i.checkMailboxes)
}

// problem adds what is wrong.
func (i *inspection) problem(p Problem) {
	if len(i.report.Problems) == ProblemsMax {
		i.report.More++
		return
	}
	i.report.Problems = append(i.report.Problems, p)
}

// damaged takes an error that names a place; false: it is none.
func (i *inspection) damaged(part string, err error, repair string) bool {
	var damage *DamageError
	if !errors.As(err, &damage) {
		return false
	}
	i.problem(Problem{Part: part, Path: damage.Path, Offset: damage.Offset, What: damage.Why, Repair: repair})
	return true
}

func (i *inspection) checkState() (err error) {
	const repair = "writes a new one, with an owner epoch above all that is seen and a new incarnation"
	i.state, i.stateOK, err = readState(i.dir.FS, i.dir.Path)
	if err != nil {
		if i.damaged(partState, err, repair) {
			i.report.Lost = true
			return nil
		}
		return err
	}
	if i.stateOK {
		return nil
	}
	there, err := exists(i.dir.FS, i.dir.path(offlineFolder))
	if err != nil {
		return err
	}
	if !there {
		return fmt.Errorf("%w in %s", ErrNoData, i.dir.Path)
	}
	i.report.Lost = true
	i.problem(Problem{Part: partState, Path: i.dir.path(stateFile), Offset: -1, What: "it is missing beside mailboxes", Repair: repair})
	return nil
}

func (i *inspection) checkSeed() (err error) {
	const repair = "draws another one and places everybody anew"
	i.seed, err = readSeed(i.dir.FS, i.dir.Path)
	switch {
	case err == nil:
		i.seedOK = true
	case errors.Is(err, os.ErrNotExist):
		i.problem(Problem{Part: partSeed, Path: i.dir.path(seedFile), Offset: -1, What: "it is missing", Repair: repair})
	case !i.damaged(partSeed, err, repair):
		return err
	}
	return nil
}

// checkJournals reads every round. Without a state file that can be read the usual place is looked at, beside what is left of the names in it.
func (i *inspection) checkJournals() error {
	dirs := i.dir.journalDirs(&i.state)
	if usual := i.dir.path(journalFolder); !i.stateOK && !slices.Contains(dirs, usual) {
		dirs = append(dirs, usual)
	}
	if i.stateOK && (i.state.Clean || i.state.Replayed || i.state.void()) {
		return nil // nothing in them counts
	}
	for n, dir := range dirs {
		if err := i.checkJournal(n, dir); err != nil {
			return err
		}
	}
	var err error
	i.tail, err = SalvageJournals(i.dir.FS, i.dirs, func(uint64, *Record) error { return nil })
	i.report.Rounds, i.report.Records = i.tail.Rounds, i.tail.Records
	for _, cut := range i.tail.Cut {
		i.report.Notes = append(i.report.Notes, Problem{Part: partJournal, Path: cut.Path, Offset: cut.Offset, Bytes: cut.Bytes,
			What: "the last round was not written whole: " + cut.Why, Repair: "nothing: it was never promised to anybody"})
	}
	for _, skipped := range i.tail.Skipped {
		i.report.Lost = true
		i.problem(Problem{Part: partJournal, Path: skipped.Path, Offset: skipped.Offset, Bytes: skipped.Bytes, What: skipped.Why,
			Repair: "applies every record that can be read before and behind it"})
	}
	return err
}

// checkJournal looks at one directory: is it there, and is it the one?
func (i *inspection) checkJournal(n int, dir string) error {
	there, err := exists(i.dir.FS, dir)
	if err != nil {
		return err
	}
	if !there {
		if i.stateOK {
			i.report.Lost = true
			i.problem(Problem{Part: partJournal, Path: dir, Offset: -1, What: "a directory of the journal is missing", Repair: "goes on without it: what only it holds is lost"})
		}
		return nil
	}
	i.dirs = append(i.dirs, dir)
	note, err := readJournalNote(i.dir.FS, dir)
	var damage *DamageError
	switch {
	case errors.As(err, &damage):
		return nil // SalvageJournals names it
	case err != nil:
		return err
	case len(i.dir.Journals) > 0 || !i.stateOK || n >= len(i.state.Journals):
		return nil
	}
	if want := i.state.Journals[n].ID; note == nil || note.text() != want {
		i.report.Lost = true
		i.problem(Problem{Part: partJournal, Path: dir, Offset: -1, What: "it is not the journal " + want + " of these mailboxes", Repair: "leaves it alone: what only the right one holds is lost"})
		i.dirs = i.dirs[:len(i.dirs)-1]
	}
	return nil
}
