package shard

import (
	"encoding/binary"

	"trunkline/codec"
)

// messageKind says what one machine tells another.
type messageKind uint8

// The kinds. Values travel between loops of one process only and may change from version to version.
const (
	msgAttach   messageKind = iota + 1 // session to mailbox: this connection speaks for the device
	msgDetach                          // session to mailbox: it does no longer
	msgSend                            // session to mailbox: a SEND from the client
	msgRead                            // session to mailbox: a RECEIPT from the client
	msgAck                             // session to mailbox: an ACK from the client
	msgAttached                        // mailbox to session: logged in
	msgRefused                         // mailbox to session: not logged in
	msgPush                            // mailbox to session: frames for the client
	msgTicked                          // mailbox to session: the mark moved (first tick)
	msgSoft                            // mailbox to session: a soft ERROR for the client
	msgKick                            // mailbox to session: say this ERROR and close
	msgRoute                           // mailbox to user: a message from another device
	msgStored                          // user to mailbox: taken
	msgRejected                        // user to mailbox: refused for good
	msgReceipt                         // mailbox to mailbox: delivered, read or played
	msgWatch                           // session to user: tell presence now and on change
	msgUnwatch                         // session to user: no more
	msgPresence                        // user to session: available or not
	msgTyping                          // user to user: somebody writes
	msgTypingIs                        // user to session: the same, for its client
	msgIntake                          // shard to shard: my intake stopped or goes on
	msgPing                            // session to mailbox: a PING from the client; only where they are on different loops
	msgPonged                          // mailbox to session: what the window lets out is on its way before this
	msgHold                            // mailbox to session: not before Confirm, and nothing has changed
	msgConfirm                         // session to mailbox: the client that was attached early is no replay
	msgActive                          // session to mailbox: STATE, somebody is looking or not
	msgFrames                          // anybody to session: frames for the client
	msgTell                            // anybody to mailbox: frames for the client, if it is there
	msgFan                             // group to users: a message for members of that loop
	msgFanned                          // users to group: all of them have it
	msgMark                            // mailbox to group: a member has, or has read, everything up to a gseq
	msgAsk                             // session to group: a request of a client
	msgInvite                          // group to user: may you be added?
	msgInvited                         // user to group: yes, or why not
	msgPart                            // group to user: you are in the group no longer
	msgParted                          // user to group: leave me out, my account is gone
	msgFanOne                          // a fan's loop to itself: the message for one member who has to be read first
	msgPolicy                          // server to user: what it has decided
	msgRemove                          // server to user: a device is removed
	msgForget                          // server to user: the account is deleted
	msgWriting                         // session to user: its client writes to somebody
	msgKindEnd
)

// attachEarly is the code of an attach that may be a replay.
const attachEarly = 1

// messageBytes is the encoded size of a message without its payload.
const messageBytes = 66

// message is a value between machines. All kinds share one layout. user, device and gen are of whom it is addressed to (for a
// session: of its mailbox), peer, peerDevice and peerGen of the other side; the rest depends on the kind:
//
//	kind      to       peer                    first      last      seq    time         code       also
//	attach    mailbox  incarnation (as peer)   downSeq,   ticked    epoch               1: early   conn, peerGen: the account's
//	                                           token
//	detach    mailbox                                                       now                    conn
//	send      mailbox  receiver                                     cseq   now          rejection  conn, flags, parts, payload
//	read      mailbox  stream that was read    first id   last id   cseq   now          kind       conn, flags
//	ack       mailbox                          seq                                                 conn
//	attached  session                          upHigh     acked                                    conn, hint
//	refused   session                          ref                          retry (ms)   error      conn
//	push      session                          upHigh     last seq                                 conn, payload: whole frames
//	ticked    session                          upHigh                       now                    conn
//	soft      session                          ref                          retry (ms)   error      conn
//	kick      session                          ref                                       error      conn
//	route     user     sender                                       cseq   now                     flags, parts, payload
//	stored    mailbox                                               cseq
//	rejected  mailbox  receiver that refused                        cseq   now          error
//	receipt   mailbox  who has it              first id   last id   cseq   now          kind
//	watch     user     who watches                                                                 conn
//	unwatch   user                                                                                 conn
//	presence  session  whose presence                                      last seen    1: there   conn
//	writing   user     to whom                                                          state      conn
//	typing    user     who writes                                                       state
//	typingIs  session  who writes                                                       state      conn
//	intake    shard                                                                     1: stopped
//	ping      mailbox                                                                              conn
//	ponged    session                                                                              conn
//	hold      session                                                                              conn
//	confirm   mailbox                                                                              conn
//	active    mailbox                                                                   1: active  conn
//	frames    session                                                                              conn, payload: whole frames
//	tell      mailbox                                                                              payload: whole frames
//	fan       users    group (as user)         round                id     now                     flags, peer*: sender, payload: see group_fan.go
//	fanned    group                            round
//	mark      group    member                  gseq                 cseq   now          kind
//	ask       group    who asks                                            now                     conn, payload: the NODE frame
//	invite    user     group                   who adds                    now                     seq: the op
//	invited   group    user                                         op                  error
//	part      user     group
//	parted    group    user                                                now
//	fanOne    user     sender                                       id     now                     flags, conn: the fan, which has the payload
//	policy    user                             reply loop                                          conn: reply conn, payload: see clerk.go
//	remove    user                             reply loop                                          conn: reply conn, payload: the reply
//	forget    user                             reply loop                                          conn: reply conn, payload: the reply
//
// hint is the addressed mailbox's index, so that the table of users need not be asked; in a route or receipt it is that of
// the peer, which the answer takes back. A receipt with seq 0 wants no answer. from is the loop that a message came
// from and tries how often it has crashed a step: both known here only, never encoded.
type message struct {
	kind       messageKind
	device     uint8
	peerDevice uint8
	flags      codec.Flags
	code       uint8
	parts      uint8
	tries      uint8
	gen        uint16
	peerGen    uint16
	hint       uint32
	timeSec    uint32
	from       int32
	user       uint64
	peer       uint64
	conn       Conn
	first      uint64
	last       uint64
	seq        uint64
	payload    []byte
}

