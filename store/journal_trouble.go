package store

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"
)

// journalTrouble tells when rounds can't be made durable: because of an error, because a sync takes too long, or because too much
// waits. It calls tell under its mutex, so that what is told last is what holds.
type journalTrouble struct {
	tell  func(error)
	clock journalClock
	alarm journalAlarm // rings when the sync takes too long
	where string

	mu      sync.Mutex
	writing bool
	since   time.Time
	err     error
	slow    bool
	full    int64  // bytes that wait, when they are too many
	told    string // "": all is well
}

func newJournalTrouble(tell func(error), clock journalClock, where string) *journalTrouble {
	if tell == nil {
		tell = func(error) {}
	}
	t := &journalTrouble{tell: tell, clock: clock, where: where}
	t.alarm = clock.alarm(t.late)
	return t
}

// begin and end are called around the writing of a round.
func (t *journalTrouble) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writing, t.since = true, t.clock.now()
	t.alarm.Reset(JournalSlowSync)
}

func (t *journalTrouble) end(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.alarm.Stop()
	t.writing, t.slow, t.err = false, false, err
	t.say()
}

// late is called by the alarm. It may ring late, in a sync after the one it was set for.
func (t *journalTrouble) late() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.writing {
		return
	}
	if left := JournalSlowSync - t.clock.now().Sub(t.since); left > 0 {
		t.alarm.Reset(left)
		return
	}
	t.slow = true
	t.say()
}

// waiting looks how many bytes wait, when they are too many; 0: they are not.
func (t *journalTrouble) waiting(tooMany func() int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.full = tooMany()
	t.say()
}

func (t *journalTrouble) say() {
	var err error
	var text string
	switch {
	case t.err != nil:
		err, text = t.err, t.err.Error()
	case t.slow:
		err = fmt.Errorf("%w: %s: a sync takes more than %v", ErrJournalSlow, t.where, JournalSlowSync)
		text = err.Error()
	case t.full > 0:
		err, text = fmt.Errorf("%w: %s: %d bytes wait", ErrJournalWaiting, t.where, t.full), ErrJournalWaiting.Error()
	}
	if text == t.told {
		return
	}
	t.told = text
	t.tell(err)
}

// failedAt says what was tried where. An error of the system mostly does so itself.
func failedAt(doing, path string, err error) error {
	var at *os.PathError
	if errors.As(err, &at) && at.Path == path {
		return fmt.Errorf("journal: %w", err)
	}
	return fmt.Errorf("journal: %s %s: %w", doing, path, err)
}
