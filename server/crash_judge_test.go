package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// happeningKind says what somebody saw.
type happeningKind uint8

const (
	hapAccepted happeningKind = iota // user's client took message id for peer, with text
	hapTicked                        // user saw the first tick of everything up to id
	hapTold                          // user saw the second tick of the messages id to last that went to peer
	hapRejected                      // user's message id was rejected with code
	hapShown                         // user's screen shows message id of peer, with text
	hapConn                          // user has a new connection
	hapWire                          // user's connection carried seq of an incarnation: message id of peer, or a receipt (id 0)
	hapLost                          // user was told that the server has lost its data
	hapEnded                         // user's client came to an end by itself; text says why
	hapServer                        // something was done to the server; text says what
	hapPlaced                        // user saw that its message id stands at gseq of group
	hapChange                        // user saw that peer has changed group: what text says, about users
	hapLeft                          // user has ended its client
)

// happening is one line of what clients have recorded, in the order in which they did.
type happening struct {
	kind       happeningKind
	user, peer uint64
	id, last   uint64
	seq, inc   uint64
	group      uint64 // not 0: it is about a group, and peer is 0 where that is whom it went to
	gseq       uint64
	text       string
	users      []uint64
}

// messageKey names a message: a sender's generations do not change here.
type messageKey struct{ from, id uint64 }

// story is what is known of one message. Times are numbers of happenings.
type story struct {
	to                                      uint64
	text                                    string
	accepted, rejected                      bool
	shown                                   int
	acceptedAt, shownAt, toldAt, rejectedAt int
}

// slot is a place in a mailbox, as a client sees it.
type slot struct{ user, inc, seq uint64 }

// judge holds what clients have recorded against the delivery rules. It is pure: happenings in, verdict out.
type judge struct {
	count    int // happenings
	stories  map[messageKey]*story
	order    []messageKey            // of stories
	done     int                     // of order, known to be settled
	told     map[messageKey]uint64   // second ticks: to whom
	ticked   map[uint64]uint64       // by user
	tickedAt map[uint64][]tickedUpTo // by user, in order
	newest   map[[2]uint64]uint64    // last id shown, by recipient and sender
	slots    map[slot]messageKey     // id 0: a receipt
	lastSeq  map[uint64]uint64       // of the present connection, by user
	server   []string                // what was done to the server
	broken   []string                // violations
	tally    map[string]int          // of violations, by what is violated
	byStory  map[messageKey][]string // of one message
	groups   *groupJudge
}

type tickedUpTo struct {
	id uint64
	at int
}

// The violations, as the summary counts them.
const (
	wasLost       = "lost"
	wasDuplicated = "duplicated"
	wasReordered  = "reordered"
	wasStuck      = "not sent again"
	wasUntold     = "without second tick"
	wasForetold   = "second tick too early"
	wasReused     = "seq reused"
	wasUnordered  = "seq out of order"
	wasForgotten  = "data lost"
	wasRejected   = "rejected"
	wasDamaged    = "damaged"
	wasEnded      = "client ended"
	wasServer     = "server"
)

func newJudge() *judge {
	j := &judge{stories: map[messageKey]*story{}, told: map[messageKey]uint64{}, ticked: map[uint64]uint64{}, tickedAt: map[uint64][]tickedUpTo{},
		newest: map[[2]uint64]uint64{}, slots: map[slot]messageKey{}, lastSeq: map[uint64]uint64{}, tally: map[string]int{}, byStory: map[messageKey][]string{}}
	j.groups = newGroupJudge(j)
	return j
}

// take adds one happening. What is wrong already is found at once.
func (j *judge) take(h happening) {
	j.count++
	if h.group != 0 {
		j.groups.take(h)
		if h.kind != hapWire { // on the wire the rules are the same for all
			return
		}
	}
	switch h.kind {
	case hapLeft:
		j.groups.leftAt[h.user] = j.count
	case hapAccepted:
		j.takeAccepted(h)
	case hapTicked:
		if h.id > j.ticked[h.user] {
			j.ticked[h.user] = h.id
			j.tickedAt[h.user] = append(j.tickedAt[h.user], tickedUpTo{h.id, j.count})
		}
	case hapTold:
		j.takeTold(h)
	case hapRejected:
		key := messageKey{h.user, h.id}
		s := j.story(key)
		s.rejected, s.rejectedAt = true, j.count
		j.violated(wasRejected, key, h.text)
	case hapShown:
		j.takeShown(h)
	case hapConn:
		j.lastSeq[h.user] = 0
	case hapWire:
		j.takeWire(h)
	case hapLost:
		j.violated(wasForgotten, messageKey{}, fmt.Sprintf("user %d was told so", h.user))
	case hapEnded:
		j.violated(wasEnded, messageKey{}, fmt.Sprintf("of user %d: %s", h.user, h.text))
	case hapServer:
		j.server = append(j.server, fmt.Sprintf("%d: %s", j.count, h.text))
	}
}

