package server

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"trunkline/client"
	"trunkline/codec"
)

// The violations of the rules for groups.
const (
	wasNamedTwice = "one gseq twice"
	wasFallen     = "gseq falls"
	wasMoved      = "two places"
	wasIntruded   = "shown to no member"
	wasUnplaced   = "without place"
)

// groupPlace is a place in the order of a group.
type groupPlace struct{ group, gseq uint64 }

// sight is a message of a group on one screen.
type sight struct {
	gseq uint64
	at   int
}

// groupStory is what is known of one message to a group. Its text names it: sent again under another epoch it has another number.
type groupStory struct {
	messageKey             // as its sender knows it; until that is known, as it was shown
	group                  uint64
	text                   string
	accepted               bool
	acceptedAt, rejectedAt int
	toldAt                 int
	why                    string           // it was rejected
	shown                  map[uint64]sight // by viewer
	placed                 []uint64         // gseqs that its sender was told
}

// stay is a time in a group: from since to before, without both ends. before is 0 as long as it lasts.
type stay struct{ user, since, before uint64 }

// groupJudge holds what was seen of groups against their rules. Most of it can be judged only when it is known who was a member, and so at the end.
type groupJudge struct {
	*judge
	stories  map[string]*groupStory // by sender and text
	byNumber map[messageKey]*groupStory
	order    []*groupStory
	settled  int                   // of order
	reviewed int                   // of order
	names    map[groupPlace]string // of what stands there, by texts
	carried  map[groupPlace]string // the same, by numbers, on wires
	screens  map[[2]uint64]uint64  // newest gseq, by viewer and group
	newest   map[[3]uint64]uint64  // newest id, by viewer, sender and group
	stays    map[uint64][]stay     // by group
	changes  map[groupPlace]bool   // those that are among stays
	seen     map[[2]uint64][]int   // when changes were, by viewer and group
	leftAt   map[uint64]int        // by user: when its client last came to an end
}

func newGroupJudge(j *judge) *groupJudge {
	return &groupJudge{judge: j, stories: map[string]*groupStory{}, byNumber: map[messageKey]*groupStory{}, names: map[groupPlace]string{},
		carried: map[groupPlace]string{}, screens: map[[2]uint64]uint64{}, newest: map[[3]uint64]uint64{}, stays: map[uint64][]stay{},
		changes: map[groupPlace]bool{}, seen: map[[2]uint64][]int{}, leftAt: map[uint64]int{}}
}

// take adds one happening in a group.
func (g *groupJudge) take(h happening) {
	switch h.kind {
	case hapAccepted:
		s := g.story(h.user, h.id, h.group, h.text)
		if s.accepted {
			g.violated(wasDuplicated, s.messageKey, "was sent twice")
		}
		s.accepted, s.acceptedAt, s.id = true, g.count, h.id
		g.byNumber[s.messageKey] = s
	case hapTold:
		for id := h.id; id <= h.last; id++ {
			if s := g.byNumber[messageKey{h.user, id}]; s != nil && s.group == h.group && s.toldAt == 0 {
				s.toldAt = g.count
			}
		}
	case hapRejected:
		if s := g.byNumber[messageKey{h.user, h.id}]; s != nil && s.rejectedAt == 0 {
			s.rejectedAt, s.why = g.count, h.text
		}
	case hapPlaced:
		key := messageKey{h.user, h.id}
		if s := g.byNumber[key]; s == nil || s.group != h.group {
			g.violated(wasDamaged, key, "was not sent to the group in which it has a place")
		} else {
			s.placed = append(s.placed, h.gseq)
			g.onScreen(h, s.messageKey, s.name())
		}
	case hapShown:
		g.takeShown(h)
	case hapChange:
		g.takeChange(h)
	case hapWire:
		g.name(g.carried, h, messageKey{h.peer, h.id}, h.text)
	}
}

func (s *groupStory) name() string { return fmt.Sprintf("%d: %s", s.from, s.text) }

func (g *groupJudge) story(from, id, group uint64, text string) *groupStory {
	s := &groupStory{messageKey: messageKey{from, id}, group: group, text: text, shown: map[uint64]sight{}}
	if was := g.stories[s.name()]; was != nil {
		return was
	}
	g.stories[s.name()] = s
	g.order = append(g.order, s)
	return s
}

