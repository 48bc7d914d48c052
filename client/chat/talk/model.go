package talk

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"trunkline/client"
)

// Model is everything that is shown, and what it follows from. Update changes it; everything else only reads.
type Model struct {
	Me      uint64
	Link    Link
	Trouble error // why the history can't be written; nil: it can
	Ended   error // why the client ended; nil: it lives
	Notice  Notice
	Open    Peer  // 0: none
	Card    *Card // in place of the conversation; nil: none
	Leaving bool  // the user wants to go

	talks   map[Peer]*Talk
	order   []Peer // of talks, the one that moved last first
	people  map[uint64]*Person
	groups  map[Peer]*Group
	watched map[uint64]bool
	shown   Shown

	focused bool
	active  bool
	lastKey time.Time

	typingTo Peer      // who was told that this user writes; 0: nobody
	typingAt time.Time // when
	typedAt  time.Time // newest change of the composing line

	locals  uint64         // newest Line.Local
	waiting int            // own lines that have no number yet
	early   []client.Event // ticks, rejections and places that came while there were such
}

// Link is the connection.
type Link struct {
	Up    bool
	Tried bool   // the first attempt has ended
	Why   string // it is down
}

// Notice is one line for the user, for a while.
type Notice struct {
	Text  string
	Until time.Time
}

// New is the model of user me before anything is known.
func New(me uint64) *Model {
	return &Model{
		Me: me, focused: true, active: true, shown: Shown{End: true},
		talks: map[Peer]*Talk{}, people: map[uint64]*Person{}, groups: map[Peer]*Group{}, watched: map[uint64]bool{},
	}
}

// Update takes one thing that happened, an Act or a Report, and answers what is to be done.
func (m *Model) Update(now time.Time, in any) []Task {
	if m.lastKey.IsZero() {
		m.lastKey = now
	}
	var tasks []Task
	switch in := in.(type) {
	case Act:
		tasks = m.act(now, in)
	case Report:
		tasks = m.report(now, in)
	}
	tasks = append(tasks, m.settleActive(now)...)
	return append(tasks, m.settleWatch()...)
}

// act takes an act of the user.
func (m *Model) act(now time.Time, in Act) []Task {
	switch in := in.(type) {
	case Open:
		m.Card = nil
		return m.open(now, in.Peer, 0)
	case Jump:
		m.Card = nil
		return m.open(now, in.Peer, in.Row)
	case Compose:
		return m.compose(now, in.Text)
	case Say:
		return m.say(now, in.Text)
	case Older:
		return m.older()
	case Shown:
		m.shown = Shown{Peers: slices.Clone(in.Peers), End: in.End}
		if in.End {
			return append(m.see(), m.newer()...)
		}
	case Focus:
		if m.focused = in.Yes; in.Yes {
			m.lastKey = now
		}
	case Key:
		m.lastKey = now
	case TooLong:
		m.notify(now, fmt.Sprintf("too long: a message has at most %d bytes", client.PayloadBytesMax))
	case Clock:
		return m.clock(now)
	case Close:
		m.Card = nil
		return m.see()
	}
	return nil
}

// report takes what package post reports.
func (m *Model) report(now time.Time, in Report) []Task {
	switch in := in.(type) {
	case Start:
		return m.start(now, in)
	case Events:
		return m.events(now, in)
	case Kept:
		m.kept(in)
	case Sent:
		m.sent(now, in)
	case Moved:
		m.moved(in)
	case Page:
		return m.page(in)
	case Found:
		m.found(now, in)
	case Answered:
		return m.answered(now, in)
	case Trouble:
		m.Trouble = in.Err
	case Ended:
		m.Ended, m.Link.Up = in.Err, false
	}
	return nil
}

