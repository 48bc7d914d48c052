package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"trunkline/client"
)

// glass is a small terminal: enough of one to see what a person would see.
type glass struct {
	t             *testing.T
	width, height int
	cells         [][]rune
	row, col      int
	savedRow      int
	savedCol      int
	pending       bool // the cursor stands behind the last column
	escape        string
}

func newGlass(t *testing.T, width, height int) *glass {
	return &glass{t: t, width: width, height: height, cells: [][]rune{{}}}
}

// Write implements io.Writer.
func (g *glass) Write(b []byte) (int, error) {
	for _, r := range string(b) {
		g.rune(r)
	}
	return len(b), nil
}

func (g *glass) rune(r rune) {
	switch {
	case g.escape != "" || r == '\x1b':
		g.escape += string(r)
		if r >= 'A' && r <= 'z' && r != '[' || r == '7' && len(g.escape) == 2 || r == '8' && len(g.escape) == 2 {
			g.sequence(g.escape[1:])
			g.escape = ""
		}
	case r == '\r':
		g.col, g.pending = 0, false
	case r == '\n':
		g.down()
	default:
		if g.pending {
			g.col, g.pending = 0, false
			g.down()
		}
		for len(g.cells[g.row]) <= g.col {
			g.cells[g.row] = append(g.cells[g.row], ' ')
		}
		g.cells[g.row][g.col] = r
		if g.col++; g.col == g.width {
			g.col, g.pending = g.width-1, true
		}
	}
}

// down goes to the next row; at the bottom the screen scrolls. Rows that left the screen are kept for nobody.
func (g *glass) down() {
	if g.row++; g.row == len(g.cells) {
		g.cells = append(g.cells, []rune{})
	}
	if g.row >= g.height {
		g.cells = g.cells[1:]
		g.row--
		g.savedRow--
	}
}

func (g *glass) sequence(s string) {
	n, _ := strconv.Atoi(strings.Trim(s, "[ABCDGJKHm;"))
	move := max(n, 1)
	if s[len(s)-1] != 'm' {
		g.pending = false
	}
	switch s[len(s)-1] {
	case '7':
		g.savedRow, g.savedCol = g.row, g.col
	case '8':
		g.row, g.col = g.savedRow, g.savedCol
	case 'A':
		g.row = max(g.row-move, 0)
	case 'B':
		g.row = min(g.row+move, len(g.cells)-1)
	case 'C':
		g.col = min(g.col+move, g.width-1)
	case 'D':
		g.col = max(g.col-move, 0)
	case 'G':
		g.col = move - 1
	case 'H':
		g.row, g.col = 0, 0
	case 'K':
		g.cells[g.row] = g.cells[g.row][:min(g.col, len(g.cells[g.row]))]
	case 'J':
		if n == 2 {
			g.cells = [][]rune{{}}
			g.row = 0
			return
		}
		g.cells[g.row] = g.cells[g.row][:min(g.col, len(g.cells[g.row]))]
		g.cells = g.cells[:g.row+1]
	case 'm':
	default:
		g.t.Errorf("escape sequence %q", s)
	}
}

