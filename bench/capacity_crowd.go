package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"sync/atomic"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/netpoll"
)

// childCrowd is the child process that holds the sessions of a capacity run: a worker whose sessions also talk, drop out and come back, and
// whose devices outlive it. What it takes beside a worker's commands:
//
//	parent: talk {json talkOrders}   a random share of the sessions begins to talk
//	parent: hush                     nothing new is said
//	parent: watch, unwatch           messages that are due from now on count for the latency, or no longer
//	parent: drop {json dropOrders}   a random share of the sessions is cut and comes back by ticket
//	parent: part                     a server that asks to leave is obeyed
//	parent: enough                   no further connections are made
//	parent: skip N                   the first N devices are not needed: "grow" begins behind them
//	parent: save N                   the first N devices are written to the directory
//	parent: delays                   latencies of messages since the last time, as "logins" answers
const childCrowd = "crowd"

// Commands to a crowd's loop: the first byte of a posted message, beyond those of fleet.go.
const (
	cmdTalk    byte = 128 + iota // the orders stand in crowdWorker.talkOrders
	cmdHush                      // see above
	cmdWatch                     // see above
	cmdUnwatch                   // see above
	cmdDrop                      // share of 2^32 u32, seed u64, from one to the next u64 ns
	cmdPart                      // see above
	cmdSave                      // n u32
	cmdDelays                    // see above
	cmdCutOn                     // the loop to itself: go on cutting
)

// crowdOrders is the argument of the child.
type crowdOrders struct {
	workerOrders
	Most    int      `json:"most"`    // connections of this process
	Dir     string   `json:"dir"`     // of the devices; "": they are forgotten with the run
	Known   int      `json:"known"`   // of Dir's devices those numbered below have a ticket
	Purpose crowdJob `json:"purpose"` // what the sessions do when they are logged in
}

// crowdJob is what a crowd's sessions do.
type crowdJob string

// The jobs.
const (
	crowdStays   crowdJob = ""      // idle, until they are told to talk
	crowdEnrolls crowdJob = "enrol" // leave as soon as they have a ticket
)

// talkOrders say how a crowd talks.
type talkOrders struct {
	Share float64       `json:"share"`
	Seed  uint64        `json:"seed"`
	Every time.Duration `json:"every_ns"` // from one message of a session to its next
	Bytes int           `json:"bytes"`
}

// dropOrders say how a crowd drops out.
type dropOrders struct {
	Share     float64 `json:"share"`
	Seed      uint64  `json:"seed"`
	PerSecond int     `json:"per_second"` // that come back
}

// crowdWorker is the child.
type crowdWorker struct {
	*worker
	orders crowdOrders
	watch  *crowdWatch
	answer chan []byte // of cmdSave and cmdDelays; has room for one
	talks  atomic.Pointer[talkOrders]
	paced  context.CancelFunc // ends the pacer
	enough atomic.Bool        // no further connections are to be made
}

