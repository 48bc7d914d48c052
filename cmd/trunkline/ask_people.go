package main

import (
	"context"
	"errors"
	"flag"
	"fmt"

	"trunkline/client"
)

// profileVerbs is `trunkline profile`.
func profileVerbs() []verb {
	return []verb{
		{"get", "[USER]", "show a profile, the own one unless a user is named", nil, atMostOneUser, profileGet, false},
		{"set", "", "change the own profile; what is not given stays", profileSetFlags, profileGiven, profileSet, false},
	}
}

// contactVerbs is `trunkline contacts`.
func contactVerbs() []verb {
	return []verb{
		{"list", "", "list the contacts", nil, nil, listUsers((*client.Client).Contacts), false},
		{"add", "USER...", "add users to the contacts", nil, someUsers(1), nameUsers((*client.Client).AddContacts, "added"), false},
		{"remove", "USER...", "take users away from the contacts", nil, someUsers(1), nameUsers((*client.Client).RemoveContacts, "removed"), false},
	}
}

// blockVerbs is `trunkline block`.
func blockVerbs() []verb {
	return []verb{
		{"list", "", "list who is blocked", nil, nil, listUsers((*client.Client).Blocks), false},
		{"add", "USER...", "block users: what they send is not delivered, and they see nothing", nil, someUsers(1), nameUsers((*client.Client).AddBlocks, "blocked"), false},
		{"remove", "USER...", "block users no longer", nil, someUsers(1), nameUsers((*client.Client).RemoveBlocks, "unblocked"), false},
	}
}

// privacyVerbs is `trunkline privacy`.
func privacyVerbs() []verb {
	return []verb{
		{"get", "", "show who sees what of this user", nil, nil, privacyGet, false},
		{"set", "", "change who sees what; what is not given stays", privacySetFlags, privacyGiven, privacySet, false},
	}
}

// accountVerbs is `trunkline account`.
func accountVerbs() []verb {
	return []verb{
		{"delete", "", "delete this user's account with all its devices, for good", yesFlag, accountSure, accountDelete, false},
	}
}

// reportVerbs is `trunkline report`.
func reportVerbs() []verb {
	return []verb{
		{"", "USER", "tell the operator about another user", reportFlags, reportWords, report, false},
	}
}

// profileFlags are what profile set was given.
type profileFlags struct{ name, about, picture *string }

// privacyFlags are what privacy set was given.
type privacyFlags struct{ presence, lastSeen, profile *client.Rule }

// optional is a flag that knows whether it was given.
func optional(fs *flag.FlagSet, to **string, name, usage string) {
	fs.Func(name, usage, func(s string) error {
		*to = &s
		return nil
	})
}

func profileSetFlags(a *asking, fs *flag.FlagSet) {
	optional(fs, &a.profile.name, "name", "a name, a `text`")
	optional(fs, &a.profile.about, "about", "something about this user, a `text`")
	optional(fs, &a.profile.picture, "picture", "where a picture is, a `text`")
}

func profileGiven(a *asking) error {
	switch {
	case len(a.words) > 0:
		return fmt.Errorf("%q is not a flag", a.words[0])
	case a.profile == profileFlags{}:
		return errors.New("--name, --about or --picture says what to change")
	}
	return nil
}

func atMostOneUser(a *asking) error {
	if len(a.words) > 1 {
		return fmt.Errorf("%q is one user too many", a.words[1])
	}
	_, err := a.users(0)
	return err
}

// profileLine is a profile as JSON. A picture that is not UTF-8 is in picture_data, base64.
type profileLine struct {
	User        uint64 `json:"user"`
	Name        string `json:"name"`
	About       string `json:"about"`
	Picture     string `json:"picture,omitempty"`
	PictureData string `json:"picture_data,omitempty"`
	Changed     int64  `json:"changed,omitempty"`
}

func (a *asking) putProfile(p *client.Profile) error {
	line := profileLine{User: p.User, Name: p.Name, About: p.About, Changed: unix(p.Changed)}
	text, data := textOrData(p.Picture)
	if line.PictureData = data; text != nil {
		line.Picture = *text
	}
	return a.put(line, "%d\n  name:    %s\n  about:   %s\n  picture: %s", p.User, clean(p.Name), clean(p.About), clean(line.Picture+line.PictureData))
}

func profileGet(ctx context.Context, a *asking) error {
	users, _ := a.users(0) // checked before
	user := uint64(0)
	if len(users) > 0 {
		user = users[0]
	}
	p, err := a.c.Profile(ctx, user)
	if err != nil {
		return err
	}
	return a.putProfile(&p)
}

func profileSet(ctx context.Context, a *asking) error {
	p, err := a.c.Profile(ctx, 0)
	if err != nil {
		return err
	}
	if a.profile.name != nil {
		p.Name = *a.profile.name
	}
	if a.profile.about != nil {
		p.About = *a.profile.about
	}
	if a.profile.picture != nil {
		p.Picture = []byte(*a.profile.picture)
	}
	if err := a.c.SetProfile(ctx, p); err != nil {
		return err
	}
	return a.putProfile(&p)
}