func (g *groupJudge) takeShown(h happening) {
	s := g.story(h.peer, h.id, h.group, h.text)
	if _, again := s.shown[h.user]; again {
		g.violated(wasDuplicated, s.messageKey, fmt.Sprintf("shown again to %d as gseq %d, number %d", h.user, h.gseq, h.id))
		return
	}
	s.shown[h.user] = sight{h.gseq, g.count}
	if s.group != h.group {
		g.violated(wasDamaged, s.messageKey, fmt.Sprintf("shown to %d in another group", h.user))
	}
	g.onScreen(h, s.messageKey, s.name())
	way := [3]uint64{h.user, h.peer, h.group}
	if h.id < g.newest[way] && !g.mayComeLate(s, g.newest[way]-h.id) {
		g.violated(wasReordered, s.messageKey, fmt.Sprintf("shown in the group to %d as %d after %d", h.user, h.id, g.newest[way]))
	}
	g.newest[way] = max(g.newest[way], h.id)
}

// mayComeLate says whether a message may be shown behind one with a number that is higher by so many. It was refused for an old epoch, the later one
// was taken, and the server was killed before the refusal was durable: sent again under the epoch of then, it is taken. All see it there.
func (g *groupJudge) mayComeLate(s *groupStory, by uint64) bool {
	return s.accepted && by < client.InFlightMax && g.killed(s.acceptedAt)
}

// takeChange learns who is a member.
func (g *groupJudge) takeChange(h happening) {
	g.onScreen(h, messageKey{}, fmt.Sprintf("%s %v by %d", h.text, h.users, h.peer))
	mine := [2]uint64{h.user, h.group}
	g.seen[mine] = append(g.seen[mine], g.count)
	if at := (groupPlace{h.group, h.gseq}); g.changes[at] {
		return
	} else {
		g.changes[at] = true
	}
	for _, user := range h.users {
		if h.text == "created" || h.text == "added" {
			g.stays[h.group] = append(g.stays[h.group], stay{user: user, since: h.gseq})
			continue
		}
		for i := range g.stays[h.group] {
			if s := &g.stays[h.group][i]; s.user == user && s.before == 0 && s.since < h.gseq {
				s.before = h.gseq
			}
		}
	}
}

// onScreen notes what stands at a place of a group's order, as one of its members sees it.
func (g *groupJudge) onScreen(h happening, key messageKey, name string) {
	g.name(g.names, h, key, name)
	screen := [2]uint64{h.user, h.group}
	if h.gseq <= g.screens[screen] {
		g.violated(wasFallen, key, fmt.Sprintf("gseq %d of group %d on the screen of %d after %d", h.gseq, h.group, h.user, g.screens[screen]))
	}
	g.screens[screen] = max(g.screens[screen], h.gseq)
}

func (g *groupJudge) name(names map[groupPlace]string, h happening, key messageKey, name string) {
	at := groupPlace{h.group, h.gseq}
	if was, known := names[at]; known && was != name {
		g.violated(wasNamedTwice, key, fmt.Sprintf("gseq %d of group %d is %q for %d and was %q", h.gseq, h.group, name, h.user, was))
		return
	}
	names[at] = name
}

// member says whether somebody was a member at a place of a group's order, and whether it still is.
func (g *groupJudge) member(user uint64, at groupPlace) (was, stays bool) {
	for _, s := range g.stays[at.group] {
		if s.user == user && s.since < at.gseq && (s.before == 0 || at.gseq < s.before) {
			return true, s.before == 0
		}
	}
	return false, false
}

// place is where a message stands: taken twice by a server that was killed, it stands where it stood first. 0: nobody has seen it.
func (s *groupStory) place() groupPlace {
	at := groupPlace{group: s.group}
	for _, seen := range s.shown {
		at.gseq = min(at.gseq-1, seen.gseq-1) + 1
	}
	for _, gseq := range s.placed {
		at.gseq = min(at.gseq-1, gseq-1) + 1
	}
	return at
}

// missed lists who was a member and has not seen a message.
func (g *groupJudge) missed(s *groupStory) (users []uint64) {
	at := s.place()
	for _, stay := range g.stays[s.group] {
		was, _ := g.member(stay.user, at)
		if _, seen := s.shown[stay.user]; was && !seen && stay.user != s.from && !slices.Contains(users, stay.user) {
			users = append(users, stay.user)
		}
	}
	return users
}

// mustBePlaced says whether a sender had no way to miss where its message stands.
func (g *groupJudge) mustBePlaced(s *groupStory) bool {
	return s.rejectedAt == 0 && g.leftAt[s.from] < s.acceptedAt
}

// isSettled says whether nothing is on its way any more.
func (g *groupJudge) isSettled() bool {
	for ; g.settled < len(g.order); g.settled++ {
		s := g.order[g.settled]
		switch {
		case !s.accepted:
			return false
		case s.rejectedAt != 0 && s.place().gseq == 0:
		case s.rejectedAt == 0 && (s.id > g.ticked[s.from] || s.place().gseq == 0), g.mustBePlaced(s) && len(s.placed) == 0, len(g.missed(s)) > 0:
			return false
		}
	}
	return true
}

