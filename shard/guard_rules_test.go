package shard

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"trunkline/codec"
)

const hourMs, dayMs = 3_600_000, 86_400_000

// judge asks about a message between two that know each other, of a device that is there for long.
func (r *Rules) judge(now int64, user, peer uint64) Verdict {
	return r.Judge(now, &Attempt{User: user, Peer: peer, SeenSec: longAgo})
}

// passed counts how many of n go through at once.
func (r *Rules) passed(now int64, user uint64, n int) (passed int) {
	for range n {
		if r.judge(now, user, 7).Code == codec.CodeNone {
			passed++
		}
	}
	return passed
}

// TestRulesThatAreOffLetAllThrough, whatever is reported.
func TestRulesThatAreOffLetAllThrough(t *testing.T) {
	r := NewRules(RulesConfig{Seed: 1})
	for by := range uint64(200) {
		r.Report(testNow, 5, by+10)
	}
	for peer := range uint64(20_000) {
		if v := r.Judge(testNow, &Attempt{User: 5, Peer: peer + 10, First: true}); v != (Verdict{}) {
			t.Fatalf("message %d: %+v", peer, v)
		}
	}
}

// TestMessagesAnHour: so many, then none before the retry-after, which is exact; over hours the rate holds.
func TestMessagesAnHour(t *testing.T) {
	r := NewRules(RulesConfig{Seed: 1, Grown: HourlyLimits{Messages: 60}})
	if n := r.passed(testNow, 5, 100); n != 60 {
		t.Errorf("%d at once", n)
	}
	if n := r.passed(testNow, 6, 10); n != 10 {
		t.Errorf("somebody else sends %d of 10", n)
	}
	now, total := int64(testNow), 60
	for now < testNow+10*hourMs {
		v := r.judge(now, 5, 7)
		if v.Code == codec.CodeNone {
			total++
			continue
		}
		if v.RetryMs < 1_000 || v.RetryMs > 2*hourMs || r.judge(now+int64(v.RetryMs)-1_000, 5, 7).Code == codec.CodeNone {
			t.Fatalf("at %d: %+v is longer than it takes", now-testNow, v)
		}
		now += int64(v.RetryMs)
		if again := r.judge(now, 5, 7); again.Code != codec.CodeNone {
			t.Fatalf("at %d: after %d ms still %+v", now-testNow, v.RetryMs, again)
		}
		total++
	}
	if total < 9*60 || total > 11*60+1 {
		t.Errorf("%d messages in ten hours", total)
	}
	if n := r.passed(now+3*hourMs, 5, 100); n != 60 {
		t.Errorf("after a rest %d at once", n)
	}
}

// TestNewConversationsAnHour: who is known can always be written to.
func TestNewConversationsAnHour(t *testing.T) {
	r := NewRules(RulesConfig{Seed: 1, Grown: HourlyLimits{Conversations: 3}})
	for peer := range uint64(5) {
		v := r.Judge(testNow, &Attempt{User: 5, Peer: peer + 10, First: true, SeenSec: longAgo})
		if over := peer >= 3; (v.Code == codec.CodeRateLimited) != over || over && (v.Rule != ruleConversations || v.RetryMs < hourMs/4) {
			t.Errorf("conversation %d: %+v", peer, v)
		}
	}
	if v := r.judge(testNow, 5, 10); v.Code != codec.CodeNone {
		t.Errorf("one that goes on: %+v", v)
	}
}

// TestReceiversAnHour are counted to a few percent, and those of the hour stay open.
func TestReceiversAnHour(t *testing.T) {
	for _, limit := range []int{5, 50, GuardReceiversMax} {
		r := NewRules(RulesConfig{Seed: 1, Grown: HourlyLimits{Receivers: limit}})
		var open []uint64
		for peer := range uint64(3 * limit) {
			if r.judge(testNow, 5, peer+10).Code == codec.CodeNone {
				open = append(open, peer+10)
			}
			r.judge(testNow, 5, 10) // again and again
		}
		if n := len(open); n < limit || n > limit+limit/10 { // a few are taken for known
			t.Errorf("%d receivers with a limit of %d", n, limit)
		}
		for _, peer := range open {
			if v := r.judge(testNow, 5, peer); v.Code != codec.CodeNone {
				t.Fatalf("%d, who was written to: %+v", peer, v)
			}
		}
		fresh := uint64(1_000_000)
		v := r.judge(testNow, 5, fresh)
		for ; v.Code == codec.CodeNone; fresh++ {
			v = r.judge(testNow, 5, fresh+1)
		}
		if v.Rule != ruleReceivers || v.RetryMs != hourMs || r.judge(testNow+hourMs, 5, fresh).Code != codec.CodeNone {
			t.Errorf("%+v, and then it is not open", v)
		}
	}
}

