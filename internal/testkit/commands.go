package testkit

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"trunkline/codec"
	"trunkline/shard"
)

// scriptCommands are what a scenario can do. Users are named by the script; C is the name of a connection.
//
//	world K=V...                 loops, seed, place, and limits of shard.Config (rates as 100/1000); first, or the defaults hold
//	user NAME LOOP [N]           the N-th user whose home is that loop
//	connect C                    a new connection
//	identify C USER [K=V...]     what the transport proves of it: dev, gen, and early=1 for a first flight that may be a replay
//	confirm C                    the client's first record: it was none
//	replay C D                   a new connection C says what D said before its confirm
//	hello C USER [K=V...]        HELLO without any state; dev, gen, incarnation, down, ticked, epoch, version
//	resume C USER [K=V...]       HELLO with what that device knows
//	send C TO CSEQ TEXT [K...]   SEND; CSEQ may be a range; dev=N,N..., nostore, urgent, group, bytes=N, known=N (version of the devices)
//	read C PEER FIRST LAST CSEQ  RECEIPT read of the peer's messages; dev, gen
//	ack C [SEQ]                  ACK, of all that came or of 1.5 (epoch and counter)
//	ping C | state C 0 | node C | typing C USER STATE | subscribe C USER... | unsubscribe C USER...
//	group C OP REF [GROUP] [USER...] [K=V...]  a request; the first group that is seen is g1, the next g2; token, text, code, seq
//	gsend C GROUP CSEQ TEXT [K...]  SEND to a group; epoch=N, nostore
//	gread C GROUP GSEQ CSEQ      RECEIPT read of a group's messages
//	policy USER VERSION [K=V...] the server tells what a user has decided; blocked=A,B, presence and lastseen=0..2, contacts=A,B, devices=VERSION:D,D
//	remove USER DEVICE | forget USER  the server tells that a device is removed, an account deleted
//	repeat N COMMAND...          a command N times; #5 in it is 5, 6, 7...
//	hold | go                    what follows happens in the same turn, until go
//	raw C HEX                    any bytes
//	pieces C N...                the next bytes arrive in such pieces
//	fin C | drop C               the client's last byte; the connection breaks
//	advance DURATION             the clock moves
//	drain MS [PERIOD] | restart N  GOAWAY, spread over a period; a server without its data, of incarnation N
//	panic LOOP CALL [SKIP]       the next such call panics: append, scan, drop, replace, last, credit, send, post
//	stats                        counters that are not zero
func scriptCommands() map[string]func(s *script, args []string) []string {
	return map[string]func(s *script, args []string) []string{
		"world": (*script).world, "user": (*script).user, "connect": (*script).connect, "hello": (*script).hello,
		"identify": (*script).identify, "confirm": (*script).confirm, "replay": (*script).replay,
		"resume": (*script).resume, "send": (*script).send, "read": (*script).read, "ack": (*script).ack,
		"ping": (*script).ping, "state": (*script).state, "node": (*script).node, "typing": (*script).typing,
		"subscribe": (*script).subscribe, "unsubscribe": (*script).unsubscribe, "raw": (*script).raw,
		"pieces": (*script).pieces, "fin": (*script).fin, "drop": (*script).drop, "advance": (*script).advance,
		"drain": (*script).drain, "restart": (*script).restart, "panic": (*script).panic, "stats": (*script).stats,
		"group": (*script).group, "gsend": (*script).gsend, "gread": (*script).gread,
		"repeat": (*script).repeat, "hold": (*script).hold, "go": (*script).goOn,
		"policy": (*script).policy, "remove": (*script).remove, "forget": (*script).forget,
	}
}

// options splits K=V arguments from the others.
func options(args []string) (plain []string, named map[string]string) {
	named = map[string]string{}
	for _, a := range args {
		if k, v, ok := strings.Cut(a, "="); ok {
			named[k] = v
		} else {
			plain = append(plain, a)
		}
	}
	return plain, named
}

