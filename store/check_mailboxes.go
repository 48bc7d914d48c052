package store

import (
	"errors"
	"strings"

	"github.com/cockroachdb/pebble/v2"
)

// checkMailboxes reads every table and every mailbox. Whatever is wrong there counts as lost: nobody knows what it was.
func (i *inspection) checkMailboxes() error {
	o, err := OpenOffline(i.mailboxes(newOverlay(i.dir.FS)))
	if err != nil {
		if !i.mailboxProblem(err) {
			return err
		}
		return i.checkTables()
	}
	if i.seedOK {
		var r CheckReport
		r, err = o.Check(func(d *DamageError) { i.mailboxProblem(d) })
		i.report.Mailboxes, i.report.Entries, i.report.PayloadBytes = r.Mailboxes, r.Entries, r.Bytes
	} else { // nobody can be looked up without the seed
		err = o.read(func(db *pebble.DB) error {
			_, err := o.checkTables(db, &CheckReport{}, func(d *DamageError) { i.mailboxProblem(d) })
			return err
		})
	}
	if err != nil && i.mailboxProblem(err) {
		err = nil
	}
	return errors.Join(err, o.Close())
}

// checkTables reads the tables of a store that can't be opened, each by itself.
func (i *inspection) checkTables() error {
	dir := i.dir.path(offlineFolder)
	names, err := filesBelow(i.dir.FS, dir)
	for _, name := range names {
		if !strings.HasSuffix(name, tableSuffix) {
			continue
		}
		visit := tableVisit{span: func(tableSpan) {}, problem: func(d *DamageError, _ []byte) { i.mailboxProblem(d) }}
		if err := readTable(i.dir.FS, i.dir.FS.PathJoin(dir, name), visit); err != nil && !i.mailboxProblem(err) {
			return err
		}
	}
	return err
}

// mailboxProblem takes damage of the mailboxes, once for each place; false: it is none.
func (i *inspection) mailboxProblem(err error) bool {
	var damage *DamageError
	if !errors.As(err, &damage) {
		return false
	}
	i.report.Lost = i.report.Lost || !lossless(err)
	for _, p := range i.report.Problems {
		if p.Path == damage.Path && p.Offset == damage.Offset && p.What == damage.Why {
			return true
		}
	}
	return i.damaged(partMailboxes, err, "keeps what can be read of each file, with what the journal has")
}

// mailboxes are the options for the mailboxes that are there.
func (i *inspection) mailboxes(fs FS) OfflineOptions {
	return OfflineOptions{Dir: i.dir.path(offlineFolder), FS: fs, Fragment: i.dir.by(i.seed), Log: i.dir.Log}
}
