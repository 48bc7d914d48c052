package screen

import (
	"slices"
	"time"

	tea "github.com/charmbracelet/bubbletea"

	"trunkline/client/chat/talk"
)

// Screen is the bubbletea model.
type Screen struct {
	model *talk.Model
	theme Theme
	do    func([]talk.Task)
	now   func() time.Time

	width, height int
	input         composer
	prompt        string   // "": a message; "/find ": the search line
	said          []string // what was written, oldest first
	back          int      // how far the arrow keys went back into it
	unsaid        string   // what was written before they did

	first  int   // the first conversation of the list that is drawn
	choose bool  // a narrow screen shows the list
	up     int   // rows of the conversation below the screen
	mark   int64 // the row of the history that a search led to
	card   int   // the chosen row of the card
	page   *talk.Card

	// What the last look saw, for staying where it was when lines come.
	open   talk.Peer
	newest key
	shown  talk.Shown
}

// key tells lines apart.
type key struct{ row, local int64 }

func keyOf(l *talk.Line) key {
	if l.Local != 0 {
		return key{local: int64(l.Local)} // it keeps that when it gets its row
	}
	return key{row: l.Row}
}

// Report wraps what package post reports, for bubbletea.
type Report struct{ talk.Report }

// clock is time that passes.
type clock struct{}

// New draws a model. do takes the tasks that follow from acts and reports.
func New(m *talk.Model, theme Theme, do func([]talk.Task), now func() time.Time) *Screen {
	return &Screen{model: m, theme: theme, do: do, now: now, width: 80, height: 24, shown: talk.Shown{End: true}}
}

// Init implements tea.Model.
func (s *Screen) Init() tea.Cmd { return tick() }

func tick() tea.Cmd { return tea.Tick(clockEvery, func(time.Time) tea.Msg { return clock{} }) }

// Update implements tea.Model.
func (s *Screen) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	var cmd tea.Cmd
	switch msg := msg.(type) {
	case tea.WindowSizeMsg:
		s.width, s.height = msg.Width, msg.Height
	case tea.FocusMsg:
		s.feed(talk.Focus{Yes: true})
	case tea.BlurMsg:
		s.feed(talk.Focus{})
	case clock:
		s.feed(talk.Clock{})
		cmd = tick()
	case Report:
		s.feed(msg.Report)
	case tea.KeyMsg:
		s.feed(talk.Key{})
		s.key(msg)
	}
	s.settle()
	if s.model.Leaving {
		return s, tea.Quit
	}
	return s, cmd
}

// feed gives the model something and has its tasks done.
func (s *Screen) feed(in any) { s.do(s.model.Update(s.now(), in)) }

// settle follows the model: another conversation, lines that came, a card; then it tells the model what can be seen.
func (s *Screen) settle() {
	if s.model.Card != s.page {
		s.page, s.card = s.model.Card, 0
		if s.page != nil {
			s.card = s.page.FirstJump()
		}
	}
	t := s.model.Talk(s.model.Open)
	if s.model.Open != s.open {
		s.open, s.up, s.newest, s.back = s.model.Open, 0, key{}, 0
		if t != nil && s.prompt == "" {
			s.input.set(t.Draft)
		}
	} else if t != nil && s.prompt == "" && t.Draft != s.input.String() {
		s.input.set(t.Draft) // it could not be sent, and came back
	}
	s.stay(t)
	s.list()
	s.tellShown(t)
}

// stay keeps the same rows in sight when lines came below them.
func (s *Screen) stay(t *talk.Talk) {
	if t == nil || len(t.Lines) == 0 {
		return
	}
	last := keyOf(&t.Lines[len(t.Lines)-1])
	if last == s.newest {
		return
	}
	i := slices.IndexFunc(t.Lines, func(l talk.Line) bool { return keyOf(&l) == s.newest })
	if m := slices.IndexFunc(t.Lines, func(l talk.Line) bool { return s.mark != 0 && l.Row == s.mark }); s.mark != 0 && m >= 0 && s.newest == (key{}) {
		s.up = max(0, s.rowsBehind(t, m)-s.bodyRows()/2)
	} else if i >= 0 && (s.up > 0 || t.Newer) {
		s.up += s.rowsBehind(t, i)
	}
	s.newest = last
}

// rowsBehind is how many rows the lines behind line i take.
func (s *Screen) rowsBehind(t *talk.Talk, i int) (n int) {
	p := s.pane()
	for j := i + 1; j < len(t.Lines); j++ {
		n += len(p.line(t, j))
	}
	return n
}

// tellShown tells the model what can be seen, when that changed.
func (s *Screen) tellShown(t *talk.Talk) {
	now := talk.Shown{Peers: s.listed(), End: s.up == 0 && !(s.narrow() && s.choose)}
	if now.End != s.shown.End || !slices.Equal(now.Peers, s.shown.Peers) {
		s.shown = now
		s.feed(now)
	}
}

// narrow says that list and conversation do not fit side by side.
func (s *Screen) narrow() bool { return s.width < narrowBelow }

// leaf turns pages: rows above zero go into the past.
func (s *Screen) leaf(rows int) {
	t := s.model.Talk(s.model.Open)
	if t == nil {
		return
	}
	total := s.rowsBehind(t, -1)
	s.up = max(0, min(s.up+rows, total-s.bodyRows()))
	switch {
	case rows > 0 && s.up >= total-s.bodyRows():
		s.feed(talk.Older{})
	case rows < 0 && s.up == 0 && t.Newer:
		s.feed(talk.Shown{Peers: s.shown.Peers, End: true})
	}
}
