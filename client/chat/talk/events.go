package talk

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"trunkline/client"
	"trunkline/codec"
	"trunkline/codec/iq"
)

// events takes a burst of what the SDK reports: one Write for all of it.
func (m *Model) events(now time.Time, in Events) []Task {
	var w Write
	var tasks []Task
	for _, ev := range in {
		switch ev := ev.(type) {
		case client.Message:
			tasks = append(tasks, m.message(now, ev, &w)...)
		case client.GroupEvent:
			tasks = append(tasks, m.happened(now, ev, &w)...)
		case client.Tick:
			m.tick(ev, &w)
		case client.Rejected:
			m.rejected(ev, &w)
		case client.GroupPlaced:
			m.placed(ev, &w)
		case client.Refused:
			if ev.RetryIn > 0 {
				m.notify(now, fmt.Sprintf("the server takes nothing for the moment (%s); trying again in %v", Why(ev.Code), ev.RetryIn.Round(time.Second)))
			}
		case client.Presence:
			m.presence(ev)
		case client.Typing:
			m.typing(now, ev)
		case client.DevicesRefused:
			m.notify(now, "the server shows devices of "+m.Name(ev.User)+" that "+Peer(ev.User).String()+" has not signed; messages still go to the known ones")
		case client.Connected:
			tasks = append(tasks, m.connected(now, ev)...)
		case client.Disconnected:
			m.disconnected(ev)
		}
	}
	if len(w.Lines)+len(w.Ticks)+len(w.Rejects)+len(w.Places)+len(w.People)+len(w.Groups) > 0 || w.Ack != nil {
		tasks = slices.Insert(tasks, 0, Task(w))
	}
	return tasks
}

// message takes something that somebody said, or that happened in a group.
func (m *Model) message(now time.Time, ev client.Message, w *Write) []Task {
	m.locals++
	l := Line{
		Local: m.locals, Peer: Peer(ev.From), From: ev.From, Mine: ev.From == m.Me, Kind: LineText, Text: string(ev.Payload), At: ev.Time,
		Device: ev.Device, Gen: ev.Gen, ID: ev.ID, GroupSeq: ev.GroupSeq,
	}
	switch {
	case ev.Group != 0:
		l.Peer = Peer(ev.Group)
	case ev.Own && ev.To != 0:
		l.Peer = Peer(ev.To)
	}
	if l.Mine {
		l.Level = client.TickServer // another device of this user has its ticks
	}
	if !utf8.Valid(ev.Payload) || ev.Kind&codec.PayloadCompressed != 0 {
		l.Kind, l.Text = LineOpaque, fmt.Sprintf("(%d bytes that are no text)", len(ev.Payload))
	}
	if ev.Seq != 0 {
		w.Ack = &ev
	}
	t := m.talk(l.Peer)
	delete(t.typing, l.From)
	switch {
	case l.Mine:
		l.Seen = SeenTold
	case m.sees(l.Peer):
		l.Seen = SeenOwed
	default:
		t.Unread++
	}
	w.Lines = append(w.Lines, l)
	m.put(t, l)
	return m.acquaint(now, l.From)
}

// put shows a line as the newest of its conversation.
func (m *Model) put(t *Talk, l Line) {
	t.Last = l
	m.front(t.Peer)
	if t.Peer != m.Open || t.Newer {
		return
	}
	t.Lines = append(t.Lines, l)
	if over := len(t.Lines) - LinesMax; over > 0 && m.shown.End {
		t.Lines = slices.Delete(t.Lines, 0, over)
		t.More = true
	}
}

// sees says whether a line that comes now is seen.
func (m *Model) sees(p Peer) bool {
	return m.active && m.Open == p && m.Card == nil && m.shown.End && !m.talk(p).Newer
}

// see marks the open conversation as seen, if it is.
func (m *Model) see() []Task {
	t := m.talks[m.Open]
	if t == nil || t.Unread == 0 || !m.sees(m.Open) {
		return nil
	}
	t.Unread = 0
	return []Task{See{Peer: m.Open}}
}

// tick takes progress of own lines.
func (m *Model) tick(ev client.Tick, w *Write) {
	w.Ticks = append(w.Ticks, ev)
	m.remember(ev)
	for _, t := range m.talks {
		if !Covers(ev, t.Peer) {
			continue
		}
		applyTick(ev, &t.Last)
		for i := range t.Lines {
			applyTick(ev, &t.Lines[i])
		}
	}
}

