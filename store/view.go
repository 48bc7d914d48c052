package store

import (
	"errors"
	"fmt"
	"os"
)

// view is the mailboxes of a directory as the next start would find them, the journal's tail included. The directory is only read.
type view struct {
	*Offline
	dir    Directory
	state  state
	report JournalReport // of the tail
}

// openView opens the mailboxes on an overlay and applies the journal there. It takes memory for the tail: JournalBytes at most.
// Errors: ErrNoData, *DamageError, ErrStoreVersion, the system's.
func (d Directory) openView() (*view, error) {
	d, err := d.settled()
	if err != nil {
		return nil, err
	}
	v := &view{dir: d}
	var ok bool
	if v.state, ok, err = readState(d.FS, d.Path); err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("%w in %s", ErrNoData, d.Path)
	}
	seed, err := readSeed(d.FS, d.Path)
	if err != nil {
		return nil, err
	}
	if v.Offline, err = OpenOffline(OfflineOptions{Dir: d.path(offlineFolder), FS: newOverlay(d.FS), Fragment: d.by(seed), Log: d.Log}); err != nil {
		return nil, err
	}
	if err := v.applyTail(); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	return v, nil
}

// applyTail applies what the last process had made durable and not written back.
func (v *view) applyTail() (err error) {
	if v.state.Clean || v.state.Replayed || v.state.void() {
		return nil
	}
	v.report, err = applyJournals(v.dir.FS, v.dir.journalDirs(&v.state), v.Offline)
	return err
}

// applyJournals brings an offline store up to the end of journals.
func applyJournals(fs FS, dirs []string, o *Offline) (JournalReport, error) {
	for _, dir := range dirs {
		if _, err := fs.Stat(dir); errors.Is(err, os.ErrNotExist) {
			return JournalReport{}, fmt.Errorf("%w: %s", ErrJournalMissing, dir)
		}
	}
	r := NewReplica(o)
	report, err := ReadJournals(fs, dirs, func(_ uint64, rec *Record) error { return r.Apply(rec) })
	if err != nil {
		return report, err
	}
	return report, r.WriteTo(o)
}

// void says that what is on the disk is of different times, so that a start drops it.
func (s *state) void() bool { return s.Ack == AckMemory && !s.Clean && !s.Backup }
