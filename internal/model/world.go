package model

import (
	"fmt"
	"math/rand/v2"
)

// message is what the checks know of one message.
type message struct {
	from, to int
	life     int // of the writer
	cseq     uint64
	gen      uint32 // under which it was last routed

	ticked         bool   // the writer has seen its first tick
	stored         bool   // it was stored
	storedEra      uint32 // in which era of the server; 0: never
	rejected       bool   // its rejection was stored
	excused        bool   // it, or its rejection, was lost with the data
	refusedForGood bool   // its recipient's mailbox rejected it
	mayBeBoth      bool   // rejected after data was lost on which it was stored: the server can't know
	again          bool   // taken or rejected before, on data or by a step that is lost: it may come after later ones
	toldOther      bool   // its rejection went to another client of its writer's device
	forgotten      bool   // its writer crashed before it was persisted
	givenBack      bool   // its answer was lost: whether it was taken is not known
	storedSeq      uint64 // of its entry
	rejectedSeq    uint64 // of its rejection
	twice          bool   // it was stored before: its recipient may have two entries of it
	fetched        bool   // its recipient has acknowledged it
	second         bool   // its writer has seen the second tick
	untold         bool   // there was no room for the second tick, or nobody to tell
}

// world is one schedule.
type world struct {
	r        *rand.Rand
	pcg      *rand.PCG
	story    *[]string // what happens, in words; nil: nobody reads it
	mode     Mode
	rules    Rules
	clients  []*client // all lives
	conns    []*conn
	srv      server
	disk     disk
	flights  []flight // that somebody has overheard
	holds    int      // early HELLOs that had to wait
	replays  int
	flown    int         // connections made by clients
	taken    map[int]int // how often the first flight of each was taken at once
	msgs     []message
	restarts int
	crashes  int
	mood
	diskMood
	fate   fate
	tokens uint64 // drawn so far
	calm   bool
	err    error
}

// Mode says what a server loses when its process ends.
type Mode uint8

// The modes.
const (
	Memory Mode = iota // all it had: the data is another one then
	Disk               // what its journal has not made durable yet
)

// String is "memory" or "disk".
func (m Mode) String() string {
	if m == Disk {
		return "disk"
	}
	return "memory"
}

// Run plays the schedule that the seed names, under the given rules: a storm, then calm, then the last look. The error
// says what was violated; nil: nothing.
func Run(seed uint64, mode Mode, rules Rules) error { return play(seed, mode, rules, nil, nil).err }

// play leaves out the steps that skip names: each step has random numbers of its own, so that the others stay as they are.
func play(seed uint64, mode Mode, rules Rules, skip map[int]bool, story *[]string) *world {
	w := &world{taken: map[int]int{}, mode: mode, rules: rules, pcg: rand.NewPCG(seed, 0), story: story}
	w.r = rand.New(w.pcg)
	w.srv.inc, w.srv.era = 1, 1
	w.mood = newMood(w.r)
	if mode == Disk {
		w.newDisk()
	}
	for d := range devices {
		w.srv.boxes[d].w, w.srv.boxes[d].dev = w, d
		w.newClient(d)
	}
	for i := 0; i < stormSteps && w.err == nil; i++ {
		if w.pcg.Seed(seed, uint64(i+1)); !skip[i] {
			w.act(i)
			w.storm()
		}
	}
	w.calm = true
	w.tell("calm")
	for i := 0; i < calmRounds && w.err == nil && !w.quiet(); i++ {
		w.round()
	}
	w.lastLook()
	return w
}

func (w *world) failf(format string, args ...any) {
	if w.err == nil {
		w.err = fmt.Errorf("model: "+format, args...)
	}
}

// tell notes what happens, for whoever reads a single schedule.
func (w *world) tell(format string, args ...any) {
	if w.story != nil {
		*w.story = append(*w.story, fmt.Sprintf(format, args...))
	}
}

func (w *world) newClient(dev int) *client {
	c := &client{w: w, dev: dev, life: len(w.clients)}
	w.clients = append(w.clients, c)
	return c
}

// storm does one thing at random.
func (w *world) storm() {
	if w.mode == Disk {
		w.diskTurns()
	}
	if w.r.IntN(w.weather) == 0 {
		w.trouble()
		return
	}
	switch n := w.r.IntN(100); {
	case n < 50:
		if c := w.clients[w.r.IntN(len(w.clients))]; c.alive() {
			w.clientEvent(c)
		}
	case n < 75:
		if len(w.conns) > 0 {
			c := w.conns[w.r.IntN(len(w.conns))]
			for range 1 + w.r.IntN(3) {
				w.read(c)
			}
		}
	case n < 100-w.hurry:
		if w.r.IntN(w.lag) != 0 {
			break
		}
		from := w.r.IntN(loops)
		for range 1 + w.r.IntN(4) {
			w.travel(from, (from+1)%loops)
		}
	default:
		d := w.r.IntN(devices)
		w.srv.boxes[d].tick()
		w.settle(home(d))
	}
	w.sweep()
}

