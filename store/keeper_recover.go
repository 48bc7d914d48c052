package store

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A start, whatever the end before it was. Each step may be the last one before a crash: the next start does the rest.
//
//  1. The offline store is opened: with it, the mailboxes are this process's.
//  2. After an unclean end what the journals hold is read into a Replica. Nothing is changed yet: a damaged journal costs no owner epoch.
//  3. The owner epoch is raised in the state file: from here on seqs of the new one may exist.
//  4. What the Replica has changed is written to the offline store and flushed. The state file says so: `replayed`.
//  5. The old journals are removed, the new ones are made, and the state file names them: what they get from now on counts.

// recover does all that, and leaves the keeper with its journal open.
func (k *Keeper) recover() (err error) {
	begun := time.Now()
	o := &k.o
	if err := makeDir(o.FS, o.Dir); err != nil {
		return fmt.Errorf("mailboxes in %s: %w", o.Dir, err)
	}
	k.offline, err = OpenOffline(OfflineOptions{
		Dir: o.FS.PathJoin(o.Dir, offlineFolder), FS: o.FS, Fragment: o.Fragment, Log: o.Log, Ballast: o.ballast,
	})
	if err != nil {
		return err
	}
	if err = k.recoverState(); err == nil {
		err = k.openJournal()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("mailboxes in %s: %w", o.Dir, err), k.offline.Close())
	}
	k.found.OwnerEpoch, k.found.Took = k.state.Owner, time.Since(begun)
	return nil
}

// The folders of a data directory that are a keeper's.
const (
	offlineFolder = "mailboxes"
	journalFolder = "journal"
)

// recoverState brings what the last process left into the offline store. After it no old journal is there.
func (k *Keeper) recoverState() error {
	last, there, err := readState(k.o.FS, k.o.Dir)
	if err != nil {
		return err
	}
	k.state = last
	switch {
	case !there:
		return k.beginNew()
	case last.Clean && !last.Backup:
		k.found.Clean = true
		return k.unused(k.journalDirs(last.Journals))
	case last.Ack == AckMemory && !last.Backup:
		return k.recoverNothing()
	}
	k.found.Restored = last.Backup
	return k.recoverJournals()
}

// beginNew makes the state of a directory that has none, and so must hold no mailboxes.
func (k *Keeper) beginNew() error {
	path := k.o.FS.PathJoin(k.o.Dir, stateFile)
	missing := &DamageError{Path: path, Offset: 0, Why: "the file is missing beside mailboxes", Err: ErrStateDamaged}
	held := false
	if err := k.offline.Each(nil, func(*Head) bool { held = true; return false }); err != nil {
		return err
	}
	segments, err := listSegments(k.o.FS, k.o.FS.PathJoin(k.o.Dir, journalFolder))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if held || len(segments) > 0 {
		return missing
	}
	k.found.New = true
	k.state.Owner = 1
	return k.newIncarnation()
}

// recoverNothing is the start after an unclean end in memory mode: what is on the disk is of different times, and is not served.
func (k *Keeper) recoverNothing() error {
	if err := k.offline.Clear(); err != nil {
		return err
	}
	k.found.DataLost = true
	if err := k.newIncarnation(); err != nil {
		return err
	}
	if err := k.nextOwner(0); err != nil {
		return err
	}
	k.o.Log.Error("the last process did not stop cleanly and kept messages in memory only: they are lost, clients begin anew")
	return k.forgetJournals()
}

// recoverJournals applies what the journals hold to the offline store.
func (k *Keeper) recoverJournals() error {
	if k.state.Backup {
		if err := k.newIncarnation(); err != nil {
			return err
		}
	}
	if k.state.Replayed {
		if err := k.nextOwner(0); err != nil {
			return err
		}
		return k.forgetJournals()
	}
	dirs, err := k.oldJournals()
	if err != nil {
		return err
	}
	replica := NewReplica(k.offline)
	if len(dirs) > 0 {
		k.found.Journal, err = ReadJournals(k.o.FS, dirs, func(_ uint64, r *Record) error { return replica.Apply(r) })
		if err != nil {
			return err
		}
	}
	if err := k.nextOwner(k.found.Journal.Owner); err != nil {
		return err
	}
	if k.found.Receipts, err = replica.TellAgain(k.state.Owner, uint32(k.o.Now().Unix())); err != nil {
		return err
	}
	k.found.Mailboxes = replica.Mailboxes()
	if err := replica.WriteTo(k.offline); err != nil {
		return err
	}
	k.state.Replayed, k.state.Backup = true, false
	if err := writeState(k.o.FS, k.o.Dir, &k.state); err != nil {
		return err
	}
	for _, cut := range k.found.Journal.Cut {
		k.o.Log.Info("the end of a journal was not written whole: it was never promised", "file", cut.Path, "offset", cut.Offset, "bytes", cut.Bytes, "why", cut.Why)
	}
	return k.forgetJournals()
}

// nextOwner raises the owner epoch above the last process's and what a journal says, durably.
func (k *Keeper) nextOwner(seen uint32) error {
	owner := max(k.state.Owner, seen)
	if owner >= OwnerEpochMax {
		return ErrOwnerEpochs
	}
	k.state.Owner, k.state.Clean = owner+1, false
	if k.found.DataLost {
		k.state.Replayed = true // nothing of the journals counts
	}
	return writeState(k.o.FS, k.o.Dir, &k.state)
}

