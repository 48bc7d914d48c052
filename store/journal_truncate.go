package store

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
)

// JournalFile is a file of a journal as it was at some moment.
type JournalFile struct {
	Path    string
	Journal int   // which of the directories
	Bytes   int64 // that count; the file may be longer
}

// Truncate removes files whose records are all of turns below below[loop], by loop. They need not be durable anywhere else after it.
// Of turns that are not durable nothing goes. It works on a full disk. While somebody holds the files it does nothing.
// Errors: ErrJournalClosed, or the system's; what could not be removed goes with a later call.
func (j *Journal) Truncate(below []uint64) error {
	j.truncating.Lock()
	defer j.truncating.Unlock()
	if j.held > 0 {
		return nil
	}
	below = slices.Clone(below)
	for loop := range below {
		below[loop] = min(below[loop], j.Durable(loop)+1)
	}
	if err := j.ask(func() { j.rotateOld(below) }); err != nil {
		return err
	}
	base, gone := j.unneeded(below)
	if len(gone) == 0 {
		return nil
	}
	for i, note := range j.notes {
		if note.base >= base {
			continue
		}
		if err := note.advance(j.opts.FS, j.opts.Dirs[i], base); err != nil {
			return err // a crash would find files missing that nobody has said are not needed
		}
	}
	return j.remove(gone)
}

// ask has the leader do something between two rounds.
func (j *Journal) ask(f func()) error {
	ran := make(chan struct{})
	select {
	case j.requests <- func() { f(); close(ran) }:
		<-ran
		return nil
	case <-j.done:
		return ErrJournalClosed
	}
}

// rotateOld closes the current files when all that is in them is old, or when they are large enough to be removed by the next call. The leader's.
func (j *Journal) rotateOld(below []uint64) {
	for _, w := range j.lead.writers {
		s := w.segment
		if s != nil && s.lowest > 0 && (!s.needed(below) || w.at >= j.opts.SegmentBytes/journalRotateShare) {
			j.lead.rotate()
			return
		}
	}
}

// unneeded are the files that may go, and the first round that must stay.
func (j *Journal) unneeded(below []uint64) (base uint64, gone []*journalSegment) {
	j.files.mu.Lock()
	defer j.files.mu.Unlock()
	base = j.files.next
	for _, segments := range j.files.all {
		for _, s := range segments {
			if s.needed(below) {
				base = min(base, s.lowest)
				break // later ones are not needed before it
			}
		}
	}
	for _, segments := range j.files.all {
		for _, s := range segments {
			if s.newest >= base || s.open {
				break
			}
			gone = append(gone, s)
		}
	}
	return base, gone
}

// remove unlinks files. They leave the list whatever comes of it, but for those that are still there.
func (j *Journal) remove(gone []*journalSegment) error {
	var errs []error
	touched := make([]bool, len(j.opts.Dirs))
	removed := make(map[*journalSegment]bool, len(gone))
	for _, s := range gone {
		if err := j.opts.FS.Remove(s.path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, failedAt("remove", s.path, err))
			continue
		}
		touched[s.writer], removed[s] = true, true
	}
	j.files.mu.Lock()
	for i := range j.files.all {
		j.files.all[i] = slices.DeleteFunc(j.files.all[i], func(s *journalSegment) bool { return removed[s] })
	}
	j.files.mu.Unlock()
	for i, dir := range j.opts.Dirs {
		if !touched[i] {
			continue
		}
		if err := syncDir(j.opts.FS, dir); err != nil {
			errs = append(errs, failedAt("sync", dir, err))
		}
	}
	return errors.Join(errs...)
}

// Hold keeps Truncate from removing files until release is called; more than once does no harm.
func (j *Journal) Hold() (release func()) {
	j.truncating.Lock()
	defer j.truncating.Unlock()
	j.held++
	return sync.OnceFunc(func() {
		j.truncating.Lock()
		defer j.truncating.Unlock()
		j.held--
	})
}

// Snapshot lists the journal's files as they are now. Whoever copies the bytes that count, while it holds the files, has a journal that is
// durable to this moment at least. The first file of each directory is its note, which is copied whole.
func (j *Journal) Snapshot() ([]JournalFile, error) {
	var list []JournalFile
	for i, dir := range j.opts.Dirs {
		path := j.opts.FS.PathJoin(dir, journalNoteFile)
		list = append(list, JournalFile{Path: path, Journal: i, Bytes: 3 * noteBlock})
		if _, err := j.opts.FS.Stat(path); err != nil {
			return nil, fmt.Errorf("journal: %s: %w", path, err)
		}
	}
	j.files.mu.Lock()
	defer j.files.mu.Unlock()
	for i, segments := range j.files.all {
		for _, s := range segments {
			if s.size > 0 {
				list = append(list, JournalFile{Path: s.path, Journal: i, Bytes: s.size})
			}
		}
	}
	return list, nil
}
