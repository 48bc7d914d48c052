package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
	"unicode"

	"golang.org/x/term"

	"trunkline/client"
)

// terminal shows a conversation on a terminal and edits the line that is being typed. Everything happens on one goroutine:
// the line editor asks for keys by Read, and while it waits there, events are shown above the line.
//
//	22:41    1002  hello                     <- shown lines, rows counted from the first
//	22:41 ✓✓ you   hi                        <- its tick is redrawn in place while its row is on the screen
//	> wha_                                   <- the editor's; it is taken away and redrawn around every write
type terminal struct {
	edit    *term.Terminal
	out     io.Writer
	size    func() (width, height int, err error)
	keys    chan []byte
	keysErr chan error
	resized chan os.Signal
	rest    []byte // keys not given to the editor yet
	ctx     context.Context
	events  <-chan client.Event
	handle  func(client.Event)
	names   int // width of the column of names

	width, height int
	row           int               // rows written above the editor
	known         int               // rows below this one can't be found again: a resize or a width that is uncertain
	rows          map[uint64]ownRow // of own lines
	colour        bool
	prompt        string // as the editor last drew it
}

// ownRow is where an own line begins, and its text for when that is no longer on the screen.
type ownRow struct {
	row  int
	text string
}

const (
	onlinePrompt  = "> "
	offlinePrompt = "(offline) > "
	ownName       = "you"
	// tickColumn is where a line's tick stands, counted from 1: behind "15:04 ".
	tickColumn = 7
	// editorRows is how many rows at the bottom are left to the editor when ticks are redrawn in place.
	editorRows = 4
)

// usableTerminal says whether both ends are a terminal that takes cursor movements.
func usableTerminal(in, out *os.File) bool {
	return term.IsTerminal(int(in.Fd())) && term.IsTerminal(int(out.Fd())) && os.Getenv("TERM") != "dumb"
}

// openTerminal takes the terminal over until restore is called, which leaves the cursor on a line of its own.
func openTerminal(in, out *os.File, peer uint64) (t *terminal, restore func(), err error) {
	saved, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return nil, nil, fmt.Errorf("take the terminal: %w", err)
	}
	t = newTerminal(out, peer, func() (int, int, error) { return term.GetSize(int(out.Fd())) })
	if os.Getenv("NO_COLOR") != "" {
		t.colour = false
	}
	signal.Notify(t.resized, syscall.SIGWINCH)
	go t.readKeys(in) // ends with the process: a read of a terminal can't be called back
	return t, func() {
		signal.Stop(t.resized)
		_, _ = io.WriteString(out, "\r\x1b[K")
		_ = term.Restore(int(in.Fd()), saved) // the process ends: nothing is left to be done about an error
	}, nil
}

func newTerminal(out io.Writer, peer uint64, size func() (width, height int, err error)) *terminal {
	t := &terminal{
		out: out, size: size, prompt: offlinePrompt, colour: true,
		keys: make(chan []byte), keysErr: make(chan error, 1), resized: make(chan os.Signal, 1),
		rows: map[uint64]ownRow{}, names: max(len(fmt.Sprint(peer)), len(ownName)), width: 80, height: 24,
	}
	t.edit = term.NewTerminal(t, t.prompt)
	t.resize()
	return t
}

func (t *terminal) readKeys(in io.Reader) {
	for {
		b := make([]byte, 256)
		n, err := in.Read(b)
		if n > 0 {
			t.keys <- b[:n]
		}
		if err != nil {
			t.keysErr <- err
			return
		}
	}
}

// next implements input.
func (t *terminal) next(ctx context.Context, events <-chan client.Event, handle func(client.Event)) (string, error) {
	t.ctx, t.events, t.handle = ctx, events, handle
	return t.edit.ReadLine()
}