// newIncarnation names the data anew; the state is not written yet.
func (k *Keeper) newIncarnation() error {
	before := k.state.Incarnation
	for k.state.Incarnation == before || k.state.Incarnation == 0 {
		var b [8]byte
		if _, err := rand.Read(b[:]); err != nil {
			return err
		}
		k.state.Incarnation = binary.BigEndian.Uint64(b[:])
	}
	return nil
}

// oldJournals are the directories of the last process. Each must be there, with its id.
func (k *Keeper) oldJournals() ([]string, error) {
	dirs := k.journalDirs(k.state.Journals)
	for i, dir := range dirs {
		note, err := readJournalNote(k.o.FS, dir)
		switch {
		case errors.Is(err, os.ErrNotExist), err == nil && note == nil:
			return nil, fmt.Errorf("%w: %s", ErrJournalMissing, dir)
		case err != nil:
			return nil, err
		case note.text() != k.state.Journals[i].ID:
			return nil, fmt.Errorf("%w: %s has the id %s, not %s", ErrJournalMissing, dir, note.text(), k.state.Journals[i].ID)
		}
	}
	return dirs, nil
}

// forgetJournals removes the last process's journals, of which nothing is needed any more. A directory that is gone, or has another
// journal by now, is none of ours.
func (k *Keeper) forgetJournals() error {
	for i, dir := range k.journalDirs(k.state.Journals) {
		note, err := readJournalNote(k.o.FS, dir)
		if err != nil && !errors.Is(err, ErrJournalDamaged) && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if note != nil && note.text() == k.state.Journals[i].ID {
			if err := removeJournal(k.o.FS, dir); err != nil {
				return err
			}
		}
	}
	return nil
}

// text is the id as JournalIDs names it.
func (n *journalNote) text() string { return hex.EncodeToString(n.id[:]) }

// removeJournal removes segments, then the note.
func removeJournal(fs FS, dir string) error {
	segments, err := listSegments(fs, dir)
	if err != nil {
		return err
	}
	for _, s := range segments {
		if err := fs.Remove(s.path); err != nil {
			return err
		}
	}
	if err := syncFolder(fs, dir); err != nil {
		return err
	}
	if err := fs.Remove(fs.PathJoin(dir, journalNoteFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return syncFolder(fs, dir)
}

// openJournal opens the journal of this process and says in the state file that it counts.
func (k *Keeper) openJournal() error {
	k.state.Ack, k.state.Clean, k.state.Replayed, k.state.Backup, k.state.Journals = k.o.Ack, false, false, false, nil
	if k.o.Ack == AckMemory {
		return writeState(k.o.FS, k.o.Dir, &k.state)
	}
	k.journals = k.o.Journals
	if len(k.journals) == 0 {
		k.journals = []string{k.o.FS.PathJoin(k.o.Dir, journalFolder)}
	}
	if err := k.unused(k.journals); err != nil {
		return err
	}
	for _, dir := range k.journals { // a note without segments belongs to nobody
		err := k.o.FS.Remove(k.o.FS.PathJoin(dir, journalNoteFile))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	ids, err := JournalIDs(k.o.FS, k.journals)
	if err != nil {
		return err
	}
	for i, dir := range k.journals {
		name, err := k.journalName(dir)
		if err != nil {
			return err
		}
		k.state.Journals = append(k.state.Journals, journalPlace{ID: ids[i], Path: name})
	}
	if err := writeState(k.o.FS, k.o.Dir, &k.state); err != nil {
		return err
	}
	k.journal, err = OpenJournal(JournalOptions{
		Dirs: k.journals, FS: k.o.FS, Loops: k.o.Loops, Owner: k.state.Owner, FirstRound: 1, Linger: k.o.Linger, Log: k.o.Log,
		SegmentBytes: min(JournalSegmentBytes, max(k.o.JournalBytes/8, 1)),
		Durable:      k.journalDurable, Trouble: k.stops.setJournal,
	})
	return err
}

// unused sees that directories hold no journal. One that does has records that somebody still needs.
func (k *Keeper) unused(dirs []string) error {
	for _, dir := range dirs {
		segments, err := listSegments(k.o.FS, dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		if len(segments) > 0 {
			return fmt.Errorf("%w: %s is not of these mailboxes", ErrJournalTaken, segments[0].path)
		}
	}
	return nil
}

// journalDirs are the paths of the places in a state.
func (k *Keeper) journalDirs(places []journalPlace) []string {
	dirs := make([]string, len(places))
	for i, j := range places {
		dirs[i] = j.Path
		if !filepath.IsAbs(j.Path) {
			dirs[i] = k.o.FS.PathJoin(k.o.Dir, j.Path)
		}
	}
	return dirs
}

// journalName is how the state names a directory: relative when it lies below the data, so that the data can be moved.
func (k *Keeper) journalName(dir string) (string, error) {
	if rel, err := filepath.Rel(k.o.Dir, dir); err == nil && rel != "." && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return rel, nil
	}
	return filepath.Abs(dir)
}
