package store

import (
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// trouble is where the engine reports what it can't do. It is the engine's logger.
type trouble struct {
	log     *slog.Logger
	once    sync.Once
	failed  chan struct{} // closed once nothing may be served any more
	err     error         // why; set before failed is closed
	lastLog atomic.Int64  // unix nanoseconds
}

func newTrouble(log *slog.Logger) *trouble {
	return &trouble{log: log, failed: make(chan struct{})}
}

// fail marks the store as failed. The first reason stays.
func (t *trouble) fail(err error) {
	t.once.Do(func() {
		t.err = fmt.Errorf("%w: %w", ErrAccountsFailed, err)
		close(t.failed)
		t.log.Error("the accounts have failed: nobody registers until the server is started again", "err", err)
	})
}

// failure is why the store has failed; nil: it has not.
func (t *trouble) failure() error {
	select {
	case <-t.failed:
		return t.err
	default:
		return nil
	}
}

// background notes an error of the engine's own work, which it tries again.
func (t *trouble) background(err error) {
	now := time.Now().UnixNano()
	last := t.lastLog.Load()
	if now-last >= int64(troubleLogEvery) && t.lastLog.CompareAndSwap(last, now) {
		t.log.Warn("the accounts' engine has trouble", "err", err)
	}
}

// Infof implements pebble.Logger. The engine's diary interests nobody.
func (t *trouble) Infof(string, ...any) {}

// Errorf implements pebble.Logger.
func (t *trouble) Errorf(format string, args ...any) { t.background(fmt.Errorf(format, args...)) }

// Fatalf implements pebble.Logger, whose contract is that it does not return. The engine's default ends the process; here the
// sessions that are live go on, and only the accounts end: the goroutine stays where it is, with whatever it holds.
func (t *trouble) Fatalf(format string, args ...any) {
	t.fail(fmt.Errorf(format, args...))
	select {}
}
