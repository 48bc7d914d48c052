package bench

import "time"

// Limits of `bench run`, its scenarios and its agents. Over those of what may be asked for: ErrInput, nothing is started.
const (
	// RampMax bounds the connections a second that a run may ask for; no host makes more.
	RampMax = 1_000_000
	// AgentsMax bounds the agents of one run: each is asked twice a second.
	AgentsMax = 256
	// RunCellMax bounds the users of a run who know each other: a user remembers two numbers for each of them.
	RunCellMax = 64
	// SourcesMax bounds the source addresses of one host.
	SourcesMax = 4_096
	// ProcessesMax bounds the generator processes of one host.
	ProcessesMax = 1_024
)

// Limits of the generator behind `bench run`.
const (
	// runOutboxMax bounds what one user has to send, sent and not ticked included: as much again as eight windows. Over it a message that is
	// due is not sent, and counted as unsent.
	runOutboxMax = 512
	// runFramesMax is about what one session writes at once.
	runFramesMax = 32 << 10
	// runBurstMax bounds the messages that a loop issues before it reads again; what is due beyond comes a moment later, its latency counts.
	runBurstMax = 4_096
	// runPicks is how often a user is drawn before the generator takes it that nobody suits.
	runPicks = 16
	// runPhases is how many spans of a run are measured at a time: what was due in one that is older no longer counts for its latency.
	runPhases = 4
	// runGroupsAhead is how many groups a loop makes at a time.
	runGroupsAhead = 64
	// runRetryMin and runRetryMax bound the pause before a session that the server ended comes back. It doubles with each attempt and is spread
	// by half of itself either way.
	runRetryMin = 250 * time.Millisecond
	runRetryMax = 8 * time.Second
	// runPollEvery is how often a run asks its generators where they are.
	runPollEvery = 500 * time.Millisecond
	// runAbortTimeout bounds what is still read from generators after Ctrl-C.
	runAbortTimeout = 5 * time.Second
	// runWakeMax is how long a loop sleeps at most while it loads: comings and goings, and pauses that a server asked for, wait for a wake.
	runWakeMax = 5 * time.Millisecond
	// runCallsMax bounds the orders that wait for a loop: one process gives them one after the other.
	runCallsMax = 4
	// runGeneratorBytes is how many bytes of memory a generator takes for a connection, measured with `bench run --scenario mix`; --plan shows it.
	runGeneratorBytes = 1_600
	// runProcessBytes is what a generator process takes without any.
	runProcessBytes = 36 << 20
	// runStall is how long nothing may change while connections come in, or what is under way arrives.
	runStall = 20 * time.Second
)

// stormAfter is how long at most a run goes on behind a storm or a stall.
const stormAfter = 10 * time.Second

// Limits of the wire between a coordinator and its agents.
const (
	// agentHandshakeTimeout bounds the time until a caller has proved that it has the key; over it the connection is closed and counted.
	agentHandshakeTimeout = 5 * time.Second
	// agentSilenceMax is how long a coordinator may say nothing before its agent ends the job, and how long an agent may take for an answer
	// before its coordinator takes it for lost. A coordinator speaks twice a second.
	agentSilenceMax = 30 * time.Second
	// agentBeginMax is how long an agent may take to start its processes: each takes a twentieth of a second.
	agentBeginMax = 2 * time.Minute
	// agentEndMax is how long a coordinator waits at the end for an agent to end its processes.
	agentEndMax = 2 * stopTimeout
	// agentStrangersMax bounds the connections that have not proved the key; one more is closed at once and counted.
	agentStrangersMax = 16
	// agentMessageBytesMax bounds one message: an order with 4,096 source addresses, or an answer with all histograms. A longer one ends the connection.
	agentMessageBytesMax = 1 << 20
	// agentRecordBytesMax bounds the plaintext of one record, so that it fits what Noise allows with its tag.
	agentRecordBytesMax = 32 << 10
	// AgentKeyBytes is the length of the key that coordinator and agents share.
	AgentKeyBytes = 32
)

// Limits of the plan of source addresses.
const (
	// portsSpareShare of a range of ports is left to others, and to connections of those who come and go, which stay in TIME_WAIT.
	portsSpareShare = 8
	// portsPerSourceLinux bounds the connections of one source address on Linux: behind half of the widest range connect(2) looks at every port, and
	// gets twenty times slower.
	portsPerSourceLinux = 32_000
	// portMax is the highest port.
	portMax = 65_535
	// aliasTimeout bounds one call of ifconfig or ip.
	aliasTimeout = 10 * time.Second
)

// SoakMax bounds a soak, and any other measurement of `bench run`: a month.
const SoakMax = 31 * 24 * time.Hour
