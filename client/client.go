package client

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"trunkline/codec"
)

// Client is one device's connection, made again whenever it is lost, until Close or an error that says not to return.
// All methods may be called from any goroutine. Its events must be consumed: a client whose application does not read
// them stops reading its socket.
type Client struct {
	cfg    config
	addr   string
	log    *slog.Logger
	ctx    context.Context // ends with Close or with the client
	cancel context.CancelFunc
	events chan Event
	wake   chan struct{} // the writer has something to look at
	wg     sync.WaitGroup

	mu         sync.Mutex // guards what follows; the only lock
	generation uint16
	token      uint64 // of the registration under way
	epoch      uint32 // of the newest attempt to log in
	epochKept  uint32 // State has all up to here set aside
	identity   Identity
	resumes    int // flights with a ticket in a row that no SUCCESS followed; of the goroutine that logs in
	up         uplink
	down       downlink
	sent       sentTable
	inbox      inbox
	known      knowledge
	again      againTable
	questions  questions
	typers     typers
	active     activity
	activeSaid bool   // on this connection
	catchUps   uint64 // number of the newest call of CatchUp
	caughtUp   uint64 // number of the newest one that was answered
	journal    journal
	// What State holds of down: no ACK above durableLast, which belongs to durableIncarnation.
	durableLast        uint64
	durableIncarnation uint64
	link               *link // nil: not logged in
	subscribed         map[uint64]struct{}
	watch              []watchOp // not written yet; only while logged in
	ephemeral          []byte    // frames of typing, only while logged in
	emptied            chan struct{}
	closing            bool
	ended              bool  // events is closed, or about to be
	err                error // why the client ended

	tape    codec.Tape // the reader's
	backlog []Received // of the inbox, for the reader to hand out first
}

// Dial logs in before it returns; ctx bounds that first login only. After it the client lives until Close or an error that
// says not to return.
//
// The connection is encrypted unless WithPlaintext says otherwise. Then the server must prove that it has the key which
// WithServerKey names or which State has pinned. The keys of the device are drawn at the first Dial on a State.
//
// Errors: ErrConfig, ErrServerKeyMissing, ErrServerKeyChanged, ErrStateOtherDevice, ErrStateDamaged, ErrState, ErrProtocol,
// *ServerError with the server's code (ErrNotRegistered, ErrTokenRefused, ...), or the network's.
func Dial(ctx context.Context, addr string, opts ...Option) (*Client, error) {
	cfg, err := newConfig(opts)
	if err != nil {
		return nil, err
	}
	snap, err := loadFor(cfg.state, cfg.user, cfg.device)
	if err != nil {
		return nil, err
	}
	if err := prepareIdentity(&cfg, &snap); err != nil {
		return nil, err
	}
	c := newClient(addr, cfg, snap)
	var l *link
	if !cfg.offline {
		if l, err = c.login(ctx); err != nil {
			c.cancel()
			return nil, sayClosed(err)
		}
	}
	c.wg.Add(2)
	go c.run(l)      // ends with Close or a final error
	go c.writeLoop() // ends with c.ctx, which run ends
	return c, nil
}

func newClient(addr string, cfg config, snap Snapshot) *Client {
	c := &Client{
		cfg: cfg, addr: addr, generation: snap.Marks.Generation, token: snap.Marks.Token,
		epoch: snap.Marks.Epoch, epochKept: snap.Marks.Epoch, identity: snap.Identity,
		log:        cfg.log.With("user", cfg.user, "device", cfg.device),
		events:     make(chan Event, cfg.eventBuffer),
		wake:       make(chan struct{}, 1),
		up:         newUplink(snap.Marks, snap.Outbox),
		down:       newDownlink(snap.Marks, snap.Streams, snap.Inbox),
		sent:       sentTable{rows: snap.Sent},
		inbox:      newInbox(snap.Inbox),
		known:      newKnowledge(snap.Groups, snap.Devices),
		again:      againTable{rows: snap.Again},
		questions:  questions{open: map[uint32]*question{}},
		backlog:    snap.Inbox,
		subscribed: map[uint64]struct{}{},
		emptied:    make(chan struct{}),

		durableLast: snap.Marks.LastSeq, durableIncarnation: snap.Marks.Incarnation,
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.journal = newJournal(cfg.state, &c.mu)
	return c
}

// checkSnapshot holds what everything later relies on: the outbox has no gaps and ends below the next number.
func checkSnapshot(s *Snapshot) error {
	if s.Marks.NextCseq == 0 {
		s.Marks.NextCseq = 1
	}
	for i := range s.Outbox {
		if s.Outbox[i].Cseq != s.Marks.Ticked+1+uint64(i) {
			return fmt.Errorf("%w: outbox has number %d at place %d above %d", ErrStateDamaged, s.Outbox[i].Cseq, i, s.Marks.Ticked)
		}
	}
	if s.Marks.NextCseq != s.Marks.Ticked+uint64(len(s.Outbox))+1 {
		return fmt.Errorf("%w: next number is %d, %d taken and %d waiting", ErrStateDamaged, s.Marks.NextCseq, s.Marks.Ticked, len(s.Outbox))
	}
	return nil
}

// Events delivers everything that happens. The channel closes when the client ends; Err then says why.
func (c *Client) Events() <-chan Event { return c.events }

// Err is why the client ended: nil while it lives and after Close.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Ack tells the server that the application has kept m and everything that came before it; until then the server keeps it
// and delivers it again to a returning device. It returns at once: the state is written and the server told soon
// after, one write and one frame for a burst, at the latest by Close. A crash in between means seeing m again. Of the inbox
// (see WithInbox) the server knows already: Ack takes m and everything before it out.
// Errors: ErrUnknownMessage, ErrClosed.
func (c *Client) Ack(m Message) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return err
	}
	return c.acknowledge(m)
}

