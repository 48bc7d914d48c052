package server

import (
	"fmt"
	"math"
	"runtime"

	"trunkline/tuning"
)

// GCChoice is how the collector is set, and why. The caller of New applies it (Server.GCChoice): the collector belongs to the process.
type GCChoice struct {
	Percent    int   // heap growth between two collections
	LimitBytes int64 // soft limit of the process's memory; math.MaxInt64: none
	// The environment had the word: nothing is to be applied.
	PercentGiven, LimitGiven bool
	Reason                   string
}

// GCSettings are what the choice depends on.
type GCSettings struct {
	Percent     int // of the configuration; 0: to be chosen
	Connections int // most that there may be
	Users       int // most that there may be
	Loops       int
	StoreBytes  int64  // most that waits
	MemoryBytes int64  // of the machine, or of what a control group leaves; 0: not known
	GOGC        string // of the environment; "": not set
	GOMEMLIMIT  string
}

const (
	// gcSlackBytes is the garbage between two collections that is aimed at. A collection here costs the same few milliseconds whatever the
	// heap, for hardly any of it has pointers: this much makes collections rare, and more only takes memory from connections.
	gcSlackBytes = 256 << 20
	// gcPercentMin bounds how often a large server collects, gcPercentMax how much a small one lets lie.
	gcPercentMin = 20
	gcPercentMax = GCPercentDefault
	// gcBaseBytes is what a server takes beside its connections.
	gcBaseBytes = 48 << 20
	// gcReservePart of the machine's memory is for everything else on it.
	gcReservePart = 8
)

// chooseGC decides. Percent: so that about gcSlackBytes lie between two collections when all connections are there. Limit: what the
// machine has, without the kernel's part of those connections and a reserve; none where connections and waiting bytes alone would pass it, for
// a limit that can't be kept has the collector run all the time.
func chooseGC(in GCSettings) GCChoice {
	c := GCChoice{LimitBytes: math.MaxInt64, PercentGiven: in.GOGC != "", LimitGiven: in.GOMEMLIMIT != ""}
	n := max(min(in.Connections, in.Users), 1)
	e, err := ExplainMemory(min(n, tuning.ConnectionsMax), max(in.Loops, 1))
	if err != nil {
		e = MemoryExplanation{} // of no more than the limits of tuning: can't be
	}
	need := e.Bytes + gcBaseBytes
	c.Percent, c.Reason = c.percent(in, n, need)
	limit, reason := c.limit(in, e, need+in.StoreBytes)
	if !c.LimitGiven {
		c.LimitBytes = limit
	}
	c.Reason += "; " + reason
	return c
}

func (c GCChoice) percent(in GCSettings, n int, need int64) (int, string) {
	switch {
	case c.PercentGiven:
		return in.Percent, "GOGC=" + in.GOGC + " of the environment"
	case in.Percent > 0:
		return in.Percent, fmt.Sprintf("%d %% as configured", in.Percent)
	}
	p := int(min(max(gcSlackBytes*100/need, gcPercentMin), gcPercentMax))
	return p, fmt.Sprintf("%d %%: up to %d connections take %s", p, n, Bytes(need>>20<<20))
}

func (c GCChoice) limit(in GCSettings, e MemoryExplanation, need int64) (int64, string) {
	if c.LimitGiven {
		return 0, "limit " + in.GOMEMLIMIT + " of the environment (GOMEMLIMIT)"
	}
	if in.MemoryBytes <= 0 {
		return math.MaxInt64, "no limit: the machine's memory is not known"
	}
	kernel := int64(0)
	for _, k := range e.Kernel {
		if k.OS == runtime.GOOS {
			kernel = k.Bytes
		}
	}
	limit := in.MemoryBytes - in.MemoryBytes/gcReservePart - kernel
	if limit < need {
		return math.MaxInt64, fmt.Sprintf("no limit: all of them, the kernel's part and %s that may wait are more than the machine's %s leave",
			Bytes(in.StoreBytes), Bytes(in.MemoryBytes>>20<<20))
	}
	limit = limit >> 20 << 20
	return limit, fmt.Sprintf("limit %s of the machine's %s", Bytes(limit), Bytes(in.MemoryBytes>>20<<20))
}

// checkGC checks what a configuration says of the collector.
func (c *Config) checkGC() error {
	if c.GCPercent == 0 {
		return nil
	}
	return checkInt("gc-percent", c.GCPercent, 5, 1_000)
}

// GCChoice is how the collector is to be set for this server.
func (s *Server) GCChoice() GCChoice { return s.gc }

// chooseGC chooses when it is known how many connections there may be.
func (s *Server) chooseGC() {
	in := GCSettings{
		Percent: s.cfg.GCPercent, Connections: s.cfg.MaxConnections, Users: s.cfg.Users, Loops: s.cfg.Loops, StoreBytes: int64(s.cfg.StoreBytes),
		GOGC: s.cfg.GOGC, GOMEMLIMIT: s.cfg.GOMEMLIMIT,
	}
	if system, err := tuning.Live(0); err == nil {
		if m, err := system.Machine(); err == nil {
			in.MemoryBytes = m.MemoryBytes
		}
	}
	s.gc = chooseGC(in)
}
