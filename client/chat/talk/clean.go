package talk

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	joiner = '\u200d' // holds emoji together
	// marksMax is how many combining marks may stand on one character. Further ones are dropped: they would pile up over other lines.
	marksMax = 4
)

// Clean makes foreign text harmless on a terminal: no control characters, no escape sequences, no reversed writing, no piles of marks. Line
// ends stay; a tabulator becomes spaces; what has no place in text becomes the replacement character.
func Clean(text string) string { return clean(text, '\n') }

// CleanLine is Clean on one line.
func CleanLine(text string) string { return clean(text, '⏎') }

func clean(text string, lineEnd rune) string {
	var b strings.Builder
	b.Grow(len(text))
	marks := 0
	text = strings.ReplaceAll(text, "\r\n", "\n")
	for _, r := range text {
		if unicode.In(r, unicode.Mn, unicode.Me) {
			if marks++; marks > marksMax {
				continue
			}
		} else if r != joiner {
			marks = 0
		}
		switch {
		case r == '\n':
			b.WriteRune(lineEnd)
		case r == '\t':
			b.WriteString("    ")
		case r == '\r':
			b.WriteByte(' ')
		case r == joiner || unicode.IsPrint(r):
			b.WriteRune(r)
		default:
			b.WriteRune(utf8.RuneError)
		}
	}
	return b.String()
}

// Brief is one line for a list: cleaned, and without what terminals draw in different widths (joiners, variation selectors, skin tones).
func Brief(text string) string {
	return strings.Map(func(r rune) rune {
		if r == joiner || r >= 0xfe00 && r <= 0xfe0f || r >= 0x1f3fb && r <= 0x1f3ff {
			return -1
		}
		return r
	}, CleanLine(text))
}
