package store

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// JournalReport is what ReadJournals has found.
type JournalReport struct {
	Rounds    uint64
	Records   uint64
	Bytes     int64
	LastRound uint64   // the last that counts, or that counted and is not needed any more; 0: none
	Owner     uint32   // the highest owner epoch in it
	Cut       []CutEnd // torn ends, which were never durable
	Skipped   []CutEnd // of SalvageJournals only: damaged places
}

// CutEnd is a place behind which a journal was not written whole.
type CutEnd struct {
	Path   string
	Offset int64
	Bytes  int64 // that are ignored
	Why    string
}

// ReadJournals calls f for every record of every round that counts, in order; within a round one directory after the other, as a turn's
// records were split. r is valid until f returns.
// A torn end is cut and reported: an incomplete round is the last one, or nothing of what follows it counts. Files that are missing at the end can't
// be told from files that were never made.
// Errors: a *DamageError (ErrJournalDamaged) when a round is damaged or missing that others follow, after f was called for what is before it;
// ErrJournalMissing, ErrStoreVersion; f's error; the system's.
func ReadJournals(fs vfs.FS, dirs []string, f func(round uint64, r *Record) error) (JournalReport, error) {
	return mergeJournals(fs, dirs, false, f)
}

// SalvageJournals is ReadJournals for a repair: it calls f for every record that can be read, in order, and passes damaged and missing
// places, which the report lists. Of a round that is damaged in one directory it gives what the others have.
func SalvageJournals(fs vfs.FS, dirs []string, f func(round uint64, r *Record) error) (JournalReport, error) {
	return mergeJournals(fs, dirs, true, f)
}

// journalMerge puts the parts of all directories together again.
type journalMerge struct {
	scanners []*journalScanner
	expected uint64 // the round that must come next; 0: any
	base     uint64
	damaged  bool // of a salvage
	gaps     []CutEnd
	report   JournalReport

	round uint64         // at hand
	parts []*journalPart // of it, by writer
}

func mergeJournals(fs vfs.FS, dirs []string, salvage bool, f func(round uint64, r *Record) error) (JournalReport, error) {
	if fs == nil {
		fs = vfs.Default
	}
	m := &journalMerge{}
	for _, dir := range dirs {
		s, err := openJournalScanner(fs, dir, salvage)
		if err != nil {
			return m.report, err
		}
		m.scanners = append(m.scanners, s)
		m.base = max(m.base, s.note.base)
	}
	for _, s := range m.scanners {
		s.base = m.base
	}
	m.expected = m.base
	err := m.run(salvage, f)
	m.conclude()
	return m.report, err
}

// run goes through all rounds.
func (m *journalMerge) run(salvage bool, f func(round uint64, r *Record) error) error {
	ok, err := m.next()
	for ok && err == nil {
		if m.round < m.base {
			ok, err = m.next() // Truncate has begun to remove it
			continue
		}
		if m.expected != 0 && m.round > m.expected {
			damage := m.place(m.expected, fmt.Sprintf("rounds %d to %d are missing", m.expected, m.round-1))
			if !salvage {
				return damage
			}
			m.miss(damage)
		}
		if why := m.incomplete(); why != "" {
			ok, err = m.judge(salvage, why, f)
			continue
		}
		if err := m.deliver(m.round, m.parts, salvage, f); err != nil {
			return err
		}
		ok, err = m.next()
	}
	return err
}

// judge is for a round that is not whole: the torn end when nothing follows, else damage. It goes on to the next round.
func (m *journalMerge) judge(salvage bool, why string, f func(round uint64, r *Record) error) (ok bool, err error) {
	damage, round := m.place(m.round, why), m.round
	parts := make([]*journalPart, len(m.parts))
	for i, part := range m.parts {
		kept := *part
		kept.records = slices.Clone(part.records)
		parts[i] = &kept
	}
	ok, err = m.next()
	if err != nil {
		return false, err
	}
	if !ok {
		for _, part := range parts {
			m.gaps = append(m.gaps, CutEnd{part.path, part.offset, partHeaderBytes + int64(part.length), why})
		}
		return false, nil
	}
	if !salvage {
		return false, damage
	}
	m.miss(damage)
	return true, m.deliver(round, parts, salvage, f)
}

