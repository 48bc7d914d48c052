package server

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/client"
	"trunkline/codec"
)

// crew is a few people who write to each other, and a judge who reads along.
type crew struct {
	t       testing.TB
	noise   bool         // the encrypted transport; then nobody reads along on the wire
	addr    atomic.Value // string: where the server listens now
	stop    context.Context
	members []*member
	groups  []*shared      // that some of them are in
	wg      sync.WaitGroup // of the members' goroutines

	mu      sync.Mutex // guards what follows
	judge   *judge
	refused map[uint64]map[codec.ErrorCode]int // by user
}

// habits say how a member behaves.
type habits struct {
	pause time.Duration // between messages, at most; 0: writes nothing
	slow  bool          // acknowledges late, and many at once
	stuck bool          // acknowledges nothing, until released
	away  bool          // is offline now and then
	gone  bool          // is offline until all shall be quiet
	reads bool          // tells that it has read
}

// member is one of the crew, with a client of its own.
type member struct {
	*crew
	habits
	user  uint64
	state client.State
	rng   *rand.Rand // of its writing
	sent  int

	mu     sync.Mutex // guards what follows; taken before crew.mu
	client *client.Client
	held   []client.Message // shown and not acknowledged
	free   bool             // a stuck one was released
	in     map[uint64]bool  // groups, as its client was told
}

// firstMember is the user with the lowest number.
const firstMember = 1001

func newCrew(t testing.TB, stop context.Context, seed uint64, noise bool, all []habits) *crew {
	c := &crew{t: t, noise: noise, stop: stop, judge: newJudge(), refused: map[uint64]map[codec.ErrorCode]int{}}
	c.addr.Store("")
	for i, h := range all {
		c.members = append(c.members, &member{crew: c, habits: h, user: uint64(firstMember + i), state: client.NewMemoryState(),
			rng: rand.New(rand.NewPCG(seed, uint64(i)))})
	}
	return c
}

// work lets everybody write, come and go until quiet is closed, and returns when nobody does any more and all are there.
func (c *crew) work(quiet <-chan struct{}) {
	var all sync.WaitGroup
	for _, m := range c.members {
		if m.gone {
			m.leave()
			all.Go(func() { <-quiet; m.connect() })
		}
		if m.pause > 0 {
			all.Go(func() { m.write(quiet) })
		}
		if m.away {
			all.Go(func() { m.comeAndGo(quiet) })
		}
		if len(c.groups) > 0 {
			all.Go(func() { m.host(quiet) })
		}
	}
	all.Wait()
}

// settled says whether nothing is on its way any more. Events that a client had in hand when its member left are made up for by asking the
// present one how far its messages came.
func (c *crew) settled() bool {
	var open []messageKey
	done := false
	c.ask(func(j *judge) {
		done = j.settled()
		for _, key := range j.order[j.done:min(len(j.order), j.done+1000)] {
			if j.stories[key].shown > 0 {
				open = append(open, key)
			}
		}
		open = append(open, j.groups.open()...)
	})
	for _, key := range open {
		c.members[key.from-firstMember].askFor(key.id)
	}
	return done
}

// askFor asks the present client how far a message came.
func (m *member) askFor(id uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client == nil {
		return
	}
	s, ok := m.client.Sent(id)
	group := groupOf(s.Peer)
	switch {
	case ok && s.Rejected != 0 && group != 0:
		m.record(happening{kind: hapRejected, user: m.user, group: group, id: id, text: fmt.Sprint(codec.ErrorCode(s.Rejected))})
	case ok && s.Level >= client.TickServer:
		m.record(happening{kind: hapTicked, user: m.user, id: id})
		if s.Level >= client.TickDelivered {
			m.record(happening{kind: hapTold, user: m.user, peer: s.Peer, group: group, id: id, last: id})
		}
	}
}

// groupOf is the group that a receiver is; 0: it is a user.
func groupOf(receiver uint64) uint64 {
	if receiver&codec.GroupBit == 0 {
		return 0
	}
	return receiver
}

// record hands a happening to the judge.
func (c *crew) record(h happening) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.judge.take(h)
}

// ask lets the judge be asked.
func (c *crew) ask(f func(j *judge)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f(c.judge)
}

// close ends all clients; stop has ended before.
func (c *crew) close() {
	for _, m := range c.members {
		m.leave()
	}
	c.wg.Wait()
}