func (s *script) number(text string) uint64 {
	if epoch, counter, ok := strings.Cut(text, "."); ok {
		return s.number(epoch)<<40 | s.number(counter)
	}
	n, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

// rate reads PER_SECOND/BURST.
func (s *script) rate(text string) shard.Rate {
	per, burst, _ := strings.Cut(text, "/")
	return shard.Rate{PerSecond: int(s.number(per)), Burst: int(s.number(burst))}
}

func (s *script) named(text string) uint64 {
	if id, ok := s.users[text]; ok {
		return id
	}
	for id, name := range s.describer.names {
		if name == text {
			return id
		}
	}
	return s.number(text)
}

func (s *script) conn(name string) *scriptConn {
	c := s.conns[name]
	if c == nil {
		s.t.Fatalf("no connection %q", name)
	}
	return c
}

// write sends a frame of a client; a value that is no frame is a fault of the script.
func (s *script) write(c *scriptConn, b []byte, err error) []string {
	if err != nil {
		s.t.Fatal(err)
	}
	c.conn.Write(b)
	return nil
}

func (s *script) world(args []string) []string {
	_, named := options(args)
	fields := map[string]func(c *shard.Config, n int64){
		"keepalive":     func(c *shard.Config, n int64) { c.KeepaliveMs = n },
		"login":         func(c *shard.Config, n int64) { c.LoginTimeoutMs = n },
		"ack":           func(c *shard.Config, n int64) { c.AckTimeoutMs = n },
		"entries":       func(c *shard.Config, n int64) { c.MailboxEntriesMax = int(n) },
		"bytes":         func(c *shard.Config, n int64) { c.MailboxBytesMax = n },
		"users":         func(c *shard.Config, n int64) { c.UsersMax = int(n) },
		"store":         func(c *shard.Config, n int64) { c.StoreBytesMax = n },
		"subscriptions": func(c *shard.Config, n int64) { c.SubscriptionsMax = int(n) },
		"proven":        func(c *shard.Config, n int64) { c.Proven = n != 0 },
		"open":          func(c *shard.Config, n int64) { c.Open = n != 0 },
		"sessions":      func(c *shard.Config, n int64) { c.UserSessionsMax = int(n) },
		"members":       func(c *shard.Config, n int64) { c.GroupMembersMax = int(n) },
		"window":        func(c *shard.Config, n int64) { c.PresenceWindowMs = n },
		"idle":          func(c *shard.Config, n int64) { c.MailboxIdleMs = n },
	}
	rates := map[string]func(c *shard.Config, r shard.Rate){
		"messages":      func(c *shard.Config, r shard.Rate) { c.Messages = r },
		"presence":      func(c *shard.Config, r shard.Rate) { c.PresenceRate = r },
		"controls":      func(c *shard.Config, r shard.Rate) { c.Controls = r },
		"conversations": func(c *shard.Config, r shard.Rate) { c.Conversations = r },
	}
	for k, v := range named {
		switch k {
		case "place":
			s.only, s.skipped = v, v != s.place
		case "loops":
			s.options.Loops = int(s.number(v))
		case "inbox":
			s.options.InboxBytesMax = int(s.number(v))
		case "outbound":
			s.options.OutboundBytesMax = int(s.number(v))
		default:
			if fields[k] == nil && rates[k] == nil {
				s.t.Fatalf("world knows no %q", k)
			}
		}
	}
	s.options.Config = func(c *shard.Config) {
		for k, v := range named {
			if f := fields[k]; f != nil {
				f(c, int64(s.number(v)))
			}
			if f := rates[k]; f != nil {
				f(c, s.rate(v))
			}
		}
	}
	s.w = NewWorld(s.options)
	return nil
}

func (s *script) user(args []string) []string {
	n := 0
	if len(args) > 2 {
		n = int(s.number(args[2]))
	}
	id := s.w.UserOn(int(s.number(args[1])), n)
	s.users[args[0]], s.describer.names[id] = id, args[0]
	return nil
}

func (s *script) connect(args []string) []string {
	s.conns[args[0]] = &scriptConn{name: args[0], conn: s.w.Dial()}
	return nil
}

func (s *script) identify(args []string) []string {
	plain, named := options(args)
	s.conn(plain[0]).conn.Identify(shard.Identity{
		User: s.named(plain[1]), Device: uint8(s.number(orZero(named["dev"]))), Gen: uint16(s.number(orZero(named["gen"]))),
		Early: named["early"] == "1",
	})
	return nil
}

func (s *script) confirm(args []string) []string {
	s.conn(args[0]).conn.Confirm()
	return nil
}

func (s *script) replay(args []string) []string {
	flight := s.conn(args[1]).conn.Flight()
	s.conns[args[0]] = &scriptConn{name: args[0], conn: s.w.Replay(flight)}
	return nil
}

func (s *script) hello(args []string) []string {
	plain, named := options(args)
	h := codec.Hello{Version: codec.Version, User: s.named(plain[1])}
	return s.greet(s.conn(plain[0]), h, named)
}

func (s *script) resume(args []string) []string {
	plain, named := options(args)
	h := codec.Hello{Version: codec.Version, User: s.named(plain[1])}
	h.Device = uint8(s.number(orZero(named["dev"])))
	d := s.device(h.User, h.Device)
	h.Gen, h.Incarnation, h.DownSeq, h.Ticked = d.gen, d.incarnation, d.kept, d.ticked
	return s.greet(s.conn(plain[0]), h, named)
}

func orZero(text string) string {
	if text == "" {
		return "0"
	}
	return text
}

func (s *script) device(user uint64, device uint8) *deviceState {
	name := deviceName{user, device}
	if s.devices[name] == nil {
		s.devices[name] = &deviceState{}
	}
	return s.devices[name]
}

func (s *script) greet(c *scriptConn, h codec.Hello, named map[string]string) []string {
	for k, v := range named {
		n := s.number(v)
		switch k {
		case "dev":
			h.Device = uint8(n)
		case "gen":
			h.Gen = uint16(n)
		case "incarnation":
			h.Incarnation = n
		case "down":
			h.DownSeq = n
		case "ticked":
			h.Ticked = n
		case "epoch":
			h.Epoch = uint32(n)
		case "version":
			h.Version = uint8(n)
		default:
			s.t.Fatalf("hello knows no %q", k)
		}
	}
	c.device = s.device(h.User, h.Device)
	if h.Gen == 0 {
		*c.device = deviceState{}
	}
	b, err := codec.AppendHello(nil, &h)
	return s.write(c, b, err)
}

func (s *script) send(args []string) []string {
	plain, named := options(args)
	c, text := s.conn(plain[0]), plain[3]
	if n := named["bytes"]; n != "" {
		text = strings.Repeat("x", int(s.number(n)))
	}
	v := codec.Send{To: s.named(plain[1])}
	for _, flag := range plain[4:] {
		v.Flags |= map[string]codec.Flags{"nostore": codec.FlagNoStore, "urgent": codec.FlagUrgent, "group": codec.FlagGroup}[flag]
	}
	if known := named["known"]; known != "" {
		n := s.number(known)
		v.Ext = v.Ext.Append(codec.ExtItem{Type: codec.ExtDevices, Value: []byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}})
	}
	for _, dev := range strings.Split(orZero(named["dev"]), ",") {
		v.Parts = v.Parts.Append(codec.Part{Device: uint8(s.number(dev)), Blob: []byte(text)})
		v.N++
	}
	first, last, ranged := strings.Cut(plain[2], "..")
	if !ranged {
		last = first
	}
	for v.Cseq = s.number(first); v.Cseq <= s.number(last); v.Cseq++ {
		b, err := codec.AppendSend(nil, &v)
		s.write(c, b, err)
	}
	return nil
}

