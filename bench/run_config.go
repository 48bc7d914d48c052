package bench

import (
	"cmp"
	"fmt"
	"net/netip"
	"time"
)

// Scenario is what a run plays.
type Scenario string

// The scenarios.
const (
	ScenarioConnect Scenario = "connect" // idle sessions
	ScenarioMessage Scenario = "message" // pairs; one of each writes to the other
	ScenarioMix     Scenario = "mix"     // the published mix of logins, messages, receipts, presence and typing, scaled
	ScenarioStorm   Scenario = "storm"   // pairs talk; all others are cut at once and come back
	ScenarioSlow    Scenario = "slow"    // pairs talk; a part of the readers stops reading
	ScenarioSoak    Scenario = "soak"    // the mix for long, looked at every minute
)

// RunConfig says how to load a server from one or several hosts. The zero value of a field means its default.
type RunConfig struct {
	Target      Target        `json:"target"`
	Scenario    Scenario      `json:"scenario"`
	Connections int           `json:"connections"` // held at once, over all agents; default 10,000
	Ramp        float64       `json:"ramp"`        // connections a second that come in; 0: as fast as they log in
	Warmup      time.Duration `json:"warmup_ns"`   // of the load, before the measurement; default a fifth of Duration, at most 10 s
	Duration    time.Duration `json:"duration_ns"` // of the measurement; default 30 s, of a soak 1 h
	Bytes       int           `json:"payload_bytes"`
	Rate        float64       `json:"rate"`   // messages a second over all; default one for 20 connections. Of mix and soak: derived
	Factor      float64       `json:"factor"` // mix, soak: how many times the published rates; default 1
	Shares      MixShares     `json:"shares"` // mix, soak
	Seed        uint64        `json:"seed"`

	Talkers float64 `json:"talkers"` // storm: share of the connections that talk and stay; default 0.1
	Back    float64 `json:"back"`    // storm: connections a second that come back; 0: all at once

	Stalled    float64       `json:"stalled"`        // slow: share of the pairs whose reader stops; default 0.1
	Stall      time.Duration `json:"stall_ns"`       // slow: for how long; default three times AckTimeout
	AckTimeout time.Duration `json:"ack_timeout_ns"` // slow: after which the server is to end a session; set on a server that the run starts. Default 5 s; with Target.Server 60 s

	Every       time.Duration `json:"every_ns"`     // soak: distance of two looks; default 1 m
	MemoryGrown float64       `json:"memory_grown"` // soak: how much the server's memory may have grown at the end, percent; default 10

	Agents      []string   `json:"agents,omitempty"` // addresses; none: this host alone
	AllowLost   LostAgents `json:"lost_agents"`      // what a lost agent means
	Key         []byte     `json:"-"`                // shared with the agents
	Aliases     AliasMode  `json:"aliases"`          // of this host; agents have their own
	AliasBase   netip.Addr `json:"alias_base"`
	PerProcess  int        `json:"per_process"` // connections of one generator process; default what its descriptor limit allows
	Processes   int        `json:"processes"`   // of this host at least; default one
	stall, poll time.Duration
}

// LostAgents says what happens to a run when an agent is lost.
type LostAgents string

// The ways.
const (
	LostAbort LostAgents = ""   // the run ends with an error
	LostAllow LostAgents = "go" // the others go on, and the report says so
)

// AliasMode says whether source addresses that are lacking are set.
type AliasMode string

// The modes.
const (
	AliasesAsTheyAre AliasMode = ""      // a lack is an error
	AliasesApply     AliasMode = "apply" // they are set for the run, and removed
)

// withDefaults fills zero fields.
func (c RunConfig) withDefaults() RunConfig {
	c.Target = c.Target.orDefault()
	c.Scenario = cmp.Or(c.Scenario, ScenarioMessage)
	c.Connections = cmp.Or(c.Connections, 10_000)
	c.Duration = cmp.Or(c.Duration, 30*time.Second)
	if c.Scenario == ScenarioSoak && c.Duration == 30*time.Second {
		c.Duration = time.Hour
	}
	c.Warmup = cmp.Or(c.Warmup, min(c.Duration/5, 10*time.Second))
	c.Bytes = cmp.Or(c.Bytes, 200)
	c.Factor = cmp.Or(c.Factor, 1)
	c.Shares = c.Shares.withDefaults()
	c.Seed = cmp.Or(c.Seed, 1)
	c.Talkers = cmp.Or(c.Talkers, 0.1)
	c.Stalled = cmp.Or(c.Stalled, 0.1)
	if c.AckTimeout == 0 {
		c.AckTimeout = 5 * time.Second
		if c.Target.Server != "" {
			c.AckTimeout = time.Minute
		}
	}
	c.Stall = cmp.Or(c.Stall, 3*c.AckTimeout)
	c.Every = cmp.Or(c.Every, time.Minute)
	c.MemoryGrown = cmp.Or(c.MemoryGrown, 10)
	c.Rate = cmp.Or(c.Rate, max(float64(c.Connections)/20, 1))
	c.PerProcess = cmp.Or(c.PerProcess, descriptorsFor())
	c.Processes = cmp.Or(c.Processes, 1)
	c.stall, c.poll = cmp.Or(c.stall, runStall), cmp.Or(c.poll, runPollEvery)
	return c
}

