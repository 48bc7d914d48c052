package secure

// Limits of the encrypted transport. All are part of the protocol: see docs/protocol.md, "Limits".
const (
	// FlightBytesMax bounds a client's first flight, head included. Over it: ErrFlightLength, close without a word.
	FlightBytesMax = 16 << 10
	// EarlyBytesMax is what a resume flight can carry as early data.
	EarlyBytesMax = FlightBytesMax - HeadBytes - TicketBytes - 32 - TagBytes
	// RecordPlainMax is the most plaintext in one record: the largest frame fits. Over it: ErrRecordTooLarge.
	RecordPlainMax = 65_519
	// RecordOverhead is what a record adds: its length and the tag.
	RecordOverhead = 2 + TagBytes
	// RecordsMax is how many records one direction of a connection seals. Over it: ErrExhausted, the client comes back.
	RecordsMax = 1<<47 - 1
)