// TestTheFilterTellsReceiversApart: who was added is there, and few others are, however many there are.
func TestTheFilterTellsReceiversApart(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 3))
	var f fanout
	var hashes []uint64
	for range GuardReceiversMax {
		hashes = append(hashes, rnd.Uint64())
		f.add(hashes[len(hashes)-1])
		f.add(hashes[0])
	}
	for _, hash := range hashes {
		if !f.has(hash) {
			t.Fatalf("%x is not there", hash)
		}
	}
	if f.count < GuardReceiversMax*97/100 || f.count > GuardReceiversMax {
		t.Errorf("%d are counted as %d", GuardReceiversMax, f.count)
	}
	wrong := 0
	for range 10_000 {
		if f.has(rnd.Uint64()) {
			wrong++
		}
	}
	if wrong > 400 {
		t.Errorf("%d of 10,000 strangers are taken for known", wrong)
	}
}

// TestYoungDevicesMayLess: those of the last day, and those of which nobody knows.
func TestYoungDevicesMayLess(t *testing.T) {
	const nowSec = testNow / 1_000
	for sec, young := range map[uint32]bool{0: true, nowSec: true, nowSec + 60: true, nowSec - 86_399: true, nowSec - 86_400: false, longAgo: false} {
		r := NewRules(RulesConfig{Seed: 1, YoungSec: 86_400, Grown: HourlyLimits{Messages: 9}, Young: HourlyLimits{Messages: 4}})
		n := 0
		for r.Judge(testNow, &Attempt{User: 5, Peer: 7, SeenSec: sec}).Code == codec.CodeNone {
			n++
		}
		if want := map[bool]int{true: 4, false: 9}[young]; n != want {
			t.Errorf("first seen at %d: %d messages, want %d", sec, n, want)
		}
		for d := range r.Decisions {
			if d.Young != young || d.Limit != uint32(n) || d.Number != uint32(n) {
				t.Errorf("explained by %+v", d)
			}
		}
	}
	r := NewRules(RulesConfig{Seed: 1, YoungSec: 86_400, Grown: HourlyLimits{Messages: 9}, Young: HourlyLimits{Receivers: 3}})
	if r.cfg.Young.Messages != 9 {
		t.Error("a rule that is off for young devices is not the others'")
	}
	r = NewRules(RulesConfig{Seed: 1, Young: HourlyLimits{Messages: 1}})
	if v := r.Judge(testNow, &Attempt{User: 5, Peer: 7}); v.Code != codec.CodeNone || r.senders.len() != 0 {
		t.Error("nobody is young, and somebody is held to the numbers")
	}
}

// TestWhomManyReport is slowed and then refused, by distinct others within a day.
func TestWhomManyReport(t *testing.T) {
	r := NewRules(RulesConfig{Seed: 1, SlowReports: 3, SlowMs: 60_000, RefuseReports: 5})
	for range 10 {
		r.Report(testNow, 5, 5)
		r.Report(testNow, 5, 11)
		r.Report(testNow, 5, 12)
	}
	if n := r.passed(testNow, 5, 10); n != 10 {
		t.Errorf("two have reported it, and %d of 10 go through", n)
	}
	r.Report(testNow+hourMs, 5, 13)
	now := int64(testNow + 2*hourMs)
	if n := r.passed(now, 5, 10); n != 1 {
		t.Errorf("slowed, %d go through at once", n)
	}
	if v := r.judge(now+20_000, 5, 7); v.Code != codec.CodeRateLimited || v.RetryMs != 40_000 || v.Rule != ruleSlowed {
		t.Errorf("%+v", v)
	}
	if n := r.passed(now+60_000, 5, 10); n != 1 {
		t.Errorf("a minute later %d go through", n)
	}
	r.Report(now, 5, 14)
	r.Report(now, 5, 15)
	if v := r.judge(now+hourMs, 5, 7); v.Code != codec.CodeRefused || v.Rule != ruleRefused {
		t.Errorf("%+v", v)
	}
	if v := r.judge(now, 6, 7); v.Code != codec.CodeNone {
		t.Errorf("somebody else: %+v", v)
	}
	if n := r.passed(testNow+dayMs+10*hourMs, 5, 3); n != 3 {
		t.Errorf("a day later %d of 3 go through", n)
	}
}

// TestForItsOwnDevicesNothingCounts.
func TestForItsOwnDevicesNothingCounts(t *testing.T) {
	r := NewRules(RulesConfig{Seed: 1, Grown: HourlyLimits{Messages: 1}, RefuseReports: 1})
	r.Report(testNow, 5, 6)
	for range 10 {
		if v := r.judge(testNow, 5, 5); v.Code != codec.CodeNone {
			t.Fatalf("%+v", v)
		}
	}
}

