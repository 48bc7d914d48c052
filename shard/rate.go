package shard

import "math"

// limit is a Rate made ready for use: the generic cell rate algorithm, whose whole state is one number for each who is limited.
//
// That number is the theoretical arrival time: when the next one would come if all kept the rate exactly. Whoever is ahead of it by
// no more than a burst may go on. It is kept modulo 2^32 in units of 1/2^shift ms; zero is somebody who has done nothing yet. The unit
// is as fine as leaves the window a 256th of the range: so a number that is left over from long ago is taken for a fresh one with
// the chance of 1/256, and then costs a part of a burst, never more than the window's wait.
//
// The clock may step. A state that lies further ahead than a window can't have come about otherwise: it counts as none. So a clock
// that steps back gives at most one burst more, blocks nobody for longer than the window, and one that steps forward gives one burst.
//
// The clock counts whole milliseconds. What comes in one of them may be as much as belongs there, whatever the burst.
type limit struct {
	interval uint32 // units from one to the next; 0: no limit
	window   uint32 // units of a whole burst, and of just less than a millisecond: the clock may be that late
	shift    uint8
}

const (
	// limitShiftMax makes a unit 15 ns: the interval of the highest rate, ten million a second, is 6 of them.
	limitShiftMax = 16
	// limitWindowAim is the window that the unit is chosen for, limitWindowMax the longest there is: 12 days of milliseconds. A
	// burst that would take longer to earn is cut down to that.
	limitWindowAim = 1 << 24
	limitWindowMax = 1 << 30
)

// newLimit picks the unit for a rate. The zero Rate gives no limit.
func newLimit(r Rate) limit {
	if r.PerSecond <= 0 {
		return limit{}
	}
	burst := max(int64(r.Burst), 1)
	for shift := limitShiftMax; ; shift-- {
		interval := max(1_000<<shift/int64(r.PerSecond), 1)
		window := int64(limitWindowMax)
		if burst <= limitWindowMax/interval {
			window = burst * interval
		}
		if window <= limitWindowAim || interval <= limitIntervalMin || shift == 0 {
			return limit{interval: uint32(interval), window: uint32(window + 1<<shift - 1), shift: uint8(shift)}
		}
	}
}

// limitIntervalMin units are fine enough: a coarser unit would bend the rate by more than a part in a hundred.
const limitIntervalMin = 128

// ahead is how many units a state lies ahead of now, 0 to the window.
func (l limit) ahead(state uint32, now int64) int64 {
	ahead := int32(state - uint32(now<<l.shift))
	if state == 0 || ahead < 0 || uint32(ahead) > l.window {
		return 0
	}
	return int64(ahead)
}

// take lets one through that costs 1/2^part of one: next is the state after it. Over the limit the state stays as it was, and wait
// is the milliseconds until it would go through, at least 1.
func (l limit) take(state uint32, now int64, part uint8) (next uint32, wait int64) {
	if l.interval == 0 {
		return state, 0
	}
	after := l.ahead(state, now) + max(int64(l.interval>>part), 1)
	if after > int64(l.window) {
		return state, l.milliseconds(after - int64(l.window))
	}
	return max(uint32(now<<l.shift)+uint32(after), 1), 0
}

// takeMany is take for n at once, or for a burst if they are more.
func (l limit) takeMany(state uint32, now int64, n int64) (next uint32, wait int64) {
	if l.interval == 0 {
		return state, 0
	}
	if wait = l.room(state, now, n); wait > 0 {
		return state, wait
	}
	after := l.ahead(state, now) + min(n*int64(l.interval), int64(l.window))
	return max(uint32(now<<l.shift)+uint32(after), 1), 0
}

// room is the milliseconds until n of them would go through at once, no more than a burst of them.
func (l limit) room(state uint32, now int64, n int64) int64 {
	after := l.ahead(state, now) + min(n*int64(l.interval), int64(l.window))
	return l.milliseconds(max(after-int64(l.window), 0))
}

func (l limit) milliseconds(units int64) int64 { return (units + 1<<l.shift - 1) >> l.shift }

// The rates of a mailbox. They live in its record, so that a new connection does not reset them.

// overRate says whether a stanza of the attached session is too much: with which code, and when it may come again. What it costs is
// counted only when it is taken. SENDs and read receipts are messages alike: each is routed to somebody's mailbox.
func (m *mailbox) overRate(now int64, msg *message, w *world, out *effects) (retryMs uint32) {
	messages, wait := w.messages.take(m.messages, now, 0)
	if wait > 0 {
		w.stats.RateLimited++
		return m.retryMs(max(wait, min(w.messages.room(m.messages, now, UplinkEntriesMax), refusalRetryMs)))
	}
	if msg.code == 0 || msg.kind == msgRead {
		conversations, wait := m.converse(now, msg.peer, w, out)
		if wait > 0 {
			w.stats.NotConversing++
			return m.retryMs(wait)
		}
		m.conversations = conversations
	}
	m.messages = messages
	return 0
}

// retryMs adds a little to a wait, the same for one user each time: those who were refused together do not come back together.
func (m *mailbox) retryMs(wait int64) uint32 {
	wait = min(wait, math.MaxUint32/2)
	return uint32(wait) + uint32(spread(m.user, uint64(wait)/rateSpreadPart+1))
}

// The rate of a session: everything but what has a cseq.

// overControls leaves a frame unread that comes too soon; the rest of the input waits behind it, so nothing is lost, nothing is
// answered, and a flood costs what its rate allows. part as in limit.take.
func (s *session) overControls(now int64, part uint8, w *world, out *effects) bool {
	next, wait := w.controls.take(s.controls, now, part)
	if wait == 0 {
		s.controls = next
		return false
	}
	s.throttle(wait, w, out)
	return true
}

// overPeers is overControls for a stanza that names users: it counts as one more for each namedUsersPart of them, as the search for each
// costs. before is the state without it.
func (s *session) overPeers(now int64, before uint32, users int, w *world, out *effects) bool {
	next, wait := w.controls.takeMany(before, now, 1+int64(users/namedUsersPart))
	if wait == 0 {
		s.controls = next
		return false
	}
	s.controls = before
	s.throttle(wait, w, out)
	return true
}

func (s *session) throttle(wait int64, w *world, out *effects) {
	if s.flags&flagThrottled == 0 {
		w.stats.Throttled++
	}
	out.leave = true
	s.flags |= flagThrottled | flagSoonTimer // sooner than any other deadline matters: checkDeadlines arms those anew
	out.timerMs = wait
}
