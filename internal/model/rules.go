package model

// Rule is a set of delivery rules.
type Rule uint64

// The rules. The comment of each says what happens without it.
const (
	PersistBeforeAck      Rule = 1 << iota // the client acknowledges what it has in memory only
	PersistBeforeSend                      // a SEND leaves before the outbox and the generation are persisted
	DedupeBySeq                            // the client takes entries that it already has
	DedupeByStream                         // the client takes ids that it already has
	GenerationInStream                     // a stream is named by the sender's device alone
	SeenBelowLast                          // every id below the last one of its stream counts as a duplicate
	PersistedTickWindow                    // the client's window counts from ticks that it may forget
	UplinkMark                             // a SEND that comes again is routed again
	ContiguousMark                         // the mark is the highest SEND that is done
	StoredRejection                        // a rejection is told once and not kept
	RejectionWithMark                      // a rejection is kept before the mark has passed the SENDs below it
	RejectionTicks                         // the client takes a rejection as news, not as a tick
	RejectionTickTogether                  // a rejection is persisted before the tick that it is
	RejectionReserved                      // SENDs are taken without room for their rejections
	HeldBounded                            // any number of rejections wait for their marks
	LostTakenAgain                         // a SEND whose answer was lost stays in flight
	LostExpels                             // a SEND whose answer was lost is not asked for
	PushTellsMark                          // a session on another loop hears of the mark by ticks alone
	IgnoreAfterRefusal                     // SENDs behind a refused one are taken
	RefuseBeforeRouting                    // the recipient's loop refuses for a while, too
	FullBeforeTick                         // a full mailbox drops what was ticked
	ResendAboveUpHigh                      // the client sends each SEND once
	RedeliverWindow                        // what was pushed to an earlier session is not pushed again
	WindowLimit                            // everything that waits is pushed at once
	ReceiptToPeer                          // the client applies a receipt to messages to others
	OwnGeneration                          // the client takes receipts and rejections of an earlier generation for its own
	ReceiptForwards                        // receipts are joined in any order
	ClientClearsLast                       // the client keeps `last` when the server has lost its data
	OldEntriesKeepLast                     // entries of older data that are persisted later move `last`
	LastWithItsData                        // HELLO says an older `last` with newer data
	ServerAdoptsMark                       // the server that lost its data starts each mark at zero
	GenerationByData                       // the first generation of a device is always 1
	GenerationsRegistered                  // a new generation is the current one's successor, adopted or not
	AdoptOverAdopted                       // a generation of older data can take the place of one given out since
	RegistrationToken                      // a first HELLO that comes late registers once more
	TokenKept                              // a client that crashed before it had a generation draws another token
	GenerationKept                         // a client that was given a generation and did not persist it says HELLO without it
	SessionFencing                         // the mailbox listens to replaced sessions
	ConnectionEpoch                        // a HELLO that its client has given up replaces a later one
	EpochKept                              // a client that crashed counts its connections from the beginning
	EarlyWhenOffline                       // a first flight is taken at once although somebody is attached
	EarlyNewEpoch                          // a first flight is taken at once although it was seen, or a later one was
	EarlySameData                          // a first flight of another generation, or of older data, is taken at once
	EarlyUnannounced                       // whoever is attached early is there for everybody
	EarlyHeldUnread                        // a first flight that is not taken at once is lost
	EarlyGivesWay                          // who is attached early stays until it leaves
	ruleEnd
)

// AllRules is every rule.
const AllRules = ruleEnd - 1

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
}

// Rules lists the rules one by one.
func Rules() []Rule {
	var l []Rule
	for r := Rule(1); r < ruleEnd; r <<= 1 {
		l = append(l, r)
	}
	return l
}

// String names the first rule of the set.
func (r Rule) String() string {
	for i, name := range ruleNames {
		if r&(1<<i) != 0 {
			return name
		}
	}
	return "no rule"
}

func (r Rule) has(one Rule) bool { return r&one != 0 }