// TestDecisionsAreTheNewest: the last one first, no more than fit.
func TestDecisionsAreTheNewest(t *testing.T) {
	r := NewRules(RulesConfig{Seed: 1, Grown: HourlyLimits{Messages: 1}})
	for i := range int64(guardDecisionsMax + 11) {
		r.judge(testNow+i, 5, 10)
	}
	at := int64(testNow + guardDecisionsMax + 10)
	n := 0
	for d := range r.Decisions {
		if d.AtMs != at || d.User != 5 || d.PeerID() != 10 || RuleName(d.Rule) != "messages" || d.Code != codec.CodeRateLimited {
			t.Fatalf("decision %d is %+v, want that of %d", n, *d, at)
		}
		at--
		n++
	}
	if n != guardDecisionsMax {
		t.Errorf("%d are remembered", n)
	}
	if id := (&Decision{Peer: codec.UserMax + 9}).PeerID(); id != codec.GroupBit|9 {
		t.Errorf("a group is shown as %x", id)
	}
}

// TestATableHoldsSoManyAndNoMore: who is new takes the place of one that was quiet for long, and memory does not grow.
func TestATableHoldsSoManyAndNoMore(t *testing.T) {
	table := newGuardTable[uint64](3, 64)
	for user := uint64(1); user <= 10_000; user++ {
		if at := table.enter(user, uint32(user)); user > 1 && *at != 0 {
			t.Fatalf("%d begins with %d, which was another's", user, *at)
		}
		*table.enter(user, uint32(user)) = user
		if at := table.find(user); at == nil || *at != user {
			t.Fatalf("%d is not there", user)
		}
		*table.enter(1, uint32(user)) = 1
	}
	if at := table.find(1); at == nil || *at != 1 {
		t.Error("one that is never quiet was given up")
	}
	held := 0
	for user := uint64(1); user <= 10_000; user++ {
		if at := table.find(user); at != nil {
			if *at != user {
				t.Fatalf("%d holds %d", user, *at)
			}
			held++
		}
	}
	if held != 64 || table.lost != 10_000-64 {
		t.Errorf("%d are held, %d lost", held, table.lost)
	}
	if at := table.find(9_999_999); at != nil {
		t.Error("a stranger is there")
	}
}

// TestARunCanBeReplayed: the same attempts and reports at the same times lead to the same verdicts and decisions.
func TestARunCanBeReplayed(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	cfg := RulesConfig{
		Seed: 9, YoungSec: 86_400, SlowReports: 3, SlowMs: 30_000, RefuseReports: 6,
		Grown: HourlyLimits{Messages: 90, Conversations: 30, Receivers: 40}, Young: HourlyLimits{Messages: 30, Conversations: 9, Receivers: 12},
	}
	play := func(cfg RulesConfig) (verdicts []Verdict, trace string) {
		rnd, r, now := rand.New(rand.NewPCG(seed, 4)), NewRules(cfg), int64(testNow)
		for range 60_000 {
			now += rnd.Int64N(4_000)
			user := 1 + rnd.Uint64N(rnd.Uint64N(40)+1)
			if rnd.IntN(300) == 0 {
				r.Report(now, user, 1+rnd.Uint64N(40))
				continue
			}
			verdicts = append(verdicts, r.Judge(now, &Attempt{
				User: user, Peer: 100 + rnd.Uint64N(90), First: rnd.IntN(4) == 0, SeenSec: uint32(rnd.IntN(2)) * longAgo,
			}))
		}
		for d := range r.Decisions {
			trace += fmt.Sprintf("%+v\n", *d)
		}
		return verdicts, trace
	}
	first, trace := play(cfg)
	again, same := play(cfg)
	if !slices.Equal(first, again) || trace != same {
		t.Error("a second run differs")
	}
	var rules [ruleOther]int
	for _, v := range first {
		rules[v.Rule]++
	}
	for rule, n := range rules {
		if n == 0 {
			t.Errorf("rule %q was never met", RuleName(uint8(rule)))
		}
	}
}

// BenchmarkJudge is a message of one of many senders, all rules on.
func BenchmarkJudge(b *testing.B) {
	r := NewRules(RulesConfig{
		Seed: 9, YoungSec: 86_400, SlowReports: 10, SlowMs: 1_000, RefuseReports: 20,
		Grown: HourlyLimits{Messages: 1 << 30, Conversations: 1 << 30, Receivers: 512},
	})
	a := Attempt{SeenSec: longAgo}
	var i uint64
	for b.Loop() {
		i++
		a.User, a.Peer = 1+i%20_000, 50_000+i%7
		if v := r.Judge(testNow, &a); v.Code != codec.CodeNone {
			b.Fatal(v)
		}
	}
}
