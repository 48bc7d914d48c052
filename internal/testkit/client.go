package testkit

import (
	"fmt"
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// Client is one device that follows the client's side of the delivery rules. What it keeps survives Crash; only Forget loses it.
type Client struct {
	World  *World
	User   uint64
	Device uint8

	Kept   Kept
	Screen []Shown // of this life of the device
	Lives  int     // how often it has forgotten everything
	Faults []string
	Again  int // messages that came under another seq than before

	conn      *Conn
	buf       []byte
	loggedIn  bool
	fresh     []codec.Frame // came and not yet kept; volatile
	sentUpTo  uint64        // cseq on this connection
	earlyUpTo uint64        // cseq in its first flight
	pausedTo  int64         // a refusal asks to wait until then; 0: none
	unacked   int           // delivered on this connection and not acknowledged, entries
	ackedUpTo uint64
	Answers   map[uint32]iq.Answer // that came on any connection, by ref
	refs      uint32
	tape      codec.Tape

	Presence map[uint64]codec.Presence // the newest of each user on this connection
	Watched  map[uint64]bool           // subscriptions of this connection
	Told     []codec.Presence          // in their order, until somebody empties it
	Typed    []codec.Typing            // the same
}

// Kept is what a client writes down.
type Kept struct {
	Gen         uint16
	Incarnation uint64
	Last        uint64 // seq
	Ticked      uint64
	Next        uint64 // the next cseq
	Epoch       uint32 // of the last attempt to connect
	Token       uint64 // of this life, until a generation was named
	Outbox      []Sent // above Ticked
	Streams     map[Stream]Seen
	Sent        map[uint64]*Fate // by cseq of this generation
}

// Stream is where ids rise.
type Stream struct {
	User   uint64
	Device uint8
	Gen    uint16
	Group  uint64 // 0: direct
}

// Seen is what was shown of a stream: the last id, and a bit for each of the 64 below it.
type Seen struct {
	last  uint64
	below uint64
}

// take says whether an id is new, and notes it.
func (s *Seen) take(id uint64) bool {
	if id > s.last {
		n := id - s.last
		s.below = s.below<<n | 1<<(n-1)
		s.last = id
		return true
	}
	n := s.last - id
	if n == 0 || n > 64 || s.below&(1<<(n-1)) != 0 {
		return false
	}
	s.below |= 1 << (n - 1)
	return true
}

// Sent is a frame of the outbox.
type Sent struct {
	Cseq  uint64
	Frame []byte
}

// Fate is what a client knows of a message that it has sent.
type Fate struct {
	To        uint64
	Text      string // of a message to a group
	Devices   []uint8
	NoStore   bool
	Ticked    bool
	Rejected  codec.ErrorCode
	Delivered map[uint8]bool // of a group's message: 0, everybody has it
	Read      bool
	Tries     int // how often it was sent
}

// Shown is a message on a device's screen.
type Shown struct {
	Stream
	ID       uint64
	GroupSeq uint64
	Event    bool // the text is an iq.Event
	Placed   bool // the device's own message, without its text
	Text     string
}

// NewClient makes a device without any state.
func NewClient(w *World, user uint64, device uint8) *Client {
	c := &Client{
		World: w, User: user, Device: device, Presence: map[uint64]codec.Presence{}, Watched: map[uint64]bool{}, Answers: map[uint32]iq.Answer{},
	}
	c.Kept = c.emptyKept()
	return c
}

func (c *Client) emptyKept() Kept {
	return Kept{Next: 1, Token: c.World.Random.Uint64() | 1, Streams: map[Stream]Seen{}, Sent: map[uint64]*Fate{}}
}

// Connect drops the old connection, if any, and says HELLO on a new one.
func (c *Client) Connect() {
	c.Crash()
	c.hello()
}

// Rush connects anew and keeps what the old connection had brought only after its HELLO.
func (c *Client) Rush() {
	c.Take()
	fresh := c.fresh
	c.Crash()
	c.fresh = fresh
	c.hello()
}

// Compete says HELLO on a new connection while the old one is still there.
func (c *Client) Compete() {
	c.conn = nil
	c.Crash()
	c.hello()
}

func (c *Client) hello() {
	c.conn = c.World.Dial()
	c.Kept.Epoch++
	c.prove()
	h := codec.Hello{Version: codec.Version, Device: c.Device, User: c.User, DownSeq: c.Kept.Token, Epoch: c.Kept.Epoch}
	if c.Kept.Gen != 0 {
		h.Gen, h.Incarnation, h.DownSeq, h.Ticked = c.Kept.Gen, c.Kept.Incarnation, c.Kept.Last, c.Kept.Ticked
	}
	c.write(codec.AppendHello(nil, &h))
	c.pushEarly()
}

// Crash breaks the connection and loses what was not kept.
func (c *Client) Crash() {
	if c.conn != nil {
		c.conn.Drop()
	}
	c.conn, c.buf, c.fresh, c.loggedIn = nil, nil, nil, false
	c.sentUpTo, c.earlyUpTo, c.pausedTo, c.unacked, c.ackedUpTo = 0, 0, 0, 0, 0
	clear(c.Presence)
	clear(c.Watched)
}

// Forget loses everything; the device begins a new life.
func (c *Client) Forget() {
	c.Crash()
	c.Kept = c.emptyKept()
	c.Screen = nil
	c.Lives++
}

// Online says whether SUCCESS has come on the connection.
func (c *Client) Online() bool { return c.loggedIn && !c.conn.Closed() }

// Connected says whether there is a connection, logged in or not.
func (c *Client) Connected() bool { return c.conn != nil && !c.conn.Closed() }

func (c *Client) write(b []byte, err error) {
	if err != nil {
		panic(err)
	}
	if c.loggedIn {
		c.Confirm() // whatever comes after the first flight does
	}
	c.conn.Write(b)
}

// Send puts a message into the outbox. A client without a generation has to log in first.
func (c *Client) Send(to uint64, text string, flags codec.Flags, devices ...uint8) {
	if c.Kept.Gen == 0 {
		return
	}
	v := codec.Send{Cseq: c.Kept.Next, To: to, Flags: flags}
	for _, d := range devices {
		v.Parts = v.Parts.Append(codec.Part{Device: d, Blob: []byte(text)})
		v.N++
	}
	b, err := codec.AppendSend(nil, &v)
	if err != nil {
		panic(err)
	}
	c.Kept.Sent[v.Cseq] = &Fate{To: to, Devices: devices, NoStore: flags&codec.FlagNoStore != 0, Delivered: map[uint8]bool{}}
	c.Kept.Outbox = append(c.Kept.Outbox, Sent{Cseq: v.Cseq, Frame: b})
	c.Kept.Next++
}

// Read puts a read receipt for the newest message of the screen into the outbox.
func (c *Client) Read() {
	if len(c.Screen) == 0 || c.Kept.Gen == 0 {
		return
	}
	m := c.Screen[len(c.Screen)-1]
	v := codec.Receipt{
		Seq: c.Kept.Next, Kind: codec.ReceiptRead, Peer: m.User, Device: m.Device, Gen: m.Gen, First: m.ID, Last: m.ID,
	}
	b, err := codec.AppendReceipt(nil, &v)
	if err != nil {
		panic(err)
	}
	c.Kept.Outbox = append(c.Kept.Outbox, Sent{Cseq: v.Seq, Frame: b})
	c.Kept.Next++
}

// Subscribe asks for presence on this connection.
func (c *Client) Subscribe(peers ...uint64) {
	if !c.Online() {
		return
	}
	c.watch(1, peers)
}

// Unsubscribe asks for no more of it.
func (c *Client) Unsubscribe(peers ...uint64) {
	if c.Online() {
		c.watch(0, peers)
	}
}

func (c *Client) watch(op uint8, peers []uint64) {
	v := codec.Subscribe{Op: op}
	for _, p := range peers {
		v.Peers = v.Peers.Append(p)
		v.N++
		if c.Watched[p] = op == 1; op == 0 {
			delete(c.Watched, p)
		}
	}
	c.write(codec.AppendSubscribe(nil, &v))
}

// Typing tells a peer that somebody writes.
func (c *Client) Typing(to uint64) {
	if c.Online() {
		c.write(codec.AppendTyping(nil, &codec.Typing{Peer: to, State: 1}))
	}
}

// Say writes whole frames.
func (c *Client) Say(frames []byte) {
	if c.Online() {
		c.write(frames, nil)
	}
}

// State says whether somebody looks at the device.
func (c *Client) State(active uint8) {
	if c.Online() {
		c.write(codec.AppendState(nil, &codec.State{Active: active}))
	}
}

// Take reads what the server has written. It is kept and shown by Keep.
func (c *Client) Take() {
	if c.conn == nil {
		return
	}
	c.buf = append(c.buf, c.conn.Output()...)
	for {
		f, used, err := codec.Next(c.buf, codec.FrameBytesMax)
		if err != nil {
			c.fault("the server wrote what is no frame: %v", err)
			c.Crash()
			return
		}
		if used == 0 {
			return
		}
		c.buf = c.buf[used:]
		f.Body = slices.Clone(f.Body)
		c.take(f)
		if c.conn == nil {
			return
		}
	}
}

func (c *Client) take(f codec.Frame) {
	switch f.Kind {
	case codec.KindSuccess:
		c.success(f)
	case codec.KindAck:
		v, err := codec.ParseTick(f)
		c.check(err)
		c.tick(v.UpHigh)
	case codec.KindDeliver, codec.KindReceipt:
		c.fresh = append(c.fresh, f)
		c.unacked++
		if c.unacked > 64+len(c.Kept.Streams) {
			c.fault("%d entries without an ACK", c.unacked)
		}
	case codec.KindError:
		v, err := codec.ParseError(f)
		c.check(err)
		c.refused(&v)
	case codec.KindNode:
		c.node(f)
	case codec.KindPresence:
		v, err := codec.ParsePresence(f)
		c.check(err)
		c.Presence[v.Peer] = v
		c.Told = append(c.Told, v)
	case codec.KindTyping:
		v, err := codec.ParseTyping(f)
		c.check(err)
		c.Typed = append(c.Typed, v)
	}
}

func (c *Client) success(f codec.Frame) {
	v, err := codec.ParseSuccess(f)
	c.check(err)
	if v.Incarnation != c.Kept.Incarnation {
		c.Kept.Incarnation, c.Kept.Last = v.Incarnation, 0
	}
	c.Kept.Gen = v.Gen
	c.loggedIn = true
	c.sentUpTo = max(v.UpHigh, c.earlyUpTo)
	c.checkAccount(v.Gen)
	c.tick(v.UpHigh)
}

// tick takes everything up to upHigh out of the outbox.
func (c *Client) tick(upHigh uint64) {
	for len(c.Kept.Outbox) > 0 && c.Kept.Outbox[0].Cseq <= upHigh {
		if fate := c.Kept.Sent[c.Kept.Outbox[0].Cseq]; fate != nil {
			fate.Ticked = true
		}
		c.Kept.Outbox = c.Kept.Outbox[1:]
	}
	c.Kept.Ticked = max(c.Kept.Ticked, upHigh)
}

func (c *Client) refused(v *codec.Error) {
	switch {
	case v.Code == codec.CodeServerFull || v.Code == codec.CodeRateLimited:
		c.sentUpTo = v.Ref - 1
		c.pausedTo = c.World.Now + int64(v.RetryAfterMs)
	case v.Code.Returns():
	default: // CodeReplaced, too: nobody else has this device, and a connection that was given up is not listened to
		c.fault("%v (ref %d) to a client that keeps the rules", v.Code, v.Ref)
	}
}

func (c *Client) check(err error) {
	if err != nil {
		c.fault("a stanza that can't be read: %v", err)
	}
}

func (c *Client) fault(format string, args ...any) {
	c.Faults = append(c.Faults, fmt.Sprintf("user %d/%d: ", c.User, c.Device)+fmt.Sprintf(format, args...))
}

// Keep writes down up to n entries that came, and shows them.
func (c *Client) Keep(n int) {
	for ; n > 0 && len(c.fresh) > 0; n-- {
		f := c.fresh[0]
		c.fresh = c.fresh[1:]
		if f.Kind == codec.KindDeliver {
			c.keepMessage(f)
		} else {
			c.keepReceipt(f)
		}
	}
}

func (c *Client) keepMessage(f codec.Frame) {
	v, err := codec.ParseDeliver(f)
	c.check(err)
	s := Stream{User: v.From, Device: v.Device, Gen: v.Gen, Group: v.Group}
	if v.Seq == 0 {
		c.unacked-- // ephemeral: shown, neither kept nor acknowledged
		return
	}
	if v.Seq <= c.Kept.Last {
		return
	}
	c.Kept.Last = v.Seq
	seen := c.Kept.Streams[s]
	isNew := seen.take(v.ID)
	c.Kept.Streams[s] = seen
	if !isNew {
		c.Again++
		return
	}
	event := v.Flags&codec.FlagGroup != 0 && v.Kind == codec.PayloadGroupEvent
	placed := v.Flags&codec.FlagGroup != 0 && v.Kind == codec.PayloadGroupPlace
	c.Screen = append(c.Screen, Shown{Stream: s, ID: v.ID, GroupSeq: v.GroupSeq, Event: event, Placed: placed, Text: string(v.Blob)})
}

func (c *Client) keepReceipt(f codec.Frame) {
	v, err := codec.ParseReceipt(f)
	c.check(err)
	if v.Seq <= c.Kept.Last {
		return
	}
	c.Kept.Last = v.Seq
	if v.Gen != c.Kept.Gen {
		return
	}
	if v.Kind == codec.ReceiptRejected {
		c.tick(v.Last) // it is kept with the mark: everything below is taken as well
	}
	for id := v.First; id <= v.Last; id++ {
		fate := c.Kept.Sent[id]
		if fate == nil || fate.To != max(v.Peer, v.Group) {
			continue // between messages to this peer lie those to others
		}
		switch v.Kind {
		case codec.ReceiptRejected:
			fate.Rejected = codec.ErrorCode(v.Code)
		case codec.ReceiptDelivered:
			// ... and those that had no part for this device, or were rejected.
			fate.Delivered[v.Device] = (v.Group != 0 || slices.Contains(fate.Devices, v.Device)) && fate.Rejected == 0
		case codec.ReceiptRead:
			fate.Read = true
		}
	}
}

// Ack acknowledges what is kept.
func (c *Client) Ack() {
	if !c.Online() || c.Kept.Last == c.ackedUpTo || c.Kept.Last == 0 {
		return
	}
	c.ackedUpTo = c.Kept.Last
	c.unacked = len(c.fresh)
	c.write(codec.AppendAck(nil, &codec.Ack{Seq: c.Kept.Last}))
}

// Push sends up to n frames of the outbox, within the window.
func (c *Client) Push(n int) {
	if !c.Online() || c.World.Now < c.pausedTo {
		return
	}
	for _, s := range c.Kept.Outbox {
		if s.Cseq <= c.sentUpTo {
			continue
		}
		if n == 0 || s.Cseq > c.Kept.Ticked+64 {
			return
		}
		c.write(s.Frame, nil)
		if fate := c.Kept.Sent[s.Cseq]; fate != nil {
			fate.Tries++
		}
		c.sentUpTo = s.Cseq
		n--
	}
}

// Idle says whether nothing is left to send, keep or acknowledge.
func (c *Client) Idle() bool {
	return c.Online() && len(c.Kept.Outbox) == 0 && len(c.fresh) == 0 && c.ackedUpTo >= c.Kept.Last
}

// String says where the client stands.
func (c *Client) String() string {
	return fmt.Sprintf("connected %v, online %v, outbox %d, sent up to %d, ticked %d, next %d, fresh %d, last %d, acked %d, paused for %d ms",
		c.Connected(), c.loggedIn, len(c.Kept.Outbox), c.sentUpTo, c.Kept.Ticked, c.Kept.Next, len(c.fresh), c.Kept.Last,
		c.ackedUpTo, max(c.pausedTo-c.World.Now, 0))
}