// appendMessage adds the bytes of m to dst.
// Layout, big-endian: kind u8, device u8, peerDevice u8, flags u8, code u8, parts u8, gen u16, peerGen u16, hint u32, time u32,
// user u64, peer u64, conn u64, first u64, last u64, seq u64 = 66 bytes, then the payload to the end.
func appendMessage(dst []byte, m *message) []byte {
	dst = append(dst, byte(m.kind), m.device, m.peerDevice, byte(m.flags), m.code, m.parts)
	dst = binary.BigEndian.AppendUint16(dst, m.gen)
	dst = binary.BigEndian.AppendUint16(dst, m.peerGen)
	dst = binary.BigEndian.AppendUint32(dst, m.hint)
	dst = binary.BigEndian.AppendUint32(dst, m.timeSec)
	dst = binary.BigEndian.AppendUint64(dst, m.user)
	dst = binary.BigEndian.AppendUint64(dst, m.peer)
	dst = binary.BigEndian.AppendUint64(dst, uint64(m.conn))
	dst = binary.BigEndian.AppendUint64(dst, m.first)
	dst = binary.BigEndian.AppendUint64(dst, m.last)
	dst = binary.BigEndian.AppendUint64(dst, m.seq)
	return append(dst, m.payload...)
}

// parseMessage reads what appendMessage wrote into m. The payload aliases b. Allocates nothing.
// Errors: errMessage (a fault of ours: no stranger can write these bytes).
func parseMessage(m *message, b []byte) error {
	if len(b) < messageBytes {
		return errMessage
	}
	*m = message{
		kind:       messageKind(b[0]),
		device:     b[1],
		peerDevice: b[2],
		flags:      codec.Flags(b[3]),
		code:       b[4],
		parts:      b[5],
		gen:        binary.BigEndian.Uint16(b[6:]),
		peerGen:    binary.BigEndian.Uint16(b[8:]),
		hint:       binary.BigEndian.Uint32(b[10:]),
		timeSec:    binary.BigEndian.Uint32(b[14:]),
		user:       binary.BigEndian.Uint64(b[18:]),
		peer:       binary.BigEndian.Uint64(b[26:]),
		conn:       Conn(binary.BigEndian.Uint64(b[34:])),
		first:      binary.BigEndian.Uint64(b[42:]),
		last:       binary.BigEndian.Uint64(b[50:]),
		seq:        binary.BigEndian.Uint64(b[58:]),
	}
	if m.kind == 0 || m.kind >= msgKindEnd {
		return errMessage
	}
	if rest := b[messageBytes:]; len(rest) > 0 {
		if !m.kind.hasPayload() {
			return errMessage
		}
		m.payload = rest[:len(rest):len(rest)]
	}
	if m.kind.hasParts() && countParts(m.payload) != int(m.parts) {
		return errMessage
	}
	return nil
}

func (k messageKind) hasParts() bool { return k == msgSend || k == msgRoute }

func (k messageKind) hasPayload() bool {
	switch k {
	case msgPush, msgFrames, msgTell, msgFan, msgAsk, msgPolicy, msgRemove, msgForget:
		return true
	}
	return k.hasParts()
}

// countParts walks an encoded part list; -1 when it does not end with a part.
func countParts(list codec.Parts) int {
	n := 0
	for len(list) > 0 {
		_, rest, ok := list.Next()
		if !ok {
			return -1
		}
		list = rest
		n++
	}
	return n
}
