package store

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Backup puts a copy of the mailboxes into dir while the server runs: what was durable at some moment during the call. dir must not exist or be
// empty; what was made of it is removed when the backup fails. A start on the copy reads its journal and takes a new
// incarnation, because clients may have seen what came later. Errors: ErrBackupPlace, ErrDiskFull, ErrNotSettled, ErrKeeperClosed, the system's.
func (k *Keeper) Backup(dir string) error {
	k.backup.Lock()
	defer k.backup.Unlock()
	select {
	case <-k.stop:
		return ErrKeeperClosed
	default:
	}
	fs := k.o.FS
	names, err := fs.List(dir)
	made := errors.Is(err, os.ErrNotExist)
	switch {
	case err != nil && !made:
		return err
	case len(names) > 0:
		return fmt.Errorf("%w: %s", ErrBackupPlace, dir)
	}
	if err = makeDir(fs, dir); err == nil {
		err = k.backupInto(dir)
	}
	if err == nil {
		return nil
	}
	err = fmt.Errorf("backup of %s: %w", k.o.Dir, err)
	names, _ = fs.List(dir)
	for _, name := range names {
		err = errors.Join(err, fs.RemoveAll(fs.PathJoin(dir, name)))
	}
	if made {
		err = errors.Join(err, fs.Remove(dir))
	}
	return err
}

// backupInto makes the copy. The journal is copied last: it has the causes of all that is in the copy of the offline store.
func (k *Keeper) backupInto(dir string) error {
	if err := k.backupRoom(dir); err != nil {
		return err
	}
	k.writer.holds.Add(1)
	defer k.writer.holds.Add(-1)
	if k.journal != nil {
		defer k.journal.Hold()()
	}
	if err := k.writer.settle(BackupSettleMax, nil); err != nil {
		return err
	}
	if err := k.offline.Checkpoint(k.o.FS.PathJoin(dir, offlineFolder)); err != nil {
		return err
	}
	s := k.state
	s.Clean, s.Replayed, s.Backup, s.Journals = false, false, true, nil
	for i, j := range k.state.Journals {
		s.Journals = append(s.Journals, journalPlace{ID: j.ID, Path: backupJournal(i)})
	}
	if k.journal != nil {
		if err := k.backupJournals(dir); err != nil {
			return err
		}
	}
	return writeState(k.o.FS, dir, &s)
}

// backupJournal is the folder of a journal's directory in a backup.
func backupJournal(i int) string {
	if i == 0 {
		return journalFolder
	}
	return fmt.Sprintf("%s-%d", journalFolder, i+1)
}

// backupJournals copies what is durable of the journal's files.
func (k *Keeper) backupJournals(dir string) error {
	fs := k.o.FS
	files, err := k.journal.Snapshot()
	if err != nil {
		return err
	}
	for i := range k.journals {
		if err := makeDir(fs, fs.PathJoin(dir, backupJournal(i))); err != nil {
			return err
		}
	}
	for _, f := range files {
		to := fs.PathJoin(dir, backupJournal(f.Journal), fs.PathBase(f.Path))
		if err := copyFile(fs, f.Path, to, f.Bytes); err != nil {
			return err
		}
	}
	for i := range k.journals {
		if err := syncFolder(fs, fs.PathJoin(dir, backupJournal(i))); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies the first bytes of a file, durably.
func copyFile(fs vfs.FS, from, to string, bytes int64) error {
	in, err := fs.Open(from)
	if err != nil {
		return err
	}
	out, err := fs.Create(to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return errors.Join(err, in.Close())
	}
	n, err := io.Copy(out, io.LimitReader(in, bytes))
	if err == nil && n < bytes {
		err = fmt.Errorf("%s has %d bytes of %d", from, n, bytes)
	}
	if err == nil {
		err = out.Sync()
	}
	return errors.Join(err, out.Close(), in.Close())
}

// backupRoom refuses a place that has no room for the copy. A file system that does not say is tried.
func (k *Keeper) backupRoom(dir string) error {
	usage, err := k.o.FS.GetDiskUsage(dir)
	if err != nil {
		return nil
	}
	need := uint64(backupRoomSlack)
	if k.journal != nil {
		need += uint64(k.journal.Stats().DiskBytes)
	}
	if !k.links(dir) {
		need += uint64(k.offline.Stats().DiskBytes)
	}
	if usage.AvailBytes < need {
		return fmt.Errorf("%w: a copy takes %d bytes, there are %d in %s", ErrDiskFull, need, usage.AvailBytes, dir)
	}
	return nil
}

// links says whether files of the data can be linked into dir, and so take no room.
func (k *Keeper) links(dir string) bool {
	probe := k.o.FS.PathJoin(dir, probeFile)
	if k.o.FS.Link(k.o.FS.PathJoin(k.o.Dir, stateFile), probe) != nil {
		return false
	}
	return k.o.FS.Remove(probe) == nil
}
