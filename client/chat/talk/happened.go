package talk

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"trunkline/client"
	"trunkline/codec/iq"
)

// serverDevice stands in the stream of what a server says of a group, where no device of the user does.
const serverDevice = 255

// happened takes a change of a group and says it in words.
func (m *Model) happened(now time.Time, ev client.GroupEvent, w *Write) []Task {
	g := m.group(Peer(ev.Group))
	g.Epoch = ev.Epoch
	named := slices.Contains(ev.Users, m.Me)
	switch {
	case ev.Change == client.GroupRemoved && named, ev.Change == client.GroupLeft && (ev.By == m.Me || named):
		g.Gone = true
	case ev.By == m.Me && ev.Change == client.GroupJoined, named, ev.By == m.Me && ev.Change == client.GroupCreated:
		g.Gone = false
	}
	if ev.Change == client.GroupSubject || ev.Change == client.GroupCreated {
		g.Subject = ev.Subject
	}
	w.Groups = append(w.Groups, *g)
	m.locals++
	l := Line{
		Local: m.locals, Peer: g.Peer, From: ev.By, Mine: ev.By == m.Me, Kind: LineEvent, Text: inWords(&ev), At: ev.Time,
		Device: serverDevice, ID: ev.GroupSeq, GroupSeq: ev.GroupSeq, Seen: SeenTold,
	}
	w.Lines = append(w.Lines, l)
	m.put(m.talk(g.Peer), l)
	tasks := m.acquaint(now, ev.By)
	if !g.Gone && m.Link.Up {
		tasks = append(tasks, Ask{Op: iq.OpGroupInfo, Group: ev.Group})
	}
	return tasks
}

// inWords is a change as a sentence. Users are written as {number}, so that names are those of the day on which it is read.
func inWords(ev *client.GroupEvent) string {
	who := mention(ev.By)
	var others []string
	for _, u := range ev.Users {
		if u != ev.By {
			others = append(others, mention(u))
		}
	}
	list := strings.Join(others, ", ")
	switch ev.Change {
	case client.GroupCreated:
		if list == "" {
			return fmt.Sprintf("%s made the group “%s”", who, unbraced(ev.Subject))
		}
		return fmt.Sprintf("%s made the group “%s” with %s", who, unbraced(ev.Subject), list)
	case client.GroupAdded:
		return who + " added " + list
	case client.GroupRemoved:
		return who + " removed " + list
	case client.GroupPromoted:
		return who + " made " + list + " admin"
	case client.GroupDemoted:
		return who + " made " + list + " a member without rights"
	case client.GroupLeft:
		return who + " left"
	case client.GroupSubject:
		return fmt.Sprintf("%s named the group “%s”", who, unbraced(ev.Subject))
	case client.GroupInvite:
		return who + " changed the invite code"
	case client.GroupJoined:
		return who + " joined with the invite code"
	}
	return "something happened that this version does not know"
}

// unbraced is foreign text without what Spell would read.
func unbraced(text string) string {
	return strings.NewReplacer("{", "(", "}", ")").Replace(CleanLine(text))
}

func mention(user uint64) string { return fmt.Sprintf("{%d}", user) }

// Spell is a line's text with the names of today in place of {number} where the server told of users.
func (m *Model) Spell(l *Line) string {
	if l.Kind != LineEvent {
		return l.Text
	}
	var b strings.Builder
	for rest := l.Text; ; {
		before, behind, open := strings.Cut(rest, "{")
		b.WriteString(before)
		if !open {
			return b.String()
		}
		digits, after, closed := strings.Cut(behind, "}")
		p, err := ParsePeer(digits)
		if !closed || err != nil {
			b.WriteString("{")
			rest = behind
			continue
		}
		if uint64(p) == m.Me {
			b.WriteString("you")
		} else {
			b.WriteString(m.Name(uint64(p)))
		}
		rest = after
	}
}
