package client

import (
	"time"

	"trunkline/codec"
)

// Limits of one client. Each says what happens when it is reached.
const (
	// OutboxEntriesMax bounds the messages and receipts that wait for their first tick. Over it Send and Read return
	// ErrOutboxFull: the application knows what to keep, the SDK does not.
	OutboxEntriesMax = 10_000
	// OutboxBytesMax bounds their payloads. Over it: ErrOutboxFull.
	OutboxBytesMax = 64 << 20
	// PayloadBytesMax bounds one payload before compression, so that it is a fixed promise and not a matter of how well
	// the bytes compress. It leaves room for what a copy for own devices says beside it. Over it: ErrTooLarge.
	PayloadBytesMax = codec.BlobBytesMax - copyHeadBytes
	// ExpandedBytesMax bounds a received payload after compression is undone. Over it the payload is handed over as it
	// came, with codec.PayloadCompressed left in Kind.
	ExpandedBytesMax = 256 << 10
	// InFlightMax bounds the entries sent without a first tick, whatever the server's window says. At the bound the
	// outbox waits.
	InFlightMax = 64
	// StreamsMax bounds the streams whose last id is remembered to recognise duplicates. Over it the sixteenth that was
	// silent longest is forgotten: a duplicate of such a stream could be shown once more.
	StreamsMax = 16_384
	// SentMax bounds the sent messages whose progress is remembered. Over it the oldest is forgotten: its receipts still
	// come as events, Sent no longer knows it.
	SentMax = 4_096
	// PendingMax bounds what was received and not acknowledged. The server's window is far smaller; over it the
	// connection is closed as a protocol error and everything above the last ACK comes again.
	PendingMax = 4_096
	// InboxEntriesMax bounds the messages that WithInbox keeps for a later client. It is above what a server keeps for one
	// device by default, so that a mailbox which filled up fits. At the bound messages wait at the server.
	InboxEntriesMax = 16_384
	// InboxBytesMax bounds their payloads, as they came on the wire. At the bound messages wait at the server.
	InboxBytesMax = 32 << 20
	// RegistrationTokenBytesMax bounds WithRegistrationToken: it travels in an extension of HELLO. Over it: ErrConfig.
	RegistrationTokenBytesMax = 255
	// RequestsMax bounds the requests that wait for their answers. Over it: ErrTooManyRequests.
	RequestsMax = 32
	// requestTriesMax bounds the connections on which one request is asked: an answer that can't be read must not be asked for for ever. Over it:
	// ErrInterrupted.
	requestTriesMax = 8
	// GroupsKnownMax bounds the groups whose epoch is remembered. Over it the sixteenth that was used longest ago is forgotten: a message to such a
	// group names no epoch.
	GroupsKnownMax = 4_096
	// DevicesKnownMax bounds the users whose devices and pinned keys are remembered. Over it the sixteenth that was used longest ago is forgotten: the
	// list is learned again, and the key pinned again, with the next message.
	DevicesKnownMax = 16_384
	// RepeatsMax bounds how often one message is sent again because its group or its receiver's devices have changed. Over it: Rejected.
	RepeatsMax = 4
	// AgainMax bounds the numbers that are remembered for messages which were sent again or in parts. Over it the oldest is forgotten: its receipts
	// find no message.
	AgainMax = 1_024
	// heldEntriesMax and heldBytesMax bound the messages to users, and those to groups, that are kept behind their first tick, because a rejection that
	// asks for a repetition may follow. Over them the oldest goes: its rejection is then told as Rejected.
	heldEntriesMax = 1_024
	heldBytesMax   = 512 << 10
	// TypersMax bounds those whose typing is timed. Over it others' typing is not reported.
	TypersMax = 256
	// SubscriptionsMax bounds the users whose presence is watched. Over it: ErrTooManySubscriptions.
	SubscriptionsMax = 256
	// EphemeralBytesMax bounds typing notices that wait to be written. Over it new ones are dropped: they are stale soon.
	EphemeralBytesMax = 4 << 10
	// EventBufferDefault is how many events wait for the application before the client stops reading its socket.
	EventBufferDefault = 256
	// EventBufferMax bounds WithEventBuffer. A larger number is taken as this one.
	EventBufferMax = 1 << 16
)

// Times of one client.
const (
	// LoginTimeout bounds connecting and the answer to HELLO of every login but the first, which Dial's context bounds too.
	LoginTimeout = 10 * time.Second
	// RefusalRetryMax bounds the retry-after of a refusal in the handshake, which anybody on the way could have written. A longer
	// one is taken as this.
	RefusalRetryMax = 5 * time.Minute
	// resumesMax is how many flights with a ticket in a row may end without SUCCESS before the ticket is left aside once: a
	// server that can't take it and does not say so would never be reached again.
	resumesMax = 2
	// PongTimeout is how long the server may stay silent after a ping. Over it the connection is given up.
	PongTimeout = 10 * time.Second
	// WriteTimeout bounds one write. Over it the connection is given up.
	WriteTimeout = 30 * time.Second
	// BackoffBase and BackoffMax are the defaults of WithBackoff.
	BackoffBase = 500 * time.Millisecond
	// BackoffMax is the longest wait that the client chooses by itself; a server's retry-after may be longer.
	BackoffMax = 30 * time.Second
	// RetryAfterMax bounds the retry-after that is believed: a damaged value must not silence a client for weeks.
	RetryAfterMax = time.Hour
	// BackoffResetAfter is how long a session must have lasted for the next lost connection to start at BackoffBase again.
	BackoffResetAfter = 30 * time.Second
	// TypingLasts is how long somebody writes who is not heard of again.
	TypingLasts = 6 * time.Second
	// typingRetry is when the end of somebody's typing is reported again to an application that has no room for it.
	typingRetry = time.Second
	// epochBlock is how many connection epochs are set aside with one commit. A process that ends leaves the rest unused.
	epochBlock = 64
	// keepaliveMin is the shortest keepalive that is believed, so that a damaged SUCCESS makes no ping storm.
	keepaliveMin = time.Second
	// lazyCommitDelay is how long ticks and receipts may wait to share a commit with something urgent. They may be lost:
	// the server repeats them.
	lazyCommitDelay = 200 * time.Millisecond
	// goAwayLinger is how long a client that was sent away waits for ticks that are missing, and for the server to close.
	goAwayLinger = 2 * time.Second
	// closeLinger is how long Close waits for the server to take the last ACK and close its side.
	closeLinger = 500 * time.Millisecond
	// stateLockTimeout is how long OpenState waits for another process to let the file go.
	stateLockTimeout = time.Second
	// refusalWait is the wait after a temporary refusal that names no time.
	refusalWait = time.Second
	// readBufferBytes is where the read buffer starts; it grows up to one frame.
	readBufferBytes = 4 << 10
	// writeBufferBytes is when a burst of frames is written.
	writeBufferBytes = 32 << 10
)