// runCrowd is the child process.
func runCrowd(argument string, stdin io.Reader, stdout io.Writer) error {
	var o crowdOrders
	if err := json.Unmarshal([]byte(argument), &o); err != nil {
		return fmt.Errorf("%w: orders %q: %w", ErrInput, argument, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &crowdWorker{worker: &worker{from: o.From, ctx: ctx, clock: newClock()}, orders: o, answer: make(chan []byte, 1)}
	var known map[uint32]device
	if to := min(o.From+o.Most, o.Known); o.Dir != "" && to > o.From {
		var err error
		if known, err = loadDevices(o.Dir, o.From, to); err != nil {
			return err
		}
	}
	var err error
	w.fleet, err = newFleet(o.Addr, 1, o.Most, func(f *fleet, l *netpoll.Loop) netpoll.Handler {
		w.loop = newSessionLoop(f, l, w.clock, o.First)
		w.loop.withVeil(secure.PublicKey(o.Key))
		w.loop.veil.resume = true
		for i, d := range known {
			w.loop.devices[i] = d
		}
		w.watch = newCrowdWatch(w)
		w.loop.watch = w.watch
		return w.loop
	})
	if err != nil {
		return err
	}
	defer w.fleet.close()
	w.fleet.startRecall(w.clock, func(int) int { return 0 })
	return serveParent(childHello{}, w, stdin, stdout)
}

// grow begins to make connections until there are n.
func (w *crowdWorker) grow(n int) error {
	had := int(w.held.Swap(int64(n)))
	if n < had {
		return fmt.Errorf("%w: from %d connections to %d", ErrInput, had, n)
	}
	// Ends when the connections are made, when they are enough, at the first failure, or with the process.
	go func() {
		next, err := w.fleet.connectInBursts(w.ctx, w.from+had, w.from+n, w.enough.Load)
		if err != nil {
			w.failed.CompareAndSwap(nil, &err)
		}
		w.held.Store(int64(next - w.from))
	}()
	return nil
}

// stat adds what was said.
func (w *crowdWorker) stat(st *childStat) {
	w.worker.stat(st)
	st.Talk, st.Closed, st.Held = w.watch.counts(), *w.watch.back.shown.Load(), int(w.held.Load())
}

// command takes what only a crowd takes.
func (w *crowdWorker) command(line string, st *childStat) (err error) {
	var n int
	name, argument, _ := strings.Cut(line, " ")
	switch name {
	case "talk":
		return w.talk(argument)
	case "hush":
		return w.fleet.tell(w.ctx, cmdHush)
	case "watch":
		return w.fleet.tell(w.ctx, cmdWatch)
	case "unwatch":
		return w.fleet.tell(w.ctx, cmdUnwatch)
	case "drop":
		return w.drop(argument)
	case "part":
		return w.fleet.tell(w.ctx, cmdPart)
	case "delays":
		st.Logins, err = w.ask([]byte{cmdDelays})
		return err
	case "enough":
		w.enough.Store(true)
		return nil
	case "skip":
		if scanned(line, "skip %d", &n) && w.held.CompareAndSwap(0, int64(n)) {
			return nil
		}
	case "save":
		if !scanned(line, "save %d", &n) {
			break
		}
		text, err := w.ask(binary.BigEndian.AppendUint32([]byte{cmdSave}, uint32(n)))
		if err == nil && len(text) > 0 {
			err = fmt.Errorf("%w: %s", ErrGenerator, text)
		}
		return err
	}
	return obeyStorm(line, w.worker)
}

// ask posts a command to the loop and waits for its answer.
func (w *crowdWorker) ask(msg []byte) ([]byte, error) {
	if err := w.fleet.post(w.ctx, 0, msg); err != nil {
		return nil, err
	}
	return <-w.answer, nil
}

// talk starts the talkers and their pacer.
func (w *crowdWorker) talk(argument string) error {
	var o talkOrders
	if err := json.Unmarshal([]byte(argument), &o); err != nil || o.Every <= 0 || o.Bytes < PayloadBytesMin {
		return fmt.Errorf("%w: orders %q to talk", ErrInput, argument)
	}
	if w.paced != nil {
		return fmt.Errorf("%w: the crowd talks already", ErrInput)
	}
	w.talks.Store(&o)
	if err := w.fleet.tell(w.ctx, cmdTalk); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(w.ctx)
	w.paced = cancel
	// Ends with the process.
	go pace(ctx, w.clock, w.clock.now(), paceCrowd, func() { _ = w.fleet.tell(ctx, cmdPace) })
	return nil
}

// paceCrowd is how often a crowd's loop looks at the clock: a talker's turn may come that late.
const paceCrowd = 10 * time.Millisecond

// drop cuts a share of the sessions; the loop says who comes back when.
func (w *crowdWorker) drop(argument string) error {
	var o dropOrders
	if err := json.Unmarshal([]byte(argument), &o); err != nil || !(o.Share > 0 && o.Share <= 1) || o.PerSecond <= 0 {
		return fmt.Errorf("%w: orders %q to drop out", ErrInput, argument)
	}
	msg := binary.BigEndian.AppendUint32([]byte{cmdDrop}, uint32(min(o.Share*(1<<32), math.MaxUint32)))
	msg = binary.BigEndian.AppendUint64(msg, o.Seed)
	msg = binary.BigEndian.AppendUint64(msg, uint64(time.Second)/uint64(o.PerSecond))
	return w.fleet.post(w.ctx, 0, msg)
}

// chosen says whether a session is among a random share, of 2^32, by a seed.
func chosen(index uint32, seed uint64, share uint32) bool {
	x := seed + uint64(index)*0x9E3779B97F4A7C15 // the finish of splitmix64
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return uint32((x^x>>31)>>32) < share
}

// cutting is a share of a loop's sessions that is being cut.
type cutting struct {
	share uint32
	seed  uint64
	every time.Duration // between two who come back
	next  int           // slot to look at
	start int64         // when the first comes back
	away  int           // cut so far
}

// cutPart is how many sessions are cut in one turn: who stays is served meanwhile.
const cutPart = 256

// cut goes on cutting; what is left is left to the next turn.
func (cw *crowdWatch) cut() {
	sl, c := cw.sl, &cw.cutting
	end := c.away + cutPart
	for ; c.next < len(sl.slots) && c.away < end; c.next++ {
		s := &sl.slots[c.next]
		// Who came back meanwhile has another connection, and perhaps a slot that is still to be looked at.
		if s.state != sessionReady || !chosen(s.index, c.seed, c.share) || s.opened >= c.start {
			continue
		}
		cw.gone(s)
		sl.keepSeen(s)
		sl.cutOne(s)
		sl.fleet.recall.add(s.index, c.start+int64(c.away)*int64(c.every))
		c.away++
	}
	cw.dropped.Add(int64(c.away - (end - cutPart)))
	if c.next < len(sl.slots) {
		_ = sl.loop.Post(sl.loop.Index(), []byte{cmdCutOn}) // to itself; refused only when the loop ends
		return
	}
	cw.cuts.Add(1)
}

// gone notes that a session has no connection.
func (cw *crowdWatch) gone(s *session) {
	if t := cw.talkers[s.index]; t != nil {
		t.online = false
	}
}

// saved writes devices and answers with what went wrong, nothing when it went well.
func (cw *crowdWatch) saved(n int) []byte {
	o := &cw.w.orders
	for i := range cw.sl.slots {
		cw.sl.keepSeen(&cw.sl.slots[i])
	}
	if err := saveDevices(o.Dir, o.From, min(o.From+o.Most, n), cw.sl.devices); err != nil {
		return []byte(err.Error())
	}
	return nil
}

// frameOfJob is what a session does with a frame for the sake of its job.
func (cw *crowdWatch) frameOfJob(s *session, f codec.Frame) {
	switch {
	case f.Kind == codec.KindTicket && cw.w.orders.Purpose == crowdEnrolls:
		cw.sl.cutOne(s)
	case f.Kind == codec.KindGoAway && cw.sl.parting:
		cw.told.Add(1)
		cw.sl.cutOne(s)
	case f.Kind == codec.KindGoAway:
		if v, err := codec.ParseGoAway(f); err == nil {
			cw.back.farewells[s.id] = farewell{code: codec.CodeDraining, retryAfterMs: v.RetryAfterMs}
		}
	}
}