// Read gives the editor keys. What else happens meanwhile is handled here.
func (t *terminal) Read(p []byte) (int, error) {
	for len(t.rest) == 0 {
		select {
		case t.rest = <-t.keys:
		case err := <-t.keysErr:
			return 0, err
		case ev, open := <-t.events:
			if !open {
				return 0, errClientEnded
			}
			t.handle(ev)
		case <-t.resized:
			t.resize()
		case <-t.ctx.Done():
			return 0, io.EOF
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	return n, nil
}

// Write takes what the editor draws. A cleared screen (Ctrl-L) takes the rows with it.
func (t *terminal) Write(b []byte) (int, error) {
	if bytes.Contains(b, []byte("\x1b[2J")) {
		t.known = t.row
	}
	return t.out.Write(b)
}

// resize asks for the size. Terminals break lines anew when it changes: rows are not where they were.
func (t *terminal) resize() {
	w, h, err := t.size()
	if err != nil || w <= 0 || h <= 0 {
		return
	}
	t.width, t.height, t.known = w, h, t.row
	if err := t.edit.SetSize(w, h); err != nil {
		t.known = t.row
	}
}

// print shows one line above the editor and counts its rows.
func (t *terminal) print(line string) {
	_, _ = t.edit.Write([]byte(line + "\n")) // a terminal that is gone ends the chat by its input
	t.count(line)
}

func (t *terminal) count(line string) {
	narrow, wide := textWidth(line)
	low, high := rowsOf(narrow, t.width), rowsOf(wide, t.width)
	t.row += high
	if low != high {
		t.known = t.row // terminals differ about this line: nothing above it can be found for certain
	}
}

// own replaces what the editor left of the typed line by the line as it is shown.
func (t *terminal) own(id uint64, text string) {
	text = clean(text)
	typed, _ := textWidth(text)
	back := (len(t.prompt)+typed)/t.width + 1
	line := fmt.Sprintf("%s %s %-*s %s", time.Now().Format("15:04"), t.mark(client.TickNone), t.names, ownName, text)
	t.rows[id] = ownRow{row: t.row, text: shorten(text, plainTextMax)}
	t.forgetRows()
	_, _ = fmt.Fprintf(t.out, "\x1b[%dA\r\x1b[J%s\r\n", back, line)
	t.count(line)
}

// forgetRows keeps the table small: rows far above the screen are not looked for.
func (t *terminal) forgetRows() {
	if len(t.rows) <= chatMarksMax {
		return
	}
	for id, r := range t.rows {
		if r.row < t.row-10*t.height {
			delete(t.rows, id)
		}
	}
}

// ticked redraws the ticks of lines that are on the screen, and says in one line how many others there were.
func (t *terminal) ticked(ids []uint64, level client.TickLevel) {
	var b strings.Builder
	missed, last := 0, ""
	for _, id := range ids {
		r, ok := t.rows[id]
		if ok && t.onScreen(r.row) {
			fmt.Fprintf(&b, "\x1b7\x1b[%dA\x1b[%dG%s\x1b8", t.row-r.row, tickColumn, t.mark(level))
		} else {
			missed++
			last = r.text
		}
		if level >= client.TickRead {
			delete(t.rows, id)
		}
	}
	if b.Len() > 0 {
		_, _ = t.edit.Write([]byte(b.String()))
	}
	switch {
	case missed == 1 && last != "":
		t.print(fmt.Sprintf("      %s %s %s", t.mark(level), t.dim(level.String()+":"), last))
	case missed > 0:
		t.print(fmt.Sprintf("      %s %s", t.mark(level), t.dim(plural(missed, "earlier line")+" "+level.String())))
	}
}

// onScreen says that a row can be reached by moving the cursor up from the editor's first row.
func (t *terminal) onScreen(row int) bool { return row >= t.known && t.row-row <= t.height-editorRows }

func (t *terminal) rejected(id uint64, why string) {
	r := t.rows[id]
	if r.text != "" && t.onScreen(r.row) {
		_, _ = t.edit.Write(fmt.Appendf(nil, "\x1b7\x1b[%dA\x1b[%dG%s\x1b8", t.row-r.row, tickColumn, t.paint("31", "✗ ")))
	}
	delete(t.rows, id)
	t.print(fmt.Sprintf("      %s not delivered (%s): %s", t.paint("31", "✗ "), clean(why), r.text))
}

func (t *terminal) theirs(from uint64, at time.Time, text string) {
	t.print(fmt.Sprintf("%s    %s %s", when(at, time.Now()), t.paint("1", fmt.Sprintf("%-*d", t.names, from)), clean(text)))
}

func (t *terminal) notice(text string) {
	t.print(t.dim("      -- " + clean(text)))
}

// connected changes the prompt; the notice that follows has it drawn.
func (t *terminal) connected(c connection) {
	t.prompt = onlinePrompt
	if c == offline {
		t.prompt = offlinePrompt
	}
	t.edit.SetPrompt(t.prompt)
}

// mark is a level as two columns.
func (t *terminal) mark(level client.TickLevel) string {
	switch level {
	case client.TickNone:
		return t.dim("… ")
	case client.TickServer:
		return "✓ "
	case client.TickDelivered:
		return "✓✓"
	}
	if !t.colour {
		return "✔✔"
	}
	return t.paint("1;94", "✓✓")
}

func (t *terminal) dim(text string) string { return t.paint("2", text) }

func (t *terminal) paint(code, text string) string {
	if !t.colour {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

// rowsOf is how many rows a line of that width takes.
func rowsOf(width, columns int) int { return max(1, (width+columns-1)/columns) }

// textWidth is how many columns a line takes at least and at most, without its colours. Terminals agree about ASCII and
// the signs used here; about the rest they need not.
func textWidth(line string) (narrow, wide int) {
	inEscape := false
	for _, r := range line {
		switch {
		case inEscape:
			inEscape = r != 'm'
		case r == '\x1b':
			inEscape = true
		case r < 0x80 || strings.ContainsRune("✓✔✗…", r):
			narrow++
			wide++
		case unicode.In(r, unicode.Mn, unicode.Me) || r == '\u200d':
			wide++
		case r < 0x1100:
			narrow++
			wide++
		default:
			narrow++
			wide += 2
		}
	}
	return narrow, wide
}