func (j *judge) story(key messageKey) *story {
	s := j.stories[key]
	if s == nil {
		s = &story{}
		j.stories[key] = s
		j.order = append(j.order, key)
	}
	return s
}

func (j *judge) takeAccepted(h happening) {
	key := messageKey{h.user, h.id}
	s := j.story(key)
	if s.accepted {
		j.violated(wasDuplicated, key, "the number was given twice")
	}
	if s.shown > 0 && (s.to != h.peer || s.text != h.text) { // it was quick
		j.violated(wasDamaged, key, fmt.Sprintf("shown to %d as %q, sent to %d as %q", s.to, s.text, h.peer, h.text))
	}
	s.accepted, s.acceptedAt, s.to, s.text = true, j.count, h.peer, h.text
}

func (j *judge) takeTold(h happening) {
	for id := h.id; id <= h.last; id++ { // numbers of messages to others are among them
		key := messageKey{h.user, id}
		if j.told[key] == h.peer {
			continue // twice is harmless
		}
		s := j.stories[key]
		if s != nil && s.accepted && s.to != h.peer {
			continue
		}
		j.told[key] = h.peer
		if s == nil {
			continue // not written down yet, or not to that peer
		}
		s.toldAt = j.count
		if s.shown == 0 {
			j.violated(wasForetold, key, "")
		}
	}
}

func (j *judge) takeShown(h happening) {
	key := messageKey{h.peer, h.id}
	s := j.story(key)
	s.shown++
	switch {
	case s.shown > 1:
		j.violated(wasDuplicated, key, fmt.Sprintf("shown again to %d as seq %d", h.user, h.seq))
		return
	case s.accepted && (s.to != h.user || s.text != h.text):
		j.violated(wasDamaged, key, fmt.Sprintf("shown to %d as %q, sent to %d as %q", h.user, h.text, s.to, s.text))
	case j.told[key] == h.user && s.toldAt == 0: // its number was told of before anybody knew it
		j.violated(wasForetold, key, "")
	}
	s.shownAt, s.to, s.text = j.count, h.user, h.text
	way := [2]uint64{h.user, h.peer}
	if h.id < j.newest[way] {
		j.violated(wasReordered, key, fmt.Sprintf("shown after %d", j.newest[way]))
	}
	j.newest[way] = max(j.newest[way], h.id)
}

func (j *judge) takeWire(h happening) {
	key, name := messageKey{h.peer, h.id}, slot{h.user, h.inc, h.seq}
	if h.id == 0 {
		key = messageKey{}
	}
	if was, known := j.slots[name]; known && was != key {
		j.violated(wasReused, key, fmt.Sprintf("seq %d of user %d was message %d of %d before", h.seq, h.user, was.id, was.from))
	}
	j.slots[name] = key
	if h.seq <= j.lastSeq[h.user] {
		j.violated(wasUnordered, key, fmt.Sprintf("seq %d of user %d after %d", h.seq, h.user, j.lastSeq[h.user]))
	}
	j.lastSeq[h.user] = h.seq
}

func (j *judge) violated(what string, key messageKey, why string) {
	j.tally[what]++
	line := fmt.Sprintf("%d: %s: %s", j.count, what, why)
	if key.id != 0 {
		line = fmt.Sprintf("%d: %s: message %d of %d %s", j.count, what, key.id, key.from, why)
	}
	j.broken = append(j.broken, line)
	j.byStory[key] = append(j.byStory[key], line)
}

// settled says whether nothing is on its way any more.
func (j *judge) settled() bool {
	for ; j.done < len(j.order); j.done++ {
		key := j.order[j.done]
		s := j.stories[key]
		if !s.accepted || !s.rejected && (s.shown == 0 || key.id > j.ticked[key.from] || j.told[key] != s.to) {
			return false
		}
	}
	return j.groups.isSettled()
}

