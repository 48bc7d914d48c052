package client

import (
	"cmp"
	"crypto/ed25519"
	"fmt"
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// KnownGroup is what a device remembers of a group: which change of it was the newest that it heard of.
type KnownGroup struct {
	Group uint64
	Epoch uint32
	Used  uint64 // rises with use; the lowest is forgotten first
}

// KnownDevices is what a device remembers of another user: the list that its primary has signed, and the primary's key as it was first seen.
type KnownDevices struct {
	User    uint64
	Version uint32  // 0: no list
	List    []uint8 // ascending; never changed in place
	Key     [32]byte
	Used    uint64
}

// knowledge is what messages are addressed by. Pure; the client's mutex guards it.
type knowledge struct {
	groups  map[uint64]*KnownGroup
	devices map[uint64]*KnownDevices
	uses    uint64 // newest Used
}

// newKnowledge continues with what a State held.
func newKnowledge(groups []KnownGroup, devices []KnownDevices) knowledge {
	k := knowledge{groups: map[uint64]*KnownGroup{}, devices: map[uint64]*KnownDevices{}}
	for i := range groups {
		k.groups[groups[i].Group] = &groups[i]
		k.uses = max(k.uses, groups[i].Used)
	}
	for i := range devices {
		k.devices[devices[i].User] = &devices[i]
		k.uses = max(k.uses, devices[i].Used)
	}
	return k
}

// epoch is the newest one known of a group; 0: none.
func (k *knowledge) epoch(group uint64) uint32 {
	if g := k.groups[group]; g != nil {
		return g.Epoch
	}
	return 0
}

// list is the signed list of a user; version 0: none is known.
func (k *knowledge) list(user uint64) (devices []uint8, version uint32) {
	if d := k.devices[user]; d != nil {
		return d.List, d.Version
	}
	return nil, 0
}

// setEpoch keeps the epoch of a group when it is a newer one.
func (k *knowledge) setEpoch(group uint64, epoch uint32, c *Change) (news bool) {
	if epoch <= k.epoch(group) {
		return false
	}
	k.uses++
	row := KnownGroup{Group: group, Epoch: epoch, Used: k.uses}
	k.groups[group] = &row
	c.Groups = append(slices.DeleteFunc(c.Groups, func(r KnownGroup) bool { return r.Group == group }), row)
	if len(k.groups) > GroupsKnownMax {
		for _, g := range oldest(k.groups, func(r *KnownGroup) uint64 { return r.Used }) {
			k.dropGroup(g, c)
		}
	}
	return true
}

// dropGroup forgets a group.
func (k *knowledge) dropGroup(group uint64, c *Change) {
	if k.groups[group] == nil {
		return
	}
	delete(k.groups, group)
	c.Groups = slices.DeleteFunc(c.Groups, func(r KnownGroup) bool { return r.Group == group })
	c.GroupsGone = append(c.GroupsGone, group)
}

// setDevices keeps a row.
func (k *knowledge) setDevices(row KnownDevices, c *Change) {
	k.uses++
	row.Used = k.uses
	k.devices[row.User] = &row
	c.Devices = append(slices.DeleteFunc(c.Devices, func(r KnownDevices) bool { return r.User == row.User }), row)
	if len(k.devices) <= DevicesKnownMax {
		return
	}
	for _, user := range oldest(k.devices, func(r *KnownDevices) uint64 { return r.Used }) {
		delete(k.devices, user)
		c.Devices = slices.DeleteFunc(c.Devices, func(r KnownDevices) bool { return r.User == user })
		c.DevicesGone = append(c.DevicesGone, user)
	}
}

// oldest is the sixteenth of the rows that was used longest ago.
func oldest[R any](rows map[uint64]R, used func(R) uint64) []uint64 {
	keys := make([]uint64, 0, len(rows))
	for key := range rows {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b uint64) int { return cmp.Compare(used(rows[a]), used(rows[b])) })
	return keys[:len(keys)/16]
}

// pinning says what becomes of a primary's key that is not the pinned one.
type pinning uint8

const (
	pinFirst pinning = iota // refused
	pinAnew                 // pinned: a person has made sure
)

// learnEpoch keeps the epoch of a group. The mutex is held.
func (c *Client) learnEpoch(group uint64, epoch uint32) {
	if c.known.setEpoch(group, epoch, c.journal.staged) {
		c.journal.touch(c.cfg.now())
		c.poke()
	}
}

// learnDevices keeps a user's list of devices when it is newer than the known one and its primary has signed it, as far as the primary's key is known.
// The mutex is held. Errors: ErrDeviceKeyChanged, ErrDeviceList.
func (c *Client) learnDevices(l *iq.DeviceList, pin pinning) (verified bool, err error) {
	row := KnownDevices{User: l.User}
	if old := c.known.devices[l.User]; old != nil {
		row = *old
	}
	before := row
	if key := c.primaryKey(l); key != [32]byte{} && key != row.Key {
		if row.Key != [32]byte{} && pin == pinFirst {
			return false, fmt.Errorf("%w: user %d", ErrDeviceKeyChanged, l.User)
		}
		row = KnownDevices{User: l.User, Key: key}
	}
	if l.Version != 0 {
		if verified, err = verifyList(l, &row.Key); err != nil {
			return false, err
		}
		if l.Version > row.Version {
			row.Version, row.List = l.Version, slices.Clone(l.List)
		}
	}
	if row.Key != before.Key || row.Version != before.Version {
		c.known.setDevices(row, c.journal.staged)
		c.journal.touch(c.cfg.now())
		c.poke()
	}
	return verified, nil
}

// primaryKey is the key of the user's primary device as l or this device itself says; zero: not known.
func (c *Client) primaryKey(l *iq.DeviceList) [32]byte {
	if l.User == c.cfg.user && c.cfg.device == 0 && c.cfg.transport != transportPlain {
		return [32]byte(c.identity.signer().Public().(ed25519.PublicKey))
	}
	for i := range l.Known {
		if l.Known[i].Device == 0 {
			return l.Known[i].Sign
		}
	}
	return [32]byte{}
}

// verifyList holds a list against its form and, when the key is known, its signature. Errors: ErrDeviceList.
func verifyList(l *iq.DeviceList, key *[32]byte) (verified bool, err error) {
	if len(l.List) == 0 || len(l.List) > iq.DevicesMax || !rising(l.List) || l.List[len(l.List)-1] > codec.DeviceMax {
		return false, fmt.Errorf("%w: user %d, version %d: %v", ErrDeviceList, l.User, l.Version, l.List)
	}
	if *key == [32]byte{} {
		return false, nil
	}
	if len(l.Signature) != ed25519.SignatureSize || !ed25519.Verify(key[:], iq.SignedBytes(nil, l), l.Signature) {
		return false, fmt.Errorf("%w: the list of user %d, version %d, is not signed by its primary", ErrDeviceList, l.User, l.Version)
	}
	return true, nil
}

// forgetGroups drops what was known of groups when a server has lost its data: their numbers may have begun anew. The mutex is held.
func (c *Client) forgetGroups() {
	for group := range c.known.groups {
		c.known.dropGroup(group, c.journal.staged)
	}
	c.down.forgetEvents(c.journal.staged)
}

// rising says that every device is above the one before it.
func rising(list []uint8) bool {
	for i := 1; i < len(list); i++ {
		if list[i] <= list[i-1] {
			return false
		}
	}
	return true
}
