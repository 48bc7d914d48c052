package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/charmbracelet/lipgloss"

	"trunkline/client"
	"trunkline/client/chat/talk"
)

// pane is where the columns of a conversation are.
//
//	»15:04  ✓✓   name  text
//	                   more of it
type pane struct {
	s       *Screen
	columns int
	name    int // columns of names
	text    int // columns of text
	indent  string
	now     time.Time
}

const (
	timeColumns = 5
	tickColumns = 3
)

// pane measures the open conversation.
func (s *Screen) pane() *pane {
	p := &pane{s: s, columns: s.talkColumns(), now: s.now()}
	p.name = nameMin
	if t := s.model.Talk(s.model.Open); t != nil {
		most := nameMax
		if p.columns < 50 {
			most = nameMax / 2
		}
		seen := map[uint64]bool{}
		for i := range t.Lines {
			if from := t.Lines[i].From; !t.Lines[i].Mine && !seen[from] {
				seen[from] = true
				p.name = max(p.name, min(most, width(s.model.Name(from))))
			}
		}
	}
	head := 1 + timeColumns + 1 + tickColumns + 1 + p.name + 2
	p.text = max(8, p.columns-head-1)
	p.indent = strings.Repeat(" ", head)
	return p
}

// line draws line i of the open conversation, with the day above it when that is another than the line's before.
func (p *pane) line(t *talk.Talk, i int) []string {
	l := &t.Lines[i]
	var rows []string
	if i == 0 || !dayOf(t.Lines[i-1].At.Local()).Equal(dayOf(l.At.Local())) {
		rows = append(rows, p.day(l.At))
	}
	if l.Kind == talk.LineEvent {
		return append(rows, p.event(l)...)
	}
	name := ""
	if i == 0 || len(rows) > 0 || t.Lines[i-1].From != l.From || t.Lines[i-1].Mine != l.Mine || t.Lines[i-1].Kind == talk.LineEvent {
		name = p.s.model.Name(l.From)
		if l.Mine {
			name = "you"
		}
	}
	return append(rows, p.said(l, name)...)
}

// said draws what somebody said.
func (p *pane) said(l *talk.Line, name string) []string {
	th := &p.s.theme
	mark := " "
	if l.Row != 0 && l.Row == p.s.mark {
		mark = th.Strong.Render("»")
	}
	nameStyle, textStyle := th.Strong, th.Plain
	if l.Mine {
		nameStyle = th.Own
	}
	if l.Kind == talk.LineOpaque {
		textStyle = th.Faint
	}
	tick := strings.Repeat(" ", tickColumns)
	if l.Mine {
		tick = p.s.tickStyle(l).Render(fit(p.s.tick(l), tickColumns))
	}
	head := mark + th.Faint.Render(l.At.Local().Format("15:04")) + " " + tick + " " + nameStyle.Render(fitRight(name, p.name)) + "  "
	var rows []string
	for i, text := range wrap(talk.Clean(l.Text), p.text) {
		if i > 0 {
			head = p.indent
		}
		rows = append(rows, p.pad(head+textStyle.Render(text)))
	}
	if l.Rejected() {
		for _, text := range wrap("✗ not delivered: "+talk.Why(l.Code), p.text) {
			rows = append(rows, p.pad(p.indent+th.Bad.Render(text)))
		}
	}
	return rows
}

func (p *pane) pad(row string) string { return row + strings.Repeat(" ", max(0, p.columns-width(row))) }

// event draws what happened in a group.
func (p *pane) event(l *talk.Line) []string {
	var rows []string
	for i, text := range wrap(talk.CleanLine(p.s.model.Spell(l)), max(8, p.columns-10)) {
		head := " " + l.At.Local().Format("15:04") + " – "
		if i > 0 {
			head = strings.Repeat(" ", width(head))
		}
		rows = append(rows, p.s.theme.Faint.Render(fit(head+text, p.columns)))
	}
	return rows
}

// day is the row between two days.
func (p *pane) day(at time.Time) string {
	at = at.Local()
	text := at.Format("Monday 2 January 2006")
	switch dayOf(p.now.Local()).Sub(dayOf(at)) {
	case 0:
		text = "today"
	case 24 * time.Hour:
		text = "yesterday"
	}
	return p.s.theme.Faint.Render(centre("── "+text+" ──", p.columns))
}

// tick is how far an own line came. Without colour three ticks say what blue says.
func (s *Screen) tick(l *talk.Line) string {
	switch {
	case l.Rejected():
		return "✗"
	case l.Level == client.TickNone:
		return "…"
	case l.Level == client.TickServer:
		return "✓"
	case l.Level == client.TickDelivered || s.theme.Colour:
		return "✓✓"
	}
	return "✓✓✓"
}

func (s *Screen) tickStyle(l *talk.Line) lipgloss.Style {
	switch {
	case l.Rejected():
		return s.theme.Bad
	case l.Level >= client.TickRead:
		return s.theme.Read
	}
	return s.theme.Faint
}

// drawTalk draws the title and, below it, the conversation or a card.
func (s *Screen) drawTalk(n int) []string {
	rows := []string{s.drawTitle()}
	if s.model.Card != nil {
		return append(rows, s.drawCard(n-1)...)
	}
	t := s.model.Talk(s.model.Open)
	var lines []string
	if t != nil {
		lines = s.lines(t, n-1)
	} else {
		lines = s.welcome()
	}
	for len(lines) < n-1 {
		lines = append([]string{fit("", s.talkColumns())}, lines...)
	}
	return append(rows, lines[:n-1]...)
}