// Read is Ack and tells the sender that m was read, or in a group that everything up to m was. Of what an own device has sent nobody is told. The receipt goes through the outbox like a message; neighbours of one
// stream share one. Errors: ErrOutboxFull (then m is not acknowledged either), ErrUnknownMessage, ErrClosed, ctx's.
func (c *Client) Read(ctx context.Context, m Message) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return err
	}
	if !c.up.room(0, 1) {
		return ErrOutboxFull
	}
	if err := c.acknowledge(m); err != nil || m.Seq == 0 || m.Own || m.Group != 0 && m.GroupSeq == 0 {
		return err
	}
	now := c.cfg.now()
	e := readReceipt(&m)
	e.Time = now
	if wider, ok := c.up.extendReceipt(&e, m.before); ok {
		e = wider
	} else {
		e.Cseq = c.up.add(e)
	}
	c.journal.staged.Put = append(c.journal.staged.Put, e)
	c.urgently(now)
	return nil
}

// readReceipt says that m was read. In a group the number is that of the group, and covers everything before it.
func readReceipt(m *Message) Entry {
	e := Entry{
		Kind: EntryReceipt, Peer: m.From, Group: m.Group, ReceiptKind: uint8(codec.ReceiptRead), Device: m.Device, Gen: m.Gen, First: m.ID, Last: m.ID,
	}
	if m.Group != 0 {
		e.Peer, e.Device, e.Gen, e.First, e.Last = 0, 0, 0, m.GroupSeq, m.GroupSeq
	}
	return e
}

// acknowledge settles m. The mutex is held.
func (c *Client) acknowledge(m Message) error {
	if m.Seq == 0 {
		return nil
	}
	if !c.down.acknowledge(m.arrival) {
		return ErrUnknownMessage
	}
	dropped := c.inbox.drop(m.arrival, c.journal.staged)
	if c.down.settle(c.journal.staged) || dropped {
		c.urgently(c.cfg.now())
	}
	return nil
}

// urgently has the writer commit what is staged soon. The mutex is held.
func (c *Client) urgently(now time.Time) {
	c.journal.touch(now)
	c.journal.urgent = true
	c.poke()
}

// Subscribe asks for the presence of users, now and after every reconnect; it comes as events, the current one at once.
// Errors: ErrTooManySubscriptions, ErrReceiver, ErrClosed, ctx's.
func (c *Client) Subscribe(ctx context.Context, users ...uint64) error {
	return c.setWatch(ctx, watchAdd, users)
}

// Unsubscribe ends Subscribe for users.
func (c *Client) Unsubscribe(ctx context.Context, users ...uint64) error {
	return c.setWatch(ctx, watchRemove, users)
}

// Typing tells the devices of to that this user writes or stopped. It is dropped when there is no connection: it would
// be stale. Errors: ErrReceiver, ErrClosed, ctx's.
func (c *Client) Typing(ctx context.Context, to uint64, state TypingState) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if to == 0 || to > codec.UserMax {
		return fmt.Errorf("%w: %d", ErrReceiver, to)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err := c.usable(); err != nil {
		return err
	}
	if c.link == nil || len(c.ephemeral) > EphemeralBytesMax {
		return nil
	}
	b, err := codec.AppendTyping(c.ephemeral, &codec.Typing{Peer: to, Device: c.cfg.device, State: uint8(state)})
	c.ephemeral = b
	c.poke()
	return err
}

// Outstanding is how many messages and receipts of the outbox have no first tick.
func (c *Client) Outstanding() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.up.outstanding()
}

// Sent says how far a message of this device came, in this run or an earlier one. False: not one of the newest SentMax.
func (c *Client) Sent(id uint64) (Sent, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i, ok := c.sent.find(id)
	if !ok {
		return Sent{}, false
	}
	s := c.sent.rows[i]
	if s.Level == TickNone && c.again.newest(id) <= c.up.ticked {
		s.Level = TickServer
		if s.Rejected == 0 {
			s.raise(s.Unless)
		}
	}
	s.Unless = TickNone
	return s, true
}

// Flush returns when everything in the outbox has its first tick. Events must be consumed meanwhile.
// Errors: ErrClosed, ctx's.
func (c *Client) Flush(ctx context.Context) error {
	for {
		c.mu.Lock()
		empty, emptied, err := c.up.outstanding() == 0, c.emptied, c.usable()
		c.mu.Unlock()
		if empty {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-emptied:
		case <-ctx.Done():
			return ctx.Err()
		case <-c.ctx.Done():
		}
	}
}

// Close leaves: it writes the state, tells the server what was acknowledged and closes the connection. What the outbox
// holds stays in State. Safe to call twice and after the client has ended. Errors: ErrState.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closing = true
	if c.link != nil {
		c.link.hurry(c.cfg.now())
	}
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.journal.err
}

// usable is nil while the client lives. The mutex is held.
func (c *Client) usable() error {
	switch {
	case c.err != nil:
		return closedBy(c.err)
	case c.journal.err != nil:
		return closedBy(c.journal.err)
	case c.closing || c.ctx.Err() != nil:
		return ErrClosed
	}
	return nil
}

// poke has the writer look again.
func (c *Client) poke() {
	select {
	case c.wake <- struct{}{}:
	default: // it will look anyway
	}
}