// listUsers makes the function of a verb that lists users.
func listUsers(list func(*client.Client, context.Context) ([]uint64, error)) func(context.Context, *asking) error {
	return func(ctx context.Context, a *asking) error {
		users, err := list(a.c, ctx)
		if err != nil {
			return err
		}
		for _, u := range users {
			line := struct {
				User uint64 `json:"user"`
			}{u}
			if err := a.put(line, "%d", u); err != nil {
				return err
			}
		}
		return nil
	}
}

// nameUsers makes the function of a verb that does something with users.
func nameUsers(do func(*client.Client, context.Context, ...uint64) error, done string) func(context.Context, *asking) error {
	return func(ctx context.Context, a *asking) error {
		users, _ := a.users(1) // checked before
		if err := do(a.c, ctx, users...); err != nil {
			return err
		}
		for _, u := range users {
			line := struct {
				User uint64 `json:"user"`
				Done string `json:"done"`
			}{u, done}
			if err := a.put(line, "%d %s", u, done); err != nil {
				return err
			}
		}
		return nil
	}
}

// ruleNames are how people write the rules.
func ruleNames() map[client.Rule]string {
	return map[client.Rule]string{client.RuleEveryone: "everyone", client.RuleContacts: "contacts", client.RuleNobody: "nobody"}
}

// optionalRule is a flag for a rule that knows whether it was given.
func optionalRule(fs *flag.FlagSet, to **client.Rule, name, usage string) {
	fs.Func(name, usage, func(s string) error {
		for rule, text := range ruleNames() {
			if s == text {
				*to = &rule
				return nil
			}
		}
		return errors.New("say everyone, contacts or nobody")
	})
}

func privacySetFlags(a *asking, fs *flag.FlagSet) {
	optionalRule(fs, &a.privacy.presence, "presence", "`who` sees that this user is there and writes: everyone, contacts or nobody")
	optionalRule(fs, &a.privacy.lastSeen, "last-seen", "`who` sees when this user was there")
	optionalRule(fs, &a.privacy.profile, "profile", "`who` sees the profile")
}

func privacyGiven(a *asking) error {
	switch {
	case len(a.words) > 0:
		return fmt.Errorf("%q is not a flag", a.words[0])
	case a.privacy == privacyFlags{}:
		return errors.New("--presence, --last-seen or --profile says what to change")
	}
	return nil
}

func privacyGet(ctx context.Context, a *asking) error {
	p, err := a.c.Privacy(ctx)
	if err != nil {
		return err
	}
	return a.putPrivacy(&p)
}

func privacySet(ctx context.Context, a *asking) error {
	p, err := a.c.Privacy(ctx)
	if err != nil {
		return err
	}
	for _, r := range []struct {
		to  *client.Rule
		new *client.Rule
	}{{&p.Presence, a.privacy.presence}, {&p.LastSeen, a.privacy.lastSeen}, {&p.Profile, a.privacy.profile}} {
		if r.new != nil {
			*r.to = *r.new
		}
	}
	if err := a.c.SetPrivacy(ctx, p); err != nil {
		return err
	}
	return a.putPrivacy(&p)
}

func (a *asking) putPrivacy(p *client.Privacy) error {
	names := ruleNames()
	line := struct {
		Presence string `json:"presence"`
		LastSeen string `json:"last_seen"`
		Profile  string `json:"profile"`
	}{names[p.Presence], names[p.LastSeen], names[p.Profile]}
	return a.put(line, "presence:  %s\nlast seen: %s\nprofile:   %s", line.Presence, line.LastSeen, line.Profile)
}

func yesFlag(a *asking, fs *flag.FlagSet) {
	fs.BoolVar(&a.yes, "yes", false, "yes, delete it: there is no way back")
}

func accountSure(a *asking) error {
	switch {
	case len(a.words) > 0:
		return fmt.Errorf("%q is not a flag", a.words[0])
	case !a.yes:
		return fmt.Errorf("this deletes user %d with everything that waits for it; --yes says that you mean it", a.user)
	case a.device != 0:
		return errors.New("only the primary device, --device 0, deletes the account")
	}
	return nil
}

func accountDelete(ctx context.Context, a *asking) error {
	if err := a.c.DeleteAccount(ctx); err != nil {
		return err
	}
	line := struct {
		User    uint64 `json:"user"`
		Deleted bool   `json:"deleted"`
	}{uint64(a.user), true}
	return a.put(line, "%d is deleted", a.user)
}

func reportFlags(a *asking, fs *flag.FlagSet) {
	fs.StringVar(&a.reason, "reason", "", "why, a `text`")
	receiptFlags(a, fs)
}

func reportWords(a *asking) error {
	switch users, err := a.users(1); {
	case err != nil:
		return err
	case len(users) > 1:
		return fmt.Errorf("%q is one user too many", a.words[1])
	case a.seq != 0 && a.group == 0:
		return errors.New("--seq numbers a message of a group: --group says of which")
	}
	return nil
}

func report(ctx context.Context, a *asking) error {
	users, _ := a.users(1) // checked before
	about := client.Complaint{User: users[0], Reason: a.reason, Group: uint64(a.group), GroupSeq: a.seq}
	if err := a.c.Report(ctx, about); err != nil {
		return err
	}
	line := struct {
		User     uint64 `json:"user"`
		Reported bool   `json:"reported"`
	}{users[0], true}
	return a.put(line, "%d is reported", users[0])
}
