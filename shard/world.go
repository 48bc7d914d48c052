package shard

import (
	"math"

	"trunkline/codec"
	"trunkline/internal/slab"
)

// world is what machines may read while they step. They change nothing in it but counters: everything else is an effect.
type world struct {
	cfg       Config
	mesh      Mesh
	stats     Stats
	stopped   [LoopsMax / 64]uint64 // loops whose intake is stopped, one bit each
	leastRoom int                   // the smallest credit of all other loops, once a tick
	owed      int                   // of credit to the loop of a session: what a step that goes on has pushed already
	messages  limit                 // of cfg.Messages
	controls  limit                 // of cfg.Controls
	converses limit                 // of cfg.Conversations
	presences limit                 // of cfg.PresenceRate
	pairs     *conversations
	births    births
	wheel     wheel
	draining  bool
	drainMs   uint32 // retry-after of GOAWAY is spread over this

	sessions  *slab.Table[session]
	mailboxes *slab.Slab[mailbox]
	users     *userIndex
	subs      *slab.Slab[subscription]
	watches   *slab.Slab[watch]
	subjects  *slab.Slab[subject]
	watched   map[uint64]uint32 // the subject of a user that is watched, registered or not
	helds     *slab.Slab[held]
	states    map[uint64]*userState
	tape      codec.Tape // of NODE frames
	attempt   Attempt    // that the guard is asked about: one for all, or each would be garbage
	ledgers   *slab.Slab[ledger]

	pushing pushScan
	acking  ackScan
}

// home is the loop of a user's mailboxes.
func (w *world) home(user uint64) int { return w.cfg.Placement.Home(user) }

// credit is how many bytes may be posted to a loop. Posts to the own loop take no room.
func (w *world) credit(to int) int {
	if to == w.cfg.Loop {
		return math.MaxInt
	}
	return w.mesh.Credit(to) - w.owed
}

// intakeStopped says whether a loop takes nothing new.
func (w *world) intakeStopped(loop int) bool { return w.stopped[loop>>6]&(1<<(loop&63)) != 0 }

func (w *world) setIntake(loop int, code uint8) {
	bit := uint64(1) << (loop & 63)
	if code != 0 {
		w.stopped[loop>>6] |= bit
	} else {
		w.stopped[loop>>6] &^= bit
	}
}

// find is a device's mailbox; hint is where it probably is. 0: there is none.
func (w *world) find(user uint64, device uint8, hint uint32) uint32 {
	if hint != 0 {
		if m := w.mailboxes.At(hint); m != nil && m.user == user && m.device == device {
			return hint
		}
	}
	for i := w.users.first(user); i != 0; i = w.mailboxes.At(i).next {
		if w.mailboxes.At(i).device == device {
			return i
		}
	}
	return 0
}

// devices counts a user's mailboxes, but for the server's own, and those with a session beside `except`.
func (w *world) devices(user uint64, except uint8) (all, online int) {
	for i := w.users.first(user); i != 0; {
		m := w.mailboxes.At(i)
		if !ownDevice(m.device) && m.state != mailboxGone {
			all++
		}
		if m.loggedIn() && m.device != except {
			online++
		}
		i = m.next
	}
	return all, online
}

// there says whether somebody looks at a device of a user beside `except`.
func (w *world) there(user uint64, except uint8) bool {
	for i := w.users.first(user); i != 0; {
		m := w.mailboxes.At(i)
		if m.state == mailboxOnline && m.device != except {
			return true
		}
		i = m.next
	}
	return false
}

// seat says whether a new mailbox of a user may be made, and if not, with which code a login is refused.
func (w *world) seat(user uint64) codec.ErrorCode {
	n, _ := w.devices(user, 0)
	switch {
	case n >= DevicesMax:
		return codec.CodeNotAuthorized
	case n > 0:
		return codec.CodeNone
	case !w.cfg.Open:
		return codec.CodeNotAuthorized
	case w.users.len() >= w.cfg.UsersMax:
		return codec.CodeBusy
	}
	return codec.CodeNone
}

// spread is a number below n that depends on a user only, so that many clients do not act at the same moment and one client
// acts the same way in every run. It is no secret and no placement.
func spread(user uint64, n uint64) uint64 {
	x := user + 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return (x ^ x>>31) % n
}

// validUser says whether an id can name a user.
func validUser(id uint64) bool { return id != 0 && id <= codec.UserMax }
