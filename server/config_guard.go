package server

import (
	"time"

	"trunkline/shard"
)

// withGuardDefaults fills the zero fields of the guard. Most are off unless somebody asks for them: what is ordinary depends on who the users are.
func (c Config) withGuardDefaults() Config {
	orDuration(&c.GuardYoung, GuardYoungDefault)
	orInt(&c.GuardSlowReports, GuardSlowReportsDefault)
	orDuration(&c.GuardSlowEvery, GuardSlowEveryDefault)
	return c
}

// checkGuard reports the first of these settings that can't be used.
func (c Config) checkGuard() error {
	for _, n := range []struct {
		key       string
		v         int
		low, high int
	}{
		{"guard-messages", c.GuardMessages, 0, GuardHourlyMax},
		{"guard-conversations", c.GuardConversations, 0, GuardHourlyMax},
		{"guard-receivers", c.GuardReceivers, 0, shard.GuardReceiversMax},
		{"guard-young-messages", c.GuardYoungMessages, 0, GuardHourlyMax},
		{"guard-young-conversations", c.GuardYoungConversations, 0, GuardHourlyMax},
		{"guard-young-receivers", c.GuardYoungReceivers, 0, shard.GuardReceiversMax},
		{"guard-slow-reports", c.GuardSlowReports, -1, shard.GuardReportersMax},
		{"guard-refuse-reports", c.GuardRefuseReports, 0, shard.GuardReportersMax},
	} {
		if err := checkInt(n.key, n.v, n.low, n.high); err != nil {
			return err
		}
	}
	if err := checkDuration("guard-young", c.GuardYoung, time.Minute, GuardYoungMax); err != nil {
		return err
	}
	return checkDuration("guard-slow-every", c.GuardSlowEvery, time.Second, GuardSlowEveryMax)
}

// guardRules are one loop's rules; nil when all are off.
func (c Config) guardRules(seed uint64) *shard.Rules {
	rules := shard.RulesConfig{
		Seed:          seed,
		Grown:         shard.HourlyLimits{Messages: c.GuardMessages, Conversations: c.GuardConversations, Receivers: c.GuardReceivers},
		Young:         shard.HourlyLimits{Messages: c.GuardYoungMessages, Conversations: c.GuardYoungConversations, Receivers: c.GuardYoungReceivers},
		YoungSec:      uint32(time.Duration(c.GuardYoung) / time.Second),
		SlowReports:   max(c.GuardSlowReports, 0),
		SlowMs:        uint32(time.Duration(c.GuardSlowEvery).Milliseconds()),
		RefuseReports: c.GuardRefuseReports,
	}
	off := shard.HourlyLimits{}
	if rules.Grown == off && rules.Young == off && rules.SlowReports == 0 && rules.RefuseReports == 0 {
		return nil
	}
	return shard.NewRules(rules)
}
