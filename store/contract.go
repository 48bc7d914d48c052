package store

// Key orders entries: all of a device together, by seq.
type Key struct {
	User   uint64
	Seq    uint64
	Device uint8
}

// EntryKind tells a message from the other things a mailbox holds. The values are the shard's business.
type EntryKind uint8

// Entry is one waiting stanza without its payload. It has no pointers. Field meanings beside the key belong to the shard.
type Entry struct {
	Key
	Kind       EntryKind
	Flags      uint8
	Code       uint8
	PeerDevice uint8
	PayloadTag uint8 // Part.Kind of a message
	Gen        uint16
	TimeSec    uint32
	Peer       uint64
	First      uint64 // the id of a message; the first id of a range
	Last       uint64
	blob       uint32 // handle in the arena; 0: none
	blobBytes  uint32
}

// Mailboxes is the offline cache of one loop.
type Mailboxes struct{}

// Stats are sizes of one Mailboxes.
type Stats struct {
	Entries      int
	PayloadBytes int64 // as sent
	ArenaBytes   int64 // as held
}

func NewMailboxes() *Mailboxes { panic("contract") }

// Append adds an entry and a copy of its payload. The key must be above every key of that device: ErrOrder otherwise.
func (m *Mailboxes) Append(e *Entry, payload []byte) error { panic("contract") }

// Replace changes the fields of an existing entry beside its key and payload (a receipt range that grows). ErrNoEntry.
func (m *Mailboxes) Replace(e *Entry) error { panic("contract") }

// Scan calls f for the device's entries with seq > after, ascending, until f returns false. The payload aliases the arena
// and is valid until f returns; f must not change the Mailboxes.
func (m *Mailboxes) Scan(user uint64, device uint8, after uint64, f func(e *Entry, payload []byte) bool) {
	panic("contract")
}

// Drop removes the device's entries with seq <= upTo, ascending, calling f (which may be nil) for each before it goes.
func (m *Mailboxes) Drop(user uint64, device uint8, upTo uint64, f func(e *Entry, payloadBytes int)) (dropped int) {
	panic("contract")
}

// Last is the device's newest entry.
func (m *Mailboxes) Last(user uint64, device uint8) (e Entry, ok bool) { panic("contract") }

func (m *Mailboxes) Stats() Stats { panic("contract") }
