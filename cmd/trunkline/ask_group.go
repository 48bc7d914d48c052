package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"

	"trunkline/client"
)

// groupVerbs is `trunkline group`.
func groupVerbs() []verb {
	return []verb{
		{"create", "[USER...]", "make a group with these members and this user as its admin", subjectFlag, someUsers(0), groupCreate, false},
		{"add", "USER...", "add members; admins do", groupOption, groupUsers, groupChange((*client.Client).AddMembers), false},
		{"remove", "USER...", "remove members; admins do", groupOption, groupUsers, groupChange((*client.Client).RemoveMembers), false},
		{"promote", "USER...", "make members admins", groupOption, groupUsers, groupChange((*client.Client).Promote), false},
		{"demote", "USER...", "make admins members", groupOption, groupUsers, groupChange((*client.Client).Demote), false},
		{"leave", "", "leave a group", groupOption, groupAlone, groupLeave, false},
		{"info", "", "show a group and its members", groupOption, groupAlone, groupInfo, false},
		{"invite", "", "draw an invite, in place of the one before", inviteFlags, groupAlone, groupInvite, false},
		{"join", "INVITE", "join a group by its invite", nil, oneInvite, groupJoin, false},
		{"list", "", "list the groups of this user", nil, nil, groupList, false},
		{"subject", "TEXT...", "say what a group is about; admins do", groupOption, groupSubjectWords, groupSubject, false},
		{"receipts", "", "list the members who have a message, or have read it", receiptFlags, receiptsCheck, groupReceipts, false},
	}
}

// groupLine is a group as JSON.
type groupLine struct {
	Group   string `json:"group"`
	Epoch   uint32 `json:"epoch"`
	Seq     uint64 `json:"seq"`
	Subject string `json:"subject"`
	Creator uint64 `json:"creator"`
	Created int64  `json:"created,omitempty"`
	Members int    `json:"members"`
	Invite  string `json:"invite,omitempty"`
}

// memberLine is one member of a group as JSON.
type memberLine struct {
	Group string `json:"group"`
	User  uint64 `json:"user"`
	Role  string `json:"role"`
}

// refusedLine is a user who did not become what was asked for.
type refusedLine struct {
	Group   string `json:"group"`
	User    uint64 `json:"user"`
	Refused string `json:"refused"` // the code's name
	Code    uint16 `json:"code"`
}

func groupOption(a *asking, fs *flag.FlagSet) { fs.Var(&a.group, "group", "the `group`, as in g123") }

func subjectFlag(a *asking, fs *flag.FlagSet) {
	fs.StringVar(&a.subject, "subject", "", "what the group is about, a `text`")
}

func inviteFlags(a *asking, fs *flag.FlagSet) {
	groupOption(a, fs)
	fs.BoolVar(&a.revoke, "revoke", false, "end the invite that there is, and draw none")
}

func receiptFlags(a *asking, fs *flag.FlagSet) {
	groupOption(a, fs)
	fs.Uint64Var(&a.seq, "seq", 0, "`number` of the message in its group: group_seq of send and recv")
}

var errNoGroup = errors.New("--group says which group and is required")

// groupAlone checks verbs that take a group and no words.
func groupAlone(a *asking) error {
	switch {
	case a.group == 0:
		return errNoGroup
	case len(a.words) > 0:
		return fmt.Errorf("%q is not a flag", a.words[0])
	}
	return nil
}

func groupUsers(a *asking) error {
	if a.group == 0 {
		return errNoGroup
	}
	_, err := a.users(1)
	return err
}

func groupSubjectWords(a *asking) error {
	switch {
	case a.group == 0:
		return errNoGroup
	case len(a.words) == 0:
		return errors.New("the subject stands behind the flags; \"\" is none")
	}
	return nil
}

func receiptsCheck(a *asking) error {
	if err := groupAlone(a); err != nil {
		return err
	}
	if a.seq == 0 {
		return errors.New("--seq says which message and is required")
	}
	return nil
}

func oneInvite(a *asking) error {
	if len(a.words) != 1 {
		return errors.New("the invite stands behind the flags")
	}
	if _, _, err := client.ParseInvite(a.words[0]); err != nil {
		return fmt.Errorf("%q is no invite, which is written as in g123-00ff", a.words[0])
	}
	return nil
}

func groupCreate(ctx context.Context, a *asking) error {
	users, _ := a.users(0) // checked before
	g, outcomes, err := a.c.CreateGroup(ctx, a.subject, users...)
	if g.ID != 0 {
		err = errors.Join(err, a.putGroup(&g, outcomes))
	}
	return err
}

