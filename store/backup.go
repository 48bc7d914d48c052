package store

import (
	"errors"
	"fmt"
	"os"
)

// Backup copies a directory that no server has open: mailboxes, journal, state, seed and accounts; private keys only when they are asked for. to must
// not exist, or be empty. A copy that fails is removed again.
// Errors: ErrBackupPlace, ErrNoData, ErrUnfinished, ErrDiskFull, the system's.
func (d Directory) Backup(to string, keys bool) (c Copied, err error) {
	if d, err = d.settled(); err != nil {
		return c, err
	}
	s, ok, err := readState(d.FS, d.Path)
	if err == nil && !ok {
		err = fmt.Errorf("%w in %s", ErrNoData, d.Path)
	}
	if err != nil {
		return c, err
	}
	if err := BeginBackup(d.FS, to); err != nil {
		return c, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(noRoom(err), emptyFolder(d.FS, to))
		}
	}()
	if err := copyTree(d.FS, d.path(offlineFolder), d.FS.PathJoin(to, offlineFolder), spare); err != nil {
		return c, err
	}
	if err := d.copyJournals(&s, to); err != nil {
		return c, err
	}
	there, err := exists(d.FS, d.path(accountsFolder))
	if err == nil && there {
		err = copyTree(d.FS, d.path(accountsFolder), d.FS.PathJoin(to, accountsFolder), spare)
	}
	if err != nil {
		return c, err
	}
	return d.EndBackup(to, keys)
}

// copyJournals copies the journal's directories, where they hold something, and writes a state file that names the copies.
func (d *Directory) copyJournals(s *state, to string) error {
	copied := *s
	copied.Backup, copied.Journals = true, nil
	for i, dir := range d.journalDirs(s) {
		if s.Clean || s.Replayed {
			break
		}
		there, err := exists(d.FS, dir)
		if err == nil && !there {
			err = fmt.Errorf("%w: %s", ErrJournalMissing, dir)
		}
		if err != nil {
			return err
		}
		name := journalFolder
		if i > 0 {
			name = fmt.Sprintf("%s-%d", journalFolder, i+1)
		}
		if err := copyTree(d.FS, dir, d.FS.PathJoin(to, name), notOfJournal); err != nil {
			return err
		}
		note, err := readJournalNote(d.FS, dir)
		if err != nil {
			return err
		}
		if note != nil {
			copied.Journals = append(copied.Journals, journalPlace{ID: note.text(), Path: name})
		}
	}
	return writeState(d.FS, to, &copied)
}

// notOfJournal says which files in a journal's directory are of no journal.
func notOfJournal(name string) bool {
	_, segment := parseSegmentName(name)
	return !segment && name != journalNoteFile
}

// BeginBackup makes the folder of a backup. Errors: ErrBackupPlace, the system's.
func BeginBackup(fs FS, to string) error {
	names, err := fs.List(to)
	if errors.Is(err, os.ErrNotExist) {
		return makeDir(fs, to)
	}
	if err == nil && len(names) > 0 {
		err = fmt.Errorf("%w: %s", ErrBackupPlace, to)
	}
	return err
}

// EndBackup adds what is not of the mailboxes, seed and keys, and seals the backup.
func (d Directory) EndBackup(to string, keys bool) (c Copied, err error) {
	if d, err = d.settled(); err != nil {
		return c, err
	}
	seed, err := readSeed(d.FS, d.Path)
	if err == nil {
		err = writeSeed(d.FS, to, seed)
	}
	if err == nil && keys {
		err = copyTree(d.FS, d.Keys, d.FS.PathJoin(to, keysFolder), func(name string) bool { return name == "lock" })
	}
	if err != nil {
		return c, err
	}
	c, err = SealBackup(d.FS, to, d.Now().Unix())
	c.Keys = keys
	return c, err
}

// spare says which files of an engine's folder a copy does without: room that is kept free, and locks.
func spare(name string) bool { return name == ballastFile || name == "LOCK" || name == probeFile }

// emptyFolder removes what is in a folder. A folder that is missing is empty.
func emptyFolder(fs FS, dir string) error {
	names, err := fs.List(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	for _, name := range names {
		err = errors.Join(err, fs.RemoveAll(fs.PathJoin(dir, name)))
	}
	return err
}
