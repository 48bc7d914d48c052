package screen

import (
	"slices"
	"strings"

	tea "github.com/charmbracelet/bubbletea"

	"trunkline/client/chat/talk"
)

const findPrompt = "/find "

// key takes one key, or a text that was pasted.
func (s *Screen) key(msg tea.KeyMsg) {
	k := msg.String()
	switch {
	case msg.Type == tea.KeyRunes && !msg.Alt, msg.Type == tea.KeySpace:
		s.typed(string(msg.Runes))
		return
	case s.model.Card != nil && s.cardKey(k):
		return
	case s.narrow() && s.choose && s.listKey(k):
		return
	case s.global(k):
		return
	}
	switch k {
	case "enter":
		s.enter()
	case "alt+enter", "ctrl+j":
		s.typed("\n")
	case "tab":
		s.complete()
	case "up", "down":
		s.arrow(k)
	default:
		if s.input.key(k) {
			s.composed()
		}
	}
}

// global keys work wherever the user is.
func (s *Screen) global(k string) bool {
	switch k {
	case "ctrl+c", "ctrl+q":
		s.feed(talk.Say{Text: "/quit"})
	case "ctrl+n", "alt+down":
		s.step(1)
	case "ctrl+p", "alt+up":
		s.step(-1)
	case "pgup":
		s.leaf(s.bodyRows() - 1)
	case "pgdown":
		s.leaf(1 - s.bodyRows())
	case "ctrl+up":
		s.leaf(1)
	case "ctrl+down":
		s.leaf(-1)
	case "end":
		if s.up == 0 {
			s.input.cursor = len(s.input.text)
		}
		s.up, s.mark = 0, 0
		s.feed(talk.Jump{Peer: s.model.Open})
	case "ctrl+f":
		s.search()
	case "f1":
		s.feed(talk.Say{Text: "/help"})
		s.composed()
	case "esc":
		s.escape()
	default:
		return false
	}
	return true
}

// escape closes what is open: a card, a search, the list of a narrow screen, the past.
func (s *Screen) escape() {
	switch {
	case s.model.Card != nil:
		s.feed(talk.Close{})
	case s.prompt != "":
		s.unsearch()
	case s.narrow() && s.choose:
		s.choose = false
	case s.up > 0 || s.mark != 0:
		s.up, s.mark = 0, 0
		s.feed(talk.Jump{Peer: s.model.Open})
	}
}

// typed adds text at the cursor.
func (s *Screen) typed(text string) {
	if !s.input.insert(text) {
		s.feed(talk.TooLong{})
	}
	s.composed()
}

// composed tells the model what the line holds now.
func (s *Screen) composed() {
	s.back = 0
	if s.prompt == "" {
		s.feed(talk.Compose{Text: s.input.String()})
	}
}

// enter ends the line.
func (s *Screen) enter() {
	text := s.input.String()
	if s.prompt != "" {
		prompt := s.prompt
		s.unsearch()
		if strings.TrimSpace(text) != "" {
			s.run(prompt + strings.ReplaceAll(text, "\n", " "))
		}
		return
	}
	if strings.TrimSpace(text) == "" {
		return
	}
	if n := len(s.said); n == 0 || s.said[n-1] != text {
		s.said = append(s.said, text)
		s.said = s.said[max(0, len(s.said)-saidMax):]
	}
	s.back, s.up, s.mark = 0, 0, 0
	s.input.set("")
	s.feed(talk.Say{Text: text})
}

// run has a command done and leaves the draft as it is.
func (s *Screen) run(command string) {
	draft := s.input.String()
	s.feed(talk.Say{Text: command})
	s.feed(talk.Compose{Text: draft})
}

// search takes the composing line for words to look for; the draft waits.
func (s *Screen) search() {
	if s.prompt != "" {
		return
	}
	s.prompt = findPrompt
	s.input.set("")
}

func (s *Screen) unsearch() {
	s.prompt = ""
	s.input.set("")
	if t := s.model.Talk(s.model.Open); t != nil {
		s.input.set(t.Draft)
	}
}

// arrow moves in a text of several rows, and in what was said before.
func (s *Screen) arrow(k string) {
	step := 1
	if k == "up" {
		step = -1
	}
	if s.input.move(step, s.composeColumns()) || s.prompt != "" {
		return
	}
	if s.back == 0 {
		s.unsaid = s.input.String()
	}
	back := s.back - step
	if back < 0 || back > len(s.said) {
		return
	}
	text := s.unsaid
	if back > 0 {
		text = s.said[len(s.said)-back]
	}
	s.input.set(text)
	s.composed()
	s.back = back
}

// complete finishes the name of a command; in a narrow screen it shows the list.
func (s *Screen) complete() {
	text := s.input.String()
	if name, ok := strings.CutPrefix(text, "/"); ok && !strings.Contains(name, " ") {
		if list := talk.Matching(name); len(list) > 0 {
			s.input.set("/" + list[0].Name + " ")
			s.composed()
		}
		return
	}
	if s.narrow() {
		s.choose = !s.choose
	}
}

// step opens the next conversation of the list, or the one before.
func (s *Screen) step(by int) {
	list := s.model.Talks()
	if len(list) == 0 {
		return
	}
	i := slices.Index(list, s.model.Open)
	i = (i + by + len(list)) % len(list)
	s.prompt, s.mark = "", 0
	s.feed(talk.Open{Peer: list[i]})
}

// listKey chooses in the list of a narrow screen.
func (s *Screen) listKey(k string) bool {
	switch k {
	case "up":
		s.step(-1)
	case "down":
		s.step(1)
	case "enter":
		s.choose = false
	default:
		return false
	}
	return true
}

// cardKey moves on a card.
func (s *Screen) cardKey(k string) bool {
	c := s.model.Card
	switch k {
	case "up":
		s.card = c.NextJump(s.card, -1)
	case "down":
		s.card = c.NextJump(s.card, 1)
	case "pgup":
		s.card = max(0, s.card-s.bodyRows())
	case "pgdown":
		s.card = max(0, min(len(c.Rows)-1, s.card+s.bodyRows()))
	case "enter":
		if s.input.String() != "" {
			return false
		}
		to := talk.Jump{}
		if s.card < len(c.Rows) {
			to = c.Rows[s.card].Jump
		}
		if to.Peer == 0 {
			s.feed(talk.Close{})
			break
		}
		s.mark, s.newest, s.open = to.Row, key{}, 0
		s.feed(to)
	default:
		return false
	}
	return true
}
