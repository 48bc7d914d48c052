package server

import (
	"errors"
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/shard"
	"trunkline/store"
)

// What a user says of itself, and what it has decided about others.

// getProfile answers with a profile. One that its user hides from the asker is as empty as one that was never written.
func (d *clerkDesk) getProfile() error {
	of := d.request.User
	if of == 0 {
		of = d.job.user
	}
	d.answer.Profile.User = of
	if of != d.job.user {
		s, err := d.people.Settings(of)
		if err != nil {
			return err
		}
		if !visible(&s, s.Profile, d.job.user) {
			return nil
		}
	}
	p, err := d.people.Profile(of)
	if errors.Is(err, store.ErrNoProfile) {
		return nil
	}
	if err != nil {
		return err
	}
	d.answer.Profile = iq.Profile{User: of, Name: p.Name, About: p.About, Picture: p.Picture, ChangedSec: p.ChangedSec}
	return nil
}

// visible says whether a rule of a user lets somebody else see. Who is blocked sees nothing.
func visible(s *store.Settings, rule uint8, to uint64) bool {
	if holds(s.Blocked, to) {
		return false
	}
	switch iq.Rule(rule) {
	case iq.RuleEveryone:
		return true
	case iq.RuleContacts:
		return holds(s.Contacts, to)
	}
	return false
}

func holds(list []uint64, user uint64) bool {
	_, found := slices.BinarySearch(list, user)
	return found
}

func (d *clerkDesk) setProfile() error {
	p := &d.request.Profile
	return d.people.SetProfile(&store.Profile{
		User: d.job.user, Name: p.Name, About: p.About, Picture: p.Picture, ChangedSec: uint64(max(d.now(), 0)) / 1000,
	})
}

// getList answers with a page of contacts or blocks, those above the cursor.
func (d *clerkDesk) getList() error {
	s, err := d.people.Settings(d.job.user)
	if err != nil {
		return err
	}
	list := s.Contacts
	if d.request.Op == iq.OpBlocksGet {
		list = s.Blocked
	}
	at, found := slices.BinarySearch(list, d.request.Cursor)
	if found {
		at++
	}
	list = list[at:]
	if len(list) > iq.PageMax {
		list = list[:iq.PageMax]
		d.answer.More = list[iq.PageMax-1]
	}
	d.answer.Users = list
	return nil
}

// changeList adds users to contacts or blocks, or takes them out: all of them or, when there are too many, none.
func (d *clerkDesk) changeList() error {
	for _, u := range d.request.Users {
		if u == 0 || u > codec.UserMax || u == d.job.user {
			d.refuse(codec.CodeInvalid, "a user is a number of up to 18 digits, and somebody else")
			return nil
		}
	}
	blocks := d.request.Op == iq.OpBlocksAdd || d.request.Op == iq.OpBlocksDrop
	s, err := d.change(func(s *store.Settings) error {
		list, most := &s.Contacts, store.ContactsMax
		if blocks {
			list, most = &s.Blocked, store.BlockedMax
		}
		if d.request.Op == iq.OpContactsAdd || d.request.Op == iq.OpBlocksAdd {
			*list = with(*list, d.request.Users)
		} else {
			*list = without(*list, d.request.Users)
		}
		if len(*list) > most {
			return store.ErrTooMany
		}
		return nil
	})
	if err != nil {
		return err
	}
	if blocks || needsContacts(s) {
		d.handOver(s)
	}
	return nil
}

// with is an ascending list and more users, without repetition; without is what is left of it. Both leave the list as it is.
func with(list, users []uint64) []uint64 {
	all := append(slices.Clone(list), users...)
	slices.Sort(all)
	return slices.Compact(all)
}

func without(list, users []uint64) []uint64 {
	return slices.DeleteFunc(slices.Clone(list), func(u uint64) bool { return slices.Contains(users, u) })
}

func (d *clerkDesk) getPrivacy() error {
	s, err := d.people.Settings(d.job.user)
	d.answer.Privacy = iq.Privacy{Presence: iq.Rule(s.Presence), LastSeen: iq.Rule(s.LastSeen), Profile: iq.Rule(s.Profile)}
	return err
}

func (d *clerkDesk) setPrivacy() error {
	p := d.request.Privacy
	s, err := d.change(func(s *store.Settings) error {
		s.Presence, s.LastSeen, s.Profile = uint8(p.Presence), uint8(p.LastSeen), uint8(p.Profile)
		return nil
	})
	if err == nil {
		d.handOver(s)
	}
	return err
}

// change makes a change of the asker's settings durable: of those that are kept by then, whoever was first. What has not changed is not written.
func (d *clerkDesk) change(make func(s *store.Settings) error) (*store.Settings, error) {
	for range clerkChangesMax {
		s, err := d.people.Settings(d.job.user)
		if err != nil {
			return nil, err
		}
		next := s
		next.User, next.Version = d.job.user, s.Version+1
		if err := make(&next); err != nil {
			return nil, err
		}
		if s.Version > 0 && sameSettings(&s, &next) {
			return &s, nil
		}
		if err = d.people.SetSettings(&next); err == nil {
			return &next, nil
		}
		if !errors.Is(err, store.ErrSettingsChanged) {
			return nil, err
		}
		d.meters.changed.Add(1)
	}
	return nil, store.ErrSettingsChanged
}

// sameSettings compares all but versions.
func sameSettings(a, b *store.Settings) bool {
	return a.Presence == b.Presence && a.LastSeen == b.LastSeen && a.Profile == b.Profile && a.DevicesVersion == b.DevicesVersion &&
		slices.Equal(a.Contacts, b.Contacts) && slices.Equal(a.Blocked, b.Blocked) && slices.Equal(a.Devices, b.Devices) &&
		slices.Equal(a.Signature, b.Signature)
}

// needsContacts says whether a loop has to know the contacts to obey a rule.
func needsContacts(s *store.Settings) bool {
	return iq.Rule(s.Presence) == iq.RuleContacts || iq.Rule(s.LastSeen) == iq.RuleContacts
}

// handOver has the user's home loop obey the settings; it writes the answer when they are durable there.
func (d *clerkDesk) handOver(s *store.Settings) {
	p := shard.Policy{
		Version: s.Version, Presence: shard.Rule(s.Presence), LastSeen: shard.Rule(s.LastSeen), Blocked: s.Blocked,
		Devices: shard.DeviceList{Version: s.DevicesVersion, List: s.Devices, Signature: s.Signature},
	}
	if needsContacts(s) {
		p.Contacts = s.Contacts
	}
	d.send(d.home(d.job.user), appendClerkPolicy(nil, d.job.user, &p, d.reply()))
}

// report keeps a report for operators, and tells the loop of who was reported.
func (d *clerkDesk) report() error {
	r := &d.request
	if r.User == 0 || r.User > codec.UserMax || r.User == d.job.user {
		d.refuse(codec.CodeInvalid, "a report is of somebody else")
		return nil
	}
	d.reports.add(Report{UnixMs: d.now(), User: r.User, By: d.job.user, Group: r.Group, Seq: r.Seq, Reason: r.Text})
	d.send(d.home(r.User), appendClerkReport(nil, r.User, d.job.user))
	return nil
}
