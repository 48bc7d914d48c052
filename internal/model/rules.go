package model

// Rule is one delivery rule.
type Rule uint8

// The rules. The comment of each says what happens without it.
const (
	PersistBeforeAck        Rule = iota // the client acknowledges what it has in memory only
	PersistBeforeSend                   // a SEND leaves before the outbox and the generation are persisted
	DedupeBySeq                         // the client takes entries that it already has
	DedupeByStream                      // the client takes ids that it already has
	GenerationInStream                  // a stream is named by the sender's device alone
	SeenBelowLast                       // every id below the last one of its stream counts as a duplicate
	PersistedTickWindow                 // the client's window counts from ticks that it may forget
	UplinkMark                          // a SEND that comes again is routed again
	ContiguousMark                      // the mark is the highest SEND that is done
	StoredRejection                     // a rejection is told once and not kept
	RejectionWithMark                   // a rejection is kept before the mark has passed the SENDs below it
	RejectionTicks                      // the client takes a rejection as news, not as a tick
	RejectionTickTogether               // a rejection is persisted before the tick that it is
	RejectionReserved                   // SENDs are taken without room for their rejections
	HeldBounded                         // any number of rejections wait for their marks
	LostTakenAgain                      // a SEND whose answer was lost stays in flight
	LostExpels                          // a SEND whose answer was lost is not asked for
	PushTellsMark                       // a session on another loop hears of the mark by ticks alone
	IgnoreAfterRefusal                  // SENDs behind a refused one are taken
	RefuseBeforeRouting                 // the recipient's loop refuses for a while, too
	FullBeforeTick                      // a full mailbox drops what was ticked
	ResendAboveUpHigh                   // the client sends each SEND once
	RedeliverWindow                     // what was pushed to an earlier session is not pushed again
	WindowLimit                         // everything that waits is pushed at once
	ReceiptToPeer                       // the client applies a receipt to messages to others
	OwnGeneration                       // the client takes receipts and rejections of an earlier generation for its own
	ReceiptForwards                     // receipts are joined in any order
	ClientClearsLast                    // the client keeps `last` when the server has lost its data
	OldEntriesKeepLast                  // entries of older data that are persisted later move `last`
	LastWithItsData                     // HELLO says an older `last` with newer data
	ServerAdoptsMark                    // the server that lost its data starts each mark at zero
	GenerationByData                    // the first generation of a device is always 1
	GenerationsRegistered               // a new generation is the current one's successor, adopted or not
	AdoptOverAdopted                    // a generation of older data can take the place of one given out since
	RegistrationToken                   // a first HELLO that comes late registers once more
	TokenKept                           // a client that crashed before it had a generation draws another token
	GenerationKept                      // a client that was given a generation and did not persist it says HELLO without it
	SessionFencing                      // the mailbox listens to replaced sessions
	ConnectionEpoch                     // a HELLO that its client has given up replaces a later one
	EpochKept                           // a client that crashed counts its connections from the beginning
	EarlyWhenOffline                    // a first flight is taken at once although somebody is attached
	EarlyNewEpoch                       // a first flight is taken at once although it was seen, or a later one was
	EarlySameData                       // a first flight of another generation, or of older data, is taken at once
	EarlyUnannounced                    // whoever is attached early is there for everybody
	EarlyHeldUnread                     // a first flight that is not taken at once is lost
	EarlyGivesWay                       // who is attached early stays until it leaves
	TickWhenDurable                     // the tick is the mark in memory
	MarkBehindEntry                     // a loop hands its turn to the journal after its messages have left
	TurnWhole                           // a part of a turn can outlive a crash
	RejectionWhenDurable                // a rejection is pushed at once
	SuccessTellsDurableMark             // SUCCESS says the mark in memory
	GenerationDurable                   // SUCCESS names a generation that a crash can take back
	SeqEpochRaised                      // after a crash seqs go on from the last durable one
	EpochRaisedFirst                    // the owner epoch is used before it is durable
	EpochBoundsDownSeq                  // what was given out before a crash is not known to have been
	EpochBoundsAck                      // ... and an ACK of it is held for a lie
	LastKept                            // seqs go on from the last entry that waits
	IncarnationKept                     // a crash names the data anew
	MarkDurable                         // the mark is not noted
	HelloEpochKept                      // connection epochs are not noted
	EarlyDoubted                        // a first flight is taken at once although a crash may have taken the login of a later one
	ReceiptJoinsUnshown                 // a receipt grows although a client may have it
	SecondTickAgain                     // what was dropped shortly before a crash is not told again
	SecondTickBeforeDrop                // a drop reaches the offline store before its second tick is durable
	WriteBackBehind                     // a mailbox reaches the offline store before what it has seen is durable
	ruleEnd
)

var ruleNames = [...]string{
	"persist before ack", "persist before send", "dedupe by seq", "dedupe by stream", "generation in stream",
	"seen ids below the last", "window above persisted ticks", "uplink mark", "contiguous mark", "stored rejection",
	"rejection with the mark", "rejection is a tick", "rejection and tick together", "room reserved for rejections",
	"held rejections bounded", "lost answer taken again", "lost answer expels", "a push tells the mark",
	"ignore after refusal", "refuse before routing", "full refused before the tick",
	"resend above upHigh", "redeliver the un-acked window", "window limit", "receipt to its peer", "own generation only",
	"receipts joined forwards", "client clears last", "old entries leave last", "last with its data",
	"server adopts the mark", "first generation from the data", "generations counted where given",
	"adopt over adopted only", "registration token", "token kept", "generation kept", "replaced session fencing",
	"connection epoch", "epoch kept",
	"early when offline", "early with a new epoch", "early of the same data", "early is not announced", "early held unread", "early gives way",
	"tick when durable", "mark behind its entries", "turns are whole", "rejection when durable", "SUCCESS tells the durable mark",
	"generation durable before it is named", "seq epoch raised", "seq epoch durable first", "seq epoch bounds downSeq", "seq epoch bounds ACK",
	"last seq kept", "incarnation kept", "mark durable", "connection epoch noted", "early waits after a crash", "receipts join what nobody has", "second tick again",
	"second tick before its drop", "write-back behind the journal",
}

// firstOfDisk is the first rule that only a server with a disk needs.
const firstOfDisk = TickWhenDurable

// List is the rules one by one.
func List() []Rule {
	l := make([]Rule, ruleEnd)
	for i := range l {
		l[i] = Rule(i)
	}
	return l
}

// String is the rule's name.
func (r Rule) String() string {
	if int(r) < len(ruleNames) {
		return ruleNames[r]
	}
	return "no rule"
}

// Rules is a set of them. The zero set is all.
type Rules struct{ off [2]uint64 }

// Without is the set without one rule.
func (s Rules) Without(r Rule) Rules {
	s.off[r/64] |= 1 << (r % 64)
	return s
}

func (s Rules) has(r Rule) bool { return s.off[r/64]>>(r%64)&1 == 0 }
