package talk

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"trunkline/client"
	"trunkline/codec"
	"trunkline/codec/iq"
)

// answered takes the answer to a question.
func (m *Model) answered(now time.Time, in Answered) []Task {
	if in.Err != nil {
		m.failed(now, in)
		return nil
	}
	switch in.Ask.Op {
	case iq.OpProfileGet, iq.OpProfileSet:
		return m.profile(now, in)
	case iq.OpBlocksGet, iq.OpBlocksAdd, iq.OpBlocksDrop:
		m.blocks(now, in)
	case iq.OpDevicesGet:
		m.devices(in)
	case iq.OpDeviceRemove:
		m.notify(now, fmt.Sprintf("device %d is removed", in.Ask.Device))
		return []Task{Ask{Op: iq.OpDevicesGet, Show: true}}
	case iq.OpGroupList:
		return m.groupList(in)
	case iq.OpGroupInvite:
		m.invited(now, in)
	case iq.OpGroupLeave:
		g := m.group(Peer(in.Ask.Group))
		g.Gone = true
		m.notify(now, "you left "+m.Title(g.Peer))
		return []Task{Write{Groups: []Group{*g}}}
	case iq.OpGroupReceipts:
		m.receipts(in)
	default:
		return m.groupChanged(now, in)
	}
	return nil
}

// failed says why, when the user asked.
func (m *Model) failed(now time.Time, in Answered) {
	var code codec.ErrorCode
	if se := (*client.ServerError)(nil); errors.As(in.Err, &se) {
		code = se.Code
	}
	switch {
	case in.Ask.Op == iq.OpProfileGet && code == codec.CodeNotFound && in.Ask.Show:
		m.showProfile(m.person(in.Ask.User))
		return
	case in.Ask.Op == iq.OpProfileGet && code == codec.CodeNone:
		m.person(in.Ask.User).Asked = time.Time{} // no answer: ask again
	case in.Ask.Op == iq.OpGroupInfo && (code == codec.CodeNotMember || code == codec.CodeNotFound):
		m.group(Peer(in.Ask.Group)).Gone = true
	}
	if !in.Ask.Show {
		return
	}
	why := strings.TrimPrefix(CleanLine(in.Err.Error()), "client: ")
	if code != codec.CodeNone {
		why = Why(code)
	}
	m.notify(now, "that did not work: "+why)
}

func (m *Model) profile(now time.Time, in Answered) []Task {
	user := in.Ask.User
	if in.Ask.Op == iq.OpProfileSet {
		user, in.Profile = m.Me, in.Ask.Profile
		m.notify(now, "your profile is changed")
	}
	p := m.person(user)
	p.Name, p.About, p.Picture, p.Asked = in.Profile.Name, in.Profile.About, in.Profile.Picture, now
	if in.Ask.Show && in.Ask.Op == iq.OpProfileGet {
		m.showProfile(p)
	}
	return []Task{Write{People: []Person{*p}}}
}

func (m *Model) showProfile(p *Person) {
	c := &Card{Title: "Profile of " + m.Name(p.User)}
	c.add("number", Peer(p.User).String())
	c.add("name", CleanLine(p.Name))
	c.add("about", CleanLine(p.About))
	if p.User == m.Me {
		c.add("", "")
		c.add("", "/name and /about change it")
	}
	m.Card = c
}

func (m *Model) blocks(now time.Time, in Answered) {
	switch in.Ask.Op {
	case iq.OpBlocksGet:
		for _, p := range m.people {
			p.Blocked = slices.Contains(in.Users, p.User)
		}
		for _, u := range in.Users {
			m.person(u).Blocked = true
		}
		if !in.Ask.Show {
			return
		}
		c := &Card{Title: "Blocked"}
		for _, u := range in.Users {
			c.add(Peer(u).String(), m.Name(u))
		}
		if len(in.Users) == 0 {
			c.add("", "You block nobody.")
		}
		m.Card = c
	default:
		blocked, word := in.Ask.Op == iq.OpBlocksAdd, "unblocked"
		if blocked {
			word = "blocked"
		}
		for _, u := range in.Ask.Users {
			m.person(u).Blocked = blocked
			m.notify(now, m.Name(u)+" is "+word)
		}
	}
}

func (m *Model) devices(in Answered) {
	c := &Card{Title: "Your devices"}
	if in.Ask.User != 0 && in.Ask.User != m.Me {
		c.Title = "Devices of " + m.Name(in.Ask.User)
	}
	for _, d := range in.Devices.Known {
		text := "primary"
		if d.Device != 0 {
			text = "companion"
		}
		if !d.Registered.IsZero() {
			text += ", since " + d.Registered.Format("2006-01-02 15:04")
		}
		if slices.Contains(in.Devices.List, d.Device) {
			text += ", signed"
		}
		c.add(fmt.Sprint("device ", d.Device), text)
	}
	if len(in.Devices.Known) == 0 {
		c.add("", "The server knows of none.")
	}
	c.add("", "")
	c.add("", "/unlink and a device's number removes it; `trunkline link` adds one")
	m.Card = c
}

