package screen

import (
	"slices"
	"strings"
	"unicode"

	"trunkline/client"
	"trunkline/client/chat/talk"
)

// composer is the line that is being written: clusters, so that the cursor never stands inside an emoji.
type composer struct {
	text   []string
	cursor int // clusters before it
}

// String is what was written.
func (c *composer) String() string { return strings.Join(c.text, "") }

// set replaces everything; the cursor stands behind it.
func (c *composer) set(s string) {
	c.text = clusters(talk.Clean(s))
	c.cursor = len(c.text)
}

// insert adds text at the cursor. What makes the whole longer than a message may be is left out: false.
func (c *composer) insert(s string) bool {
	s = talk.Clean(strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)) // terminals paste line ends as carriage returns
	before, behind := strings.Join(c.text[:c.cursor], ""), strings.Join(c.text[c.cursor:], "")
	whole := len(before)+len(s)+len(behind) <= client.PayloadBytesMax
	if !whole {
		return false
	}
	head := clusters(before + s)
	c.text = clusters(before + s + behind)
	c.cursor = min(len(head), len(c.text))
	return true
}

// remove takes clusters from i to j out.
func (c *composer) remove(i, j int) {
	i, j = max(i, 0), min(j, len(c.text))
	if i >= j {
		return
	}
	c.text = slices.Delete(c.text, i, j)
	switch {
	case c.cursor >= j:
		c.cursor -= j - i
	case c.cursor > i:
		c.cursor = i
	}
}

func isSpace(s string) bool { return strings.TrimFunc(s, unicode.IsSpace) == "" }

// wordLeft is where the word before the cursor begins, wordRight where the one behind it ends.
func (c *composer) wordLeft() int {
	i := c.cursor
	for i > 0 && isSpace(c.text[i-1]) {
		i--
	}
	for i > 0 && !isSpace(c.text[i-1]) {
		i--
	}
	return i
}

func (c *composer) wordRight() int {
	i := c.cursor
	for i < len(c.text) && isSpace(c.text[i]) {
		i++
	}
	for i < len(c.text) && !isSpace(c.text[i]) {
		i++
	}
	return i
}

// key edits. False: the key is not the editor's.
func (c *composer) key(k string) bool {
	switch k {
	case "left", "ctrl+b":
		c.cursor = max(0, c.cursor-1)
	case "right":
		c.cursor = min(len(c.text), c.cursor+1)
	case "ctrl+left", "alt+left", "alt+b":
		c.cursor = c.wordLeft()
	case "ctrl+right", "alt+right":
		c.cursor = c.wordRight()
	case "home", "ctrl+a":
		c.cursor = c.lineStart()
	case "ctrl+e":
		c.cursor = c.lineEnd()
	case "backspace", "ctrl+h":
		c.remove(c.cursor-1, c.cursor)
	case "delete", "ctrl+d":
		c.remove(c.cursor, c.cursor+1)
	case "ctrl+w", "alt+backspace":
		c.remove(c.wordLeft(), c.cursor)
	case "ctrl+u":
		c.remove(c.lineStart(), c.cursor)
	case "ctrl+k":
		c.remove(c.cursor, c.lineEnd())
	default:
		return false
	}
	return true
}

func (c *composer) lineStart() int {
	i := c.cursor
	for i > 0 && c.text[i-1] != "\n" {
		i--
	}
	return i
}

func (c *composer) lineEnd() int {
	i := c.cursor
	for i < len(c.text) && c.text[i] != "\n" {
		i++
	}
	return i
}

// row is one row of the text as it is drawn: clusters from to (without) to.
type row struct{ from, to int }

// rows breaks the text at n columns. There is always a place for the cursor behind the last cluster.
func (c *composer) rows(n int) []row {
	rows, at, used := []row{}, 0, 0
	for i, s := range c.text {
		w := width(s)
		switch {
		case s == "\n":
			rows = append(rows, row{at, i})
			at, used = i+1, 0
			continue
		case used+w > n && i > at:
			rows = append(rows, row{at, i})
			at, used = i, 0
		}
		used += w
	}
	rows = append(rows, row{at, len(c.text)})
	if used >= n {
		rows = append(rows, row{len(c.text), len(c.text)})
	}
	return rows
}

// cursorRow is the row in which the cursor is drawn.
func (c *composer) cursorRow(rows []row) int {
	for i := len(rows) - 1; i > 0; i-- {
		if c.cursor >= rows[i].from {
			return i
		}
	}
	return 0
}

// move goes a row up (-1) or down (1) in a text that is n columns wide. False: there is none.
func (c *composer) move(step, n int) bool {
	rows := c.rows(n)
	at := c.cursorRow(rows)
	to := at + step
	if to < 0 || to >= len(rows) {
		return false
	}
	c.cursor = min(rows[to].from+c.cursor-rows[at].from, rows[to].to)
	return true
}