// finish is called when everything should have settled: what has not by now never will.
func (j *judge) finish() {
	for _, key := range j.order {
		s := j.stories[key]
		ticked := key.id <= j.ticked[key.from]
		switch {
		case !s.accepted:
			j.violated(wasDamaged, key, fmt.Sprintf("shown to %d and never sent", s.to))
		case s.rejected:
		case s.shown == 0 && ticked:
			j.violated(wasLost, key, fmt.Sprintf("to %d was ticked and not delivered", s.to))
		case s.shown == 0:
			j.violated(wasStuck, key, fmt.Sprintf("to %d is neither ticked nor delivered", s.to))
		case !ticked:
			j.violated(wasStuck, key, fmt.Sprintf("to %d is delivered and not ticked", s.to))
		case j.told[key] != s.to:
			j.violated(wasUntold, key, fmt.Sprintf("to %d", s.to))
		}
	}
}

// sums are ticked and delivered messages.
func (j *judge) sums() (ticked, delivered int) {
	for key, s := range j.stories {
		if s.accepted && key.id <= j.ticked[key.from] {
			ticked++
		}
		if s.shown > 0 {
			delivered++
		}
	}
	return ticked, delivered
}

// summary is one line.
func (j *judge) summary(kills int) string {
	ticked, delivered := j.sums()
	line := fmt.Sprintf("%d kills, %d messages ticked, %d delivered, %d lost, %d duplicated, %d reordered", kills, ticked, delivered,
		j.tally[wasLost], j.tally[wasDuplicated], j.tally[wasReordered])
	line += j.groups.summary()
	for _, what := range slices.Sorted(maps.Keys(j.tally)) {
		if what != wasLost && what != wasDuplicated && what != wasReordered {
			line += fmt.Sprintf(", %s: %d", what, j.tally[what])
		}
	}
	return line
}

// report tells the first violations, each with the history of its message and of the server around it.
func (j *judge) report() string {
	const most, around = 8, 12
	var b strings.Builder
	for i, line := range j.broken {
		if i == most {
			fmt.Fprintf(&b, "and %d more\n", len(j.broken)-most)
			break
		}
		fmt.Fprintln(&b, line)
	}
	told := 0
	for _, key := range j.order {
		if len(j.byStory[key]) == 0 || told == most {
			continue
		}
		told++
		fmt.Fprintln(&b, j.history(key))
	}
	for _, s := range j.groups.order {
		if len(j.byStory[s.messageKey]) > 0 && told < most {
			told++
			fmt.Fprintln(&b, j.groups.history(s))
		}
	}
	fmt.Fprintf(&b, "the server, last: %s\n", strings.Join(j.server[max(0, len(j.server)-around):], "; "))
	return b.String()
}

// history is the life of one message; numbers are those of happenings.
func (j *judge) history(key messageKey) string {
	s := j.stories[key]
	tickAt := 0
	for _, t := range j.tickedAt[key.from] {
		if t.id >= key.id {
			tickAt = t.at
			break
		}
	}
	line := fmt.Sprintf("message %d of %d to %d: accepted at %d, first tick at %d, shown at %d (%d times), second tick at %d, rejected at %d (0: never)",
		key.id, key.from, s.to, s.acceptedAt, tickAt, s.shownAt, s.shown, s.toldAt, s.rejectedAt)
	for name, k := range j.slots {
		if k == key {
			line += fmt.Sprintf("; on the wire to %d as seq %d<<40+%d", name.user, name.seq>>40, name.seq&(1<<40-1))
		}
	}
	return line + "\n    " + j.around(s.acceptedAt)
}

// killed says whether a server has started since something happened.
func (j *judge) killed(since int) bool {
	return slices.ContainsFunc(j.server, func(done string) bool {
		at := 0
		_, _ = fmt.Sscanf(done, "%d:", &at) // it was written by take
		return at > since && strings.Contains(done, ": start ")
	})
}

// around is what was done to the server before and after something.
func (j *judge) around(count int) string {
	var before, after string
	for _, done := range j.server {
		at := 0
		_, _ = fmt.Sscanf(done, "%d:", &at) // it was written by take
		if at <= count {
			before = done
		} else if after == "" {
			after = done
		}
	}
	return "the server before: " + before + "; after: " + after
}
