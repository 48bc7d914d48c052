package screen

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"trunkline/client"
	"trunkline/client/chat/talk"
	"trunkline/codec"
	"trunkline/codec/iq"
)

var update = flag.Bool("update", false, "write the golden views anew")

const (
	me     = 1001
	ann    = talk.Peer(1002)
	bob    = talk.Peer(1003)
	hikers = talk.Peer(codec.GroupBit | 7)
)

// noon is a Wednesday. Views show local time, so the tests' zone is fixed.
var noon = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	time.Local = time.UTC
	os.Exit(m.Run())
}

// glass is a screen whose tasks go nowhere but into a list.
type glass struct {
	*Screen
	tasks []talk.Task
	at    time.Time
}

// look makes a screen of a size, with styles of a profile.
func look(w, h int, profile termenv.Profile, colour bool) *glass {
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(profile)
	r.SetHasDarkBackground(true)
	g := &glass{at: noon}
	g.Screen = New(talk.New(me), NewTheme(r, colour), func(t []talk.Task) { g.tasks = append(g.tasks, t...) }, func() time.Time { return g.at })
	g.Update(tea.WindowSizeMsg{Width: w, Height: h})
	return g
}

func (g *glass) report(r talk.Report) { g.Update(Report{r}) }

// keys presses keys; a name of several letters is a key, everything else is typed.
func (g *glass) keys(list ...string) {
	named := map[string]tea.KeyMsg{
		"enter": {Type: tea.KeyEnter}, "esc": {Type: tea.KeyEsc}, "tab": {Type: tea.KeyTab}, "up": {Type: tea.KeyUp}, "down": {Type: tea.KeyDown},
		"left": {Type: tea.KeyLeft}, "home": {Type: tea.KeyHome}, "end": {Type: tea.KeyEnd}, "pgup": {Type: tea.KeyPgUp}, "pgdown": {Type: tea.KeyPgDown},
		"backspace": {Type: tea.KeyBackspace}, "ctrl+n": {Type: tea.KeyCtrlN}, "ctrl+p": {Type: tea.KeyCtrlP}, "ctrl+f": {Type: tea.KeyCtrlF},
		"ctrl+w": {Type: tea.KeyCtrlW}, "ctrl+u": {Type: tea.KeyCtrlU}, "alt+enter": {Type: tea.KeyEnter, Alt: true}, "ctrl+c": {Type: tea.KeyCtrlC},
	}
	for _, k := range list {
		if msg, ok := named[k]; ok {
			g.Update(msg)
			continue
		}
		g.Update(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(k)})
	}
}

// story fills a screen with what the views show.
func story(g *glass) {
	at := func(day int, clock string) time.Time {
		c, err := time.Parse("15:04", clock)
		if err != nil {
			panic(err)
		}
		return time.Date(2026, 3, day, c.Hour(), c.Minute(), 0, 0, time.UTC)
	}
	lines := []talk.Line{
		{Row: 1, Peer: hikers, From: 1002, Kind: talk.LineEvent, Text: "{1002} made the group “hiking” with {1001}, {1003}", At: at(2, "18:00")},
		{Row: 2, Peer: hikers, From: 1002, Kind: talk.LineText, Text: "Who comes along on Sunday? I thought of the lake 🏞️, and then up to the hut.", At: at(2, "18:01")},
		{Row: 3, Peer: hikers, From: 1003, Kind: talk.LineText, Text: "日本語のテキストは幅が広いので、折り返しも正しくなければなりません。そうでしょう?", At: at(3, "07:30")},
		{Row: 4, Peer: hikers, From: me, Mine: true, Kind: talk.LineText, Text: "me!\n\n- boots\n- rope", At: at(3, "09:15"), Cseq: 3, Level: client.TickRead},
		{Row: 5, Peer: hikers, From: 1003, Kind: talk.LineText, Text: "family 👩‍👩‍👧 and \x1b[31mnot red\x1b[0m", At: at(4, "08:00")},
		{Row: 6, Peer: hikers, From: 1003, Kind: talk.LineOpaque, Text: "(12 bytes that are no text)", At: at(4, "08:01")},
		{Row: 7, Peer: hikers, From: me, Mine: true, Kind: talk.LineText, Text: "delivered", At: at(4, "11:00"), Cseq: 4, Level: client.TickDelivered},
		{Row: 8, Peer: hikers, From: me, Mine: true, Kind: talk.LineText, Text: "taken", At: at(4, "11:01"), Cseq: 5, Level: client.TickServer},
		{Row: 9, Peer: hikers, From: me, Mine: true, Kind: talk.LineText, Text: "too late", At: at(4, "11:02"), Cseq: 6, Level: client.TickServer, Code: codec.CodeNotMember},
		{Row: 10, Peer: hikers, From: me, Mine: true, Kind: talk.LineText, Text: "waits", At: at(4, "11:03"), Cseq: 7},
	}
	g.report(talk.Start{
		Talks: []talk.Summary{
			{Peer: 1005, Last: talk.Line{Row: 1, Peer: 1005, From: 1005, Text: "old friends 👍🏽", At: at(1, "10:00").AddDate(-1, 0, 0)}},
			{Peer: bob, Last: talk.Line{Row: 6, Peer: bob, From: 1003, Kind: talk.LineText, Text: "see you", At: at(3, "21:00")}, Unread: 12},
			{Peer: ann, Last: talk.Line{Row: 5, Peer: ann, From: me, Mine: true, Kind: talk.LineText, Text: "bye", At: at(4, "07:00"), Cseq: 2, Level: client.TickRead}},
			{Peer: hikers, Last: lines[9]},
		},
		People: []talk.Person{{User: 1002, Name: "Ann"}, {User: 1003, Name: "Bob 山田"}, {User: me, Name: "Me"}},
		Groups: []talk.Group{{Peer: hikers, Subject: "hiking", Count: 3}},
	})
	g.report(talk.Events{client.Connected{}, client.Presence{User: 1002, Available: true}, client.Presence{User: 1003, LastSeen: at(3, "21:02")}})
	g.report(talk.Page{Load: talk.Load{Peer: hikers}, Lines: lines})
}