// groupList asks for groups that the history does not know, and notes which this user is out of.
func (m *Model) groupList(in Answered) []Task {
	var tasks []Task
	for _, id := range in.Groups {
		g := m.group(Peer(id))
		if g.Gone || g.Count == 0 || m.talks[g.Peer] == nil { // 0: only its events were heard of, before there was a connection
			m.talk(g.Peer)
			tasks = append(tasks, Ask{Op: iq.OpGroupInfo, Group: id})
		}
		g.Gone = false
	}
	for _, g := range m.groups {
		if !slices.Contains(in.Groups, uint64(g.Peer)) {
			g.Gone = true
		}
	}
	return tasks
}

func (m *Model) invited(now time.Time, in Answered) {
	p := Peer(in.Ask.Group)
	m.group(p).Invite = in.Code
	if len(in.Code) == 0 {
		m.notify(now, "nobody can join "+m.Title(p)+" with a code any more")
		return
	}
	c := &Card{Title: "Invite to " + m.Title(p)}
	c.add("", "Whoever types /join and this code joins; /invite off ends it.")
	c.add("", "")
	c.add("", client.InviteText(in.Ask.Group, in.Code)) // alone, so that it can be copied in one piece
	m.Card = c
}

// groupChanged takes a group as it is now.
func (m *Model) groupChanged(now time.Time, in Answered) []Task {
	if in.Group.ID == 0 {
		return nil
	}
	g := m.group(Peer(in.Group.ID))
	g.Subject, g.Count, g.Epoch, g.Invite, g.Gone = in.Group.Subject, in.Group.Count, in.Group.Epoch, in.Group.Invite, false
	if in.Ask.Op == iq.OpGroupInfo {
		g.Members = in.Group.Members
	}
	m.talk(g.Peer)
	tasks := []Task{Write{Groups: []Group{*g}}}
	var not []string
	for _, o := range in.Outcomes {
		not = append(not, fmt.Sprintf("%s: %s", m.Name(o.User), Why(o.Code)))
	}
	switch {
	case len(not) > 0:
		m.notify(now, "not done for "+strings.Join(not, "; "))
	case in.Ask.Show && in.Ask.Op != iq.OpGroupInfo:
		m.notify(now, "done")
	}
	if in.Ask.Op == iq.OpGroupCreate || in.Ask.Op == iq.OpGroupJoin {
		tasks = append(tasks, m.open(now, g.Peer, 0)...)
	}
	if in.Ask.Op == iq.OpGroupInfo {
		for i := range g.Members {
			if i < WatchMax {
				tasks = append(tasks, m.acquaint(now, g.Members[i].User)...)
			}
		}
		if in.Ask.Show {
			m.showGroup(g, &in.Group)
		}
	}
	return tasks
}

func (m *Model) showGroup(g *Group, in *client.Group) {
	c := &Card{Title: m.Title(g.Peer)}
	c.add("group", g.Peer.String())
	c.add("made by", m.Name(in.Creator)+", "+in.Created.Format("2006-01-02 15:04"))
	if len(in.Invite) > 0 {
		c.add("join", "/join and this code:")
		c.add("", client.InviteText(in.ID, in.Invite))
	}
	c.add("members", fmt.Sprint(in.Count))
	for _, u := range in.Members {
		name := m.Name(u.User)
		if u.User == m.Me {
			name += " (you)"
		}
		if u.Admin {
			name += ", admin"
		}
		c.lead("  "+Peer(u.User).String(), name, Jump{Peer: Peer(u.User)})
	}
	m.Card = c
}

func (m *Model) receipts(in Answered) {
	c := &Card{Title: "Who has “" + cut(CleanLine(in.Ask.Text), QuoteRunesMax) + "”"}
	others := m.group(Peer(in.Ask.Group)).Count - 1
	for _, r := range in.Receipts {
		if r.User == m.Me {
			continue
		}
		word := "has it"
		if r.Level >= client.TickRead {
			word = "read it"
		}
		c.add(m.Name(r.User), word)
		others--
	}
	switch {
	case len(c.Rows) == 0:
		c.add("", "Nobody has it yet.")
	case others > 0:
		c.add("", fmt.Sprintf("%d more in the group: they do not have it yet, or came after it", others))
	}
	m.Card = c
}

// found shows what a search found.
func (m *Model) found(now time.Time, in Found) {
	if in.Err != nil {
		m.notify(now, "the search failed: "+CleanLine(in.Err.Error()))
		return
	}
	c := &Card{Title: "Found “" + CleanLine(in.Text) + "”"}
	for i := range in.Lines {
		l := &in.Lines[i]
		who := m.Name(l.From)
		if l.Mine {
			who = "you"
		}
		label := l.At.Local().Format("2006-01-02 15:04") + " " + m.Title(l.Peer)
		c.lead(label, who+": "+CleanLine(l.Text), Jump{Peer: l.Peer, Row: l.Row})
	}
	if len(in.Lines) == 0 {
		c.add("", "Nothing.")
	}
	m.Card = c
}
