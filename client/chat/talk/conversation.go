package talk

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"trunkline/client"
)

// open shows a conversation; row is a line to show, 0 for the newest.
func (m *Model) open(now time.Time, p Peer, row int64) []Task {
	if t := m.talks[p]; p == m.Open && t != nil && row == 0 && !t.Newer {
		return m.see()
	}
	tasks := m.stopTyping()
	if old := m.talks[m.Open]; old != nil {
		old.Lines, old.More, old.Newer, old.load = nil, false, false, false
	}
	t := m.talk(p)
	m.Open, t.Lines, t.More, t.Newer, t.load = p, nil, false, row != 0, true
	m.shown.End = row == 0
	tasks = append(tasks, Load{Peer: p, Around: row})
	tasks = append(tasks, m.look(now, p)...)
	return append(tasks, m.see()...)
}

// older asks for the page before what is shown.
func (m *Model) older() []Task {
	t := m.talks[m.Open]
	if t == nil || t.load || !t.More || len(t.Lines) == 0 {
		return nil
	}
	before := int64(math.MaxInt64)
	for i := range t.Lines {
		if t.Lines[i].Row != 0 {
			before = t.Lines[i].Row
			break
		}
	}
	t.load = true
	return []Task{Load{Peer: m.Open, Before: before}}
}

// newer asks for the page behind the past that is shown.
func (m *Model) newer() []Task {
	t := m.talks[m.Open]
	if t == nil || t.load || !t.Newer || len(t.Lines) == 0 {
		return nil
	}
	t.load = true
	return []Task{Load{Peer: m.Open, After: t.Lines[len(t.Lines)-1].Row}}
}

// page takes lines of the history. Those that came meanwhile are behind them.
func (m *Model) page(in Page) []Task {
	t := m.talks[in.Load.Peer]
	if t == nil || in.Load.Peer != m.Open {
		return nil
	}
	t.load = false
	if in.Load.After != 0 {
		t.Lines = append(t.Lines, in.Lines...)
		t.Newer = in.Newer
		return m.see()
	}
	t.Lines = append(slices.Clone(in.Lines), t.Lines...)
	t.More = in.More
	if in.Load.Around != 0 {
		t.Newer = in.Newer
	}
	return nil
}

// kept takes the rows of lines that the history has. Lines that it had before are shown once.
func (m *Model) kept(in Kept) {
	for _, k := range in.Lines {
		t := m.talks[k.Peer]
		if t == nil {
			continue
		}
		if k.Row == 0 && k.Seen == SeenNot && t.Unread > 0 {
			t.Unread--
		}
		if t.Last.Local == k.Local {
			t.Last.Row = k.Row
		}
		i := slices.IndexFunc(t.Lines, func(l Line) bool { return l.Local == k.Local })
		switch {
		case i < 0:
		case k.Row == 0:
			t.Lines = slices.Delete(t.Lines, i, i+1)
		default:
			t.Lines[i].Row = k.Row
		}
	}
}

// compose takes what the composing line holds, and tells the peer that this user writes.
func (m *Model) compose(now time.Time, text string) []Task {
	t := m.talks[m.Open]
	if t == nil || t.Draft == text {
		return nil
	}
	t.Draft = text
	m.typedAt = now
	if text == "" || strings.HasPrefix(text, "/") {
		return m.stopTyping()
	}
	if uint64(m.Open) == m.Me || m.Open.IsGroup() || m.typingTo == m.Open && now.Sub(m.typingAt) < TypingEvery {
		return nil
	}
	m.typingTo, m.typingAt = m.Open, now
	return []Task{Typing{Peer: m.Open, State: client.TypingComposing}}
}

// stopTyping tells who was told that this user writes that it stopped.
func (m *Model) stopTyping() []Task {
	if m.typingTo == 0 {
		return nil
	}
	p := m.typingTo
	m.typingTo = 0
	return []Task{Typing{Peer: p, State: client.TypingPaused}}
}

// say takes a line that the user ended with Enter.
func (m *Model) say(now time.Time, text string) []Task {
	if t := m.talks[m.Open]; t != nil {
		t.Draft = ""
	}
	if c, ok := command(text); ok {
		tasks, err := m.run(now, c)
		if err != nil {
			m.notify(now, err.Error())
		}
		return tasks
	}
	text = strings.TrimRight(text, " \n\t")
	if strings.HasPrefix(text, "//") {
		text = text[1:]
	}
	switch {
	case strings.TrimSpace(text) == "":
		return nil
	case m.Open == 0:
		m.notify(now, "no conversation is open: /new and a number begins one")
		return nil
	case m.Ended != nil:
		m.notify(now, "not sent: "+CleanLine(m.Ended.Error()))
		return nil
	case len(text) > client.PayloadBytesMax:
		m.talks[m.Open].Draft = text
		m.notify(now, fmt.Sprintf("not sent: %d bytes, at most %d", len(text), client.PayloadBytesMax))
		return nil
	}
	m.typingTo = 0 // the message says it
	m.Card = nil
	m.locals++
	l := Line{Local: m.locals, Peer: m.Open, From: m.Me, Mine: true, Kind: LineText, Text: text, At: now, Seen: SeenTold}
	m.waiting++
	t := m.talks[m.Open]
	if !t.Newer {
		m.put(t, l)
		return []Task{Send{Line: l}}
	}
	m.Open = 0 // out of the past: the newest page has the line
	return append([]Task{Send{Line: l}}, m.open(now, l.Peer, 0)...)
}

// sent takes the number of an own line.
func (m *Model) sent(now time.Time, in Sent) {
	l := in.Line
	if l.Local == 0 { // of an earlier run, before the start
		return
	}
	m.waiting--
	m.recall(&l)
	if m.waiting == 0 {
		m.early = nil
	}
	t := m.talks[l.Peer]
	if t == nil {
		return
	}
	if in.Err != nil {
		m.notSent(now, t, in)
		return
	}
	if t.Last.Local == l.Local {
		t.Last = l
	}
	if i := slices.IndexFunc(t.Lines, func(o Line) bool { return o.Local == l.Local }); i >= 0 {
		t.Lines[i] = l
		t.order(i)
	}
}

// notSent takes a line back that could not be sent; its text returns to the composing line.
func (m *Model) notSent(now time.Time, t *Talk, in Sent) {
	why := strings.TrimPrefix(CleanLine(in.Err.Error()), "client: ")
	if errors.Is(in.Err, client.ErrOutboxFull) {
		why = "the outbox is full"
	}
	m.notify(now, "not sent: "+why)
	t.Lines = slices.DeleteFunc(t.Lines, func(o Line) bool { return o.Local == in.Line.Local })
	if t.Last.Local == in.Line.Local {
		t.Last = Line{}
		if n := len(t.Lines); n > 0 {
			t.Last = t.Lines[n-1]
		}
	}
	if t.Draft == "" {
		t.Draft = in.Line.Text
	}
}
