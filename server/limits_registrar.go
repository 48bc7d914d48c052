package server

import "time"

// The registrar.
const (
	// registrarWorkers is how many questions are answered at once: two wait for the disk while the engine syncs for both.
	registrarWorkers = 2
	// registrarQueueMax bounds the questions that wait, each with a token of at most a first flight's size. Over it ask returns false
	// and the client is told to come back.
	registrarQueueMax = 4096
	// registrarRetryAfter is when a client comes back whose question the accounts could not answer: spread over half to one and a half of it.
	registrarRetryAfter = 30 * time.Second
	// registrarLogEvery is the least time between two log lines about accounts that can't be used.
	registrarLogEvery = 5 * time.Second
	// firstGenMax is the highest generation that a device begins with.
	firstGenMax = 1 << 15
	// revocationMarginSec is added to the life of tickets: one may be written while its generation is being revoked.
	revocationMarginSec = 5 * 60
	// revocationSlackSec is how long what expired is kept, as in the accounts: a clock that was an hour ahead must free no ticket.
	revocationSlackSec = 24 * 60 * 60
	// revocationPurgeSec is how often a part of the revocations forgets what expired.
	revocationPurgeSec = 60 * 60
	// revocationParts is how many locks the revocations have: a purge of one part looks at store.RevocationsMax / revocationParts
	// entries, well below a millisecond, while loops wait.
	revocationParts    = 1 << revocationPartBits
	revocationPartBits = 6
)