func (s *script) read(args []string) []string {
	plain, named := options(args)
	v := codec.Receipt{
		Kind: codec.ReceiptRead, Peer: s.named(plain[1]), First: s.number(plain[2]), Last: s.number(plain[3]),
		Seq: s.number(plain[4]), Device: uint8(s.number(orZero(named["dev"]))),
	}
	v.Gen = s.device(v.Peer, v.Device).gen
	if g := named["gen"]; g != "" {
		v.Gen = uint16(s.number(g))
	}
	b, err := codec.AppendReceipt(nil, &v)
	return s.write(s.conn(plain[0]), b, err)
}

func (s *script) ack(args []string) []string {
	c := s.conn(args[0])
	upTo := c.device.seen
	if len(args) > 1 {
		upTo = s.number(args[1])
	}
	c.device.kept = upTo
	b, err := codec.AppendAck(nil, &codec.Ack{Seq: upTo})
	return s.write(c, b, err)
}

func (s *script) ping(args []string) []string {
	return s.write(s.conn(args[0]), codec.AppendPing(nil), nil)
}

func (s *script) state(args []string) []string {
	b, err := codec.AppendState(nil, &codec.State{Active: uint8(s.number(args[1]))})
	return s.write(s.conn(args[0]), b, err)
}

func (s *script) node(args []string) []string {
	builder := codec.NewBuilder(nil)
	builder.Open("weather")
	builder.Close()
	body, err := builder.Finish()
	if err != nil {
		s.t.Fatal(err)
	}
	b, err := codec.AppendNode(nil, &codec.Node{Ref: 5, Body: body})
	return s.write(s.conn(args[0]), b, err)
}

