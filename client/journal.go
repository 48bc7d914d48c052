package client

import (
	"fmt"
	"sync"
	"time"
)

// journal groups commits: callers stage into one Change under the client's mutex; whoever asks for durability first writes
// for everybody who staged before it, so that many concurrent Sends share one sync of the file.
type journal struct {
	state  State
	mu     *sync.Mutex
	cond   *sync.Cond // a commit ended
	staged *Change
	spare  *Change
	no     uint64 // number of the newest staged change
	done   uint64 // number of the newest durable one
	since  time.Time
	urgent bool // something is staged that nobody waits for and that should not wait for lazyCommitDelay
	busy   bool // one goroutine is in State.Commit
	err    error
}

func newJournal(state State, mu *sync.Mutex) journal {
	return journal{state: state, mu: mu, cond: sync.NewCond(mu), staged: &Change{}, spare: &Change{}}
}

// touch says that the staged change holds something new. The mutex is held.
func (j *journal) touch(now time.Time) {
	if j.no == j.done {
		j.since = now
	}
	j.no++
}

// idle says that something staged is not durable and nobody is about to make it so.
func (j *journal) idle() bool { return j.no != j.done && !j.busy && j.err == nil }

// commit returns when everything staged so far is durable. The mutex is held on entry and on return, and let go while
// the state writes. An error is final: what the state holds is no longer what the client believes.
func (c *Client) commit() error {
	j := &c.journal
	target := j.no
	for j.done < target && j.err == nil {
		if j.busy {
			j.cond.Wait()
			continue
		}
		c.commitOnce()
	}
	return j.err
}

// commitOnce writes what is staged at this moment.
func (c *Client) commitOnce() {
	j := &c.journal
	change, no := j.staged, j.no
	change.Marks = c.marks()
	j.staged = j.spare
	j.busy, j.urgent = true, false
	j.mu.Unlock()
	err := j.state.Commit(change)
	j.mu.Lock()
	j.busy = false
	j.spare = change
	if err != nil {
		j.err = fmt.Errorf("%w: %w", ErrState, err)
	} else {
		j.done = no
		j.since = c.cfg.now()
		c.up.durable = max(c.up.durable, change.Marks.NextCseq-1)
		c.up.kept = change.Marks.Ticked
		c.durableLast, c.durableIncarnation = change.Marks.LastSeq, change.Marks.Incarnation
	}
	change.reset()
	j.cond.Broadcast()
	c.poke()
}

// marks are the numbers as they are now. The mutex is held.
func (c *Client) marks() Marks {
	return Marks{
		User: c.cfg.user, Device: c.cfg.device, Generation: c.generation, Incarnation: c.down.incarnation,
		LastSeq: c.down.last, Ticked: c.up.ticked, NextCseq: c.up.last() + 1, Epoch: c.epochKept, Token: c.token,
	}
}
