package testkit

const (
	// turnsMax is how many turns Run makes before it says that the world does not come to rest.
	turnsMax = 200_000
	// incarnationFirst is that of the data a World begins with.
	incarnationFirst = 7
	// stopStepMs is how long a clean stop waits at a time for loads that are tried again.
	stopStepMs = 500
	// stopStepsMax is how many of these steps it waits before it says that somebody is parked for ever.
	stopStepsMax = 300
	// inboxBytesDefault is what one loop may have waiting at another before its credit is used up.
	inboxBytesDefault = 1 << 20
	// inboxHardFactor is how many times that before Post refuses.
	inboxHardFactor = 4
	// outboundBytesDefault is how much output may wait on a connection before Send refuses.
	outboundBytesDefault = 1 << 20
	// chunkBitsMax is the length, in bits, of the largest piece that a connection delivers at once when chance rules. All
	// lengths of numbers are equally likely, so single bytes come as often as kilobytes.
	chunkBitsMax = 14
)

// flightBytesMax is how many bytes of SENDs a client puts into its first flight. The rest waits for SUCCESS.
const flightBytesMax = 12 << 10
