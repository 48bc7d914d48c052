package screen

import (
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// width is the columns that a text takes.
func width(s string) int { return ansi.StringWidth(s) }

// fit makes a text exactly n columns wide: it is cut with an ellipsis, or filled with spaces.
func fit(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if width(s) > n {
		s = ansi.Truncate(s, n, "…")
	}
	return s + strings.Repeat(" ", max(0, n-width(s)))
}

// fitRight is fit with the spaces in front.
func fitRight(s string, n int) string {
	if n <= 0 {
		return ""
	}
	if width(s) > n {
		s = ansi.Truncate(s, n, "…")
	}
	return strings.Repeat(" ", max(0, n-width(s))) + s
}

// centre puts a text in the middle of n columns.
func centre(s string, n int) string {
	s = strings.TrimRight(fit(s, min(n, width(s))), " ")
	return fit(strings.Repeat(" ", max(0, (n-width(s))/2))+s, n)
}

// wrap breaks clean text into rows of at most n columns.
func wrap(s string, n int) []string {
	if n < 1 {
		return nil
	}
	return strings.Split(ansi.Wrap(s, n, ""), "\n")
}

// clusters splits a text into what a reader takes for characters.
func clusters(s string) []string {
	var list []string
	for len(s) > 0 {
		c, _ := ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
		if c == "" {
			c = s[:1]
		}
		list = append(list, c)
		s = s[len(c):]
	}
	return list
}