func (s *script) typing(args []string) []string {
	b, err := codec.AppendTyping(nil, &codec.Typing{Peer: s.named(args[1]), State: uint8(s.number(args[2]))})
	return s.write(s.conn(args[0]), b, err)
}

func (s *script) subscribe(args []string) []string   { return s.watch(args, 1) }
func (s *script) unsubscribe(args []string) []string { return s.watch(args, 0) }

func (s *script) watch(args []string, op uint8) []string {
	v := codec.Subscribe{Op: op}
	for _, name := range args[1:] {
		v.Peers = v.Peers.Append(s.named(name))
		v.N++
	}
	b, err := codec.AppendSubscribe(nil, &v)
	return s.write(s.conn(args[0]), b, err)
}

func (s *script) raw(args []string) []string {
	b, err := hex.DecodeString(strings.Join(args[1:], ""))
	return s.write(s.conn(args[0]), b, err)
}

func (s *script) pieces(args []string) []string {
	for _, n := range args[1:] {
		s.conn(args[0]).conn.Pieces(int(s.number(n)))
	}
	return nil
}

func (s *script) fin(args []string) []string {
	s.conn(args[0]).conn.CloseWrite()
	return nil
}

func (s *script) drop(args []string) []string {
	c := s.conn(args[0])
	c.conn.Drop()
	c.told = true
	return nil
}

func (s *script) advance(args []string) []string {
	d, err := time.ParseDuration(args[0])
	if err != nil {
		s.t.Fatal(err)
	}
	s.w.Advance(d.Milliseconds())
	return nil
}

func (s *script) drain(args []string) []string {
	plan := shard.DrainPlan{SpreadMs: uint32(s.number(args[0]))}
	if len(args) > 1 {
		plan.PeriodMs = int64(s.number(args[1]))
	}
	for _, l := range s.w.Loops {
		l.Shard.Drain(s.w.Now, plan)
	}
	return nil
}

func (s *script) restart(args []string) []string {
	for _, c := range s.conns {
		c.told = true
	}
	s.w.Restart(s.number(args[0]))
	return nil
}

func (s *script) panic(args []string) []string {
	l := s.w.Loops[s.number(args[0])]
	switch call := args[1]; call {
	case "credit", "send", "post":
		l.Hook = func(c string) {
			if c == call {
				l.Hook = nil
				panic("testkit: injected into " + call)
			}
		}
	default:
		l.Queue.Arm(call, int(s.number(append(args, "0")[2])))
	}
	return nil
}

// stats says what is not zero.
func (s *script) stats([]string) (said []string) {
	st := s.w.Stats()
	add := func(name string, n any) {
		if text := fmt.Sprint(n); text != "0" {
			said = append(said, name+" "+text)
		}
	}
	add("sessions", st.Sessions)
	add("users", st.Users)
	add("queued", st.QueueEntries)
	add("messagesIn", st.MessagesIn)
	add("messagesOut", st.MessagesOut)
	add("messagesAcked", st.MessagesAcked)
	add("receiptsIn", st.ReceiptsIn)
	add("receiptsDropped", st.ReceiptsDropped)
	add("ephemeralDropped", st.EphemeralDropped)
	add("presenceMerged", st.PresenceMerged)
	add("presenceDelayed", st.PresenceDelayed)
	add("presenceHeld", st.PresenceHeld)
	add("typingHidden", st.TypingHidden)
	add("typingRepeated", st.TypingRepeated)
	add("typingOverRate", st.TypingOverRate)
	add("refusals", st.Refusals)
	add("earlyTaken", st.EarlyTaken)
	add("earlyHeld", st.EarlyHeld)
	add("earlyUnconfirmed", st.EarlyUnconfirmed)
	add("malformed", st.MalformedFrames)
	add("unexpected", st.Unexpected)
	add("panics", st.Panics)
	add("lost", st.MessagesLost)
	add("rateLimited", st.RateLimited)
	add("conversations", st.Conversations)
	add("notConversing", st.NotConversing)
	add("throttled", st.Throttled)
	add("sessionLimited", st.SessionLimited)
	add("culled", st.Culled)
	for code, n := range st.Rejections {
		add(fmt.Sprintf("rejected %v", codec.ErrorCode(code)), n)
	}
	for code, n := range st.Closes {
		add(fmt.Sprintf("closed %v", codec.ErrorCode(code)), n)
	}
	return said
}
