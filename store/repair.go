package store

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
)

// RepairReport says what a repair has found and done. Its JSON keys are documented in docs/operations.md and never renamed.
type RepairReport struct {
	Found          Findings `json:"found"`
	Needed         bool     `json:"needed"` // something was wrong
	Done           bool     `json:"done"`   // ... and is repaired; false with DryRun
	DryRun         bool     `json:"dry_run"`
	Aside          string   `json:"aside"` // folder with what was damaged, in the data directory and in journals elsewhere
	Mailboxes      int      `json:"mailboxes"`
	Entries        int      `json:"entries"`
	PayloadBytes   uint64   `json:"payload_bytes"`
	Rounds         uint64   `json:"journal_rounds"`  // applied
	Records        uint64   `json:"journal_records"` // applied
	HeadsMade      int      `json:"heads_made"`      // mailboxes of which only entries were left
	Lost           bool     `json:"lost"`            // something could not be read
	NewSeed        bool     `json:"new_seed"`
	NewIncarnation bool     `json:"new_incarnation"`
	Incarnation    string   `json:"incarnation"`
	OwnerEpoch     uint32   `json:"owner_epoch"`
}

// Repair makes the directory whole again of what can be read. Mailboxes are read from each file by itself, then the rounds of the journal are applied in
// their order; the result is a second store, which takes the place of the first by a switch when it is complete. What was there is moved aside, never
// removed. The owner epoch rises. Data that may have been promised is lost if, and only if, something could not be read: then there is a new
// incarnation, so that clients forget what they had acknowledged and send again what they still have.
// A directory without problems is left as it is. Errors: as of Check, ErrDiskFull, ErrOwnerEpochs; after each of them the directory is as it was.
func (d Directory) Repair(dry bool) (r RepairReport, err error) {
	i, err := d.inspect()
	r = RepairReport{Found: i.report, DryRun: dry, Needed: len(i.report.Problems) > 0, Lost: i.report.Lost}
	if err != nil || !r.Needed || dry {
		return r, err
	}
	d = i.dir
	next, err := beginSwitch(d.FS, d.Path)
	if err != nil {
		return r, err
	}
	s, err := i.rebuild(next, &r)
	if err != nil {
		return r, errors.Join(noRoom(err), dropSwitch(d.FS, d.Path))
	}
	if err := s.commit(); err != nil {
		return r, err
	}
	r.Done = true
	return r, s.finish()
}

// rebuild makes the new parts.
func (i *inspection) rebuild(next string, r *RepairReport) (s *switchover, err error) {
	d := i.dir
	s = &switchover{fs: d.FS, dir: d.Path, keep: true, parts: []string{offlineFolder, stateFile}, sweep: i.dirs}
	if s.aside, err = d.aside("damaged"); err != nil {
		return nil, err
	}
	r.Aside = s.aside
	seed := i.seed
	if !i.seedOK {
		if seed, err = drawUint64(); err != nil {
			return nil, err
		}
		r.NewSeed, s.parts = true, append(s.parts, seedFile)
		if err := writeSeed(d.FS, next, seed); err != nil {
			return nil, err
		}
	}
	owner, err := i.salvageInto(OfflineOptions{Dir: d.FS.PathJoin(next, offlineFolder), FS: d.FS, Fragment: d.by(seed), Log: d.Log}, r)
	if err != nil {
		return nil, err
	}
	fresh, err := i.nextState(owner, r)
	if err != nil {
		return nil, err
	}
	return s, inOrder(
		func() error { return writeState(d.FS, next, fresh) },
		func() error { return syncTree(d.FS, next) },
	)
}

// salvageInto fills the new store with what can be read, and says which owner epoch is the highest in it.
func (i *inspection) salvageInto(at OfflineOptions, r *RepairReport) (owner uint32, err error) {
	to, err := OpenOffline(at)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	saved, err := Salvage(i.dir.path(offlineFolder), to, func(d *DamageError) { r.Lost = true; i.mailboxProblem(d) })
	if err != nil {
		return 0, err
	}
	r.HeadsMade, r.Found = saved.Made, i.report
	replica := NewReplica(to)
	report, err := SalvageJournals(i.dir.FS, i.dirs, func(_ uint64, rec *Record) error { return replica.Apply(rec) })
	if err != nil {
		return 0, err
	}
	r.Rounds, r.Records, r.Lost = report.Rounds, report.Records, r.Lost || len(report.Skipped) > 0
	if err := replica.WriteTo(to); err != nil {
		return 0, err
	}
	owner = report.Owner
	return owner, to.each(func(h *Head) error {
		owner = max(owner, h.Owner, uint32(h.Last>>(64-ownerEpochBits)))
		m, err := tallyMailbox(to, h, nil)
		r.Mailboxes++
		r.Entries += m.entries
		r.PayloadBytes += m.bytes
		return err
	})
}

// nextState is the state behind a repair.
func (i *inspection) nextState(owner uint32, r *RepairReport) (*state, error) {
	s := state{Incarnation: i.state.Incarnation, Owner: max(owner, i.state.Owner, i.tail.Owner), Ack: i.state.Ack, Clean: true}
	if s.Owner >= OwnerEpochMax {
		return nil, ErrOwnerEpochs
	}
	s.Owner++
	if i.stateOK && (i.state.void() || i.state.Backup) { // the next start does with it what it would have done
		s.Clean, s.Replayed, s.Backup = false, true, i.state.Backup
	}
	for r.Lost && s.Incarnation == i.state.Incarnation || s.Incarnation == 0 {
		var err error
		if s.Incarnation, err = drawUint64(); err != nil {
			return nil, err
		}
		r.NewIncarnation = true
	}
	r.Incarnation, r.OwnerEpoch = fmt.Sprintf("%016x", s.Incarnation), s.Owner
	return &s, nil
}

// drawUint64 draws a number that is never 0.
func drawUint64() (uint64, error) {
	var b [8]byte
	for {
		if _, err := rand.Read(b[:]); err != nil {
			return 0, err
		}
		if n := binary.BigEndian.Uint64(b[:]); n != 0 {
			return n, nil
		}
	}
}