// review is called when everything should have settled.
func (g *groupJudge) review() {
	for ; g.reviewed < len(g.order); g.reviewed++ {
		s := g.order[g.reviewed]
		ticked := s.id <= g.ticked[s.from]
		switch {
		case !s.accepted:
			g.violated(wasDamaged, s.messageKey, "was shown in a group and never sent")
			continue
		case s.rejectedAt != 0 && !g.wasRemoved(s) && !g.wasOvertaken(s):
			g.violated(wasRejected, s.messageKey, "to a group in which its sender is: "+s.why)
			continue
		case s.rejectedAt == 0 && !ticked:
			g.violated(wasStuck, s.messageKey, "to a group is not ticked")
			continue
		case s.rejectedAt == 0 && s.place().gseq == 0:
			g.violated(wasLost, s.messageKey, "to a group was ticked, and nobody has seen it")
			continue
		}
		g.reviewViewers(s)
		if least := s.place().gseq; g.mustBePlaced(s) && (len(s.placed) == 0 || slices.Min(s.placed) != least) {
			g.violated(wasUnplaced, s.messageKey, fmt.Sprintf("stands at gseq %d, its sender was told %v", least, s.placed))
		}
	}
}

// wasRemoved says whether the sender was removed at some time: then its messages may be rejected.
func (g *groupJudge) wasRemoved(s *groupStory) bool {
	return slices.ContainsFunc(g.stays[s.group], func(in stay) bool { return in.user == s.from && in.before != 0 })
}

// wasOvertaken says whether the group has changed more often than a client sends a message again, before it was rejected.
func (g *groupJudge) wasOvertaken(s *groupStory) bool {
	n := 0
	for _, at := range g.seen[[2]uint64{s.from, s.group}] {
		if at > s.acceptedAt && at <= s.rejectedAt {
			n++
		}
	}
	return s.why == codec.CodeEpochStale.String() && (n > client.RepeatsMax || g.leftAt[s.from] > s.acceptedAt)
}

func (g *groupJudge) reviewViewers(s *groupStory) {
	at := s.place()
	for _, user := range g.missed(s) {
		g.violated(wasLost, s.messageKey, fmt.Sprintf("with gseq %d was not delivered to member %d", at.gseq, user))
	}
	for _, user := range slices.Sorted(maps.Keys(s.shown)) {
		seen := s.shown[user]
		was, stays := g.member(user, at)
		in, _ := g.member(user, groupPlace{s.group, seen.gseq})
		switch {
		case user == s.from:
			g.violated(wasDamaged, s.messageKey, "was shown to its sender")
		case !in:
			g.violated(wasIntruded, s.messageKey, fmt.Sprintf("with gseq %d was shown to %d", seen.gseq, user))
		case was && seen.gseq != at.gseq: // who came later gets what was taken twice when it is taken the second time
			g.violated(wasMoved, s.messageKey, fmt.Sprintf("stands at gseq %d, for %d at %d", at.gseq, user, seen.gseq))
		case was && stays && s.toldAt != 0 && seen.at > s.toldAt:
			g.violated(wasForetold, s.messageKey, fmt.Sprintf("to a group, before %d has seen it", user))
		}
	}
}

// open lists what its senders' clients may be asked about.
func (g *groupJudge) open() (keys []messageKey) {
	for _, s := range g.order[g.settled:min(len(g.order), g.settled+1000)] {
		if s.accepted {
			keys = append(keys, s.messageKey)
		}
	}
	return keys
}

// summary is empty when there were no groups.
func (g *groupJudge) summary() string {
	if len(g.order) == 0 {
		return ""
	}
	shown, told, rejected := 0, 0, 0
	for _, s := range g.order {
		shown += len(s.shown)
		if s.toldAt != 0 {
			told++
		}
		if s.rejectedAt != 0 {
			rejected++
		}
	}
	return fmt.Sprintf("; %d to groups, shown %d times, %d seen by all, %d refused, %d changes", len(g.order), shown, told, rejected, len(g.changes))
}

// history is the life of one message; numbers are those of happenings.
func (g *groupJudge) history(s *groupStory) string {
	var seen []string
	for _, user := range slices.Sorted(maps.Keys(s.shown)) {
		seen = append(seen, fmt.Sprintf("to %d at %d as gseq %d", user, s.shown[user].at, s.shown[user].gseq))
	}
	return fmt.Sprintf("message %d of %d to group %d: accepted at %d, rejected at %d, second tick at %d, places %v, shown %s; members %v\n    %s", s.id, s.from, s.group,
		s.acceptedAt, s.rejectedAt, s.toldAt, s.placed, strings.Join(seen, ", "), g.stays[s.group], g.around(s.acceptedAt))
}