// connect starts a client on what the member remembers.
func (m *member) connect() {
	opts := []client.Option{client.WithUser(m.user), client.WithState(m.state), client.WithOfflineStart(), client.WithDialer(m.dial),
		client.WithBackoff(2*time.Millisecond, 30*time.Millisecond)}
	if m.noise {
		opts = append(opts, client.WithTrustFirst())
	} else {
		opts = append(opts, client.WithPlaintext())
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stop.Err() != nil {
		return
	}
	c, err := client.Dial(m.stop, "now", opts...)
	if err != nil {
		m.record(happening{kind: hapEnded, user: m.user, text: err.Error()})
		return
	}
	m.client = c
	m.wg.Go(func() { m.watch(c) }) // ends with the client
}

// leave acknowledges what is on the screen and ends the client. What it had in hand besides was not seen by anybody.
func (m *member) leave() {
	m.mu.Lock()
	c := m.client
	if c != nil {
		m.acknowledge()
		m.record(happening{kind: hapLeft, user: m.user})
	}
	m.client = nil
	m.mu.Unlock()
	if c != nil {
		_ = c.Close() // a state in memory has no errors
	}
}

// acknowledge tells the server of everything on the screen. The mutex is held.
func (m *member) acknowledge() {
	n := len(m.held)
	if n > 0 && (!m.reads || m.client.Read(m.stop, m.held[n-1]) != nil) { // a full outbox has no room for receipts
		_ = m.client.Ack(m.held[n-1]) // fails only when the client has ended
	}
	m.held = m.held[:0]
}

var errNoServer = errors.New("there is no server just now")

// dial connects to wherever the server is, with somebody on the wire.
func (m *member) dial(ctx context.Context, _ string) (net.Conn, error) {
	addr, _ := m.addr.Load().(string)
	if addr == "" {
		return nil, errNoServer
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil || m.noise {
		return conn, err
	}
	return &tap{Conn: conn, member: m}, nil
}

// tap reads along what the server says.
type tap struct {
	net.Conn
	member      *member
	buf         []byte
	incarnation uint64
}

// Read implements net.Conn.
func (t *tap) Read(p []byte) (int, error) {
	n, err := t.Conn.Read(p)
	t.buf = append(t.buf, p[:n]...)
	for {
		f, used, bad := codec.Next(t.buf, codec.FrameBytesMax)
		if bad != nil || used == 0 {
			return n, err // the client says what is wrong with it
		}
		t.note(f)
		t.buf = t.buf[used:]
	}
}

func (t *tap) note(f codec.Frame) {
	h := happening{kind: hapWire, user: t.member.user, inc: t.incarnation}
	switch f.Kind {
	case codec.KindSuccess:
		if s, err := codec.ParseSuccess(f); err == nil {
			t.incarnation = s.Incarnation
			t.member.record(happening{kind: hapConn, user: t.member.user})
		}
	case codec.KindDeliver:
		if d, err := codec.ParseDeliver(f); err == nil && d.Seq != 0 {
			h.peer, h.id, h.seq, h.group, h.gseq = d.From, d.ID, d.Seq, d.Group, d.GroupSeq
			if h.text = fmt.Sprintf("message %d of %d.%d.%d", d.ID, d.From, d.Device, d.Gen); d.Kind == codec.PayloadGroupEvent {
				h.text = fmt.Sprintf("change by %d: %x", d.From, d.Blob)
			}
			t.member.record(h)
		}
	case codec.KindReceipt:
		if r, err := codec.ParseReceipt(f); err == nil {
			h.seq = r.Seq
			t.member.record(h)
		}
	}
}

// watch takes what the client tells, until it ends.
func (m *member) watch(c *client.Client) {
	late := time.NewTicker(15 * time.Millisecond)
	defer late.Stop()
	for {
		select {
		case e, open := <-c.Events():
			if !open {
				if err := c.Err(); err != nil {
					m.record(happening{kind: hapEnded, user: m.user, text: err.Error()})
				}
				return
			}
			if msg, ok := e.(client.Message); ok {
				m.show(c, msg)
			} else {
				m.note(c, e)
			}
		case <-late.C:
			if m.slow && rand.IntN(8) == 0 {
				m.mu.Lock()
				if m.client == c {
					m.acknowledge()
				}
				m.mu.Unlock()
			}
		}
	}
}

// show puts a message on the screen, if its client is still the member's.
func (m *member) show(c *client.Client, msg client.Message) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client != c {
		return
	}
	m.record(happening{kind: hapShown, user: m.user, peer: msg.From, id: msg.ID, seq: msg.Seq, group: msg.Group, gseq: msg.GroupSeq,
		text: gist(msg.Payload)})
	m.held = append(m.held, msg)
	switch {
	case m.stuck && !m.free:
	case !m.slow || len(m.held) >= 40:
		m.acknowledge()
	}
}

// release has a stuck member acknowledge, from now on.
func (m *member) release() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free = true
	m.acknowledge()
}

