package store

import (
	"errors"
	"log/slog"
	"math/bits"
	"sync/atomic"
)

// journalLeader is what only the leader changes.
type journalLeader struct {
	log     *slog.Logger
	writers []*journalWriter
	results chan *journalWriter
	tried   bool // once more, at the end

	rounds, bytes, records, errors atomic.Uint64
	since                          atomic.Int64 // when what is being written was handed over, unix nanoseconds; 0: nothing is
}

// run is the leader's goroutine.
func (j *Journal) run() {
	defer close(j.done)
	for {
		r := j.await()
		if r == nil {
			break
		}
		if err := j.commit(r); err != nil {
			j.closeErr = err
			break
		}
		j.mu.Lock()
		r.reset()
		j.spare = append(j.spare, r)
		j.mu.Unlock()
	}
	j.linger.Stop()
	j.retry.Stop()
	j.overfull.Stop()
	for _, w := range j.lead.writers {
		if w.jobs != nil {
			close(w.jobs)
		}
	}
	j.closeErr = errors.Join(j.closeErr, j.lead.closeFiles())
}

// await waits for a round that is ready. nil: the journal is closing and nothing waits.
func (j *Journal) await() *journalRound {
	for {
		r, closing := j.ready()
		if r != nil || closing {
			return r
		}
		select {
		case <-j.wake:
		case f := <-j.requests:
			f()
		}
	}
}

// ready takes the oldest round when it has lingered enough. Otherwise the alarm is set.
func (j *Journal) ready() (r *journalRound, closing bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if len(j.gathered) == 0 {
		return nil, j.closing
	}
	r = j.gathered[0]
	if j.opts.Linger > 0 && !j.closing && len(j.gathered) == 1 && r.bytes < j.opts.RoundBytes {
		if left := j.opts.Linger - j.clock.now().Sub(r.since); left > 0 {
			j.linger.Reset(left)
			return nil, false
		}
	}
	j.lead.since.Store(r.since.UnixNano())
	n := copy(j.gathered, j.gathered[1:])
	j.gathered[n] = nil
	j.gathered = j.gathered[:n]
	return r, j.closing
}

// commit makes a round durable, however long that takes. An error is the last one, of a journal that is closing.
func (j *Journal) commit(r *journalRound) error {
	pending := r.seal(j.files.next, j.opts.Owner, j.lead.writers) // next is only changed below
	j.rotateFull()
	for mask := pending; pending != 0; {
		failed, err := j.write(r, pending)
		j.trouble.end(err)
		if pending = failed; pending == 0 {
			j.count(r, mask)
			break
		}
		j.lead.errors.Add(1)
		if j.abandoned() {
			return err
		}
	}
	j.publish(r)
	return nil
}

// write has the writers in pending write their parts, and says which of them have failed.
func (j *Journal) write(r *journalRound, pending uint16) (failed uint16, err error) {
	j.trouble.begin()
	var own *journalWriter
	others := 0
	for i, w := range j.lead.writers {
		switch {
		case pending>>i&1 == 0:
		case own == nil:
			own = w // the leader writes one part itself
		default:
			w.jobs <- r
			others++
		}
	}
	own.write(r)
	failed, err = own.outcome(failed, err)
	for range others {
		failed, err = (<-j.lead.results).outcome(failed, err)
	}
	return failed, err
}

// outcome adds a writer's result to the others'.
func (w *journalWriter) outcome(failed uint16, err error) (uint16, error) {
	if w.err == nil {
		w.files.mu.Lock()
		w.files.syncs.add(w.took)
		w.files.mu.Unlock()
		return failed, err
	}
	if err == nil {
		err = w.err
	}
	return failed | 1<<w.number, err
}

// abandoned waits for the time of another try. true: the journal is closing and has tried once more.
func (j *Journal) abandoned() bool {
	began := j.clock.now()
	j.retry.Reset(journalRetry)
	for {
		j.mu.Lock()
		closing := j.closing
		j.mu.Unlock()
		if closing {
			again := !j.lead.tried
			j.lead.tried = true
			return !again
		}
		if j.clock.now().Sub(began) >= journalRetry {
			return false
		}
		select {
		case <-j.wake:
		case f := <-j.requests:
			f()
		}
	}
}

// count notes what a round that is durable has added to the files.
func (j *Journal) count(r *journalRound, mask uint16) {
	j.files.mu.Lock()
	defer j.files.mu.Unlock()
	j.files.next = r.number + 1
	for _, segments := range j.files.all {
		if n := len(segments); n > 0 {
			segments[n-1].size = max(segments[n-1].size, segments[n-1].end)
		}
	}
	j.lead.rounds.Add(1)
	j.lead.bytes.Add(uint64(r.bytes + bits.OnesCount16(mask)*partHeaderBytes))
	j.lead.records.Add(uint64(r.bytes))
}

// publish says what is durable now.
func (j *Journal) publish(r *journalRound) {
	j.lead.since.Store(0)
	for loop, turn := range r.turns {
		if turn > 0 {
			j.durable[loop].turn.Store(turn)
		}
	}
	if j.waiting.Add(-int64(r.bytes)) < JournalWaitingMax/2 && j.over.CompareAndSwap(true, false) {
		j.tellWaiting()
	}
	for loop, turn := range r.turns {
		if turn > 0 {
			j.opts.Durable(loop)
		}
	}
}

// rotateFull closes all current files when one of them is full: so that they end at about the same round, and go at the same time.
func (j *Journal) rotateFull() {
	for _, w := range j.lead.writers {
		if w.at >= j.opts.SegmentBytes {
			j.lead.rotate()
			return
		}
	}
}

func (l *journalLeader) rotate() {
	for _, w := range l.writers {
		if err := w.rotate(); err != nil { // all that counts in it is synced
			l.log.Warn("a file of the journal does not close", "journal", w.dir, "err", err)
		}
	}
}

func (l *journalLeader) closeFiles() error {
	var err error
	for _, w := range l.writers {
		if w != nil {
			err = errors.Join(err, w.rotate())
		}
	}
	return err
}

// newOrSpare takes a round that was used before, if there is one.
func newOrSpare(spare *[]*journalRound, writers, loops int) *journalRound {
	if n := len(*spare); n > 0 {
		r := (*spare)[n-1]
		*spare = (*spare)[:n-1]
		return r
	}
	return newJournalRound(writers, loops)
}
