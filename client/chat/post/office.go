package post

import (
	"context"
	"sync"
	"time"

	"trunkline/client"
	"trunkline/client/chat/history"
	"trunkline/client/chat/talk"
)

// Messenger is what the SDK does for messages.
type Messenger interface {
	Send(ctx context.Context, to uint64, payload []byte) (uint64, error)
	SendGroup(ctx context.Context, group uint64, payload []byte) (uint64, error)
	Sent(id uint64) (client.Sent, bool)
	Ack(m client.Message) error
	ReadEarlier(ctx context.Context, first, last client.Message) error
}

// Watcher is what the SDK does for presence.
type Watcher interface {
	Subscribe(ctx context.Context, users ...uint64) error
	Unsubscribe(ctx context.Context, users ...uint64) error
	Typing(ctx context.Context, to uint64, state client.TypingState) error
	SetActive(active bool) error
}

// SDK is a client, in parts.
type SDK struct {
	Messages Messenger
	Presence Watcher
	Ask      func(ctx context.Context, a talk.Ask) talk.Answered
	Events   <-chan client.Event
	Err      func() error // why Events was closed
}

// Of is the SDK's client.
func Of(c *client.Client) SDK {
	return SDK{Messages: c, Presence: c, Ask: asker(c), Events: c.Events(), Err: c.Err}
}

// Office does tasks. Its methods may be called from any goroutine.
type Office struct {
	sdk    SDK
	store  *history.Store
	report func(talk.Report)
	wait   func(ctx context.Context, d time.Duration) // retries; tests do not wait

	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu      sync.Mutex // guards what follows
	tasks   []talk.Task
	busy    bool       // one is being done
	asks    []talk.Ask // of the user first
	closing bool
	moved   chan struct{} // closed and made anew whenever any of the above changes
	failing bool          // of the worker alone: the last write failed
}

// New begins to work: it reports what the history knows, then takes events. report is called from several goroutines, and not after Close.
func New(sdk SDK, store *history.Store, report func(talk.Report)) *Office {
	o := &Office{sdk: sdk, store: store, report: report, wait: pause, moved: make(chan struct{})}
	o.ctx, o.cancel = context.WithCancel(context.Background())
	return o
}

// Run starts the goroutines. All end with Close.
func (o *Office) Run() {
	o.wg.Add(3)
	go o.work() // ends with ctx, or when closing and nothing is left
	go o.ask()  // ends with ctx
	go o.pump() // ends with ctx, or when the client ends
}

// Do takes tasks. It does not wait.
func (o *Office) Do(tasks []talk.Task) {
	if len(tasks) == 0 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, t := range tasks {
		a, ok := t.(talk.Ask)
		switch {
		case !ok:
			o.tasks = append(o.tasks, t)
		case a.Show: // somebody waits for it: before those in the background, behind what else was typed
			i := 0
			for i < len(o.asks) && o.asks[i].Show {
				i++
			}
			o.asks = append(o.asks[:i:i], append([]talk.Ask{a}, o.asks[i:]...)...)
		default:
			if len(o.asks) >= asksMax {
				o.asks = o.asks[1:]
			}
			o.asks = append(o.asks, a)
		}
	}
	o.stir()
}

// Close has the tasks done that wait, if that takes no longer than closeWait, and ends the goroutines.
func (o *Office) Close() {
	o.mu.Lock()
	o.closing = true
	o.stir()
	o.mu.Unlock()
	late := time.AfterFunc(closeWait, o.cancel)
	defer late.Stop()
	o.until(func() bool { return len(o.tasks) == 0 && !o.busy })
	o.cancel()
	o.wg.Wait()
}

// stir wakes everybody who waits. The mutex is held.
func (o *Office) stir() {
	close(o.moved)
	o.moved = make(chan struct{})
}

// until waits for a condition, which is called with the mutex held and may take something out. False: the office ends.
func (o *Office) until(cond func() bool) bool {
	for {
		o.mu.Lock()
		ok, moved := cond(), o.moved
		o.mu.Unlock()
		if ok {
			return true
		}
		select {
		case <-moved:
		case <-o.ctx.Done():
			return false
		}
	}
}

// work does the tasks, one after the other.
func (o *Office) work() {
	defer o.wg.Done()
	o.begin()
	for {
		var t talk.Task
		ok := o.until(func() bool {
			if len(o.tasks) > 0 {
				t, o.tasks, o.busy = o.tasks[0], o.tasks[1:], true
			}
			return t != nil
		})
		if !ok {
			return
		}
		o.do(t)
		o.mu.Lock()
		o.busy = false
		o.stir()
		o.mu.Unlock()
	}
}

// ask puts questions, one after the other.
func (o *Office) ask() {
	defer o.wg.Done()
	for {
		var a talk.Ask
		ok := o.until(func() bool {
			if len(o.asks) == 0 {
				return false
			}
			a, o.asks = o.asks[0], o.asks[1:]
			o.stir()
			return true
		})
		if !ok {
			return
		}
		ctx, cancel := context.WithTimeout(o.ctx, askWait)
		answer := o.sdk.Ask(ctx, a)
		cancel()
		o.tell(answer)
	}
}

// pump hands events over, in bursts, while there is room for what follows from them.
func (o *Office) pump() {
	defer o.wg.Done()
	for {
		if !o.until(func() bool { return len(o.tasks) < tasksHigh }) {
			return
		}
		var burst talk.Events
		select {
		case ev, open := <-o.sdk.Events:
			if !open {
				o.tell(talk.Ended{Err: o.sdk.Err()})
				return
			}
			burst = append(burst, ev)
		case <-o.ctx.Done():
			return
		}
		for more := true; more && len(burst) < burstMax; {
			select {
			case ev, open := <-o.sdk.Events:
				if more = open; open {
					burst = append(burst, ev)
				}
			default:
				more = false
			}
		}
		o.tell(burst)
	}
}

// tell reports, unless the office ends.
func (o *Office) tell(r talk.Report) {
	if o.ctx.Err() == nil {
		o.report(r)
	}
}

// pause waits for a time.
func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
