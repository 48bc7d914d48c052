package shard

import (
	"slices"

	"trunkline/codec"
	"trunkline/store"
)

// Deletion of accounts. What has to be done is noted in the user's pending mailbox in the turn in which its devices end, so that it goes on
// after a crash: the accounts are to forget the user (the Clerk is asked when the note is durable, and again until it has answered), and each of its
// groups is to hear that it left. When all have answered nothing is left.

// The codes of entries of a user's pending mailbox.
const (
	pendingForget = 1 // the accounts are to forget the user
	pendingPart   = 2 // the group Peer is to hear that the user left
)

// deletion is that of one account, from when it was asked for until all have answered.
type deletion struct {
	user    uint64
	turn    uint64   // in which it was noted
	groups  []uint64 // that have not answered
	askMs   int64    // when the accounts are asked, or asked again
	without bool     // the accounts know the user no longer
	then    Reply
}

// DeviceGen names a device and the generation that its account has reached.
type DeviceGen struct {
	Device uint8
	Gen    uint16
}

// Forget ends a user of this loop: all devices as RemoveDevice, its policy, and its place in its groups, which hear that it left. The Clerk is asked
// (with connection 0) to have the accounts forget it; Forgotten is the answer, and then is told behind that.
func (s *Shard) Forget(now int64, user uint64, then Reply) {
	s.current = message{kind: msgForget, user: user, conn: then.Conn, first: uint64(then.Loop), payload: then.Frame, from: int32(s.cfg.Loop)}
	s.take(now)
	s.drainLocal(now)
}

// takeForget begins the deletion of a user that is in memory, or of which nothing is kept.
func (s *Shard) takeForget(now int64, m *message) {
	msg := *m
	then := Reply{Loop: int(m.first), Conn: m.conn, Frame: slices.Clone(m.payload)}
	d := s.deletions[m.user]
	if d != nil { // asked for once more: whoever asked first is gone, or hears of it by losing its connection
		if d.then.Conn != then.Conn {
			s.endLater(d.then)
		}
		d.then, d.askMs = then, now
		return
	}
	d = &deletion{user: m.user, then: then, askMs: now}
	u := s.states[m.user]
	if u != nil {
		d.groups = slices.Clone(u.groups)
	}
	s.notePending(d)
	if u != nil {
		s.keepUser(m.user, new(userState))
		s.policyChanged(now, m.user)
	}
	s.stats.Forgotten++
	s.startDeletion(now, d)
	for i := s.users.first(msg.user); i != 0; i = s.mailboxes.At(i).next {
		if !ownDevice(s.mailboxes.At(i).device) {
			s.endDevice(now, i, msg)
		}
	}
}

// notePending has a deletion survive the process. Where there is no room for it nothing is kept of the user either.
func (s *Shard) notePending(d *deletion) {
	index := s.ownMailbox(d.user, store.DevicePending)
	if index == 0 {
		return
	}
	s.appendOwn(index, &store.Entry{Kind: store.KindState, Code: pendingForget, TimeSec: stateTime}, nil)
	for _, g := range d.groups {
		s.appendOwn(index, &store.Entry{Kind: store.KindState, Code: pendingPart, Peer: g, TimeSec: stateTime}, nil)
	}
}

// resumeDeletion goes on with what was noted, when the user's mailboxes have come into memory.
func (s *Shard) resumeDeletion(now int64, user uint64) {
	if s.deletions[user] != nil {
		return
	}
	var d *deletion
	s.cfg.Queue.Scan(user, store.DevicePending, 0, func(e *store.Entry, _ []byte) bool {
		if d == nil {
			d = &deletion{user: user, askMs: now, without: true}
		}
		switch e.Code {
		case pendingForget:
			d.without = false
		case pendingPart:
			d.groups = append(d.groups, e.Peer)
		}
		return true
	})
	if d != nil {
		s.startDeletion(now, d)
	}
}

// startDeletion tells the groups. The accounts are told when the note is durable.
func (s *Shard) startDeletion(now int64, d *deletion) {
	d.turn = s.notedIn
	s.deletions[d.user] = d
	s.forgetting = append(s.forgetting, d.user)
	for _, g := range d.groups {
		s.send(s.home(g), &message{kind: msgParted, user: g, peer: d.user, timeSec: uint32(now / 1000)})
	}
}

// goOnForgetting asks the accounts where it is time, and again where they have not answered.
func (s *Shard) goOnForgetting(now int64) {
	left := s.forgetting[:0]
	for _, user := range s.forgetting {
		d := s.deletions[user]
		switch {
		case d == nil || d.without:
			continue
		case s.cfg.Disk != nil && s.cfg.Disk.Durable() < d.turn:
		case s.cfg.Clerk == nil:
			s.withoutAccount(now, d, nil)
			continue
		case now >= d.askMs:
			d.askMs = now + forgetRetryMs
			if !s.cfg.Clerk.Ask(0, user, 0, codec.Frame{}) {
				d.askMs = now + loadRetryMs
			}
			s.host.WakeAt(d.askMs)
		default:
			s.host.WakeAt(d.askMs)
		}
		left = append(left, user)
	}
	s.forgetting = left
}

// Forgotten tells that the accounts know a user no longer, and which generations its devices had reached. One that has logged in since Forget
// with an account that they have forgotten ends too; what was registered behind that is a new user's, and so is what logs in anew where nobody
// keeps generations but the mailbox.
func (s *Shard) Forgotten(now int64, user uint64, gens []DeviceGen) {
	if d := s.deletions[user]; d != nil && !d.without {
		s.withoutAccount(now, d, gens)
		s.drainLocal(now)
	}
}

// withoutAccount ends what has logged in meanwhile with the old account, answers who has asked, and closes the asker's connection.
func (s *Shard) withoutAccount(now int64, d *deletion, gens []DeviceGen) {
	d.without = true
	for _, g := range gens {
		if i := s.find(d.user, g.Device, 0); i != 0 {
			s.endDevice(now, i, message{user: d.user, device: g.Device, gen: g.Gen, from: int32(s.cfg.Loop)})
		}
	}
	s.replyLater(d.then)
	s.endLater(d.then)
	d.then = Reply{}
	s.finishDeletion(d)
}

// parted: a group has no place for the user any more.
func (s *Shard) parted(_ int64, user, group uint64) {
	d := s.deletions[user]
	if d == nil {
		return
	}
	if i := slices.Index(d.groups, group); i >= 0 {
		d.groups = slices.Delete(d.groups, i, i+1)
	}
	s.finishDeletion(d)
}

// finishDeletion drops the note when all have answered.
func (s *Shard) finishDeletion(d *deletion) {
	if !d.without || len(d.groups) > 0 {
		return
	}
	delete(s.deletions, d.user)
	if index := s.find(d.user, store.DevicePending, 0); index != 0 {
		s.dropOwn(index, s.mailboxes.At(index).last)
	}
	for i := s.users.first(d.user); i != 0; i = s.mailboxes.At(i).next {
		s.offerGone(i, s.mailboxes.At(i))
	}
}
