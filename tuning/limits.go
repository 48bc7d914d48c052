package tuning

const (
	// DescriptorReserve is how many descriptors are kept back for everything that is not a chat connection: standard
	// streams, two or three for each loop (poller, wake-up, reserve descriptor), listeners, the data directory, the
	// admin listener and its clients, profiles being written. 256 covers 32 loops with room for an operator.
	DescriptorReserve = 256
	// FilesUnlimited stands in for a limit that the system reports as infinite.
	FilesUnlimited = 1 << 40
	// ValueNumbersMax is how many numbers one limit has at most: Linux keeps tcp_mem, tcp_rmem and tcp_wmem as three.
	ValueNumbersMax = 3
	// PageBytesMin is the least that a system may say of its pages: below it the answer is an error, not a division by 0.
	PageBytesMin = 512
	// PageBytesMax is the most.
	PageBytesMax = 1 << 30
)

// Bounds of a Load. Outside them Check and Plan answer with ErrLoad.
const (
	// ConnectionsMax, 2^30: kernels count descriptors in 31 bits, and some limits are a quarter larger than the load.
	ConnectionsMax = 1 << 30
	// LoopsMax is what `trunkline serve --loops` takes at most.
	LoopsMax = 256
	// BufferBytesMax bounds what waits in the kernel for one connection.
	BufferBytesMax = 1 << 30
	// AcceptPerSecondMax is above what one machine's interrupts deliver.
	AcceptPerSecondMax = 10_000_000
	// OutboundAddressesMax is an aliased /16: 65,536 addresses of 64,000 ports are more than ConnectionsMax.
	OutboundAddressesMax = 1 << 16
)

// What a Load is without being told.
const (
	// SendBufferBytesDefault and ReceiveBufferBytesDefault are FreeBSD's net.inet.tcp.sendspace and recvspace: what a connection that
	// nobody tuned may keep in the kernel. An idle one keeps nothing.
	SendBufferBytesDefault = 32 << 10
	// ReceiveBufferBytesDefault is the other of the two.
	ReceiveBufferBytesDefault = 64 << 10
	// StalledPerMilleDefault, 1 %: phones in tunnels and lifts, whose buffers are full until they are back or time out.
	StalledPerMilleDefault = 10
	// MemoryPerMilleDefault leaves a fifth of the memory to the system, its file cache and the peaks of the collector.
	MemoryPerMilleDefault = 800
	// StormSeconds: after a restart everybody is back within a minute, if it is left to the clients.
	StormSeconds = 60
)

// What needs are reckoned with.
const (
	// filesOfSystem is what a system without other services has open; filesReserve is room for those of one with some.
	filesOfSystem = 1024
	filesReserve  = 8192
	// acceptPauseMs is how long accepting may pause (a burst of handshakes, a stop of the collector) before somebody is refused.
	acceptPauseMs = 500
	// acceptQueueMin and acceptQueueMax: below 1,024 a test of a laptop overflows; FreeBSD before 14 refuses more than 65,535, and Go's
	// package net passes no more to listen(2).
	acceptQueueMin = 1024
	// acceptQueueFew is what FreeBSD has by itself: enough for as many connections, should all come at once.
	acceptQueueFew = 128
	acceptQueueMax = 65535
	// halfOpenSeconds is how long a handshake of a phone is half open: one round trip with one repetition of a lost SYN-ACK.
	halfOpenSeconds = 3
	// syncacheBucketLimit is FreeBSD's default; syncacheBucketFill is how full buckets are on average, so that chance fills none.
	syncacheBucketLimit = 30
	syncacheBucketFill  = 4
	// hostcacheShare and hostcacheBucketLimit: one peer in sixteen is remembered, as a box with 2.3 million sockets had it.
	hostcacheShare       = 16
	hostcacheBucketLimit = 120
	// hostcacheConnectionsMin: below it the default (15,360 peers) is enough.
	hostcacheConnectionsMin = 1 << 18
	// hashConnectionsPerBucket is the length of a chain that FreeBSD chooses for itself; hashBucketsMax bounds the table to 8 MiB.
	hashConnectionsPerBucket = 4
	hashBucketsMin           = 512
	hashBucketsMax           = 1 << 20
	// clusterBytes and mbufBytes are MCLBYTES and MSIZE of FreeBSD; ringClusters is what the receive queue of one core holds.
	clusterBytes = 2048
	mbufBytes    = 256
	ringClusters = 4096
	// mslMs, finwait2Ms and finTimeoutSeconds: how long closed connections may cost memory.
	mslMs             = 5000
	finwait2Ms        = 15000
	finTimeoutSeconds = 30
	// bufferMaxBytes is how far one connection's buffer may grow by itself where there are many.
	bufferMaxBytes = 256 << 10
	// manyConnections is where a default that suits a file server begins to hurt a chat server.
	manyConnections = 100_000
	// portFirstMin and portLast bound the ports of outbound connections; portReserve stays free for connections that are closing.
	portFirstMin = 1024
	portLast     = 65535
	portReserve  = 1000
	// orphanShare and timeWaitShare: the part of all connections that closes within the minute that either lasts.
	orphanShare   = 8
	timeWaitShare = 8
	// mapsMin is the default of Linux.
	mapsMin = 65530
	// loginClassDepthMax bounds the chain of tc= in login.conf(5): a ring in it ends there, as if nothing were said.
	loginClassDepthMax = 16
)

// Bounds of the files that Apply reads and writes.
const (
	// fileBytesMax bounds a file of settings that is read; a longer one is refused: it is none.
	fileBytesMax = 1 << 20
	// commentColumns is where lines of comments in rendered files are broken.
	commentColumns = 100
)

// Names in the files that Render and Apply write.
const (
	ourClass     = "trunkline"         // the class in login.conf(5)
	rcLimitsName = "trunkline_limits"  // what the service script hands to limits(1)
	tempSuffix   = ".trunkline-new"    // of a file that is being written
	backupSuffix = ".trunkline-before" // of a file as it was before the first apply
	recordSchema = 1                   // of the record that Undo reads
)

// roundedShare is by what part of itself a number may have grown when it is read again: a slab of small things among thousands.
const roundedShare = 64