// start takes what the history knew before any event of this run was kept. Lines may have come first: they count on top, and are the newest.
func (m *Model) start(now time.Time, in Start) []Task {
	for _, p := range in.People {
		m.people[p.User] = &p
	}
	for _, g := range in.Groups {
		kept := m.group(g.Peer)
		kept.Subject, kept.Gone, kept.Count = g.Subject, g.Gone, g.Count
		m.talk(g.Peer)
	}
	slices.SortStableFunc(in.Talks, func(a, b Summary) int { return cmp.Compare(a.Last.Row, b.Last.Row) })
	var came []Peer
	for _, s := range in.Talks {
		t := m.talk(s.Peer)
		if t.Unread += s.Unread; t.Last.Local != 0 {
			came = append(came, s.Peer)
			continue
		}
		t.Last = s.Last
		m.front(s.Peer)
	}
	for _, p := range came {
		m.front(p)
	}
	if m.Open == 0 && len(m.order) > 0 {
		return m.open(now, m.order[0], 0)
	}
	return nil
}

// talk is the conversation with p; it is made when there is none.
func (m *Model) talk(p Peer) *Talk {
	t := m.talks[p]
	if t == nil {
		t = &Talk{Peer: p}
		m.talks[p] = t
		m.order = append(m.order, p)
	}
	return t
}

// front moves a conversation to the top of the list.
func (m *Model) front(p Peer) {
	if i := slices.Index(m.order, p); i >= 0 {
		m.order = slices.Insert(slices.Delete(m.order, i, i+1), 0, p)
	}
}

// drop takes a conversation out of the list.
func (m *Model) drop(p Peer) {
	delete(m.talks, p)
	if i := slices.Index(m.order, p); i >= 0 {
		m.order = slices.Delete(m.order, i, i+1)
	}
	if m.Open == p {
		m.Open = 0
	}
}

func (m *Model) person(user uint64) *Person {
	p := m.people[user]
	if p == nil {
		p = &Person{User: user}
		m.people[user] = p
	}
	return p
}

func (m *Model) group(peer Peer) *Group {
	g := m.groups[peer]
	if g == nil {
		g = &Group{Peer: peer}
		m.groups[peer] = g
	}
	return g
}

// notify shows a notice.
func (m *Model) notify(now time.Time, text string) {
	m.Notice = Notice{Text: text, Until: now.Add(NoticeLasts)}
}

// clock ends what has an end: notices, people who write, this user's own writing.
func (m *Model) clock(now time.Time) []Task {
	if m.Notice.Text != "" && !now.Before(m.Notice.Until) {
		m.Notice = Notice{}
	}
	for _, t := range m.talks {
		for user, until := range t.typing {
			if !now.Before(until) {
				delete(t.typing, user)
			}
		}
	}
	if m.typingTo != 0 && now.Sub(m.typedAt) >= TypingPause {
		return m.stopTyping()
	}
	return nil
}

// settleActive tells the server when the user comes or goes.
func (m *Model) settleActive(now time.Time) []Task {
	active := m.focused && now.Sub(m.lastKey) < IdleAfter
	if active == m.active {
		return nil
	}
	m.active = active
	tasks := []Task{Active{Yes: active}}
	if active {
		return append(tasks, m.see()...)
	}
	return tasks
}

// settleWatch asks for the presence of who is on the screen, and of nobody else.
func (m *Model) settleWatch() []Task {
	want := map[uint64]bool{}
	for _, p := range append([]Peer{m.Open}, m.shown.Peers...) {
		if p != 0 && !p.IsGroup() && uint64(p) != m.Me && len(want) < WatchMax {
			want[uint64(p)] = true
		}
	}
	var w Watch
	for u := range want {
		if !m.watched[u] {
			w.Add = append(w.Add, u)
		}
	}
	for u := range m.watched {
		if !want[u] {
			w.Drop = append(w.Drop, u)
			m.person(u).Known = false
		}
	}
	if len(w.Add)+len(w.Drop) == 0 {
		return nil
	}
	slices.Sort(w.Add)
	slices.Sort(w.Drop)
	m.watched = want
	return []Task{w}
}
