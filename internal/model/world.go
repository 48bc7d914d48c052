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
	storedInc      uint32 // on which data
	rejected       bool   // its rejection was stored
	excused        bool   // it, or its rejection, was lost with the data
	refusedForGood bool   // its recipient's mailbox rejected it
	mayBeBoth      bool   // rejected after data was lost on which it was stored: the server can't know
	again          bool   // taken or rejected on data that is lost: it may come after messages that were written later
}

// world is one schedule.
type world struct {
	r         *rand.Rand
	rules     Rule
	clients   []*client // all lives
	conns     []*conn
	srv       server
	msgs      []message
	restarts  int
	weather   int                     // one step in so many is trouble
	diligence int                     // how often clients persist, in a hundred
	hurry     int                     // how often the server ticks, in a hundred
	room      int                     // messages of one mailbox
	firstGen  [restartsMax + 2]uint32 // first generation by number of the data: neither known nor in order
	calm      bool
	err       error
}

// Run plays the schedule that the seed names, under the given rules: a storm, then calm, then the last look. The error
// says what was violated; nil: nothing.
func Run(seed uint64, rules Rule) error { return play(seed, rules).err }

func play(seed uint64, rules Rule) *world {
	w := &world{r: rand.New(rand.NewPCG(seed, 0x7472756e6b)), rules: rules}
	w.srv.inc = 1
	w.weather = []int{10, 20, 40, 80}[w.r.IntN(4)]
	w.diligence = []int{1, 5, 15}[w.r.IntN(3)]
	w.hurry = []int{1, 3, 10}[w.r.IntN(3)]
	w.room = []int{1, 2, mailboxMax}[w.r.IntN(3)]
	for i, n := range w.r.Perm(len(w.firstGen)) {
		w.firstGen[i] = uint32(n+1) * 100
	}
	for d := range devices {
		w.srv.boxes[d].w, w.srv.boxes[d].dev = w, d
		w.newClient(d)
	}
	for i := 0; i < stormSteps && w.err == nil; i++ {
		w.storm()
	}
	w.calm = true
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

func (w *world) newClient(dev int) *client {
	c := &client{w: w, dev: dev, life: len(w.clients)}
	w.clients = append(w.clients, c)
	return c
}

// storm does one thing at random.
func (w *world) storm() {
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
		if len(w.msgs) < messagesMax && len(c.mem.outbox) < 2*uplinkWindow {
			c.write((c.dev + 1 + w.r.IntN(devices-1)) % devices)
		}
	case n < 60+w.diligence:
		c.persist()
	default:
		for range 1 + w.r.IntN(3) {
			c.pump()
		}
	}
}

// trouble is what the rules are for.
func (w *world) trouble() {
	c := w.clients[w.r.IntN(len(w.clients))]
	switch n := w.r.IntN(100); {
	case n < 30:
		if len(w.conns) > 0 {
			w.cutAt(w.conns[w.r.IntN(len(w.conns))])
		}
	case n < 60:
		c.drop()
	case n < 80:
		c.crash()
	case n < 85:
		c.loseState()
	case n < 90:
		if len(w.clients) < livesMax {
			w.newClient(c.dev) // a second client as the same device
		}
	default:
		if w.restarts < restartsMax {
			w.restarts++
			w.restart()
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
	return true
}