// golden compares a view with the file of that name.
func golden(t *testing.T, g *glass, name string) {
	t.Helper()
	view := g.View()
	fits(t, g, name)
	var b strings.Builder
	for _, row := range strings.Split(view, "\n") {
		b.WriteString(strings.TrimRight(row, " ") + "\n")
	}
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("%s looks like\n%s\nwant\n%s", name, b.String(), want)
	}
}

// fits says that a view has the terminal's size.
func fits(t *testing.T, g *glass, name string) {
	t.Helper()
	rows := strings.Split(g.View(), "\n")
	if len(rows) != g.height && g.height >= rowsMin && g.width >= columnsMin {
		t.Errorf("%s: %d rows of %d", name, len(rows), g.height)
	}
	for i, r := range rows {
		if width(r) > g.width {
			t.Errorf("%s: row %d has %d columns of %d: %q", name, i, width(r), g.width, r)
		}
	}
}

func TestGoldenViews(t *testing.T) {
	for _, size := range [][2]int{{80, 24}, {120, 40}, {40, 15}} {
		at := fmt.Sprintf("%dx%d", size[0], size[1])
		g := look(size[0], size[1], termenv.Ascii, false)
		golden(t, g, "empty-"+at)
		story(g)
		golden(t, g, "group-"+at)
		g.keys("see you there ", "alt+enter", "次の行")
		golden(t, g, "draft-"+at)
		g.keys("pgup")
		golden(t, g, "past-"+at)
		g.keys("end", "ctrl+u", "backspace", "ctrl+u", "/help", "enter")
		golden(t, g, "help-"+at)
		g.keys("esc", "/gr")
		golden(t, g, "command-"+at)
		g.keys("ctrl+u", "ctrl+f", "hut")
		golden(t, g, "search-"+at)
		g.keys("enter")
		g.report(talk.Found{Text: "hut", Lines: []talk.Line{
			{Row: 2, Peer: hikers, From: 1002, Kind: talk.LineText, Text: "and then up to the hut.", At: noon}, {Row: 77, Peer: ann, From: me, Mine: true, Text: "which hut?", At: noon},
		}})
		golden(t, g, "found-"+at)
		g.keys("esc")
		g.report(talk.Events{client.Typing{User: 1002, State: client.TypingComposing}, client.Disconnected{Err: client.ErrPongTimeout}})
		g.report(talk.Trouble{Err: fmt.Errorf("history: the disk is full")})
		golden(t, g, "trouble-"+at)
	}
}

func TestEverySizeIsFilledAndNothingIsWider(t *testing.T) {
	g := look(80, 24, termenv.ANSI, true)
	story(g)
	g.keys("some 日本語 text that is longer than many terminals are wide, with 👩‍👩‍👧")
	for w := 1; w <= 130; w += 3 {
		for h := 1; h <= 40; h += 4 {
			g.Update(tea.WindowSizeMsg{Width: w, Height: h})
			fits(t, g, fmt.Sprintf("%dx%d", w, h))
			g.keys("pgup", "pgdown")
		}
	}
}

