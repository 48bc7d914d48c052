package store

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// accountOptions are what tests choose otherwise.
type accountOptions struct {
	dir          string
	fs           vfs.FS
	log          *slog.Logger
	ballastBytes int
	tokensMax    int
	revokedMax   int
}

// pebbleAccounts is Accounts on Pebble, a log-structured merge tree.
//
// One goroutine of its own, the committer, opens the database, makes every change and closes it: changes that wait together
// are synced together. Reads run on the callers' goroutines. The engine reports what it can't go on after by a call that
// must not return; that call leaves its goroutine where it is and marks the store as failed, so callers never wait on it.
//
// Locks: mu only guards the database against Close while somebody reads.
type pebbleAccounts struct {
	opts     accountOptions
	log      *slog.Logger
	trouble  *trouble
	place    *place // the committer's own, like commit
	ballast  *ballast
	requests chan *applyRequest
	quit     chan struct{} // closed by Close
	done     chan struct{} // closed when the committer has ended
	closing  sync.Once

	mu       sync.RWMutex
	db       *pebble.DB
	closed   bool
	closeErr error // after done

	commit committer // the committer's own
}

// OpenAccounts opens the accounts in a directory, which it makes when it is missing. One process at a time may have it open.
// log takes what the engine can't do; nil discards it.
// Errors: ErrAccountsLocked, ErrAccountsDamaged, ErrAccountsVersion, ErrDiskFull, or the system's. All name the directory.
func OpenAccounts(dir string, log *slog.Logger) (Accounts, error) {
	return openAccounts(accountOptions{dir: dir, fs: vfs.Default, log: log, ballastBytes: ballastBytes})
}

// OpenMemoryAccounts makes accounts that are gone with the process.
func OpenMemoryAccounts() (Accounts, error) {
	return openAccounts(accountOptions{dir: "memory", fs: vfs.NewMem()})
}

func openAccounts(o accountOptions) (Accounts, error) {
	if o.log == nil {
		o.log = slog.New(slog.DiscardHandler)
	}
	if o.tokensMax == 0 {
		o.tokensMax, o.revokedMax = TokenUsesMax, RevocationsMax
	}
	a := &pebbleAccounts{
		opts: o, log: o.log.With("accounts", o.dir),
		requests: make(chan *applyRequest), quit: make(chan struct{}), done: make(chan struct{}),
	}
	a.trouble = newTrouble(a.log)
	a.place = &place{fs: o.fs, dir: o.dir}
	a.ballast = &ballast{fs: o.fs, dir: o.dir, size: o.ballastBytes, log: a.log, cost: "nobody registers until there is room"}
	a.commit.accounts = a
	opened := make(chan error, 1)
	go a.run(opened) // ends with Close, with a failed open, and stays for good where the engine gave up
	select {
	case err := <-opened:
		if err != nil {
			return nil, a.explain("open", err)
		}
		return a, nil
	case <-a.trouble.failed:
		return nil, a.explain("open", a.trouble.err)
	}
}

// run is the committer's goroutine.
func (a *pebbleAccounts) run(opened chan<- error) {
	defer close(a.done)
	db, err := a.open()
	a.db = db
	opened <- err
	if err != nil {
		return
	}
	for {
		select {
		case r := <-a.requests:
			if !a.commit.serve(r) {
				return // failed: what the engine holds is not to be trusted, not even to close it
			}
		case <-a.quit:
			a.closeErr = errors.Join(db.Close(), a.place.note(a.commit.changes), a.place.leave())
			return
		}
	}
}

func (a *pebbleAccounts) open() (db *pebble.DB, err error) {
	if err := a.place.take(); err != nil {
		return nil, errors.Join(err, a.place.leave())
	}
	db, err = pebble.Open(a.opts.dir, a.engineOptions())
	if errors.Is(err, os.ErrNotExist) && a.place.clearBeginnings() {
		db, err = pebble.Open(a.opts.dir, a.engineOptions())
	}
	if err != nil {
		return nil, errors.Join(a.place.judge(err), a.place.leave())
	}
	if err := a.begin(db); err != nil {
		return nil, errors.Join(err, db.Close(), a.place.leave())
	}
	return db, nil
}

// begin reads what the committer counts, and writes what a new directory needs.
func (a *pebbleAccounts) begin(db *pebble.DB) error {
	if err := checkVersion(db); err != nil {
		return err
	}
	if err := a.commit.count(db); err != nil {
		return err
	}
	if err := a.place.check(a.commit.changes); err != nil {
		return err
	}
	a.ballast.fill()
	if a.ballast.gone.Load() && a.place.old {
		return nil // no room to write: the old note holds
	}
	return a.place.note(a.commit.changes)
}

// engineOptions keeps the engine small: accounts are read at contact flights and written at registrations only.
func (a *pebbleAccounts) engineOptions() *pebble.Options {
	o := &pebble.Options{
		Lock:                        a.place.lock,
		FS:                          vfs.OnDiskFull(a.opts.fs, a.ballast.release),
		FormatMajorVersion:          pebble.FormatValueSeparation, // the newest of v2.1: a later module does not raise it by itself
		CacheSize:                   engineCacheBytes,
		MemTableSize:                engineMemTableBytes,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                engineFilesMax,
		Logger:                      a.trouble,
		EventListener: &pebble.EventListener{
			BackgroundError: a.trouble.background,
			DataCorruption:  func(info pebble.DataCorruptionInfo) { a.trouble.background(info.Details) },
		},
	}
	o.Experimental.FileCacheShards = 1
	o.ApplyCompressionSettings(func() pebble.DBCompressionSettings { return pebble.DBCompressionNone }) // keys do not compress
	return o
}

// Close gives the directory back. Safe to call twice, and while others read or write: they get ErrAccountsClosed.
func (a *pebbleAccounts) Close() error {
	a.closing.Do(func() {
		a.mu.Lock()
		a.closed = true
		a.mu.Unlock()
		close(a.quit)
	})
	select {
	case <-a.done:
	case <-a.trouble.failed:
	}
	if err := a.trouble.failure(); err != nil {
		return a.explain("close", err)
	}
	if a.closeErr != nil {
		return a.explain("close", a.closeErr)
	}
	return nil
}

// explain makes an error of the engine one of ours, with the directory in it.
func (a *pebbleAccounts) explain(doing string, err error) error {
	switch {
	case errors.Is(err, ErrAccountsDamaged), errors.Is(err, ErrAccountsVersion), errors.Is(err, ErrAccountsFailed):
	case vfs.IsNoSpaceError(err):
		err = fmt.Errorf("%w: %w", ErrDiskFull, err)
	case pebble.IsCorruptionError(err):
		err = fmt.Errorf("%w: %w", ErrAccountsDamaged, err)
	}
	return fmt.Errorf("accounts in %s: %s: %w", a.opts.dir, doing, err)
}
