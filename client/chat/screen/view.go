package screen

import (
	"fmt"
	"strings"

	"trunkline/client/chat/talk"
)

// View implements tea.Model: exactly as many rows as the terminal has, none wider than it is.
//
//	 list                 │ title                      presence
//	 ...                  │ lines
//	──────────────────────┴──────────────────────────────────────
//	> what is written
//	 notices, connection, help
func (s *Screen) View() string {
	if s.width < columnsMin || s.height < rowsMin {
		return fit("too small", s.width)
	}
	var left, right []string
	body := s.bodyRows() + 1 // the title is above it
	if !s.narrow() || s.choose {
		left = s.drawList(body)
	}
	if !s.narrow() || !s.choose {
		right = s.drawTalk(body)
	}
	rows := make([]string, 0, s.height)
	for i := range body {
		switch {
		case left == nil:
			rows = append(rows, right[i])
		case right == nil:
			rows = append(rows, left[i])
		default:
			rows = append(rows, left[i]+s.theme.Bar.Render("│")+right[i])
		}
	}
	rows = append(rows, s.drawRule())
	rows = append(rows, s.drawComposer()...)
	return strings.Join(append(rows, s.drawStatus()), "\n")
}

// listColumns is the list's width, talkColumns that of the conversation.
func (s *Screen) listColumns() int {
	if s.narrow() {
		return s.width
	}
	return max(listMin, min(listMax, s.width*3/10))
}

func (s *Screen) talkColumns() int {
	if s.narrow() {
		return s.width
	}
	return s.width - s.listColumns() - 1
}

// bodyRows is how many rows of lines there are: all but the title, the rule, the composer and the last row.
func (s *Screen) bodyRows() int { return max(1, s.height-3-s.composeRows()) }

func (s *Screen) drawRule() string {
	if s.narrow() {
		return s.theme.Bar.Render(strings.Repeat("─", s.width))
	}
	n := s.listColumns()
	return s.theme.Bar.Render(strings.Repeat("─", n) + "┴" + strings.Repeat("─", s.width-n-1))
}

// promptText stands in front of what is written.
func (s *Screen) promptText() string {
	if s.prompt != "" {
		return "search> "
	}
	return "> "
}

func (s *Screen) composeColumns() int { return max(1, s.width-width(s.promptText())-1) }

func (s *Screen) composeRows() int {
	return max(1, min(composeRowsMax, len(s.input.rows(s.composeColumns())), s.height-5))
}

// drawComposer draws the line that is written, the cursor reversed.
func (s *Screen) drawComposer() []string {
	rows := s.input.rows(s.composeColumns())
	n := s.composeRows()
	at := s.input.cursorRow(rows)
	from := max(0, min(at-n+1, len(rows)-n))
	out := make([]string, 0, n)
	for i := from; i < from+n; i++ {
		prompt := strings.Repeat(" ", width(s.promptText()))
		if i == 0 {
			prompt = s.promptText()
		}
		text, used := "", 0
		for j := rows[i].from; j < rows[i].to; j++ {
			used += width(s.input.text[j])
			if i == at && j == s.input.cursor {
				text += s.theme.Pointer.Render(s.input.text[j])
				continue
			}
			text += s.input.text[j]
		}
		if i == at && s.input.cursor >= rows[i].to {
			text += s.theme.Pointer.Render(" ")
			used++
		}
		out = append(out, s.theme.Strong.Render(prompt)+text+strings.Repeat(" ", max(0, s.width-width(prompt)-used)))
	}
	return out
}

// drawStatus is the last row: trouble before notices before what the command is before help.
func (s *Screen) drawStatus() string {
	style, text := s.theme.Bar, ""
	switch name, isCommand := strings.CutPrefix(s.input.String(), "/"); {
	case s.model.Trouble != nil:
		style, text = s.theme.Bad, strings.TrimPrefix(talk.CleanLine(s.model.Trouble.Error()), "history: ")+"; nothing is taken or sent meanwhile"
	case s.model.Ended != nil:
		style, text = s.theme.Bad, ended(s.model.Ended)+"; Ctrl-C leaves"
	case s.model.Notice.Text != "":
		style, text = s.theme.Strong, s.model.Notice.Text
	case isCommand && s.prompt == "":
		text = s.commandHelp(name)
	case s.prompt != "":
		text = "words to look for in everything that was said; Enter searches, Esc goes back"
	case s.model.Card != nil && s.model.Card.Leads():
		text = "↑ ↓ choose, Enter opens, Esc closes"
	case s.model.Card != nil:
		text = "↑ ↓ PgUp PgDn scroll, Esc closes"
	case !s.model.Link.Up && s.model.Link.Tried:
		style, text = s.theme.Bad, "no connection: "+s.model.Link.Why+"; trying again, what you write waits"
	case s.up > 0:
		text = "PgDn goes on, End goes to the newest line"
	case s.narrow():
		text = "Tab list · Ctrl-F search · /help"
	default:
		text = "Ctrl-N Ctrl-P conversations · PgUp past · Ctrl-F search · /help commands"
	}
	return style.Render(fit(" "+text, s.width))
}

// commandHelp says what a command that is being written does, or which there are.
func (s *Screen) commandHelp(text string) string {
	name, _, args := strings.Cut(text, " ")
	list := talk.Matching(name)
	switch {
	case strings.HasPrefix(text, "/"):
		return "a message that begins with a slash"
	case len(list) == 0:
		return "no such command; /help lists them"
	case len(list) == 1 || list[0].Name == name || args:
		return strings.TrimSpace(fmt.Sprintf("/%s %s", list[0].Name, list[0].Args)) + " – " + list[0].Does
	}
	var names []string
	for _, c := range list {
		names = append(names, "/"+c.Name)
	}
	return strings.Join(names, " ")
}

// ended says why a client does not come back.
func ended(err error) string {
	return strings.TrimPrefix(strings.TrimPrefix(talk.CleanLine(err.Error()), "client: closed: "), "client: ")
}