// groupChange makes the function of a verb that names members.
func groupChange(change func(c *client.Client, ctx context.Context, group uint64, users ...uint64) (client.Group, []client.Outcome, error)) func(context.Context, *asking) error {
	return func(ctx context.Context, a *asking) error {
		users, _ := a.users(1) // checked before
		g, outcomes, err := change(a.c, ctx, uint64(a.group), users...)
		if g.ID != 0 {
			err = errors.Join(err, a.putGroup(&g, outcomes))
		}
		return err
	}
}

func groupLeave(ctx context.Context, a *asking) error {
	if err := a.c.LeaveGroup(ctx, uint64(a.group)); err != nil {
		return err
	}
	line := struct {
		Group string `json:"group"`
		Left  bool   `json:"left"`
	}{a.group.String(), true}
	return a.put(line, "left %s", &a.group)
}

func groupInfo(ctx context.Context, a *asking) error {
	g, err := a.c.Group(ctx, uint64(a.group))
	if err != nil {
		return err
	}
	if err := a.putGroup(&g, nil); err != nil {
		return err
	}
	for _, m := range g.Members {
		line := memberLine{Group: a.group.String(), User: m.User, Role: "member"}
		if m.Admin {
			line.Role = "admin"
		}
		if err := a.put(line, "  %d %s", line.User, line.Role); err != nil {
			return err
		}
	}
	return nil
}

func groupInvite(ctx context.Context, a *asking) error {
	line := struct {
		Group  string `json:"group"`
		Invite string `json:"invite"`
	}{Group: a.group.String()}
	if a.revoke {
		if err := a.c.RevokeInvite(ctx, uint64(a.group)); err != nil {
			return err
		}
		return a.put(line, "%s has no invite any more", &a.group)
	}
	code, err := a.c.NewInvite(ctx, uint64(a.group))
	if err != nil {
		return err
	}
	line.Invite = client.InviteText(uint64(a.group), code)
	return a.put(line, "%s", line.Invite)
}

func groupJoin(ctx context.Context, a *asking) error {
	group, code, err := client.ParseInvite(a.words[0])
	if err != nil {
		return err
	}
	g, err := a.c.JoinGroup(ctx, group, code)
	if err != nil {
		return err
	}
	return a.putGroup(&g, nil)
}

func groupList(ctx context.Context, a *asking) error {
	groups, err := a.c.GroupList(ctx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		line := struct {
			Group string `json:"group"`
		}{client.GroupName(g)}
		if err := a.put(line, "%s", line.Group); err != nil {
			return err
		}
	}
	return nil
}

func groupSubject(ctx context.Context, a *asking) error {
	g, err := a.c.SetSubject(ctx, uint64(a.group), strings.Join(a.words, " "))
	if err != nil {
		return err
	}
	return a.putGroup(&g, nil)
}

func groupReceipts(ctx context.Context, a *asking) error {
	list, err := a.c.GroupReceipts(ctx, uint64(a.group), a.seq)
	if err != nil {
		return err
	}
	for _, r := range list {
		line := struct {
			Group string `json:"group"`
			Seq   uint64 `json:"group_seq"`
			User  uint64 `json:"user"`
			Tick  string `json:"tick"`
		}{a.group.String(), a.seq, r.User, r.Level.String()}
		if err := a.put(line, "%d %s", r.User, line.Tick); err != nil {
			return err
		}
	}
	return nil
}

// putGroup prints a group, and who did not become what was asked for.
func (a *asking) putGroup(g *client.Group, outcomes []client.Outcome) error {
	line := groupLine{
		Group: client.GroupName(g.ID), Epoch: g.Epoch, Seq: g.Seq, Subject: g.Subject, Creator: g.Creator, Created: unix(g.Created), Members: g.Count,
	}
	if len(g.Invite) > 0 {
		line.Invite = client.InviteText(g.ID, g.Invite)
	}
	text := fmt.Sprintf("%s %s", line.Group, plural(g.Count, "member"))
	if g.Subject != "" {
		text += ": " + clean(g.Subject)
	}
	if err := a.put(line, "%s", text); err != nil {
		return err
	}
	for _, o := range outcomes {
		line := refusedLine{Group: client.GroupName(g.ID), User: o.User, Refused: o.Code.String(), Code: uint16(o.Code)}
		if err := a.put(line, "  %d refused: %s", o.User, (&client.ServerError{Code: o.Code}).Error()); err != nil {
			return err
		}
	}
	return nil
}
