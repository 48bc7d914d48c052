package store

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"os"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// journalPart is a part of a round as it was read. Records are valid until the scanner goes on.
type journalPart struct {
	partHeader
	path    string
	offset  int64
	records []byte
}

// journalSpot is a place where bytes are no round.
type journalSpot struct {
	CutEnd
	after  uint64 // the last round before it in this directory; 0: none
	before uint64 // the first behind it; the largest number: none
}

// journalScanner reads the parts of one directory in order. Behind a place that it can't read it looks for the next part that it can; whether something
// is missing is for the merge to say. It skips what a later file takes the place of: a segment that begins with round r makes r and
// later rounds of earlier segments void.
type journalScanner struct {
	fs      vfs.FS
	salvage bool // go on where a file is not readable at all
	note    *journalNote
	base    uint64 // earlier rounds are not needed
	files   []*journalSegment
	spots   []journalSpot
	bytes   int64
	damaged bool // rounds follow a spot in its file

	window journalWindow
	salt   uint32
	path   string
	begin  uint64 // rounds of the file: from begin, below limit
	limit  uint64
	at     int64
	last   uint64 // the last round that was valid
	open   int    // spots whose before is not known yet, from here on

	head journalPart
	have bool // head was not taken yet
	end  bool
}

// advance puts the next part into head, unless one is there.
func (s *journalScanner) advance() error {
	for !s.have && !s.end {
		if s.window.file == nil {
			if err := s.next(); err != nil {
				return err
			}
			continue
		}
		if err := s.step(); err != nil {
			if !s.salvage {
				return errors.Join(err, s.window.close())
			}
			s.spot(s.at, s.window.size-s.at, err.Error())
			if err := s.window.close(); err != nil {
				return err
			}
		}
	}
	return nil
}

// next opens the next file, or ends.
func (s *journalScanner) next() error {
	if len(s.files) == 0 {
		s.end = true
		return nil
	}
	file := s.files[0]
	s.files = s.files[1:]
	s.path, s.begin, s.limit, s.at = file.path, file.first, math.MaxUint64, 0
	if len(s.files) > 0 {
		s.limit = s.files[0].first
	}
	if err := s.window.open(s.fs, s.path); err != nil {
		err = failedAt("open", s.path, err)
		if s.salvage {
			s.spot(0, file.size, err.Error())
			return nil
		}
		return err
	}
	s.bytes += s.window.size
	return s.header()
}

// header reads the segment's header. When it can't be read, rounds behind it still can, with the id of the directory.
func (s *journalScanner) header() error {
	s.salt = s.note.id.salt()
	if s.window.size < segmentHeaderBytes {
		return nil // step says so
	}
	b, err := s.window.bytes(0, segmentHeaderBytes)
	if err != nil {
		if s.salvage {
			return nil // step meets it again
		}
		return errors.Join(err, s.window.close())
	}
	var h segmentHeader
	switch why := h.parse(b); {
	case why != "":
		return nil
	case h.version != segmentVersion:
		return errors.Join(fmt.Errorf("%w: %s has version %d", ErrStoreVersion, s.path, h.version), s.window.close())
	case h.id != s.note.id && !s.salvage:
		return errors.Join(journalDamage(s.path, 0, "the file is of another journal"), s.window.close())
	case h.first != s.begin && !s.salvage:
		return errors.Join(journalDamage(s.path, 0, fmt.Sprintf("the file's name is not its own: it begins with round %d", h.first)), s.window.close())
	}
	s.salt, s.at = h.id.salt(), segmentHeaderBytes
	return nil
}

// step reads a part, or passes a place that is none, or ends the file.
func (s *journalScanner) step() error {
	if s.at >= s.window.size && s.at > 0 {
		return s.window.close()
	}
	why, err := s.try(s.at, &s.head)
	if err != nil {
		return err
	}
	if why == "" {
		return s.take()
	}
	found, err := s.search(s.at + 1)
	if err != nil {
		return err
	}
	s.spot(s.at, found-s.at, why)
	s.at = found
	if found >= s.window.size {
		return s.window.close()
	}
	return nil
}

