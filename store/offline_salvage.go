package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// SalvageReport is what a Salvage has saved.
type SalvageReport struct {
	Tables    int
	Mailboxes int
	Entries   int
	Made      int  // heads that were lost, and made from their entries
	Recounted int  // heads that counted something else than was there
	Problems  int  // places that can't be read
	AllTables bool // the manifest can't be read: old tables were read too
}

// Salvage reads every table of a damaged store by itself and puts what can be read into another, empty one, the newest version of each key. f gets each
// place that can't be read. Heads then count what is there; entries whose head is lost get a new one with Last at their end and generation 0: a
// client begins that device anew. What a head says was acknowledged does not come back. The damaged store is not changed; nobody may have it open.
func Salvage(from string, to *Offline, f func(problem *DamageError)) (r SalvageReport, err error) {
	s := salvage{to: to, seed: maphash.MakeSeed(), newest: map[uint64]uint64{}, batch: to.NewBatch()}
	s.problem = func(d *DamageError, _ []byte) { r.Problems++; f(d) }
	tables, all, err := s.tables(from)
	if err != nil {
		return r, err
	}
	r.AllTables, r.Tables = all, len(tables)
	for _, path := range tables { // first what was removed
		err := readTable(to.opts.FS, path, tableVisit{span: s.addSpan, problem: func(*DamageError, []byte) {}})
		if err != nil && !isDamage(err) {
			return r, err
		}
	}
	for _, path := range tables {
		err := readTable(to.opts.FS, path, tableVisit{row: s.row, problem: s.problem})
		switch {
		case isDamage(err):
			s.problem(explainDamage(path, "", err), nil)
		case err != nil:
			return r, err
		}
		if s.err != nil {
			return r, s.err
		}
	}
	if err := s.drain(0); err != nil {
		return r, err
	}
	if err := to.mend(&r); err != nil {
		return r, err
	}
	return r, to.Flush()
}

// salvage is the work of one Salvage.
type salvage struct {
	to      *Offline
	seed    maphash.Seed
	newest  map[uint64]uint64 // by the hash of a key: the engine's number of the newest version that was read, and one
	spans   []tableSpan
	batch   *OfflineBatch
	problem func(d *DamageError, next []byte)
	err     error
}

// tables lists the tables of a store: those that its manifest knows, or all when it can't be read.
func (s *salvage) tables(dir string) (paths []string, all bool, err error) {
	fs := s.to.opts.FS
	o := &Offline{opts: s.to.opts, log: s.to.log, place: &offlinePlace{fs: fs, dir: dir}, ballast: &ballast{fs: fs, dir: dir, log: s.to.log}}
	o.opts.Dir = dir
	if paths, err = o.knownTables(); err == nil {
		return paths, false, nil
	}
	s.problem(explainDamage(dir, "the manifest", err), nil)
	names, err := fs.List(dir)
	if err != nil {
		return nil, true, err
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasSuffix(name, tableSuffix) {
			paths = append(paths, fs.PathJoin(dir, name))
		}
	}
	return paths, true, nil
}

func (o *Offline) knownTables() (paths []string, err error) {
	if err := errors.Join(o.place.take(), o.place.leave()); err != nil {
		return nil, err
	}
	e, err := openEngine(o, true)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, e.close()) }()
	flushes, err := offlineMeta(e.db, metaOfflineFlushes)
	if err != nil {
		return nil, err
	}
	if err := o.place.check(flushes); err != nil {
		return nil, err
	}
	levels, err := e.db.SSTables()
	for _, level := range levels {
		for _, t := range level {
			paths = append(paths, o.tablePath(uint64(t.BackingSSTNum)))
		}
	}
	return paths, err
}

func (s *salvage) addSpan(span tableSpan) {
	if len(s.spans) < salvageSpansMax {
		s.spans = append(s.spans, span)
	}
}

// row takes a version of a key, unless a newer one was taken or removed it.
func (s *salvage) row(r *tableRow) {
	k, _, ok := parseOfflineKey(r.key)
	hash := maphash.Bytes(s.seed, r.key)
	taken := s.newest[hash]
	if !ok || s.err != nil || r.seq+1 <= taken {
		return
	}
	for i := range s.spans {
		span := &s.spans[i]
		if span.seq > r.seq && string(span.from) <= string(r.key) && string(r.key) < string(span.to) {
			return
		}
	}
	s.newest[hash] = r.seq + 1
	var e Entry
	var h Head
	switch payload, good := parseEntryValue(&e, r.value); {
	case r.key[0] == prefixOfflinePending: // heads say it
	case r.deleted && taken > 0 && r.key[0] == prefixOfflineEntry && k.Seq > 0:
		s.batch.DropEntries(k.User, k.Device, k.Seq-1, k.Seq)
	case r.deleted && taken > 0 && r.key[0] == prefixOfflineHead:
		s.batch.DropHead(k.User, k.Device)
	case r.deleted:
	case r.key[0] == prefixOfflineEntry && good:
		e.Key = k
		s.batch.PutEntry(&e, payload)
	case r.key[0] == prefixOfflineHead && parseHeadValue(&h, r.value):
		h.User, h.Device = k.User, k.Device
		s.batch.PutHead(&h)
	default:
		s.problem(&DamageError{Path: s.to.opts.Dir, Offset: -1, Err: ErrOfflineDamaged, Why: fmt.Sprintf("a value of %d bytes at %x", len(r.value), r.key)}, nil)
	}
	s.err = s.drain(ReplicaBatchBytes)
}

// drain applies the batch when it is larger than limit.
func (s *salvage) drain(limit int) error {
	if s.batch.Bytes() <= limit {
		return nil
	}
	defer s.batch.Reset()
	return s.to.Apply(s.batch)
}

// mend brings heads and entries into line: what was acknowledged goes, heads count what is there, and who has none gets one.
func (o *Offline) mend(r *SalvageReport) error {
	batch := o.NewBatch()
	err := o.read(func(db *pebble.DB) error {
		return o.walk(db, func([]byte) []byte { return nil }, func(*DamageError) {}, func(m *walked) error {
			if m.empty() {
				batch.setPending(m.user, false)
				return nil
			}
			r.Mailboxes++
			r.Entries += m.counts.Waiting()
			if m.problem() == "" && m.indexed() {
				return nil
			}
			h := Head{User: m.user, Device: m.device, Acked: m.first - 1}
			if m.head == nil {
				r.Made++
			} else {
				h = *m.head
				r.Recounted++
				batch.DropEntries(m.user, m.device, 0, h.Acked)
			}
			h.Last = max(h.Last, m.last, h.Acked)
			h.Counts = m.counts
			batch.PutHead(&h)
			if batch.Bytes() < ReplicaBatchBytes {
				return nil
			}
			defer batch.Reset()
			return o.Apply(batch)
		})
	})
	if err != nil {
		return err
	}
	return o.Apply(batch)
}