// next gathers the parts of the next round that is there.
func (m *journalMerge) next() (ok bool, err error) {
	for _, part := range m.parts {
		for _, s := range m.scanners {
			if &s.head == part {
				s.have = false
			}
		}
	}
	m.parts, m.round = m.parts[:0], math.MaxUint64
	for _, s := range m.scanners {
		if err := s.advance(); err != nil {
			return false, err
		}
		if s.have {
			m.round = min(m.round, s.head.round)
		}
	}
	for _, s := range m.scanners {
		if s.have && s.head.round == m.round {
			m.parts = append(m.parts, &s.head)
		}
	}
	slices.SortFunc(m.parts, func(a, b *journalPart) int { return cmp.Compare(a.writer, b.writer) })
	return len(m.parts) > 0, nil
}

// incomplete says why the parts at hand are not a whole round; "": they are.
func (m *journalMerge) incomplete() (why string) {
	var have uint16
	first := m.parts[0]
	for _, part := range m.parts {
		bit := uint16(1) << (part.writer % JournalsMax)
		if part.mask != first.mask || part.owner != first.owner || have&bit != 0 || part.mask&bit == 0 {
			return fmt.Sprintf("the parts of round %d do not belong together", m.round)
		}
		have |= bit
	}
	switch {
	case first.owner < m.report.Owner:
		return fmt.Sprintf("round %d is of an earlier process than the one before it", m.round)
	case have != first.mask:
		return fmt.Sprintf("round %d: %d of %d parts are there", m.round, bits.OnesCount16(have), bits.OnesCount16(first.mask))
	}
	return ""
}

// place finds where the part of a round should be that is not there.
func (m *journalMerge) place(round uint64, why string) *DamageError {
	for _, s := range m.scanners {
		for _, spot := range slices.Backward(s.spots) {
			if spot.after < round && round < spot.before {
				return &DamageError{Path: spot.Path, Offset: spot.Offset, Why: spot.Why + "; " + why, Err: ErrJournalDamaged}
			}
		}
	}
	part := m.parts[0]
	return &DamageError{Path: part.path, Offset: part.offset, Why: why + " before or beside this one", Err: ErrJournalDamaged}
}

// miss notes damage that a salvage passes.
func (m *journalMerge) miss(damage *DamageError) {
	m.damaged = true
	m.gaps = append(m.gaps, CutEnd{damage.Path, damage.Offset, 0, damage.Why})
}

// deliver calls f for the records of a round.
func (m *journalMerge) deliver(round uint64, parts []*journalPart, salvage bool, f func(round uint64, r *Record) error) error {
	var r Record
	for _, part := range parts {
		var reader RecordReader
		m.report.Owner = max(m.report.Owner, part.owner)
		for rest := part.records; len(rest) > 0; {
			used, err := reader.Next(&r, rest)
			if err != nil {
				at := part.offset + partHeaderBytes + int64(len(part.records)-len(rest))
				damage := &DamageError{Path: part.path, Offset: at, Why: fmt.Sprintf("round %d: %v", round, err), Err: ErrJournalDamaged}
				if !salvage {
					return damage
				}
				m.miss(damage)
				break
			}
			rest = rest[used:]
			m.report.Records++
			if err := f(round, &r); err != nil {
				return err
			}
		}
	}
	m.report.Rounds++
	m.report.LastRound, m.expected = round, round+1
	return nil
}

// conclude completes the report.
func (m *journalMerge) conclude() {
	places := m.gaps
	for _, s := range m.scanners {
		_ = s.window.close() // it was only read
		m.report.Bytes += s.bytes
		m.damaged = m.damaged || s.damaged
		for _, spot := range s.spots {
			places = append(places, spot.CutEnd)
		}
	}
	if m.base > 0 {
		m.report.LastRound = max(m.report.LastRound, m.base-1)
	}
	if m.damaged {
		m.report.Skipped = places
	} else {
		m.report.Cut = places
	}
}