// note writes down what a client tells besides messages: never before what its member has done to cause it.
func (m *member) note(c *client.Client, e client.Event) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.noteGroup(c, e)
	switch e := e.(type) {
	case client.Tick:
		if e.Level == client.TickServer {
			m.record(happening{kind: hapTicked, user: m.user, id: e.Last})
		} else {
			m.record(happening{kind: hapTold, user: m.user, peer: e.Peer, group: e.Group, id: e.First, last: e.Last})
		}
	case client.Rejected:
		m.record(happening{kind: hapRejected, user: m.user, peer: e.Peer, group: e.Group, id: e.ID, text: fmt.Sprint(e.Code)})
	case client.Refused:
		m.refuse(e.Code)
	case client.Connected:
		if e.ServerLost {
			m.record(happening{kind: hapLost, user: m.user})
		}
	}
}

func (m *member) refuse(code codec.ErrorCode) {
	m.crew.mu.Lock()
	defer m.crew.mu.Unlock()
	if m.refused[m.user] == nil {
		m.refused[m.user] = map[codec.ErrorCode]int{}
	}
	m.refused[m.user][code]++
}

// refusals is how often a member's messages were refused for a while.
func (m *member) refusals(code codec.ErrorCode) int {
	m.crew.mu.Lock()
	defer m.crew.mu.Unlock()
	return m.refused[m.user][code]
}

// gist is what is compared of a text.
func gist(payload []byte) string {
	h := fnv.New64a()
	_, _ = h.Write(payload) // never fails
	return fmt.Sprintf("%.24s %d %x", payload, len(payload), h.Sum64())
}

// outstandingMax keeps a member from writing on and on to a server that is not there.
const outstandingMax = 100

// write sends messages to others, until it shall be quiet.
func (m *member) write(quiet <-chan struct{}) {
	for {
		select {
		case <-quiet:
			return
		case <-m.stop.Done():
			return
		case <-time.After(time.Duration(m.rng.Int64N(int64(m.pause)))):
			for range 1 + m.rng.IntN(4) {
				if groups := m.mayWrite(); len(groups) > 0 && m.rng.IntN(3) == 0 {
					m.say(groups[m.rng.IntN(len(groups))])
				} else {
					m.say(m.members[m.rng.IntN(len(m.members))].user)
				}
			}
		}
	}
}

// say sends one message to a user or a group, if there is a client and its outbox has room.
func (m *member) say(to uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.client == nil || m.client.Outstanding() >= outstandingMax {
		return
	}
	m.sent++
	text := []byte(fmt.Sprintf("%d to %d: %d. ", m.user, to, m.sent))
	size := m.rng.IntN(200)
	if m.rng.IntN(20) == 0 {
		size = m.rng.IntN(8000)
	}
	for range size {
		text = append(text, byte(m.rng.Uint32()))
	}
	send := m.client.Send
	if groupOf(to) != 0 {
		send = m.client.SendGroup
	}
	id, err := send(m.stop, to, text)
	if err == nil {
		m.record(happening{kind: hapAccepted, user: m.user, peer: to, group: groupOf(to), id: id, text: gist(text)})
	} else if !errors.Is(err, client.ErrClosed) && m.stop.Err() == nil {
		m.record(happening{kind: hapEnded, user: m.user, text: "send: " + err.Error()})
	}
}

// comeAndGo leaves and returns, and is there when it shall be quiet.
func (m *member) comeAndGo(quiet <-chan struct{}) {
	for there := true; ; there = !there {
		select {
		case <-m.stop.Done():
			return
		case <-quiet:
			if !there {
				m.connect()
			}
			return
		case <-time.After(time.Duration(50+rand.IntN(300)) * time.Millisecond):
			if there {
				m.leave()
			} else {
				m.connect()
			}
		}
	}
}