// remember keeps an event that may be about a line whose number is not known yet.
func (m *Model) remember(ev client.Event) {
	if m.waiting == 0 {
		return
	}
	if len(m.early) == EarlyMax {
		m.early = slices.Delete(m.early, 0, 1)
	}
	m.early = append(m.early, ev)
}

// recall applies what came before a line had its number.
func (m *Model) recall(l *Line) {
	for _, ev := range m.early {
		switch ev := ev.(type) {
		case client.Tick:
			if Covers(ev, l.Peer) {
				applyTick(ev, l)
			}
		case client.Rejected:
			if ev.ID == l.Cseq {
				l.Code = ev.Code
			}
		case client.GroupPlaced:
			if ev.ID == l.Cseq && ev.Group == uint64(l.Peer) {
				l.GroupSeq = ev.GroupSeq
			}
		}
	}
}

// Covers says whether a tick can be about lines of that conversation.
func Covers(ev client.Tick, p Peer) bool {
	switch {
	case ev.Level == client.TickServer:
		return true
	case ev.Group != 0:
		return uint64(p) == ev.Group
	}
	return uint64(p) == ev.Peer
}

func applyTick(ev client.Tick, l *Line) {
	if l.Cseq != 0 && l.Cseq >= ev.First && l.Cseq <= ev.Last {
		l.raise(ev.Level)
	}
}

// rejected takes that a line will never arrive.
func (m *Model) rejected(ev client.Rejected, w *Write) {
	w.Rejects = append(w.Rejects, ev)
	m.remember(ev)
	for _, t := range m.talks {
		if t.Last.Cseq == ev.ID {
			t.Last.Code = ev.Code
		}
		for i := range t.Lines {
			if t.Lines[i].Cseq == ev.ID {
				t.Lines[i].Code = ev.Code
			}
		}
	}
}

func (m *Model) presence(ev client.Presence) {
	p := m.person(ev.User)
	p.Known, p.Here, p.LastSeen = true, ev.Available, ev.LastSeen
	if !ev.Available {
		if t := m.talks[Peer(ev.User)]; t != nil {
			delete(t.typing, ev.User)
		}
	}
}

func (m *Model) typing(now time.Time, ev client.Typing) {
	t := m.talks[Peer(ev.User)]
	if t == nil {
		return
	}
	if ev.State == client.TypingPaused {
		delete(t.typing, ev.User)
		return
	}
	if t.typing == nil {
		t.typing = map[uint64]time.Time{}
	}
	t.typing[ev.User] = now.Add(TypingLasts)
}

func (m *Model) connected(now time.Time, ev client.Connected) []Task {
	m.Link = Link{Up: true, Tried: true}
	if ev.ServerLost {
		m.notify(now, "the server came back without its data: lines with one tick may be gone")
	}
	tasks := []Task{Ask{Op: iq.OpGroupList}, Ask{Op: iq.OpBlocksGet}}
	if !m.active {
		tasks = append(tasks, Active{Yes: false})
	}
	tasks = append(tasks, m.acquaint(now, m.Me)...)
	if m.Open != 0 {
		tasks = append(tasks, m.look(now, m.Open)...)
	}
	return tasks
}

// briefly is an error without who says so, and without the call and the addresses of a connection that failed.
func briefly(why string) string {
	why = strings.TrimPrefix(why, "client: ")
	for _, call := range []string{"dial ", "read ", "write "} {
		if i := strings.LastIndex(why, ": "); i >= 0 && strings.HasPrefix(why, call) {
			return why[i+2:]
		}
	}
	return why
}

func (m *Model) disconnected(ev client.Disconnected) {
	why := "connection lost"
	if ev.Err != nil {
		why = briefly(CleanLine(ev.Err.Error()))
	}
	m.Link = Link{Tried: true, Why: why}
	for _, p := range m.people {
		p.Known = false
	}
	for _, t := range m.talks {
		clear(t.typing)
	}
	m.typingTo = 0
}

// acquaint asks for the profile of a user who is new, or whose profile is old.
func (m *Model) acquaint(now time.Time, user uint64) []Task {
	p := m.person(user)
	if !m.Link.Up || !p.Asked.IsZero() && now.Sub(p.Asked) < ProfileLasts {
		return nil
	}
	p.Asked = now
	return []Task{Ask{Op: iq.OpProfileGet, User: user}}
}

// look asks what the header of a conversation shows.
func (m *Model) look(now time.Time, p Peer) []Task {
	if !p.IsGroup() {
		return m.acquaint(now, uint64(p))
	}
	if !m.Link.Up || m.group(p).Gone {
		return nil
	}
	return []Task{Ask{Op: iq.OpGroupInfo, Group: uint64(p)}}
}
