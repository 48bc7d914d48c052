package server

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"time"

	"trunkline/client"
	"trunkline/codec"
)

// shared is a group of the crew. The first of its members makes it, adds the guests and removes them.
type shared struct {
	id      atomic.Uint64 // 0: not all members are in yet
	members []int         // places in the crew; they stay
	guests  []int         // they come and go

	made   uint64   // the id, before all are in
	absent []uint64 // members who were not taken in yet: their devices had not registered
}

// groupHabits is everybody, and two guests.
func groupHabits() []habits {
	return append(slices.Clone(everyHabit), habits{pause: 30 * time.Millisecond}, habits{pause: 40 * time.Millisecond, slow: true})
}

// share gives a crew of groupHabits two groups. In the second one a member is away for the whole time, so second ticks come late.
func (c *crew) share() {
	c.groups = []*shared{{members: []int{0, 1, 2, 3, 4}, guests: []int{6, 7}}, {members: []int{3, 0, 5}, guests: []int{6}}}
}

// mayWrite lists the groups that a member can write to now.
func (m *member) mayWrite() (groups []uint64) {
	for _, g := range m.groups {
		id := g.id.Load()
		if id == 0 {
			continue
		}
		m.mu.Lock()
		in := m.in[id] || slices.ContainsFunc(g.members, func(at int) bool { return m.members[at] == m })
		m.mu.Unlock()
		if in {
			groups = append(groups, id)
		}
	}
	return groups
}

// noteGroup takes what a client tells of groups, if it is still the member's. The mutex is held.
func (m *member) noteGroup(c *client.Client, e client.Event) {
	if m.client != c {
		return
	}
	switch e := e.(type) {
	case client.GroupPlaced:
		m.record(happening{kind: hapPlaced, user: m.user, id: e.ID, group: e.Group, gseq: e.GroupSeq})
	case client.GroupEvent:
		h := happening{kind: hapChange, user: m.user, peer: e.By, group: e.Group, gseq: e.GroupSeq, text: e.Change.String(), users: e.Users}
		if e.Change == client.GroupCreated {
			h.users = append(slices.Clone(e.Users), e.By)
		}
		m.record(h)
		if !slices.Contains(h.users, m.user) {
			return
		}
		if m.in == nil {
			m.in = map[uint64]bool{}
		}
		m.in[e.Group] = e.Change == client.GroupCreated || e.Change == client.GroupAdded
	}
}

// host makes a member's groups and changes who is in them, until it shall be quiet.
func (m *member) host(quiet <-chan struct{}) {
	ctx, cancel := context.WithCancel(m.stop)
	defer cancel()
	var mine []*shared
	for _, g := range m.groups {
		if m.members[g.members[0]] == m {
			mine = append(mine, g)
		}
	}
	go func() { // ends with the host
		select {
		case <-quiet:
			cancel()
		case <-ctx.Done():
		}
	}()
	for len(mine) > 0 {
		pause := 10 * time.Millisecond
		if g := mine[rand.IntN(len(mine))]; g.id.Load() == 0 {
			m.found(ctx, g)
		} else {
			m.entertain(ctx, g)
			pause += time.Duration(rand.IntN(60)) * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// found makes a group, or takes in those who could not be before. One whose answer was lost for good is a group that nobody writes to.
func (m *member) found(ctx context.Context, g *shared) {
	var made client.Group
	var outcomes []client.Outcome
	var err error
	if g.made == 0 {
		made, outcomes, err = m.present().CreateGroup(ctx, "crew", m.users(g.members[1:])...)
	} else {
		made, outcomes, err = m.present().AddMembers(ctx, g.made, g.absent...)
	}
	if !m.accepts("make a group", err) {
		return
	}
	g.made, g.absent = made.ID, g.absent[:0]
	for _, o := range outcomes {
		g.absent = append(g.absent, o.User)
	}
	if len(g.absent) == 0 {
		g.id.Store(g.made)
	}
}

// entertain adds a guest, or removes one. Either may be so already.
func (m *member) entertain(ctx context.Context, g *shared) {
	guest := m.users(g.guests)[rand.IntN(len(g.guests))]
	change := m.present().AddMembers
	if rand.IntN(2) == 0 {
		change = m.present().RemoveMembers
	}
	_, _, err := change(ctx, g.id.Load(), guest)
	m.accepts("change a group", err)
}

// accepts says whether a request was answered; one that nobody may refuse ends the client's good name.
func (m *member) accepts(what string, err error) bool {
	refusal, refused := errors.AsType[*client.ServerError](err)
	busy := refused && (refusal.Code == codec.CodeServerFull || refusal.Code == codec.CodeRateLimited)
	ended := errors.Is(err, context.Canceled) || errors.Is(err, client.ErrInterrupted) || errors.Is(err, client.ErrClosed)
	if err != nil && !busy && !ended {
		m.record(happening{kind: hapEnded, user: m.user, text: what + ": " + err.Error()})
	}
	return err == nil
}

// present is the client of a member that never leaves.
func (m *member) present() *client.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.client
}

func (m *member) users(places []int) (users []uint64) {
	for _, at := range places {
		users = append(users, m.members[at].user)
	}
	return users
}
