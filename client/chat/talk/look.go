package talk

import (
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"trunkline/client"
	"trunkline/codec"
)

// What package screen asks the model. Names and texts that these functions give are clean.

// Talks are the conversations as the list shows them.
func (m *Model) Talks() []Peer { return m.order }

// Talk is the conversation with p, nil when there is none.
func (m *Model) Talk(p Peer) *Talk { return m.talks[p] }

// Person is what is known of a user, the zero value when nothing is.
func (m *Model) Person(user uint64) Person {
	if p := m.people[user]; p != nil {
		return *p
	}
	return Person{User: user}
}

// Group is what is known of a group.
func (m *Model) Group(peer Peer) Group {
	if g := m.groups[peer]; g != nil {
		return *g
	}
	return Group{Peer: peer}
}

// Name is a user's name from its profile, else its number. A name that is a number would pass for another user, so it is not used.
func (m *Model) Name(user uint64) string {
	name := cut(strings.TrimSpace(Brief(m.Person(user).Name)), NameRunesMax)
	letters := strings.ContainsFunc(name, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsSymbol(r) })
	if name == "" || !letters {
		return Peer(user).String()
	}
	return name
}

// Title is the name of a conversation.
func (m *Model) Title(p Peer) string {
	if !p.IsGroup() {
		if uint64(p) == m.Me {
			return "notes to yourself"
		}
		return m.Name(uint64(p))
	}
	if s := strings.TrimSpace(Brief(m.Group(p).Subject)); s != "" {
		return s
	}
	return p.String()
}

// Writing lists who writes in a conversation at the moment.
func (m *Model) Writing(p Peer, now time.Time) []uint64 {
	t := m.talks[p]
	if t == nil {
		return nil
	}
	var users []uint64
	for u, until := range t.typing {
		if now.Before(until) {
			users = append(users, u)
		}
	}
	slices.Sort(users)
	return users
}

// Unread is how many lines of all conversations are unread.
func (m *Model) Unread() (n int) {
	for _, t := range m.talks {
		n += t.Unread
	}
	return n
}

// Why says in words what a code means.
func Why(code codec.ErrorCode) string {
	text := strings.TrimPrefix((&client.ServerError{Code: code}).Error(), "server: ")
	text, _, _ = strings.Cut(text, " (code")
	return text
}

// cut shortens text to at most n runes.
func cut(text string, n int) string {
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return string([]rune(text)[:n-1]) + "…"
}
