package client

import (
	"slices"
	"time"
)

// typer is somebody who writes at the moment.
type typer struct {
	user   uint64
	device uint8
	until  time.Time
}

// typers are those who write, so that the end is reported of one who is not heard of again. Pure; the client's mutex guards it.
type typers struct{ list []typer }

// note takes what was heard. False: there is no room to time one more.
func (t *typers) note(ev Typing, now time.Time) bool {
	i := slices.IndexFunc(t.list, func(r typer) bool { return r.user == ev.User && r.device == ev.Device })
	switch {
	case ev.State == TypingPaused:
		if i >= 0 {
			t.list = slices.Delete(t.list, i, i+1)
		}
	case i >= 0:
		t.list[i].until = now.Add(TypingLasts)
	case len(t.list) >= TypersMax:
		return false
	default:
		t.list = append(t.list, typer{user: ev.User, device: ev.Device, until: now.Add(TypingLasts)})
	}
	return true
}

// next is when the first of them ends; ok is false when nobody writes.
func (t *typers) next() (at time.Time, ok bool) {
	for i := range t.list {
		if i == 0 || t.list[i].until.Before(at) {
			at = t.list[i].until
		}
	}
	return at, len(t.list) > 0
}

// expire reports whose time is over. An application that has no room just now hears of it a little later: the writer must not wait for it.
// The mutex is held.
func (c *Client) expireTypers(now time.Time) {
	for i := 0; i < len(c.typers.list); i++ {
		r := &c.typers.list[i]
		if now.Before(r.until) || c.ended {
			continue
		}
		select {
		case c.events <- Typing{User: r.user, Device: r.device, State: TypingPaused}:
			c.typers.list = slices.Delete(c.typers.list, i, i+1)
			i--
		default:
			r.until = now.Add(typingRetry)
		}
	}
}
