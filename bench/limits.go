package bench

import (
	"time"

	"trunkline/codec"
)

// Limits of what may be asked for. Over them: ErrInput, nothing is started.
const (
	// PairsMax bounds the pairs of one run: 900 bytes of generator state for each, in one process.
	PairsMax = 100_000
	// ConnectionsMax bounds `bench connect`: 64 source addresses of 25,000 connections and some room.
	ConnectionsMax = 4_000_000
	// EchoConnectionsMax bounds `bench echo`: generator and echo server hold one descriptor each.
	EchoConnectionsMax = 15_000
	// InflightMax bounds messages under way on one pair; the protocol's window is 64, more would only queue.
	InflightMax = 64
	// EchoInflightMax bounds messages under way on one echo connection.
	EchoInflightMax = 1_024
	// RateMax bounds the messages a second that may be asked for; no two-core generator reaches it.
	RateMax = 10_000_000
	// DurationMax bounds one measurement.
	DurationMax = 24 * time.Hour
	// DurationMin is the shortest measurement whose CPU figure means something.
	DurationMin = 100 * time.Millisecond
	// RoundsMax bounds the interleaved rounds of `bench echo`.
	RoundsMax = 100
	// PayloadBytesMin is the smallest payload: sequence, time and checksum.
	PayloadBytesMin = payloadHeadBytes
	// PayloadBytesMax is the largest payload of one part.
	PayloadBytesMax = codec.BlobBytesMax
	// EchoBytesMax bounds one echo message, so that a whole window fits a socket buffer.
	EchoBytesMax = 64 << 10
	// StormClientsMax bounds the clients that a storm brings back: each keeps a ticket and a prepared flight, about 2 KiB.
	StormClientsMax = 500_000
	// OfferedMax bounds the handshakes a second that a storm offers.
	OfferedMax = 1_000_000
	// StormFactorMax bounds how many times the admitted rate is offered.
	StormFactorMax = 100
	// LoginsMax bounds the logins of one round of `bench login`.
	LoginsMax = 10_000
	// MixUsersMax bounds the users of `bench mix`: at the end all are logged in at once, from one source address.
	MixUsersMax = connectionsPerSource
	// MixSpeedMax bounds how much faster than a day a mixed day passes: above it, most visits would be shorter than a login takes.
	MixSpeedMax = 100_000
	// WaitingMax bounds the messages that a run lets wait: 10 million take about 4 GB of disk, journal included.
	WaitingMax = 20_000_000
	// DevicesMax bounds the devices that they wait for.
	DevicesMax = 5_000_000
	// DrainsMax bounds the devices that come back for a backlog.
	DrainsMax = 1_000
	// GroupMembersMax bounds the members of `bench group`: the most that a server takes into one group.
	GroupMembersMax = 16_384
	// GroupWritersMax bounds those who write: the generator remembers a stream for each of them and each member.
	GroupWritersMax = 64
	// GroupAwayMax bounds the messages to who is away: below what a mailbox holds.
	GroupAwayMax = 5_000
	// PresenceWatchersMax bounds the watchers of `bench presence`: as many may watch one user.
	PresenceWatchersMax = 1_024
	// PresenceUsersMax bounds those who are watched: each is a session.
	PresenceUsersMax = 10_000
	// PresenceEachMax bounds the users that one watcher watches: as many as a session may unless its server is told otherwise.
	PresenceEachMax = 256
	// SeriesPointsMax bounds the points over time of one run; over it each two become one (see Series). 800 are more than a plot has pixels for.
	SeriesPointsMax = 800
	// ResultBytesMax bounds a result file that Compare reads: the largest that a run writes has some hundred KiB.
	ResultBytesMax = 64 << 20
	// PeersMax bounds the foreign servers that one run compares with.
	PeersMax = 8
)

