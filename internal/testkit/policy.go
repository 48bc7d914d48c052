package testkit

import (
	"slices"
	"strconv"
	"strings"

	"trunkline/shard"
)

// home is the shard of a user.
func (s *script) home(user uint64) *shard.Shard { return s.w.Loops[s.w.Placement().Home(user)].Shard }

// policy tells a user's home what it has decided.
func (s *script) policy(args []string) []string {
	plain, named := options(args)
	user := s.named(plain[0])
	p := shard.Policy{
		Version: uint32(s.number(plain[1])), Presence: shard.Rule(s.number(orZero(named["presence"]))), LastSeen: shard.Rule(s.number(orZero(named["lastseen"]))),
		Blocked: s.list(named["blocked"]), Contacts: s.list(named["contacts"]),
	}
	if version, devices, ok := strings.Cut(named["devices"], ":"); ok {
		p.Devices.Version, p.Devices.Signature = uint32(s.number(version)), make([]byte, 64)
		for _, d := range s.list(devices) {
			p.Devices.List = append(p.Devices.List, uint8(d))
		}
	}
	s.home(user).SetPolicy(s.w.Now, user, &p, shard.Reply{})
	return nil
}

// list reads names between commas, ascending.
func (s *script) list(text string) (ids []uint64) {
	if text == "" {
		return nil
	}
	for _, name := range strings.Split(text, ",") {
		ids = append(ids, s.named(name))
	}
	slices.Sort(ids)
	return ids
}

// remove tells a user's home that a device is removed.
func (s *script) remove(args []string) []string {
	user := s.named(args[0])
	s.home(user).RemoveDevice(s.w.Now, user, uint8(s.number(args[1])), 0, shard.Reply{})
	return nil
}

// forget tells a user's home that the account is deleted.
func (s *script) forget(args []string) []string {
	user := s.named(args[0])
	s.home(user).Forget(s.w.Now, user, shard.Reply{})
	return nil
}

// hold has what follows happen in one turn, until go.
func (s *script) hold([]string) []string {
	s.holding = true
	return nil
}

func (s *script) goOn([]string) []string {
	s.holding = false
	return nil
}

// repeat runs a command many times.
func (s *script) repeat(args []string) (said []string) {
	command := scriptCommands()[args[1]]
	if command == nil {
		s.t.Fatalf("no command %q", args[1])
	}
	for n := range s.number(args[0]) {
		counted := slices.Clone(args[2:])
		for i, text := range counted {
			if first, ok := strings.CutPrefix(text, "#"); ok {
				counted[i] = strconv.FormatUint(s.number(first)+n, 10)
			}
		}
		said = append(said, command(s, counted)...)
	}
	return said
}
