package screen

import (
	"github.com/charmbracelet/lipgloss"
)

// Theme is how things look.
type Theme struct {
	Colour bool // without: what colour would say is said by shape

	Plain, Faint, Strong, Title, Bar                lipgloss.Style
	Here, Read, Bad, Unread, Own, Selected, Pointer lipgloss.Style
}

// The colours are of the sixteen that every terminal has and its user has chosen; where the background decides, there are two.
var (
	blue   = lipgloss.AdaptiveColor{Light: "4", Dark: "12"}
	green  = lipgloss.AdaptiveColor{Light: "2", Dark: "10"}
	red    = lipgloss.AdaptiveColor{Light: "1", Dark: "9"}
	yellow = lipgloss.AdaptiveColor{Light: "3", Dark: "11"}
	cyan   = lipgloss.AdaptiveColor{Light: "6", Dark: "14"}
	grey   = lipgloss.AdaptiveColor{Light: "8", Dark: "7"}
)

// NewTheme makes the styles on a renderer, which knows the terminal. Without colour there are still bold, faint and reverse.
func NewTheme(r *lipgloss.Renderer, colour bool) Theme {
	s := r.NewStyle
	t := Theme{
		Colour: colour,
		Plain:  s(), Faint: s().Faint(true), Strong: s().Bold(true), Title: s().Bold(true), Bar: s().Faint(true),
		Here: s(), Read: s(), Bad: s().Bold(true), Unread: s().Bold(true), Own: s(), Selected: s().Reverse(true), Pointer: s().Reverse(true),
	}
	if !colour {
		return t
	}
	t.Faint, t.Bar = s().Foreground(grey).Faint(r.HasDarkBackground()), s().Foreground(grey) // faint grey on white is hard to read
	t.Here, t.Read, t.Own = s().Foreground(green), s().Foreground(blue).Bold(true), s().Foreground(cyan)
	t.Bad, t.Unread = s().Foreground(red).Bold(true), s().Foreground(yellow).Bold(true)
	return t
}
