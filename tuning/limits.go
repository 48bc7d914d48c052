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
)