// take decides about a part that is valid. Nobody writes to a file behind a place that could not be written.
func (s *journalScanner) take() error {
	s.at = s.head.offset + partHeaderBytes + int64(s.head.length)
	if s.head.round >= s.limit {
		return nil // void
	}
	for ; s.open < len(s.spots); s.open++ {
		spot := &s.spots[s.open]
		spot.before = s.head.round
		needed := s.head.round > s.base || s.head.round == s.base && spot.Offset == 0
		if spot.Path != s.path || !needed {
			continue
		}
		if s.damaged = true; !s.salvage {
			return &DamageError{Path: s.path, Offset: spot.Offset, Why: fmt.Sprintf("%s; round %d follows", spot.Why, s.head.round), Err: ErrJournalDamaged}
		}
	}
	s.last, s.have = s.head.round, true
	return nil
}

// try reads the part at a place. A wrong one has a reason.
func (s *journalScanner) try(at int64, p *journalPart) (why string, err error) {
	if s.window.size-at < partHeaderBytes {
		return "the file ends within a round's header", nil
	}
	b, err := s.window.bytes(at, partHeaderBytes)
	if err != nil {
		return "", err
	}
	if why := p.parse(b, s.salt); why != "" {
		return why, nil
	}
	if s.window.size-at-partHeaderBytes < int64(p.length) {
		return "the file ends within a round", nil
	}
	if p.records, err = s.window.bytes(at+partHeaderBytes, int(p.length)); err != nil {
		return "", err
	}
	switch {
	case crc32.Checksum(p.records, castagnoli) != p.sum:
		return "the round has a wrong sum", nil
	case p.round < s.begin || p.round <= s.last:
		return "the round is out of order", nil
	}
	p.path, p.offset = s.path, at
	return "", nil
}

// search looks for the next part that is valid; the file's size: there is none.
func (s *journalScanner) search(from int64) (int64, error) {
	for s.window.size-from >= partHeaderBytes {
		n := min(s.window.size-from, journalWindowBytes)
		b, err := s.window.bytes(from, int(n))
		if err != nil {
			return 0, err
		}
		i := bytes.Index(b, []byte(partMagic))
		if i < 0 {
			from += n - int64(len(partMagic)-1) // the magic may begin in the last bytes
			continue
		}
		from += int64(i)
		var p journalPart
		why, err := s.try(from, &p)
		if err != nil {
			return 0, err
		}
		if why == "" {
			return from, nil
		}
		from++
	}
	return s.window.size, nil
}

func (s *journalScanner) spot(at, bytes int64, why string) {
	s.spots = append(s.spots, journalSpot{CutEnd: CutEnd{Path: s.path, Offset: at, Bytes: bytes, Why: why}, after: s.last, before: math.MaxUint64})
}

// openJournalScanner lists a directory.
func openJournalScanner(fs vfs.FS, dir string, salvage bool) (*journalScanner, error) {
	if _, err := fs.Stat(dir); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s: %w", ErrJournalMissing, dir, err)
	}
	s := &journalScanner{fs: fs, salvage: salvage}
	var err error
	if s.files, err = listSegments(fs, dir); err != nil {
		return nil, err
	}
	s.note, err = readJournalNote(fs, dir)
	switch {
	case err != nil && salvage:
		s.path, s.damaged = fs.PathJoin(dir, journalNoteFile), true
		s.spot(0, 0, err.Error())
	case err != nil:
		return nil, err
	}
	if s.note == nil {
		s.note = &journalNote{}
	}
	return s, nil
}

// journalWindow is a file of which a piece is in memory.
type journalWindow struct {
	file vfs.File
	path string
	size int64
	buf  []byte // what is at off
	off  int64
}

func (w *journalWindow) open(fs vfs.FS, path string) error {
	f, err := fs.Open(path)
	if err != nil {
		return err
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(err, f.Close())
	}
	w.file, w.path, w.size, w.off, w.buf = f, path, info.Size(), 0, w.buf[:0]
	return nil
}

func (w *journalWindow) close() error {
	if w.file == nil {
		return nil
	}
	f := w.file
	w.file = nil
	return f.Close()
}

// bytes are n bytes of the file, which must have them. They are valid until the next call.
func (w *journalWindow) bytes(off int64, n int) ([]byte, error) {
	if off < w.off || off+int64(n) > w.off+int64(len(w.buf)) {
		want := int(min(int64(max(n, journalWindowBytes)), w.size-off))
		if cap(w.buf) < want {
			w.buf = make([]byte, want)
		}
		w.buf, w.off = w.buf[:want], off
		got, err := w.file.ReadAt(w.buf, off)
		if got < want {
			w.buf = w.buf[:0]
			if err == nil || errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, failedAt("read", w.path, err)
		}
	}
	from := int(off - w.off)
	return w.buf[from : from+n], nil
}