// lines draws the rows of a conversation that are in sight, from the bottom up.
func (s *Screen) lines(t *talk.Talk, n int) []string {
	p := s.pane()
	var groups [][]string
	have := 0
	for i := len(t.Lines) - 1; i >= 0 && have < n+s.up; i-- {
		g := p.line(t, i)
		groups = append(groups, g)
		have += len(g)
	}
	if have < n+s.up && t.More {
		groups = append(groups, []string{s.theme.Faint.Render(centre("PgUp for more", p.columns))})
		have++
	}
	rows := make([]string, 0, have)
	for _, g := range slices.Backward(groups) {
		rows = append(rows, g...)
	}
	end := max(0, len(rows)-s.up)
	if end < n {
		end = min(n, len(rows))
	}
	return rows[max(0, end-n):end]
}

// drawTitle says whom the conversation is with.
func (s *Screen) drawTitle() string {
	columns, p := s.talkColumns(), s.model.Open
	if p == 0 {
		return fit("", columns)
	}
	right, style := s.presence(p)
	name := " " + s.model.Title(p)
	if number := p.String(); number != s.model.Title(p) {
		name += " · " + number
	}
	return s.theme.Title.Render(fit(name, columns-width(right)-2)) + " " + style.Render(right) + " "
}

// presence says who is there: whether a user is, how many members a group has, or who writes.
func (s *Screen) presence(p talk.Peer) (string, lipgloss.Style) {
	if writing := s.model.Writing(p, s.now()); len(writing) > 0 {
		if !p.IsGroup() {
			return "writes …", s.theme.Here
		}
		return s.model.Name(writing[0]) + " writes …", s.theme.Here
	}
	if p.IsGroup() {
		g := s.model.Group(p)
		switch {
		case g.Gone:
			return "you are not in it", s.theme.Bad
		case g.Count == 1:
			return "1 member", s.theme.Faint
		case g.Count > 1:
			return fmt.Sprintf("%d members", g.Count), s.theme.Faint
		}
		return "", s.theme.Faint
	}
	u := s.model.Person(uint64(p))
	switch {
	case u.Blocked:
		return "blocked", s.theme.Bad
	case !u.Known || uint64(p) == s.model.Me:
		return "", s.theme.Faint
	case u.Here:
		return "online", s.theme.Here
	case u.LastSeen.IsZero():
		return "away", s.theme.Faint
	}
	return "last seen " + lastSeen(u.LastSeen, s.now()), s.theme.Faint
}

// lastSeen is a time of the past as a person says it.
func lastSeen(at, now time.Time) string {
	at, now = at.Local(), now.Local()
	switch dayOf(now).Sub(dayOf(at)) {
	case 0:
		return at.Format("15:04")
	case 24 * time.Hour:
		return "yesterday " + at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}

// welcome is what a new user sees.
func (s *Screen) welcome() []string {
	var rows []string
	first := "Nothing was said yet."
	if len(s.model.Talks()) > 0 {
		first = "Ctrl-N opens a conversation."
	}
	for _, text := range []string{
		first, "", "/new and a number begins a conversation,", "/group, numbers and a name make a group,", "/name sets your name, /help lists the rest.", "",
	} {
		rows = append(rows, s.theme.Faint.Render(centre(text, s.talkColumns())))
	}
	return rows
}

// drawCard draws a card; the chosen row is in sight.
func (s *Screen) drawCard(n int) []string {
	c, columns := s.model.Card, s.talkColumns()
	rows := []string{s.theme.Strong.Render(fit(" "+c.Title, columns)), fit("", columns)}
	label := 0
	for i := range c.Rows {
		label = max(label, min(width(c.Rows[i].Label), columns/2-2))
	}
	var body []string
	at := 0
	for i := range c.Rows {
		r := &c.Rows[i]
		chosen := i == s.card && r.Jump.Peer != 0
		if i <= s.card {
			at = len(body)
		}
		body = append(body, s.cardRow(r, label, columns, chosen)...)
	}
	room := max(1, n-len(rows))
	if c.Leads() {
		at -= room / 2 // the chosen row has others around it
	}
	from := max(0, min(at, len(body)-room))
	rows = append(rows, body[from:min(len(body), from+room)]...)
	for len(rows) < n {
		rows = append(rows, fit("", columns))
	}
	return rows[:n]
}

// cardRow draws a row of a card; long texts take several.
func (s *Screen) cardRow(r *talk.CardRow, label, columns int, chosen bool) []string {
	if r.Jump.Peer != 0 {
		text := fit("  "+fit(r.Label, label)+"  "+talk.CleanLine(r.Text), columns)
		if chosen {
			return []string{s.theme.Selected.Render(text)}
		}
		return []string{text}
	}
	head, room := "  ", columns-3
	if r.Label != "" {
		head, room = "  "+fit(r.Label, label)+"  ", columns-label-5
	}
	var rows []string
	for i, text := range wrap(talk.Clean(r.Text), max(8, room)) {
		if i > 0 {
			head = strings.Repeat(" ", width(head))
		}
		rows = append(rows, s.theme.Faint.Render(head)+fit(text, columns-width(head)))
	}
	return rows
}
