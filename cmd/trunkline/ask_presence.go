package main

import (
	"context"
	"flag"
	"fmt"
	"time"

	"trunkline/client"
)

// presenceVerbs is `trunkline presence`.
func presenceVerbs() []verb {
	return []verb{
		{"watch", "USER...", "print when users come and go and write, beginning with how it is now", watchFlags, watchCheck, presenceWatch, true},
	}
}

// presenceLine is what is known of one user at a moment.
type presenceLine struct {
	User     uint64 `json:"user"`
	Event    string `json:"event"` // online, offline, typing, recording, paused
	LastSeen int64  `json:"last_seen,omitempty"`
	TS       int64  `json:"ts"`
}

func watchFlags(a *asking, fs *flag.FlagSet) {
	f := fs.Lookup("timeout") // who watches, watches until Ctrl-C
	a.timeout, f.DefValue = 0, "0s"
	fs.IntVar(&a.count, "count", 0, "return after this `number` of lines; 0 prints what comes until --timeout, with status 0")
}

func watchCheck(a *asking) error {
	if a.count < 0 {
		return fmt.Errorf("--count %d is negative", a.count)
	}
	users, err := a.users(1)
	if err == nil && len(users) > client.SubscriptionsMax {
		err = fmt.Errorf("%d users are too many, at most %d", len(users), client.SubscriptionsMax)
	}
	return err
}

func presenceWatch(ctx context.Context, a *asking) error {
	users, _ := a.users(1) // checked before
	if err := a.c.Subscribe(ctx, users...); err != nil {
		return err
	}
	for n := 0; a.count == 0 || n < a.count; {
		select {
		case ev, open := <-a.c.Events():
			if !open {
				return a.c.Err()
			}
			line, ok := presenceOf(ev)
			if !ok {
				continue
			}
			if err := a.putPresence(&line); err != nil {
				return err
			}
			n++
		case <-ctx.Done():
			if a.count == 0 && context.Cause(ctx) == context.DeadlineExceeded {
				return nil
			}
			return ctx.Err()
		}
	}
	return nil
}

// presenceOf is the line of an event, if it is about presence.
func presenceOf(ev client.Event) (presenceLine, bool) {
	line := presenceLine{TS: time.Now().Unix()}
	switch ev := ev.(type) {
	case client.Presence:
		line.User, line.Event, line.LastSeen = ev.User, "offline", unix(ev.LastSeen)
		if ev.Available {
			line.Event = "online"
		}
	case client.Typing:
		line.User = ev.User
		switch ev.State {
		case client.TypingComposing:
			line.Event = "typing"
		case client.TypingRecording:
			line.Event = "recording"
		default:
			line.Event = "paused"
		}
	default:
		return line, false
	}
	return line, true
}

func (a *asking) putPresence(l *presenceLine) error {
	text := fmt.Sprintf("%d %s", l.User, l.Event)
	if l.LastSeen != 0 {
		text += ", last seen " + when(time.Unix(l.LastSeen, 0), time.Now())
	}
	return a.put(l, "%s", text)
}