// clientEvent lets one client do something.
func (w *world) clientEvent(c *client) {
	if c.nap > 0 {
		c.nap--
		return
	}
	if c.conn == nil && w.r.IntN(2) == 0 {
		c.connect()
		return
	}
	switch n := w.r.IntN(100); {
	case n < 40:
		for range 1 + w.r.IntN(4) {
			if c.conn != nil {
				c.receive()
			}
		}
	case n < 60:
		w.writeSome(c)
	case n < 60+w.diligence[c.dev]:
		c.persist()
	default:
		for range 1 + w.r.IntN(3) {
			c.pump()
		}
	}
}

// writeSome lets a client write a message, or in bursts fill its empty outbox.
func (w *world) writeSome(c *client) {
	n := 1
	if w.bursts {
		n = outboxMax - len(c.mem.outbox)*outboxMax
	}
	wrote := false
	for ; n > 0 && len(w.msgs) < messagesMax && len(c.mem.outbox) < outboxMax; n-- {
		step := 1 + w.r.IntN(devices-1)
		if w.faithful && w.r.IntN(8) != 0 {
			step = 1
		}
		c.write((c.dev + step) % devices)
		wrote = true
	}
	if wrote && w.bursts {
		c.persist()
	}
}

// trouble is what the rules are for.
func (w *world) trouble() {
	c := w.clients[w.r.IntN(len(w.clients))]
	switch n := w.r.IntN(100); {
	case n < 25:
		if len(w.conns) > 0 {
			w.cutAt(w.conns[w.r.IntN(len(w.conns))])
		}
	case n < 45:
		c.drop()
		c.nap = w.r.IntN(w.naps + 1)
	case n < 60:
		c.crash()
		c.nap = w.r.IntN(w.naps + 1)
	case n < 60+w.fickle:
		c.loseState()
	case n < 60+2*w.fickle:
		if len(w.clients) < livesMax {
			w.newClient(c.dev) // a second client as the same device; the first one is in a drawer
			c.drop()
			c.nap = w.r.IntN(2*w.naps + 1)
		}
	case n >= 80 && n < 90:
		w.replay()
	case n >= 90 && w.mayRestart():
		w.restart()
		for _, c := range w.clients {
			if w.powerCuts && w.r.IntN(2) == 0 {
				c.crash()
			}
		}
	}
}

// loseState ends a life; the device starts another one.
func (c *client) loseState() {
	if !c.alive() || len(c.w.clients) >= livesMax {
		return
	}
	c.drop()
	c.lost = true
	c.w.newClient(c.dev)
}

// sweep forgets connections that both ends have left.
func (w *world) sweep() {
	kept := w.conns[:0]
	for _, c := range w.conns {
		if !c.eof {
			kept = append(kept, c)
		}
	}
	w.conns = kept
}

// round lets everybody do all they can.
func (w *world) round() {
	w.endReplays()
	for d := range devices {
		if !w.attended(d) {
			w.newClient(d) // its user registers again
		}
	}
	for _, c := range w.clients {
		w.clientRound(c)
	}
	for i := 0; i < len(w.conns); i++ {
		for w.read(w.conns[i]) {
		}
	}
	for from := range loops {
		for w.travel(from, (from+1)%loops) {
		}
	}
	for d := range devices {
		w.srv.boxes[d].tick()
		w.settle(home(d))
	}
	if w.mode == Disk {
		w.diskCatchesUp()
	}
	w.sweep()
}

// attended says whether a device has a client that may log in.
func (w *world) attended(dev int) bool {
	for _, c := range w.clients {
		if c.dev == dev && c.alive() {
			return true
		}
	}
	return false
}

func (w *world) clientRound(c *client) {
	if !c.alive() {
		return
	}
	if c.conn == nil {
		c.connect()
	}
	for c.conn != nil && len(c.conn.down) > 0 {
		c.receive()
	}
	if c.conn != nil && c.conn.cut {
		c.conn, c.open = nil, false
	}
	if !c.alive() {
		return
	}
	c.persist()
	for c.pump() {
	}
}

// quiet says whether nothing is left to do: every outbox and mailbox is empty and every message between loops has come.
func (w *world) quiet() bool {
	for _, c := range w.clients {
		if c.alive() && (len(c.mem.outbox) > 0 || !c.open) {
			return false
		}
	}
	for d := range devices {
		if len(w.srv.boxes[d].entries) > 0 {
			return false
		}
	}
	for from := range loops {
		if len(w.srv.queues[from][(from+1)%loops]) > 0 {
			return false
		}
	}
	return w.mode != Disk || w.disk.durable == len(w.disk.notes)
}
