package shard

import "trunkline/codec"

// RulesConfig is what Rules holds senders to. A zero turns a rule off.
type RulesConfig struct {
	Seed uint64 // of the tables; secret, or somebody could aim at them

	Grown    HourlyLimits
	Young    HourlyLimits // of devices that were first seen less than YoungSec ago, or nobody knows when; a zero is Grown's
	YoungSec uint32       // 0: nobody is young

	// A user that so many others have reported within a day may send one message in SlowMs, or none any more.
	SlowReports   int // at most GuardReportersMax, as RefuseReports
	SlowMs        uint32
	RefuseReports int
}

// HourlyLimits are how much one user may do within an hour, all its devices together.
type HourlyLimits struct {
	Messages      int
	Conversations int // first messages to somebody
	Receivers     int // distinct ones, groups too, at most GuardReceiversMax; those it has written to within the hour stay open to it
}

// The rules, in the order in which they are asked.
const (
	ruleNone uint8 = iota
	ruleRefused
	ruleSlowed
	ruleMessages
	ruleConversations
	ruleReceivers
	ruleOther // of another Guard
)

// RuleName is a rule's name in counters, traces and documents; empty for none.
func RuleName(rule uint8) string {
	switch rule {
	case ruleNone:
		return ""
	case ruleRefused:
		return "reports_refused"
	case ruleSlowed:
		return "reports_slowed"
	case ruleMessages:
		return "messages"
	case ruleConversations:
		return "conversations"
	case ruleReceivers:
		return "receivers"
	}
	return "other"
}

// hourSec and daySec are the spans of the rules.
const hourSec, daySec = 3_600, 86_400

// Rules is the Guard that is embedded. It holds users to hourly limits and to what others have reported. All its tables have a fixed size, and
// it depends on nothing but its configuration and what it is told. It judges one loop's users and belongs to that loop.
type Rules struct {
	cfg       RulesConfig
	hash      Placement
	senders   guardTable[senderCell]
	reported  guardTable[reporters]
	decisions decisionRing
}

// senderCell is what is remembered of one user.
type senderCell struct {
	messages window
	firsts   window
	fan      fanout
}

// NewRules makes them. Numbers above their maximum are the maximum.
func NewRules(cfg RulesConfig) *Rules {
	for _, n := range []*int{&cfg.SlowReports, &cfg.RefuseReports} {
		*n = min(*n, GuardReportersMax)
	}
	for _, n := range []*int{&cfg.Grown.Receivers, &cfg.Young.Receivers} {
		*n = min(*n, GuardReceiversMax)
	}
	if cfg.YoungSec == 0 {
		cfg.Young = HourlyLimits{}
	}
	cfg.Young = cfg.Young.or(cfg.Grown)
	r := &Rules{cfg: cfg, hash: Placement{Seed: cfg.Seed, Loops: 1}}
	if cfg.Young != (HourlyLimits{}) {
		r.senders = newGuardTable[senderCell](cfg.Seed, guardSendersMax)
	}
	if cfg.SlowReports > 0 || cfg.RefuseReports > 0 {
		r.reported = newGuardTable[reporters](cfg.Seed, guardReportedMax)
	}
	return r
}

// or fills in what is zero.
func (h HourlyLimits) or(other HourlyLimits) HourlyLimits {
	for _, f := range []struct {
		n *int
		v int
	}{{&h.Messages, other.Messages}, {&h.Conversations, other.Conversations}, {&h.Receivers, other.Receivers}} {
		if *f.n == 0 {
			*f.n = f.v
		}
	}
	return h
}

// Report implements Guard. Nobody reports itself.
func (r *Rules) Report(now int64, user, by uint64) {
	if r.reported.len() == 0 || user == by {
		return
	}
	sec := uint32(now / 1_000)
	r.reported.enter(user, sec).add(uint32(r.hash.hash(by)>>32)|1, sec)
}

// Judge implements Guard. What is not let through counts for nothing: who waits gets on.
func (r *Rules) Judge(now int64, a *Attempt) Verdict {
	if a.User == a.Peer {
		return Verdict{} // for its own devices
	}
	d := Decision{AtMs: now, User: a.User, Device: a.Device, Peer: a.Peer}
	var reported *reporters
	if r.reported.len() > 0 {
		reported = r.reported.find(a.User)
	}
	if reported != nil && r.overReports(now, reported, &d) || r.senders.len() > 0 && r.overHour(now, a, &d) {
		r.decisions.add(&d)
		return Verdict{Code: d.Code, RetryMs: d.RetryMs, Rule: d.Rule}
	}
	if reported != nil {
		reported.lastMs = now
	}
	return Verdict{}
}

// overReports says whether a user was reported too often.
func (r *Rules) overReports(now int64, c *reporters, d *Decision) bool {
	n := c.since(max(uint32(now/1_000), daySec) - daySec + 1)
	refuse, slow := uint32(r.cfg.RefuseReports), uint32(r.cfg.SlowReports)
	switch {
	case refuse > 0 && n >= refuse:
		d.Rule, d.Code, d.Number, d.Limit = ruleRefused, codec.CodeRefused, n, refuse
		return true
	case slow > 0 && n >= slow:
		if since := now - c.lastMs; since >= 0 && since < int64(r.cfg.SlowMs) {
			d.Rule, d.Code, d.Number, d.Limit = ruleSlowed, codec.CodeRateLimited, n, slow
			d.RetryMs = uint32(int64(r.cfg.SlowMs) - since)
			return true
		}
	}
	return false
}

// overHour holds a user to the hourly limits, and counts its message if it may go.
func (r *Rules) overHour(now int64, a *Attempt, d *Decision) bool {
	sec := uint32(now / 1_000)
	limits := &r.cfg.Grown
	if y := r.cfg.YoungSec; y > 0 && (a.SeenSec == 0 || a.SeenSec > sec || sec-a.SeenSec < y) {
		limits, d.Young = &r.cfg.Young, true
	}
	c := r.senders.enter(a.User, sec)
	c.messages.roll(sec, hourSec)
	c.firsts.roll(sec, hourSec)
	c.fan.roll(sec, hourSec)
	to := r.hash.pair(a.User, a.Peer)
	switch {
	case d.over(ruleMessages, c.messages.sum(sec, hourSec), limits.Messages):
		d.RetryMs = 1_000 * c.messages.wait(sec, hourSec, d.Limit)
	case a.First && d.over(ruleConversations, c.firsts.sum(sec, hourSec), limits.Conversations):
		d.RetryMs = 1_000 * c.firsts.wait(sec, hourSec, d.Limit)
	case !c.fan.has(to) && d.over(ruleReceivers, c.fan.count, limits.Receivers):
		d.RetryMs = 1_000 * (hourSec - (sec - c.fan.start))
	default:
		c.messages.count++
		if a.First {
			c.firsts.count++
		}
		c.fan.add(to)
		return false
	}
	return true
}

// over fills in a decision if a number has reached its limit.
func (d *Decision) over(rule uint8, number uint32, limit int) bool {
	if limit <= 0 || number < uint32(limit) {
		return false
	}
	d.Rule, d.Code, d.Number, d.Limit = rule, codec.CodeRateLimited, number, uint32(limit)
	return true
}

// Lost is how many users the tables have given up for want of room: their counts began anew.
func (r *Rules) Lost() uint64 { return r.senders.lost + r.reported.lost }
