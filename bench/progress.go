package bench

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// progress says where a long run is. On a terminal one line redraws itself; elsewhere lines come, at most one every progressEvery but for
// important ones. Without a writer it is silent.
type progress struct {
	mu    sync.Mutex
	w     io.Writer
	width func() int // of the terminal; nil: there is none
	name  string     // of the run
	last  time.Time

	doing   string // what the run says it does
	stage   string // the phase
	since   time.Time
	figures string // what was sampled last
	drawn   bool   // a line stands that the next one overwrites
}

func newProgress(w io.Writer) *progress { return &progress{w: w, last: time.Now()} }

// now prints a line that stays, at once.
func (p *progress) now(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.print("bench: " + fmt.Sprintf(format, args...))
}

// often says what the run is doing: on a terminal at once, elsewhere unless the last line is fresh.
func (p *progress) often(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.doing = fmt.Sprintf(format, args...)
	p.say()
}

// phase names the part of the run that begins.
func (p *progress) phase(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stage, p.since, p.doing = name, time.Now(), ""
	p.say()
}

// beat takes what was sampled.
func (p *progress) beat(pt Point, l load) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.figures = figuresOf(pt, l, time.Since(p.since))
	if p.width != nil || p.stage != "" {
		p.say()
	}
}

// end takes the line that redraws itself away.
func (p *progress) end() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wipe()
	p.doing, p.stage, p.figures = "", "", ""
}

// say shows the line of the moment.
func (p *progress) say() {
	if p.w == nil {
		return
	}
	text := p.line()
	switch {
	case p.width != nil:
		p.drawn = true
		_, _ = io.WriteString(p.w, "\r"+cut(text, p.width()-1)+"\x1b[K") // who watches may be gone; the run goes on
	case time.Since(p.last) >= progressEvery:
		p.print(text)
	}
}

// line is what is known of the moment.
func (p *progress) line() string {
	head := p.doing
	if head == "" {
		head = p.name
		if p.stage != "" {
			head += ": " + p.stage
		}
	}
	if p.figures == "" {
		return "bench: " + head
	}
	return "bench: " + head + " | " + p.figures
}

// print writes a line that stays.
func (p *progress) print(text string) {
	p.last = time.Now()
	if p.w == nil {
		return
	}
	p.wipe()
	_, _ = io.WriteString(p.w, text+"\n")
}

// wipe takes the line away that stands.
func (p *progress) wipe() {
	if p.drawn && p.w != nil {
		_, _ = io.WriteString(p.w, "\r\x1b[K")
	}
	p.drawn = false
}

// figuresOf is what a sample says in one line: connections, rates, p99, errors, when the phase will be over, and what the server takes.
func figuresOf(pt Point, l load, inPhase time.Duration) string {
	var words []string
	add := func(format string, args ...any) { words = append(words, fmt.Sprintf(format, args...)) }
	switch s := pt.Server; {
	case pt.Load != nil:
		add("%s connections", thousands(pt.Load.Connections))
		addRate(add, pt.Load.LoginsPerSecond, pt.Load.MessagesPerSecond)
		if pt.Load.P99Ms != nil {
			add("p99 %s ms", short(*pt.Load.P99Ms))
		}
		if pt.Load.Errors > 0 {
			add("%s errors", thousands(int64(pt.Load.Errors)))
		}
	case s != nil:
		add("%s connections", thousands(s.Connections))
		addRate(add, s.LoginsPerSecond, s.MessagesPerSecond)
	}
	if left, ok := eta(l.done, l.of, inPhase); ok {
		add("ETA %v", left)
	}
	if s := pt.Server; s != nil {
		if s.RSSBytes > 0 {
			add("%s MB", short(mb(s.RSSBytes)))
		}
		add("%s cores", short(s.CPUCores))
	}
	return strings.Join(words, ", ")
}

func addRate(add func(string, ...any), logins, messages float64) {
	if logins > 0 {
		add("%s logins/s", short(logins))
	}
	if messages > 0 {
		add("%s messages/s", short(messages))
	}
}

// eta is how long the rest takes when it goes on as it went; false: nobody knows.
func eta(done, of int64, took time.Duration) (time.Duration, bool) {
	if done <= 0 || of <= done || took < time.Second {
		return 0, false
	}
	left := time.Duration(float64(took) / float64(done) * float64(of-done))
	return left.Round(time.Second), left <= DurationMax
}

// thousands writes a count with commas.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	first := 0
	if n < 0 {
		first = 1
	}
	for i := len(text) - 3; i > first; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// short writes a figure with about three digits that matter, and commas.
func short(v float64) string {
	switch a := math.Abs(v); {
	case a >= 100 && a < 9e15:
		return thousands(int64(math.Round(v)))
	case a >= 10:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
	case a >= 1 || a == 0:
		return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 2, 64), ".00")
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// cut keeps a text within columns; every rune that is written here is one wide.
func cut(text string, columns int) string {
	if columns < 1 {
		columns = 1
	}
	if utf8.RuneCountInString(text) <= columns {
		return text
	}
	runes := []rune(text)
	if columns == 1 {
		return string(runes[:1])
	}
	return string(runes[:columns-1]) + "…"
}