// shows compares the screen with rows; a clock at a row's beginning is written as hh:mm.
func (g *glass) shows(want ...string) {
	g.t.Helper()
	var got []string
	for _, row := range g.cells {
		text := strings.TrimRight(string(row), " ")
		if len(text) > 5 && text[2] == ':' && text[0] >= '0' && text[0] <= '2' {
			text = "hh:mm" + text[5:]
		}
		got = append(got, text)
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		g.t.Errorf("the screen shows\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// seat is a terminal with somebody in front of it.
type seat struct {
	*glass
	term   *terminal
	events chan client.Event
	lines  chan string
	ended  chan error
}

func sit(t *testing.T, width, height int) *seat {
	s := &seat{glass: newGlass(t, width, height), events: make(chan client.Event), lines: make(chan string), ended: make(chan error, 1)}
	s.term = newTerminal(s.glass, 1002, func() (int, int, error) { return s.width, s.height, nil })
	s.term.connected(online)
	return s
}

// act stands for an event: what it does runs where events are handled.
type act struct {
	client.Event
	do func()
}

// run has the terminal ask for lines until the keys end; each line becomes an own line with the next number.
func (s *seat) run(steps func()) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	go func() {
		for id := uint64(1); ; id++ {
			line, err := s.term.next(ctx, s.events, func(ev client.Event) { ev.(act).do() })
			if err != nil {
				s.ended <- err
				return
			}
			s.term.own(id, line)
		}
	}()
	steps()
	s.term.keysErr <- io.EOF
	if err := <-s.ended; !errors.Is(err, io.EOF) {
		s.t.Errorf("ended with %v", err)
	}
}

func (s *seat) types(text string) { s.term.keys <- []byte(text) }

// event runs do between keys, and returns when it is done.
func (s *seat) event(do func()) {
	done := make(chan struct{})
	s.events <- act{do: func() { do(); close(done) }}
	<-done
}

func TestATypedLineSurvivesWhatArrives(t *testing.T) {
	s := sit(t, 40, 10)
	s.run(func() {
		s.types("half a li")
		s.event(func() { s.term.theirs(1002, time.Now(), "hello") })
		s.event(func() { s.shows("hh:mm    1002 hello", "> half a li") })
		s.types("ne\r")
		s.event(func() { s.shows("hh:mm    1002 hello", "hh:mm …  you  half a line", ">") })
		s.event(func() { s.term.notice("1002 is away") })
		s.event(func() {
			s.shows("hh:mm    1002 hello", "hh:mm …  you  half a line", "      -- 1002 is away", ">")
		})
	})
}

func TestTicksAreRedrawnInPlace(t *testing.T) {
	s := sit(t, 40, 12)
	s.run(func() {
		s.types("one\r")
		s.types("two which is so long that it takes two rows\r")
		s.types("three\r")
		s.types("typing")
		s.event(func() { s.term.ticked([]uint64{1, 2, 3}, client.TickServer) })
		s.event(func() { s.term.ticked([]uint64{2}, client.TickDelivered) })
		s.event(func() { s.term.ticked([]uint64{1}, client.TickRead) })
		s.event(func() { s.term.rejected(3, "mailbox full") })
		s.event(func() {
			s.shows("hh:mm ✓✓ you  one", "hh:mm ✓✓ you  two which is so long that", "it takes two rows", "hh:mm ✗  you  three",
				"      ✗  not delivered (mailbox full): t", "hree", "> typing")
		})
	})
}

func TestTicksOfLinesThatLeftTheScreenAreSaidInWords(t *testing.T) {
	s := sit(t, 40, 8)
	s.run(func() {
		for i := range 9 {
			s.types(fmt.Sprintf("line %d\r", i+1))
		}
		s.event(func() { s.term.ticked([]uint64{1}, client.TickServer) })
		s.event(func() { s.term.ticked([]uint64{1, 2, 9}, client.TickDelivered) })
		s.event(func() {
			s.shows("hh:mm …  you  line 5", "hh:mm …  you  line 6", "hh:mm …  you  line 7", "hh:mm …  you  line 8",
				"hh:mm ✓✓ you  line 9", "      ✓  server: line 1", "      ✓✓ 2 earlier lines delivered", ">")
		})
	})
}

func TestAfterAResizeAClearedScreenOrAnUncertainWidthNothingIsRedrawnBlindly(t *testing.T) {
	for name, disturb := range map[string]func(s *seat){
		"a resize": func(s *seat) {
			s.event(func() { s.width = 50 })
			s.term.resized <- os.Interrupt
		},
		"a cleared screen": func(s *seat) { s.types("\x0c") },
		"a line whose width terminals disagree about": func(s *seat) {
			s.event(func() { s.term.theirs(1002, time.Now(), strings.Repeat("日", 20)) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := sit(t, 40, 12)
			s.run(func() {
				s.types("before\r")
				disturb(s)
				s.types("after\r")
				s.event(func() { s.term.ticked([]uint64{1, 2}, client.TickServer) })
				s.event(func() {
					screen := ""
					for _, row := range s.cells {
						screen += strings.TrimRight(string(row), " ") + "\n"
					}
					if !strings.Contains(screen, " ✓  you  after\n") || !strings.Contains(screen, "      ✓  server: before\n") || strings.Contains(screen, "✓  you  before") {
						t.Errorf("the screen shows\n%s", screen)
					}
				})
			})
		})
	}
}

func TestForeignTextCannotMoveTheCursor(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                     "plain",
		"\x1b[2J\x1b]0;title\x07":   "\uFFFD[2J\uFFFD]0;title\uFFFD",
		"two\nlines\tand a tab\r\n": "two⏎lines and a tab ⏎",
		"\u202Ereversed":            "\uFFFDreversed",
		"👩\u200d👧 Grüße":            "👩\u200d👧 Grüße",
		"\u0085\u009b31m":           "\uFFFD\uFFFD31m",
	} {
		if got := clean(in); got != want {
			t.Errorf("clean(%q) is %q, want %q", in, got, want)
		}
	}
}

func TestWhenIsSaidAsAPersonWould(t *testing.T) {
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.Local)
	if got := when(now.Add(-time.Hour), now); got != "11:00" {
		t.Errorf("today: %s", got)
	}
	if got := when(now.Add(-24*time.Hour), now); got != "2026-03-03 12:00" {
		t.Errorf("yesterday: %s", got)
	}
}
