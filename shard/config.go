package shard

import "fmt"

// Config is what a Shard is built from. Zero fields take the defaults of limits.go.
type Config struct {
	Loop        int
	Placement   Placement
	Incarnation uint64 // of the data this process holds; never zero
	OwnerEpoch  uint32 // 24 bits, the upper part of every seq
	Queue       Queue
	StayPut     bool // sessions stay on the accepting loop (to measure what moving brings)
	Open        bool // --registration=open: a user exists from its first login or first message

	KeepaliveMs       int64
	LoginTimeoutMs    int64
	AckTimeoutMs      int64
	MailboxEntriesMax int
	MailboxBytesMax   int64
	UsersMax          int   // of this loop
	StoreBytesMax     int64 // of this loop; over it intake stops
	SubscriptionsMax  int   // of a session

	Disk          Disk   // what outlives the process; nil: nothing does
	Cache         Cache  // with Disk: the way back into Queue
	Durable       bool   // with Disk: ticks wait for the journal (--ack=disk)
	WriteBackMs   int64  // with Disk: how long a mailbox may be dirty
	DirtyBytesMax int64  // with Disk: over so many bytes of payloads that are not written back, no mailbox waits for its time
	RetentionSec  uint32 // what has waited for longer goes, uncounted for second ticks and counted in Stats; 0: nothing does

	Proven          bool  // a HELLO needs an Identity
	UserSessionsMax int   // devices of one user that may be attached at once; 0: DevicesMax
	MailboxIdleMs   int64 // an empty mailbox whose device stays away for so long is dropped; 0: never
	Messages        Rate  // SENDs of one device
	Controls        Rate  // other stanzas of one session
	Conversations   Rate  // first messages of one device to users it has not exchanged messages with lately

	GroupMembersMax  int   // 0: GroupMembersMaxDefault; at most GroupMembersLimit
	PresenceRate     Rate  // PRESENCE and TYPING frames that this loop has written, all sessions together; above it only the last value is kept
	PresenceWindowMs int64 // how often watchers are told of one user, at most; 0: PresenceWindowMsDefault
	Guard            Guard // nil: every SEND goes on
	Clerk            Clerk // who answers requests that are not of this package; nil: they are refused (CodeUnsupported)

	// RetryAfter says when a client that is sent away should come back, in milliseconds. It is called on the loop and must not
	// block. nil: a spread by user over DrainPlan.SpreadMs.
	RetryAfter func(user uint64) uint32
}

// Rate bounds how often something may happen: Burst at once, PerSecond in the long run. The zero Rate is no limit.
type Rate struct {
	PerSecond int
	Burst     int
}

// withDefaults fills the zero fields and refuses what can't work: a wrong Config is a fault of the program.
func (c Config) withDefaults() Config {
	if c.Queue == nil || c.Incarnation == 0 || c.Placement.Loops < 1 || c.Placement.Loops > LoopsMax ||
		c.Loop < 0 || c.Loop >= c.Placement.Loops || c.OwnerEpoch >= 1<<24 || c.Disk != nil && c.Cache == nil || c.Disk == nil && c.Durable {
		panic(fmt.Sprintf("shard: loop %d of %d, incarnation %d, epoch %d and queue %v make no shard",
			c.Loop, c.Placement.Loops, c.Incarnation, c.OwnerEpoch, c.Queue != nil))
	}
	if c.OwnerEpoch == 0 {
		c.OwnerEpoch = 1
	}
	setDefault(&c.KeepaliveMs, KeepaliveMsDefault)
	setDefault(&c.LoginTimeoutMs, LoginTimeoutMsDefault)
	setDefault(&c.AckTimeoutMs, AckTimeoutMsDefault)
	setDefault(&c.MailboxEntriesMax, MailboxEntriesMaxDefault)
	setDefault(&c.MailboxBytesMax, MailboxBytesMaxDefault)
	c.MailboxBytesMax = min(c.MailboxBytesMax, MailboxBytesLimit)
	setDefault(&c.UsersMax, UsersMaxDefault)
	setDefault(&c.StoreBytesMax, StoreBytesMaxDefault)
	setDefault(&c.SubscriptionsMax, SubscriptionsMaxDefault)
	setDefault(&c.PresenceWindowMs, PresenceWindowMsDefault)
	setDefault(&c.UserSessionsMax, DevicesMax)
	setDefault(&c.WriteBackMs, WriteBackMsDefault)
	setDefault(&c.GroupMembersMax, GroupMembersMaxDefault)
	c.GroupMembersMax = min(c.GroupMembersMax, GroupMembersLimit)
	setDefault(&c.DirtyBytesMax, c.StoreBytesMax/dirtyPart)
	return c
}

func setDefault[T int | int64](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}