// Limits of the generator itself.
const (
	// mixBytesMin and mixBytesMax bound one message of a mixed day: room for the head of the payload, and a longer text than people type.
	mixBytesMin = payloadHeadBytes
	mixBytesMax = 4_000
	// phoneBufferBytes is what a phone reads at once and about what it writes at once.
	phoneBufferBytes = 8 << 10
	// phonePingEvery is after how long a silence a phone says PING: below the server's default keepalive.
	phonePingEvery = 2 * time.Minute
	// abandonedEach is how many messages wait for each of those who never come to a mixed day.
	abandonedEach = 20
	// abandonedShare of --store-bytes waits for them, percent: where a server begins to let entries leave memory.
	abandonedShare = 75
	// presenceCalmUsers are watched by every watcher, and change one after the other, presenceCalmFlips times a second: each seldom enough that
	// each change is told at once.
	presenceCalmUsers = 20
	presenceCalmFlips = 8
	// presenceBurstsMax bounds the bursts that a loop writes before it reads again.
	presenceBurstsMax = 256
	// presenceCalm is how long nothing must be told for a span of changes to be over: longer than the server's --presence-window.
	presenceCalm = 2_500 * time.Millisecond
	// mixPlayers is how many goroutines play a mixed day; each plays some of its people.
	mixPlayers = 4
	// mixReturnEvery is the distance between two of those who come back when a mixed day is over.
	mixReturnEvery = 2 * time.Millisecond
	// mixSampleEvery is the distance of the points over time of a mixed day.
	mixSampleEvery = time.Second
	// fillWriters is how many sessions write what is to wait, fillAhead how many messages each has in its outbox: more than the
	// protocol's window, so that a tick finds the next one ready.
	fillWriters = 64
	fillAhead   = 128
	// backlogQuiet is how long the pairs are watched alone before each device that comes back.
	backlogQuiet = 500 * time.Millisecond
	// writtenTimeout bounds the wait until a server has written back what changed; over it the run fails.
	writtenTimeout = 5 * time.Minute
	// stopWrittenTimeout bounds a clean stop that writes back a lot.
	stopWrittenTimeout = 5 * time.Minute
	// listenEvery is the distance of the attempts to reach a server that starts.
	listenEvery = time.Millisecond
	// connectionsPerSource is how many connections leave from one source address: below the 28,232 ports that Linux
	// hands out by default. More connections use 127.0.0.2, 127.0.0.3, ...
	connectionsPerSource = 25_000
	// sourcesMax bounds the source addresses.
	sourcesMax = 240
	// descriptorsSpare is what a worker keeps of its descriptor limit for everything but connections.
	descriptorsSpare = 128
	// dialsMax bounds connections between connect and login: below any listen backlog, or SYNs would be dropped and
	// repeated a second later.
	dialsMax = 256
	// dialers is how many goroutines connect at once.
	dialers = 4
	// dialTimeout bounds one connect; over it the run fails.
	dialTimeout = 10 * time.Second
	// unreachablePause is how long a session that comes back waits after a failed connect; what it waits at most after a
	// connection that was closed without an answer.
	unreachablePause = 500 * time.Millisecond
	// trailMax bounds the messages whose latency one loop of a storm remembers, 16 bytes each; what is above is left out of the
	// figures over time and the report says so. trailGrowth is what it begins with.
	trailMax    = 4 << 20
	trailGrowth = 64 << 10
	// stormSampleEvery is the distance of the points over time.
	stormSampleEvery = 250 * time.Millisecond
	// stormTrialRate is what the trial before a storm offers: more than any budget admits.
	stormTrialRate = 20_000
	// stormNice is the priority of the processes that bring clients back: they stand for other machines, and must not take
	// the time that server and live pairs need.
	stormNice = 10
	// stormLead is the time between the cut of all connections and the first that comes back.
	stormLead = 20 * time.Millisecond
	// flightAnswerBytesMax bounds what is read of the answer to one flight: the certificate is the longest.
	flightAnswerBytesMax = 512
	// startTimeout bounds the start of a process until it answers; over it the run fails with what it printed.
	startTimeout = 15 * time.Second
	// stopTimeout bounds a process's own end after it was asked; over it it is killed.
	stopTimeout = 5 * time.Second
	// forgetAfter is the --session-expiry of a server that `bench connect` warms up: soon after the crowd has left, the server must not know
	// it any more. forgetTimeout is how long that may take.
	forgetAfter   = "4s"
	forgetTimeout = 30 * time.Second
	// stallTimeout is how long a run may make no progress (logins, deliveries at the end) before it gives up.
	stallTimeout = 10 * time.Second
	// pollEvery is how often a run looks whether what it waits for has happened.
	pollEvery = 10 * time.Millisecond
	// settleTimeout bounds the wait for memory that stands still; over it the last value counts and the report says so.
	settleTimeout = 20 * time.Second
	// settleEvery is the distance of the samples, settleSame how many in a row must agree within settleWithin bytes.
	settleEvery  = 200 * time.Millisecond
	settleSame   = 5
	settleWithin = 32 << 10
	// settleRounds is how many times at least a server collects its garbage before its memory counts.
	settleRounds = 3
	// childLineBytesMax bounds one line of a child's control protocol: an encoded histogram fits.
	childLineBytesMax = 256 << 10
	// logTailBytesMax is what is kept of a server's output to explain a failed start.
	logTailBytesMax = 4 << 10
	// statusBytesMax bounds the answer of /status.
	statusBytesMax = 1 << 20
	// gapsMax bounds the ranges of missing messages that one stream remembers; over it the oldest counts as lost for good.
	gapsMax = 64
	// paceMin is the shortest sleep of the pacer: a busier one would take the core that the server needs.
	paceMin = 200 * time.Microsecond
	// sampleEvery is the distance of the samples over time, sampleTimeout how long a server may take for one: over it there is none.
	sampleEvery   = 500 * time.Millisecond
	sampleTimeout = 2 * time.Second
	// sampleGrowthMin is how many connections must have come for memory to be divided by them: with fewer it is noise.
	sampleGrowthMin = 100
	// kernelGrowthMin is the same for kernel memory, which is that of the whole machine.
	kernelGrowthMin = 1_000
	// seriesPhasesMax bounds the parts of a run that its series names; those above have no mark.
	seriesPhasesMax = 200
	// progressEvery is how often a long run says where it is.
	progressEvery = 2 * time.Second
	// latencyMax is the largest latency that the histogram tells apart (a longer one counts as this), latencyDigits
	// its precision.
	latencyMax    = 60 * time.Second
	latencyDigits = 3
	// latencyTicks is how many steps of the reported histogram there are for each halving of what is left.
	latencyTicks = 5
	// usersPerRun is the range of user ids that one run takes; where it begins is drawn at random, so that a run meets no
	// mailbox of an earlier one.
	usersPerRun = 10_000_000
	// portTries is how often a server's start is tried again when somebody took its port first.
	portTries = 3
)

// Limits of what a page and a comparison show.
const (
	// leafListMax is the longest list that is shown whole; longer ones are points over time, which are plotted.
	leafListMax = 16
	// figuresOpenMax is how many rows of a section are shown unasked; more are behind a click.
	figuresOpenMax = 40
)
