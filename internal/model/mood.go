package model

import "math/rand/v2"

// mood is what a schedule likes: each rule needs another kind of trouble.
type mood struct {
	weather   int          // one step in so many is trouble
	diligence [devices]int // how often clients persist, in a hundred
	hurry     int          // how often the server ticks, in a hundred
	fickle    int          // how often a state is lost, and how often a second client comes, in a hundred troubles
	naps      int          // most turns that a client stays away after it lost its connection
	lag       int          // messages between loops travel in one turn of so many
	faithful  bool         // a device writes mostly to one other
	bursts    bool         // a client fills its outbox and persists it at once
	powerCuts bool         // clients crash when the server loses its data
	room      int          // messages of one mailbox
	heldRoom  int          // rejections of one loop that wait for their mark
	faults    int          // one answer in so many is lost by the step that takes it; 0: none

	early int // three connections in so many and three speak in their first flight, as early data; 0: none

	plot plot      // what happens beside the trouble
	hero int       // the device that it happens to
	acts [acts]int // at which steps

	firstGen [restartsMax + acts + 2]uint32 // first generation by number of the data: neither known nor in order
}

func newMood(r *rand.Rand) mood {
	m := mood{
		weather:   []int{10, 20, 40, 80}[r.IntN(4)],
		hurry:     []int{1, 3, 10}[r.IntN(3)],
		fickle:    []int{2, 5, 15}[r.IntN(3)],
		naps:      []int{0, 20, 60}[r.IntN(3)],
		lag:       []int{1, 1, 8}[r.IntN(3)],
		faithful:  r.IntN(2) == 0,
		bursts:    r.IntN(3) == 0,
		powerCuts: r.IntN(2) == 0,
		room:      []int{1, 2, mailboxMax}[r.IntN(3)],
		heldRoom:  []int{1, 2, heldMax}[r.IntN(3)],
		faults:    []int{0, 0, 40, 10}[r.IntN(4)],
	}
	for d := range m.diligence {
		m.diligence[d] = []int{1, 5, 15}[r.IntN(3)]
		if m.bursts && r.IntN(3) == 0 {
			m.diligence[d] = 0
		}
	}
	m.hero, m.plot = r.IntN(devices), plot(r.IntN(int(plots)+2))
	for i := range m.acts {
		m.acts[i] = stormSteps * (i*2 + 1 + r.IntN(2)) / 8
	}
	m.suit()
	for i, n := range r.Perm(len(m.firstGen)) {
		m.firstGen[i] = uint32(n+1) * 100
	}
	if m.plot != forgetful {
		m.early = []int{0, 1, 3}[r.IntN(3)]
	}
	return m
}

// suit makes a mood fit its plot.
func (m *mood) suit() {
	if m.plot != forgetful && m.plot != farAway {
		return
	}
	for d := range m.diligence {
		m.diligence[d] = 40
	}
	if m.plot == forgetful {
		m.bursts, m.faithful, m.room = true, true, 3
		if m.hero == 0 { // its peers are slow, too
			m.room, m.diligence = 1, [devices]int{0, 8, 8}
		}
		m.diligence[m.hero] = 0
		return
	}
	m.bursts, m.faithful, m.room, m.lag, m.hero = false, false, mailboxMax, 20, 0
	m.diligence = [devices]int{40, 5, 10}
}

// plot is a story that random trouble alone tells too seldom. Two schedules in five have none.
type plot uint8

const (
	// drawer: a client is put away, another one registers and talks, it and the data are lost, the first one comes back
	// and is lost, too, and a third one registers.
	drawer plot = iota
	// forgetful: a client sends much, persists little, and crashes when the server loses its data.
	forgetful
	// farAway: a client writes to one who is near and one whose loop is slow, in turns.
	farAway
	plots
)

// act plays what the plot has for this step.
func (w *world) act(step int) {
	c, i := w.newest(w.hero), 0
	if c == nil {
		return
	}
	if w.plot == forgetful || w.plot == farAway {
		w.clientEvent(c)
	}
	for i < len(w.acts) && w.acts[i] != step {
		i++
	}
	switch {
	case i == len(w.acts):
	case w.plot == drawer:
		w.actDrawer(i, c)
	case w.plot == forgetful:
		w.restart()
		c.crash()
	}
}

func (w *world) actDrawer(act int, c *client) {
	switch act {
	case 0:
		c.drop()
		c.nap = stormSteps
		w.newClient(c.dev)
	case 1:
		c.drop()
		c.lost = true
		w.restart()
		if first := w.newest(w.hero); first != nil {
			first.nap = 0
		}
	case 2:
		c.loseState()
	}
}

// newest is the youngest client of a device that lives.
func (w *world) newest(dev int) (c *client) {
	for _, o := range w.clients {
		if o.dev == dev && o.alive() {
			c = o
		}
	}
	return c
}