func TestNoControlCharacterOfOthersReachesTheTerminal(t *testing.T) {
	g := look(100, 30, termenv.Ascii, false)
	evil := "\x1b]0;title\a\x1b[2J\x1b[31mx\r\b\u009b1m\u202e\u2066\x00"
	story(g)
	name := func(user uint64) {
		g.report(talk.Answered{Ask: talk.Ask{Op: iq.OpProfileGet, User: user, Show: true}, Profile: client.Profile{Name: "n" + evil, About: evil}})
	}
	check := func(where string) {
		t.Helper()
		for _, r := range g.View() {
			if r != '\n' && r != '\u200d' && !unicode.IsPrint(r) {
				t.Errorf("%s: %U reaches the terminal", where, r)
			}
		}
	}
	name(1002)
	name(666)
	check("a profile")
	g.keys("esc")
	m := client.Message{ID: 1, From: 666, Seq: 1, Time: noon, Payload: []byte(evil + "\n" + evil)}
	g.report(talk.Events{m})
	check("the list")
	g.keys("/new 666", "enter")
	g.report(talk.Events{client.Message{ID: 2, From: 666, Seq: 2, Time: noon, Payload: []byte(evil)}, client.Typing{User: 666, State: 1}})
	check("a conversation")
	g.report(talk.Events{client.GroupEvent{Group: uint64(hikers), Change: client.GroupSubject, By: 666, Subject: evil}})
	g.report(talk.Answered{Ask: talk.Ask{Op: iq.OpGroupInfo, Group: uint64(hikers), Show: true}, Group: client.Group{
		ID: uint64(hikers), Subject: evil, Members: []client.Member{{User: 666}}, Invite: []byte(evil)}})
	check("a group")
	g.report(talk.Found{Text: evil, Lines: []talk.Line{{Row: 1, Peer: 666, From: 666, Text: evil, Kind: talk.LineText}}})
	check("a search")
	g.keys("esc", evil, "\x1b[200~")
	check("the composing line")
	g.keys("enter", "/new"+evil, "enter")
	check("a command")
	g.report(talk.Answered{Ask: talk.Ask{Op: iq.OpBlocksAdd, Show: true}, Err: &client.ServerError{Code: 19, Text: evil}})
	check("an answer")
	g.report(talk.Events{client.Disconnected{Err: fmt.Errorf("%s", evil)}})
	g.report(talk.Trouble{Err: fmt.Errorf("%s", evil)})
	check("trouble")
	g.report(talk.Trouble{})
	g.report(talk.Ended{Err: fmt.Errorf("%s", evil)})
	check("the end")
}

func TestWithoutColourThereIsNone(t *testing.T) {
	g := look(80, 24, termenv.ANSI, false)
	story(g)
	for _, code := range strings.Split(g.View(), "\x1b[")[1:] {
		sgr, _, _ := strings.Cut(code, "m")
		for _, n := range strings.Split(sgr, ";") {
			if len(n) == 2 && (n[0] == '3' || n[0] == '4' || n[0] == '9') {
				t.Errorf("colour %q", sgr)
			}
		}
	}
	if v := g.View(); !strings.Contains(v, "✓✓✓") {
		t.Error("without colour a read line looks like a delivered one")
	}
	g = look(80, 24, termenv.ANSI, true)
	story(g)
	if v := g.View(); strings.Contains(v, "✓✓✓") || !strings.Contains(v, "\x1b[1;94m✓✓") {
		t.Error("with colour a read line is not blue")
	}
}

func TestThePastStaysInSightWhenLinesCome(t *testing.T) {
	g := look(80, 24, termenv.Ascii, false)
	var lines []talk.Line
	for i := 1; i <= 60; i++ {
		lines = append(lines, talk.Line{Row: int64(i), Peer: ann, From: uint64(ann), Kind: talk.LineText, Text: fmt.Sprintf("line <%d>", i), At: noon})
	}
	g.keys("/new 1002", "enter")
	g.report(talk.Page{Load: talk.Load{Peer: ann}, Lines: lines, More: true})
	g.keys("pgup")
	before := g.View()
	g.report(talk.Events{client.Message{ID: 1, From: uint64(ann), Seq: 1, Time: noon, Payload: []byte("new, long enough for more than one row of the pane, I hope so")}})
	body := func(v string) string { return strings.Join(strings.Split(v, "\n")[4:20], "\n") }
	if after := g.View(); body(after) != body(before) {
		t.Errorf("was\n%s\nis\n%s", before, after)
	}
	g.tasks = nil
	for range 5 {
		g.keys("pgup")
	}
	loads := 0
	for _, task := range g.tasks {
		if l, ok := task.(talk.Load); ok && l.Before == 1 {
			loads++
		}
	}
	if loads != 1 {
		t.Errorf("%d loads of the past: %v", loads, g.tasks)
	}
	g.keys("end")
	if v := g.View(); !strings.Contains(v, "new, long enough") {
		t.Errorf("the newest line is not in sight:\n%s", v)
	}
}

