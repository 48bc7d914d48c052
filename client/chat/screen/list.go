package screen

import (
	"fmt"
	"slices"
	"time"

	"trunkline/client/chat/talk"
)

// talkRows is how many rows a conversation takes in the list: its name, and what was said last.
const talkRows = 2

// listed are the conversations that are drawn.
func (s *Screen) listed() []talk.Peer {
	if s.narrow() && !s.choose {
		return nil
	}
	list := s.model.Talks()
	from := min(s.first, len(list))
	return list[from:min(len(list), from+s.bodyRows()/talkRows)]
}

// list scrolls so that the open conversation is in sight.
func (s *Screen) list() {
	n := max(1, s.bodyRows()/talkRows)
	if i := slices.Index(s.model.Talks(), s.model.Open); i >= 0 {
		s.first = max(min(s.first, i), i-n+1)
	}
	s.first = max(0, min(s.first, len(s.model.Talks())-n))
}

// drawList draws the list with its title.
func (s *Screen) drawList(n int) []string {
	columns := s.listColumns()
	me := s.model.Name(s.model.Me)
	if number := talk.Peer(s.model.Me).String(); me != number {
		me += " · " + number
	}
	state, style := "…", s.theme.Faint
	switch {
	case s.model.Ended != nil:
		state, style = "ended", s.theme.Bad
	case s.model.Link.Up:
		state, style = "online", s.theme.Here
	case s.model.Link.Tried:
		state, style = "offline", s.theme.Bad
	}
	rows := []string{s.theme.Title.Render(fit(" "+me, columns-width(state)-2)) + " " + style.Render(state) + " "}
	for _, p := range s.listed() {
		rows = append(rows, s.drawEntry(p, columns)...)
	}
	if len(s.model.Talks()) == 0 {
		rows = append(rows, fit("", columns), s.theme.Faint.Render(fit(" No conversations.", columns)),
			s.theme.Faint.Render(fit(" /new 1002 begins one.", columns)))
	}
	for len(rows) < n {
		rows = append(rows, fit("", columns))
	}
	return rows[:n]
}

// drawEntry draws a conversation: dot, name, when; then what was said last and how much is unread.
func (s *Screen) drawEntry(p talk.Peer, columns int) []string {
	t, now := s.model.Talk(p), s.now()
	at := ""
	if !t.Last.At.IsZero() {
		at = short(t.Last.At, now)
	}
	title := s.theme.Plain
	if t.Unread > 0 {
		title = s.theme.Strong
	}
	name := fit(s.model.Title(p), columns-width(at)-5)
	preview, style := s.preview(t), s.theme.Faint
	if writing := s.model.Writing(p, now); len(writing) > 0 {
		preview, style = "writes …", s.theme.Here
	}
	unread := ""
	if t.Unread > 0 {
		unread = fmt.Sprintf("(%d)", t.Unread)
	}
	preview = fit(preview, columns-width(unread)-5)
	if p == s.model.Open {
		sel := s.theme.Selected
		return []string{
			sel.Render(" " + s.dot(p) + " " + name + " " + at + " "),
			sel.Render("   "+preview) + sel.Render(" "+unread+" "),
		}
	}
	return []string{
		" " + s.dotStyled(p) + " " + title.Render(name) + " " + s.theme.Faint.Render(at) + " ",
		"   " + style.Render(preview) + " " + s.theme.Unread.Render(unread) + " ",
	}
}

// dot is whether somebody is there: ● is, ○ is not, · nobody knows. A group has #.
func (s *Screen) dot(p talk.Peer) string {
	if p.IsGroup() {
		return "#"
	}
	switch u := s.model.Person(uint64(p)); {
	case u.Blocked:
		return "✗"
	case !u.Known:
		return "·"
	case u.Here:
		return "●"
	}
	return "○"
}

func (s *Screen) dotStyled(p talk.Peer) string {
	d := s.dot(p)
	switch d {
	case "●":
		return s.theme.Here.Render(d)
	case "✗":
		return s.theme.Bad.Render(d)
	}
	return s.theme.Faint.Render(d)
}

// preview is what was said last, on one line.
func (s *Screen) preview(t *talk.Talk) string {
	if t.Draft != "" && t.Peer != s.model.Open {
		return "draft: " + talk.Brief(t.Draft)
	}
	l := &t.Last
	if l.Local == 0 && l.Row == 0 {
		return ""
	}
	text := talk.Brief(s.model.Spell(l))
	switch {
	case l.Kind == talk.LineEvent:
		return text
	case l.Mine:
		return s.tick(l) + " " + text
	case t.Peer.IsGroup():
		return s.model.Name(l.From) + ": " + text
	}
	return text
}

// short is a time in few columns: the clock today, the day of the week in the last days, else the date.
func short(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	switch days := dayOf(now).Sub(dayOf(at)); {
	case days <= 0:
		return at.Format("15:04")
	case days < 7*24*time.Hour:
		return at.Format("Mon")
	}
	return at.Format("2006-01-02")
}

// dayOf is a day's number as a time, so that two can be compared across changes of the clock.
func dayOf(t time.Time) time.Time {
	y, m, d := t.Date()
	return time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
}
