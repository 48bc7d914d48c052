package store

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// journalSegment is one file of a directory. Guarded by journalFiles.mu.
type journalSegment struct {
	path   string
	writer int
	first  uint64 // the round of its name
	lowest uint64 // the first round that is in it; 0: none of this process
	newest uint64 // the last that is, or that it takes the place of
	open   bool   // more rounds follow
	turns  []uint64
	size   int64 // bytes that count: the header, and of rounds that all writers are done with
	end    int64 // bytes that are durable
}

// needed says whether a turn in it is one of below[loop] or later.
func (s *journalSegment) needed(below []uint64) bool {
	for loop, turn := range s.turns {
		if turn > 0 && turn >= below[loop] {
			return true
		}
	}
	return false
}

// journalFiles are the segments that are there, oldest first in each directory.
type journalFiles struct {
	mu    sync.Mutex
	all   [][]*journalSegment // by writer
	next  uint64              // the first round that does not count yet
	syncs journalSyncs
}

// journalWriter writes the parts of one directory. Between rounds it belongs to the leader, in a round to the goroutine that writes.
type journalWriter struct {
	fs     vfs.FS
	dir    string
	number int
	id     journalID
	salt   uint32
	loops  int
	clock  journalClock
	files  *journalFiles

	file    vfs.File // nil: the next part begins a new segment
	segment *journalSegment
	at      int64 // where the next part goes

	jobs chan *journalRound // closed by the leader at the end; nil: the leader writes itself
	err  error              // of the last part
	took time.Duration      // of its sync
}

// run writes parts for the leader, until it closes jobs.
func (w *journalWriter) run(results chan<- *journalWriter) {
	for r := range w.jobs {
		w.write(r)
		results <- w
	}
}

// write makes a part durable. After an error the file is never used again: a sync that failed once says nothing afterwards.
func (w *journalWriter) write(r *journalRound) {
	if w.err = w.append(r); w.err != nil {
		w.abandon(r.number)
		return
	}
	s := w.segment
	w.files.mu.Lock()
	defer w.files.mu.Unlock()
	if s.lowest == 0 {
		s.lowest = r.number
	}
	s.newest, s.end = r.number, w.at
	for loop, turn := range r.turns {
		s.turns[loop] = max(s.turns[loop], turn)
	}
}

func (w *journalWriter) append(r *journalRound) error {
	fresh := w.file == nil
	if fresh {
		if err := w.create(r.number); err != nil {
			return err
		}
	}
	part := r.parts[w.number]
	if err := w.put(part, w.at); err != nil {
		return err
	}
	began := w.clock.now()
	if err := w.file.SyncData(); err != nil {
		return failedAt("sync", w.segment.path, err)
	}
	w.took = w.clock.now().Sub(began)
	if fresh {
		if err := syncDir(w.fs, w.dir); err != nil {
			return failedAt("sync", w.dir, err)
		}
	}
	w.at += int64(len(part))
	return nil
}

// begin makes a durable segment without a round: what a crash has left of that round and later ones does not count from then on.
func (w *journalWriter) begin(first uint64) error {
	if err := w.create(first); err != nil {
		return err
	}
	if err := w.file.SyncData(); err != nil {
		return failedAt("sync", w.segment.path, err)
	}
	if err := syncDir(w.fs, w.dir); err != nil {
		return failedAt("sync", w.dir, err)
	}
	w.segment.size, w.segment.end = w.at, w.at
	return nil
}

// create begins a segment. A file of that name holds nothing that counts.
func (w *journalWriter) create(first uint64) error {
	path := w.fs.PathJoin(w.dir, segmentName(first))
	if err := w.fs.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return failedAt("remove", path, err)
	}
	f, err := w.fs.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("journal: create %s: %w", path, err)
	}
	w.file, w.at = f, segmentHeaderBytes
	w.segment = &journalSegment{path: path, writer: w.number, first: first, newest: first, open: true, turns: make([]uint64, w.loops)}
	w.files.mu.Lock()
	all := slices.DeleteFunc(w.files.all[w.number], func(s *journalSegment) bool { return s.first == first })
	w.files.all[w.number] = append(all, w.segment)
	w.files.mu.Unlock()
	h := segmentHeader{version: segmentVersion, writer: uint8(w.number), id: w.id, first: first}
	return w.put(h.bytes(), 0)
}

// put writes at a place, since WriteAt must leave the bytes as they are, for another try, and Write of package vfs need not.
func (w *journalWriter) put(b []byte, at int64) error {
	n, err := w.file.WriteAt(b, at)
	if err == nil && n != len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return failedAt("write", w.segment.path, err)
	}
	return nil
}

// abandon gives up the file in which a round could not be written. What it holds of earlier rounds counts.
func (w *journalWriter) abandon(round uint64) {
	if w.file == nil {
		return
	}
	first := w.segment.first
	_ = w.rotate() // it was not to be trusted before
	if first < round {
		return
	}
	w.files.mu.Lock()
	defer w.files.mu.Unlock()
	w.files.all[w.number] = slices.DeleteFunc(w.files.all[w.number], func(s *journalSegment) bool { return s.first == first })
}

// rotate closes the file: the next part begins a new one.
func (w *journalWriter) rotate() error {
	if w.file == nil {
		return nil
	}
	w.files.mu.Lock()
	w.segment.open = false
	w.files.mu.Unlock()
	f := w.file
	w.file, w.segment, w.at = nil, nil, 0
	return f.Close()
}

// listSegments are the segment files of a directory by name, oldest first, without sizes.
func listSegments(fs vfs.FS, dir string) ([]*journalSegment, error) {
	names, err := fs.List(dir)
	if err != nil {
		return nil, fmt.Errorf("journal: list %s: %w", dir, err)
	}
	var list []*journalSegment
	for _, name := range names {
		if first, ok := parseSegmentName(name); ok {
			list = append(list, &journalSegment{path: fs.PathJoin(dir, name), first: first})
		}
	}
	slices.SortFunc(list, func(a, b *journalSegment) int { return cmp.Compare(a.first, b.first) })
	return list, nil
}
