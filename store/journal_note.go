package store

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// journalNoteFile is a small file in each directory of a journal. It says which journal it is, and from which round on it is needed: so a
// file that is missing at the front is noticed. It is written whole once. After that one of its two slots is overwritten in
// place, in turns, which a full disk allows: the other one holds if the power fails meanwhile.
const journalNoteFile = "JOURNAL"

const (
	noteBlock = 512 // what a disk writes whole or not at all
	noteTop   = "trunkline journal, version %d, id %32s, "
	noteSlot  = "needed from round %016x, note %016x, "
	noteSum   = "sum %08x\n"
)

// journalNote is what the file says.
type journalNote struct {
	id     journalID
	base   uint64 // the first round that is needed; 0: not known
	serial uint64
}

// JournalIDs reads the ids of a journal's directories, and makes directories and ids that are missing.
// Errors: *DamageError when a directory has a journal's files but no id that can be read, ErrStoreVersion, or the system's.
func JournalIDs(fs vfs.FS, dirs []string) ([]string, error) {
	if fs == nil {
		fs = vfs.Default
	}
	ids := make([]string, len(dirs))
	for i, dir := range dirs {
		note, err := takeJournalNote(fs, dir)
		if err != nil {
			return nil, err
		}
		ids[i] = hex.EncodeToString(note.id[:])
	}
	return ids, nil
}

// takeJournalNote reads a directory's note, and makes directory and note when they are missing.
func takeJournalNote(fs vfs.FS, dir string) (*journalNote, error) {
	if err := makeDurableDir(fs, dir); err != nil {
		return nil, fmt.Errorf("journal in %s: %w", dir, err)
	}
	note, err := readJournalNote(fs, dir)
	if note != nil || err != nil {
		return note, err
	}
	note = &journalNote{}
	if _, err := rand.Read(note.id[:]); err != nil {
		return nil, err
	}
	if err := writeWhole(fs, dir, fs.PathJoin(dir, journalNoteFile), note.bytes()); err != nil {
		return nil, fmt.Errorf("journal in %s: %w", dir, err)
	}
	return note, nil
}

// readJournalNote reads the note; nil: the directory has neither a note nor segments.
func readJournalNote(fs vfs.FS, dir string) (*journalNote, error) {
	path := fs.PathJoin(dir, journalNoteFile)
	b, err := readSmall(fs, path, 3*noteBlock)
	if errors.Is(err, os.ErrNotExist) {
		files, err := listSegments(fs, dir)
		if err == nil && len(files) > 0 {
			err = journalDamage(path, -1, "the file is missing beside segments")
		}
		return nil, err
	}
	if err != nil {
		return nil, failedAt("read", path, err)
	}
	note, version := &journalNote{}, 0
	var id string
	if len(b) != 3*noteBlock || !parseNoteLine(b[:noteBlock], noteTop, &version, &id) {
		return nil, journalDamage(path, 0, "the journal's id can't be read")
	}
	if version != segmentVersion {
		return nil, fmt.Errorf("%w: %s has version %d", ErrStoreVersion, path, version)
	}
	if n, err := hex.Decode(note.id[:], []byte(id)); n != len(note.id) || err != nil {
		return nil, journalDamage(path, 0, "the journal's id can't be read")
	}
	readable := false
	for slot := 1; slot <= 2; slot++ {
		var base, serial uint64
		if !parseNoteLine(b[slot*noteBlock:(slot+1)*noteBlock], noteSlot, &base, &serial) {
			continue
		}
		if !readable || serial > note.serial {
			note.base, note.serial = base, serial
		}
		readable = true
	}
	if !readable {
		return nil, journalDamage(path, noteBlock, "no slot can be read")
	}
	return note, nil
}

// bytes is the whole file.
func (n *journalNote) bytes() []byte {
	b := noteLine(noteTop, segmentVersion, hex.EncodeToString(n.id[:]))
	slot := noteLine(noteSlot, n.base, n.serial)
	return append(append(b, slot...), slot...)
}

// advance notes durably that rounds before base are not needed. Errors: the system's; the note is as it was, or may be.
func (n *journalNote) advance(fs vfs.FS, dir string, base uint64) error {
	path := fs.PathJoin(dir, journalNoteFile)
	f, err := fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return failedAt("open", path, err)
	}
	serial := n.serial + 1
	_, err = f.WriteAt(noteLine(noteSlot, base, serial), int64(1+serial%2)*noteBlock)
	if err == nil {
		err = f.SyncData()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return failedAt("write", path, err)
	}
	n.base, n.serial = base, serial
	return nil
}

// noteLine is a block with a line and its sum.
func noteLine(format string, a ...any) []byte {
	line := fmt.Appendf(nil, format, a...)
	line = fmt.Appendf(line, noteSum, crc32.Checksum(line, castagnoli))
	b := bytes.Repeat([]byte{' '}, noteBlock)
	b[noteBlock-1] = '\n'
	copy(b, line)
	return b
}

// parseNoteLine is the inverse. The sum is checked by writing the line anew.
func parseNoteLine(block []byte, format string, a ...any) bool {
	end := bytes.IndexByte(block, '\n')
	if end < 0 {
		return false
	}
	line, sum := block[:end+1], len(fmt.Sprintf(noteSum, 0))
	if len(line) < sum {
		return false
	}
	text := line[:len(line)-sum]
	if fmt.Sprintf(noteSum, crc32.Checksum(text, castagnoli)) != string(line[len(text):]) {
		return false
	}
	_, err := fmt.Sscanf(string(text), format, a...)
	return err == nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(fs vfs.FS, path string, limit int64) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, limit+1))
	return b, errors.Join(err, f.Close())
}

// makeDurableDir makes a directory and what is missing above it, so that a power cut does not take them.
func makeDurableDir(fs vfs.FS, dir string) error {
	var made []string
	for d := dir; ; d = fs.PathDir(d) {
		if _, err := fs.Stat(d); err == nil || d == fs.PathDir(d) {
			break
		}
		made = append(made, fs.PathDir(d))
	}
	if len(made) == 0 {
		return nil
	}
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, parent := range made {
		if err := syncDir(fs, parent); err != nil {
			return err
		}
	}
	return nil
}

// syncDir makes the names in a directory durable.
func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func journalDamage(path string, offset int64, why string) error {
	return &DamageError{Path: path, Offset: offset, Why: why, Err: ErrJournalDamaged}
}
