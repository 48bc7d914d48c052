package mysql

import "time"

const (
	// ShardsMax bounds the shards: each takes connections and a goroutine that looks after it. Over it Open refuses.
	ShardsMax = 64
	// ConnectionsMax bounds the open connections to one shard that the parameter "connections" may ask for; connectionsDefault is without it: the
	// database server's own limit is 151 for all its clients. Who finds them all in use waits for one, within its attemptTimeout.
	ConnectionsMax     = 256
	connectionsDefault = 16
	// callsMax bounds the calls to one shard that run or wait. Over it a call fails at once with store.ErrAccountsAway, and is counted.
	callsMax = 256
	// callDeadline bounds a call with all its tries. At its end it is store.ErrAccountsAway, and calls fail at once until the shard answers again.
	callDeadline = 5 * time.Second
	// attemptTimeout bounds one try: two of them go into a call when the server hangs.
	attemptTimeout = 2 * time.Second
	// backoffFirst and backoffMax are the least and the longest pause between two tries; it doubles, and half of it is random.
	backoffFirst = 20 * time.Millisecond
	backoffMax   = 500 * time.Millisecond
	// probeEvery is how often a shard is asked whether it is there, probeLostEvery when it was not.
	probeEvery     = time.Second
	probeLostEvery = 250 * time.Millisecond
	// lostAfter is how long a shard must not answer before calls to it fail at once. A restart of the server takes less.
	lostAfter = 4 * time.Second
	// connectionIdle and connectionLife end connections that nobody uses, and old ones: so a new address of a name is found.
	connectionIdle = time.Minute
	connectionLife = 10 * time.Minute
	// dialTimeout bounds one try to connect.
	dialTimeout = 2 * time.Second
	// lockWait is how long a start waits for another server that is setting the same shards up.
	lockWait = 30 * time.Second
	// setUpDeadline bounds the setting up of all shards, migrations of full tables among it.
	setUpDeadline = 30 * time.Minute
	// purgeEverySec is how often, by the callers' clock, expired records are looked for; purgeFullEverySec, when a limit is reached or
	// a purge had to stop at purgeBatchMax records. purgeSlackSec is how long what has expired is kept, as in the embedded accounts.
	purgeEverySec     = 60 * 60
	purgeFullEverySec = 60
	purgeBatchMax     = 4096
	purgeSlackSec     = 24 * 60 * 60
	// lostLogEvery is the least time between two log lines about the same shard's troubles.
	lostLogEvery = 5 * time.Second
	// seedBytes is the length of the placement's seed.
	seedBytes = 16
)
