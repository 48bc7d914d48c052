package store

// Desk is one loop's side of a Keeper. It belongs to the loop's goroutine. It implements shard.Disk.
type Desk struct{}

// Note adds a record to the turn. r and its payload are copied.
func (d *Desk) Note(r *Record) { panic("desk") }

// Turn is the number of the turn that is being noted. It is durable when NewsDurable names it or a later one. In AckMemory
// mode every turn is at once.
func (d *Desk) Turn() uint64 { panic("desk") }

// Durable is the last turn that is durable.
func (d *Desk) Durable() uint64 { panic("desk") }

// Load asks for what is on disk. The answer is news. At most one for each mailbox or user is on its way: the shard sees to that.
func (d *Desk) Load(l *Load) { panic("desk") }

// WriteBack adds a mailbox to the slice of this turn: its head, its entries in memory with seq > above, and the removal of entries on
// disk with gone.After < seq <= gone.UpTo. NewsWritten names the turn when it is applied. It returns how
// many bytes the slice of this turn holds: when it is enough, the shard goes on in the next turn.
func (d *Desk) WriteBack(h *Head, above uint64, gone SeqRange) (sliceBytes int) { panic("desk") }

// News calls f for what has happened since the last call. n is valid until f returns. It is cheap when there is none.
func (d *Desk) News(f func(n *News)) { panic("desk") }

// Submit ends the turn: what was noted goes to the journal, the slice to the writer. lowWater is the first turn of which something
// is neither in a slice nor clean: the journal is needed from there on.
func (d *Desk) Submit(lowWater uint64) { panic("desk") }

// Noted says whether something waits for Submit.
func (d *Desk) Noted() bool { panic("desk") }

// SeqRange is After < seq <= UpTo; empty when UpTo <= After.
type SeqRange struct{ After, UpTo uint64 }

// Load is a question to the disk.
type Load struct {
	User    uint64
	Device  uint8  // with Entries
	Entries bool   // a piece of a mailbox instead of a user's heads
	After   uint64 // with Entries: seq > After, and at most UpTo
	UpTo    uint64
	// Without Entries: count what is older than this as expired; unix seconds, 0: nothing.
	ExpireBefore uint32
}

// NewsKind says what a News tells.
type NewsKind uint8

// The kinds of news.
const (
	NewsDurable NewsKind = iota + 1 // Turn and all before it are durable
	NewsWritten                     // the slices of Turn and all before it are applied
	NewsUser                        // User, Heads: all devices; none: nobody. Or Failed
	NewsEntries                     // User, Device, After, UpTo: all entries in that range are in the piece. Or Failed
	NewsTrouble                     // Stopped: nothing can be made durable for now
	NewsExpired                     // User has a mailbox with something older than ExpireBefore: load it
)

// News is what a Keeper tells a loop.
type News struct {
	Kind    NewsKind
	Turn    uint64
	User    uint64
	Device  uint8
	Failed  Failure
	Stopped bool
	Heads   []LoadedHead
	After   uint64
	UpTo    uint64
	piece   []byte
}

// Failure says how a load has failed.
type Failure uint8

// The failures of a load.
const (
	LoadDone    Failure = iota
	LoadRetry           // the disk does not answer: try again
	LoadDamaged         // what is there is not what was written: it is not served
)

// LoadedHead is a head with what of its mailbox has expired: entries up to ExpiredTo (0: none), which are counted in Head too.
type LoadedHead struct {
	Head
	ExpiredTo uint64
	Expired   Counts
}

// Each calls f for the entries of a piece, ascending. e and payload are valid until f returns.
func (n *News) Each(f func(e *Entry, payload []byte)) { panic("desk") }