// mixed says whether the load is derived from the published mix.
func (c RunConfig) mixed() bool { return c.Scenario == ScenarioMix || c.Scenario == ScenarioSoak }

// cell is how many users know each other.
func (c RunConfig) cell() int {
	switch {
	case c.mixed():
		return c.Shares.GroupSize
	case c.Scenario == ScenarioConnect:
		return 1
	}
	return 2
}

// validate reports the first setting that is out of its limits.
func (c RunConfig) validate() error {
	switch c.Scenario {
	case ScenarioConnect, ScenarioMessage, ScenarioMix, ScenarioStorm, ScenarioSlow, ScenarioSoak:
	default:
		return fmt.Errorf("%w: scenario %q; it is connect, message, mix, storm, slow or soak", ErrInput, string(c.Scenario))
	}
	if len(c.Agents) > 0 && len(c.Key) != AgentKeyBytes {
		return fmt.Errorf("%w: agents need the key that they were started with (--key-file)", ErrInput)
	}
	for _, err := range []error{
		within("connections", c.Connections, c.cell(), ConnectionsMax),
		withinNumber("ramp", c.Ramp, 0, RampMax),
		withinTime("warmup", c.Warmup, 0, DurationMax),
		withinTime("duration", c.Duration, DurationMin, SoakMax),
		within("size", c.Bytes, PayloadBytesMin, PayloadBytesMax),
		withinNumber("rate", c.Rate, 0.001, RateMax),
		withinNumber("factor", c.Factor, 0.001, 10_000),
		c.Shares.validate(),
		withinNumber("talkers", c.Talkers, 0.001, 0.999),
		withinNumber("back", c.Back, 0, RampMax),
		withinNumber("stalled", c.Stalled, 0.001, 0.999),
		withinTime("ack timeout", c.AckTimeout, time.Second, time.Hour),
		withinTime("stall", c.Stall, time.Second, DurationMax),
		withinTime("every", c.Every, time.Second, time.Hour),
		withinNumber("memory growth", c.MemoryGrown, 0.1, 1_000),
		within("agents", len(c.Agents), 0, AgentsMax),
		within("connections of one process", c.PerProcess, 1, ConnectionsMax),
		within("processes", c.Processes, 1, ProcessesMax),
		c.Target.validate(),
	} {
		if err != nil {
			return err
		}
	}
	return nil
}

// orders is the whole load, before it is divided.
func (c RunConfig) orders() (crewOrders, MixRates) {
	cell := c.cell()
	cells := max(c.Connections/cell, 1)
	o := crewOrders{
		Transport: c.Target.Transport, Cell: cell, Connections: cells * cell, Bytes: c.Bytes, Ramp: c.Ramp, Seed: c.Seed, Back: c.Back,
	}
	var rates MixRates
	switch c.Scenario {
	case ScenarioMessage:
		o.Talk, o.Rate = cells, c.Rate
	case ScenarioSlow:
		o.Talk, o.Rate, o.Stalled = cells, c.Rate, min(max(int(float64(cells)*c.Stalled), 1), cells-1)
	case ScenarioStorm:
		o.Talk, o.Rate = min(max(int(float64(cells)*c.Talkers), 1), cells-1), c.Rate
	case ScenarioMix, ScenarioSoak:
		rates = ScaleMix(o.Connections, c.Shares, c.Factor)
		all := divideUp(o.Connections+rates.Away, cell) // whole circles
		rates.Away = all*cell - o.Connections
		o.Away, o.Talk = rates.Away, all
		o.Rate, o.Logins, o.GroupShare = rates.In, rates.Logins, rates.GroupShare
		o.Read, o.Typing, o.State = c.Shares.Read, c.Shares.Typing, c.Shares.Presence
		if rates.Away == 0 {
			o.Logins = 0 // nobody is there who could come
		}
		o.Mixed = 1
	}
	return o, rates
}
