package netpoll

import "time"

// Limits of a reactor.
const (
	// LoopsMax is the largest Config.Loops: a ConnID has 8 bits for the loop. Over it New refuses.
	LoopsMax = 256
	// GenerationMax is the last generation; the next connection gets 1 again.
	GenerationMax = 1<<24 - 1
	// ConnectionsMaxDefault is Config.ConnectionsMax: over it an accepted connection is closed at once and counted.
	// It is far above what descriptors allow by default; the owner sets it from its own limit of descriptors.
	ConnectionsMaxDefault = 4 << 20
	// ListenersMax is how many listeners a reactor takes; Listen refuses more. OpenInfo numbers them.
	ListenersMax = 64
)

// Limits of one connection.
const (
	// OutboundBytesMaxDefault is Config.OutboundBytesMax: four windows of 256 KiB. Over it Send answers ErrOutboundFull
	// and takes nothing.
	OutboundBytesMaxDefault = 1 << 20
	// InboundBytesMaxDefault is Config.InboundBytesMax: the largest record twice. At it the loop stops reading the socket
	// until the handler has consumed something.
	InboundBytesMaxDefault = 128 << 10
	// FlushTimeoutDefault is how long CloseFlush may write when it is given no time; then what waits is dropped.
	FlushTimeoutDefault = 10 * time.Second
	// LingerTimeMax is how long a connection whose output the peer's system has acknowledged waits for the peer's FIN,
	// discarding input, before it is closed all the same. While the kernel still holds output it waits on, up to the
	// deadline of CloseFlush: see linger.
	LingerTimeMax = 2 * time.Second
	// StateBytesMax bounds the state that Move and Adopt carry; a larger one is refused with ErrStateTooLarge.
	StateBytesMax = 64 << 10
)

// Budgets of one turn of a loop. What is left goes on in the next turn, after everybody else had theirs.
const (
	// ReadBytesMax is what one read(2) asks for: the loop's one read buffer has this size beside the left-over input.
	ReadBytesMax = 64 << 10
	// ReadTurnBytesMax is what one connection may read in a turn.
	ReadTurnBytesMax = 64 << 10
	// WriteTurnBytesMax is what one connection may write in a turn, rounded up to a call.
	WriteTurnBytesMax = 256 << 10
	// AcceptTurnMax is how many connections one listener accepts in a turn: 32 take about 0.4 ms.
	AcceptTurnMax = 32
	// HangupTurnMax is how many connections whose peer has gone are read to their end, and so closed, in a turn: about 0.3 ms.
	HangupTurnMax = 16
	// ReadyTurnMax is how many connections with left-over work are served in a turn.
	ReadyTurnMax = 1024
	// MessageTurnMax and MessageTurnBytesMax are how much of the inbox is delivered in a turn.
	MessageTurnMax      = 1024
	MessageTurnBytesMax = 1 << 20
	// LightTurnsMax is how many turns a loop may do beyond the first before it looks for events again, as long as nothing but at
	// most lightTurnMessages messages happens in each: events wait some microseconds longer.
	LightTurnsMax     = 4
	lightTurnMessages = 64
	// TimerTurnMax is how many timers fire in a turn.
	TimerTurnMax = 1024
)

// Limits between loops.
const (
	// InboxBytesMaxDefault is Config.InboxBytesMax, for each pair of loops: Credit counts down from it.
	InboxBytesMaxDefault = 4 << 20
	// inboxHardFactor times InboxBytesMax is where Post, Reactor.Post and Move answer ErrInboxFull: room for answers that
	// were promised before the credit ran out.
	inboxHardFactor = 4
	// MessageBytesMax bounds one message; a larger one is refused with ErrMessageTooLarge.
	MessageBytesMax = 16 << 20
	// parcelBytesJoined is how far a parcel grows by messages, in one turn or while the receiver is behind; then a new one begins.
	parcelBytesJoined = 64 << 10
	// parcelBytesKept: a parcel that has grown larger is left to the collector when it is empty.
	parcelBytesKept = 128 << 10
	// parcelsKept is how many empty parcels an inbox keeps for its senders; more are left to the collector.
	parcelsKept = 128
	// parcelsHeld is how many empty parcels a loop keeps for each other loop beside; more are left to the collector.
	parcelsHeld = 16
)

// Memory of a loop.
const (
	// ArenaBytesMax bounds the bytes that wait on one loop, input and output of all its connections. When it is reached
	// Send answers ErrOutboundFull, and a connection whose input cannot be kept is closed with ReasonError.
	ArenaBytesMax = 16 << 30
	// blockBytesMin and blockBytesMax are the sizes of the blocks of a chain; each is twice the one before.
	blockBytesMin = 128
	blockBytesMax = 64 << 10
	// iovecMax is how many blocks one writev(2) carries.
	iovecMax = 32
)

// Times.
const (
	// timerGrain is the resolution of connection timers in milliseconds. A timer fires up to one grain late, never early.
	timerGrain = 100
	// wheelBuckets times timerGrain is one round of the wheel, 409.6 s: longer than the usual keepalive, so that a timer
	// is looked at once. A power of two.
	wheelBuckets = 4096
	// timerMsMax bounds SetTimer, 30 days; a longer time is cut to it.
	timerMsMax = 30 * 24 * 3600 * 1000
	// acceptBackoffMin and acceptBackoffMax bound the pause of a listener, in milliseconds, when the system has no memory or
	// descriptors; it doubles from one to the other.
	acceptBackoffMin = 10
	acceptBackoffMax = 1000
	// starveBackoffMin and starveBackoffMax bound the pause of connections whose write found the system without buffers, in
	// milliseconds; it doubles from one to the other until a retry feeds all of them.
	starveBackoffMin = 10
	starveBackoffMax = 1000
)