func TestTheComposingLine(t *testing.T) {
	g := look(60, 20, termenv.Ascii, false)
	g.keys("/new 1002", "enter")
	text := func() string { return g.input.String() }
	g.keys("family 👩‍👩‍👧", "backspace", "backspace", "!")
	if text() != "family!" {
		t.Errorf("an emoji is one character: %q", text())
	}
	g.keys("ctrl+u", "one two  ", "ctrl+w", "left", "left", "left", "X")
	if text() != "oXne " {
		t.Errorf("words: %q", text())
	}
	g.keys("end", "ctrl+u")
	g.Update(tea.KeyMsg{Type: tea.KeyRunes, Paste: true, Runes: []rune("pasted\r\nrow 2\n/row 3\x1b[31m")})
	if text() != "pasted\nrow 2\n/row 3\ufffd[31m" {
		t.Errorf("pasted: %q", text())
	}
	g.tasks = nil
	g.keys("enter")
	if s, ok := g.tasks[len(g.tasks)-1].(talk.Send); !ok || s.Line.Text != "pasted\nrow 2\n/row 3\ufffd[31m" {
		t.Errorf("a pasted text is one message: %v", g.tasks)
	}
	g.keys("second", "enter", "third", "up", "up")
	if text() != "pasted\nrow 2\n/row 3\ufffd[31m" {
		t.Errorf("history: %q", text())
	}
	g.keys("end", "down", "down", "down", "down", "down")
	if text() != "third" {
		t.Errorf("history has an end: %q", text())
	}
	g.keys("ctrl+u")
	g.keys(strings.Repeat("x", client.PayloadBytesMax+1))
	if text() != "" || !strings.Contains(g.View(), "too long") {
		t.Errorf("too long: %d bytes", len(text()))
	}
	g.keys("/gro", "tab")
	if text() != "/group " {
		t.Errorf("completed: %q", text())
	}
	g.keys("ctrl+u", "a draft", "ctrl+f", "words", "esc")
	if text() != "a draft" {
		t.Errorf("a search took the draft: %q", text())
	}
	g.keys("ctrl+f", "more words", "enter")
	if f, ok := g.tasks[len(g.tasks)-1].(talk.Find); !ok || f.Text != "more words" || text() != "a draft" {
		t.Errorf("search: %v %q", f, text())
	}
	if _, cmd := g.Update(tea.KeyMsg{Type: tea.KeyCtrlC}); cmd == nil {
		t.Error("Ctrl-C does not leave")
	}
}

func TestDraftsStayWithTheirConversations(t *testing.T) {
	g := look(80, 24, termenv.Ascii, false)
	g.keys("/new 1002", "enter", "for ann", "ctrl+u", "/new 1003", "enter")
	g.keys("for bob")
	g.keys("ctrl+n", "for ann too")
	g.keys("ctrl+n")
	if got := g.input.String(); got != "for bob" || g.model.Open != bob {
		t.Errorf("bob's draft is %q", got)
	}
	if v := g.View(); !strings.Contains(v, "draft: for ann too") {
		t.Errorf("the list does not show a draft:\n%s", v)
	}
}

func TestAFoundLineIsShownAndMarked(t *testing.T) {
	g := look(80, 24, termenv.Ascii, false)
	g.keys("/new 1002", "enter")
	g.report(talk.Page{Load: talk.Load{Peer: ann}})
	g.report(talk.Found{Text: "x", Lines: []talk.Line{{Row: 50, Peer: ann, From: uint64(ann), Kind: talk.LineText, Text: "line <50>", At: noon}}})
	g.keys("enter")
	var lines []talk.Line
	for i := 1; i <= 100; i++ {
		lines = append(lines, talk.Line{Row: int64(i), Peer: ann, From: uint64(ann), Kind: talk.LineText, Text: fmt.Sprintf("line <%d>", i), At: noon})
	}
	g.report(talk.Page{Load: talk.Load{Peer: ann, Around: 50}, Lines: lines, More: true, Newer: true})
	if v := g.View(); !strings.Contains(v, "»12:00     ") || !strings.Contains(v, "line <50>") {
		t.Errorf("looks like\n%s", v)
	}
}
