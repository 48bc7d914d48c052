package client

import (
	"context"
	"fmt"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// Profile is what a user says of itself. Texts are UTF-8.
type Profile struct {
	User    uint64
	Name    string    // at most iq.NameBytesMax
	About   string    // at most iq.AboutBytesMax
	Picture []byte    // where the picture is, in a form that the application chooses; at most iq.PictureBytesMax
	Changed time.Time // zero: never set
}

// Rule says who may see something of a user.
type Rule = iq.Rule

// The rules.
const (
	RuleEveryone = iq.RuleEveryone
	RuleContacts = iq.RuleContacts
	RuleNobody   = iq.RuleNobody
)

// Privacy says who sees what of a user: that it is there and writes, when it was there, and its profile.
type Privacy = iq.Privacy

// Complaint is what Report tells of another user.
type Complaint struct {
	User     uint64
	Reason   string // at most iq.ReasonBytesMax
	Group    uint64 // 0: not in a group
	GroupSeq uint64 // of the message in that group, 0: of none
}

// Profile asks for a user's profile; user 0 is the own one. Of a user who never set one, or who shows it to others only, it is
// empty. Errors: ErrReceiver, those of every request.
func (c *Client) Profile(ctx context.Context, user uint64) (Profile, error) {
	if user > codec.UserMax {
		return Profile{}, fmt.Errorf("%w: %d", ErrReceiver, user)
	}
	a, err := c.ask(ctx, &iq.Request{Op: iq.OpProfileGet, User: user})
	if err != nil {
		return Profile{}, err
	}
	p := Profile{User: a.Profile.User, Name: a.Profile.Name, About: a.Profile.About, Picture: a.Profile.Picture}
	if a.Profile.ChangedSec != 0 {
		p.Changed = time.Unix(int64(a.Profile.ChangedSec), 0)
	}
	return p, nil
}

// SetProfile replaces the own profile; User and Changed of p do not count. Errors: those of every request.
func (c *Client) SetProfile(ctx context.Context, p Profile) error {
	_, err := c.ask(ctx, &iq.Request{Op: iq.OpProfileSet, Profile: iq.Profile{Name: p.Name, About: p.About, Picture: p.Picture}})
	return err
}

// Contacts asks whom this user has among its contacts. Errors: those of every request.
func (c *Client) Contacts(ctx context.Context) ([]uint64, error) {
	return c.allPages(ctx, iq.OpContactsGet, func(a *iq.Answer) []uint64 { return a.Users })
}

// AddContacts adds users to the contacts. More than iq.UsersMax are sent in several requests: after an error some of them may be in.
// Errors: ErrReceiver, those of every request.
func (c *Client) AddContacts(ctx context.Context, users ...uint64) error {
	return c.name(ctx, iq.OpContactsAdd, users)
}

// RemoveContacts takes users away from the contacts. Errors: as AddContacts.
func (c *Client) RemoveContacts(ctx context.Context, users ...uint64) error {
	return c.name(ctx, iq.OpContactsDrop, users)
}

// Blocks asks whom this user has blocked. Errors: those of every request.
func (c *Client) Blocks(ctx context.Context) ([]uint64, error) {
	return c.allPages(ctx, iq.OpBlocksGet, func(a *iq.Answer) []uint64 { return a.Users })
}

// AddBlocks blocks users: they see and hear nothing of this user, and what they send gets its first tick and goes no further.
// Errors: as AddContacts.
func (c *Client) AddBlocks(ctx context.Context, users ...uint64) error {
	return c.name(ctx, iq.OpBlocksAdd, users)
}

// RemoveBlocks ends AddBlocks. Errors: as AddContacts.
func (c *Client) RemoveBlocks(ctx context.Context, users ...uint64) error {
	return c.name(ctx, iq.OpBlocksDrop, users)
}

// name sends requests that do nothing but name users.
func (c *Client) name(ctx context.Context, op iq.Op, users []uint64) error {
	for _, u := range users {
		if u == 0 || u > codec.UserMax {
			return fmt.Errorf("%w: %d", ErrReceiver, u)
		}
	}
	for len(users) > 0 {
		n := min(len(users), iq.UsersMax)
		if _, err := c.ask(ctx, &iq.Request{Op: op, Users: users[:n]}); err != nil {
			return err
		}
		users = users[n:]
	}
	return nil
}

// Privacy asks who sees what of this user. Errors: those of every request.
func (c *Client) Privacy(ctx context.Context) (Privacy, error) {
	a, err := c.ask(ctx, &iq.Request{Op: iq.OpPrivacyGet})
	return a.Privacy, err
}

// SetPrivacy replaces the rules. Errors: those of every request.
func (c *Client) SetPrivacy(ctx context.Context, p Privacy) error {
	_, err := c.ask(ctx, &iq.Request{Op: iq.OpPrivacySet, Privacy: p})
	return err
}

// Report tells the operator about another user. Errors: ErrReceiver, ErrGroup, those of every request.
func (c *Client) Report(ctx context.Context, about Complaint) error {
	if about.User == 0 || about.User > codec.UserMax {
		return fmt.Errorf("%w: %d", ErrReceiver, about.User)
	}
	if about.Group != 0 {
		if err := checkGroup(about.Group); err != nil {
			return err
		}
	}
	_, err := c.ask(ctx, &iq.Request{Op: iq.OpReport, User: about.User, Text: about.Reason, Group: about.Group, Seq: about.GroupSeq})
	return err
}

// DeleteAccount has the server forget this user: all its devices, what waits for them, its profile and settings, its place in groups. Of the
// primary device only. The client ends with it: it is no device any more. Errors: ErrNotPrimary, those of every request.
func (c *Client) DeleteAccount(ctx context.Context) error {
	if c.cfg.device != 0 {
		return ErrNotPrimary
	}
	_, err := c.ask(ctx, &iq.Request{Op: iq.OpAccountDelete})
	return err
}
