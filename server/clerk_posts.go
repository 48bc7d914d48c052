package server

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/shard"
)

// What the clerk posts to loops. Numbers are big-endian; behind the first byte:
//
//	askAnswer     conn u64, frame
//	askPolicy     user u64, reply, version u32, presence u8, last seen u8, blocked list, contacts list, devices version u32,
//	              devices bytes, signature bytes
//	askRemove     user u64, device u8, gen u16, reply
//	askForget     user u64, reply
//	askForgotten  user u64, and for each device: device u8, gen u16
//	askReport     user u64, by u64
//
// A reply is loop u16, conn u64 and the frame as bytes; bytes are a length u32 and so many; a list is a count u32 and so many u64.

func appendClerkAnswer(dst []byte, conn shard.Conn, frame []byte) []byte {
	dst = append(dst, askAnswer)
	dst = binary.BigEndian.AppendUint64(dst, uint64(conn))
	return append(dst, frame...)
}

func appendClerkPolicy(dst []byte, user uint64, p *shard.Policy, then shard.Reply) []byte {
	dst = appendReply(appendAbout(dst, askPolicy, user), then)
	dst = binary.BigEndian.AppendUint32(dst, p.Version)
	dst = append(dst, byte(p.Presence), byte(p.LastSeen))
	dst = appendList(dst, p.Blocked)
	dst = appendList(dst, p.Contacts)
	dst = binary.BigEndian.AppendUint32(dst, p.Devices.Version)
	dst = appendBytes(dst, p.Devices.List)
	return appendBytes(dst, p.Devices.Signature)
}

func appendClerkRemove(dst []byte, user uint64, device uint8, gen uint16, then shard.Reply) []byte {
	dst = append(appendAbout(dst, askRemove, user), device)
	dst = binary.BigEndian.AppendUint16(dst, gen)
	return appendReply(dst, then)
}

func appendClerkForget(dst []byte, user uint64, then shard.Reply) []byte {
	return appendReply(appendAbout(dst, askForget, user), then)
}

func appendClerkForgotten(dst []byte, user uint64, gens []shard.DeviceGen) []byte {
	dst = appendAbout(dst, askForgotten, user)
	for _, g := range gens {
		dst = append(dst, g.Device)
		dst = binary.BigEndian.AppendUint16(dst, g.Gen)
	}
	return dst
}

func appendClerkReport(dst []byte, user, by uint64) []byte {
	return binary.BigEndian.AppendUint64(appendAbout(dst, askReport, user), by)
}

func appendAbout(dst []byte, kind byte, user uint64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, kind), user)
}

func appendReply(dst []byte, then shard.Reply) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(then.Loop))
	dst = binary.BigEndian.AppendUint64(dst, uint64(then.Conn))
	return appendBytes(dst, then.Frame)
}

func appendBytes(dst, b []byte) []byte {
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(b))), b...)
}

func appendList(dst []byte, list []uint64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(list)))
	for _, user := range list {
		dst = binary.BigEndian.AppendUint64(dst, user)
	}
	return dst
}

// postTaker is a shard as far as the clerk knows it.
type postTaker interface {
	Answer(now int64, conn shard.Conn, frame []byte)
	SetPolicy(now int64, user uint64, p *shard.Policy, then shard.Reply)
	RemoveDevice(now int64, user uint64, device uint8, gen uint16, then shard.Reply)
	Forget(now int64, user uint64, then shard.Reply)
	Forgotten(now int64, user uint64, gens []shard.DeviceGen)
	Report(now int64, user, by uint64)
}

// takePost gives a shard what the clerk has posted. false: it is nothing of the clerk's, or damaged, which is a fault of ours; nothing has happened.
func takePost(s postTaker, now int64, msg []byte) bool {
	r := postReader{b: msg[1:]}
	switch msg[0] {
	case askAnswer:
		conn, frame := shard.Conn(r.u64()), r.rest()
		if r.sound() {
			s.Answer(now, conn, frame)
		}
	case askPolicy:
		user, then, p := r.u64(), r.reply(), r.policy()
		if r.sound() {
			s.SetPolicy(now, user, &p, then)
		}
	case askRemove:
		user, device, gen, then := r.u64(), r.u8(), r.u16(), r.reply()
		if r.sound() {
			s.RemoveDevice(now, user, device, gen, then)
		}
	case askForget:
		user, then := r.u64(), r.reply()
		if r.sound() {
			s.Forget(now, user, then)
		}
	case askForgotten:
		user, gens := r.u64(), r.gens()
		if r.sound() {
			s.Forgotten(now, user, gens)
		}
	case askReport:
		user, by := r.u64(), r.u64()
		if r.sound() {
			s.Report(now, user, by)
		}
	default:
		return false
	}
	return r.sound()
}

// postReader reads a post. What is not there reads as zero, and sound says so.
type postReader struct {
	b   []byte
	bad bool
}

// sound says whether all was there and nothing is left.
func (r *postReader) sound() bool { return !r.bad && len(r.b) == 0 }

// take is the next n bytes; they alias the post.
func (r *postReader) take(n int) []byte {
	if n < 0 || len(r.b) < n {
		r.bad, r.b = true, nil
		return make([]byte, min(max(n, 0), 8))
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

// rest is all that is left.
func (r *postReader) rest() []byte { return r.take(len(r.b)) }

func (r *postReader) u8() uint8   { return r.take(1)[0] }
func (r *postReader) u16() uint16 { return binary.BigEndian.Uint16(r.take(2)) }
func (r *postReader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *postReader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

func (r *postReader) bytes() []byte {
	if n := int(r.u32()); n > 0 && n <= len(r.b) {
		return r.take(n)
	} else if n > 0 {
		r.bad = true
	}
	return nil
}

func (r *postReader) list() (list []uint64) {
	n := int(r.u32())
	if n > len(r.b)/8 {
		r.bad = true
		return nil
	}
	for range n {
		list = append(list, r.u64())
	}
	return list
}

func (r *postReader) reply() shard.Reply {
	loop, conn := int(r.u16()), shard.Conn(r.u64())
	return shard.Reply{Loop: loop, Conn: conn, Frame: r.bytes()}
}

func (r *postReader) policy() (p shard.Policy) {
	p.Version, p.Presence, p.LastSeen = r.u32(), shard.Rule(r.u8()), shard.Rule(r.u8())
	p.Blocked, p.Contacts = r.list(), r.list()
	p.Devices = shard.DeviceList{Version: r.u32(), List: r.bytes(), Signature: r.bytes()}
	return p
}

func (r *postReader) gens() (gens []shard.DeviceGen) {
	for len(r.b) > 0 && len(gens) <= codec.DeviceMax {
		gens = append(gens, shard.DeviceGen{Device: r.u8(), Gen: r.u16()})
	}
	return gens
}
