package client

import (
	"crypto/ed25519"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// The scripted server's side of groups, requests and lists of devices.

const testGroup = codec.GroupBit | 5

// request takes the next frame, which must ask for op.
func (p *peer) request(op iq.Op) iq.Request {
	p.t.Helper()
	var r iq.Request
	var tape codec.Tape
	if err := iq.ParseRequest(&tape, p.next(), &r); err != nil {
		p.t.Fatalf("expecting a request: %v", err)
	}
	if r.Op != op {
		p.t.Fatalf("asked for operation %d, want %d", r.Op, op)
	}
	r.Users = append([]uint64(nil), r.Users...)
	r.Devices.List = append([]uint8(nil), r.Devices.List...)
	r.Devices.Signature = append([]byte(nil), r.Devices.Signature...)
	return r
}

// answer says that r is done, or why not.
func (p *peer) answer(r *iq.Request, a iq.Answer) {
	p.t.Helper()
	a.Ref, a.Op = r.Ref, r.Op
	p.write(iq.AppendAnswer(nil, &a))
}

func (p *peer) notice(n iq.Notice) {
	p.t.Helper()
	p.write(iq.AppendNotice(nil, &n))
}

// sent is a SEND as the server sees it.
type sent struct {
	cseq, to uint64
	group    bool
	known    int64 // version or epoch that it names; -1: none
	devices  []uint8
	kind     uint8
	text     string
}

// anySend takes the next frame, which must be a SEND.
func (p *peer) anySend() sent {
	p.t.Helper()
	v, err := codec.ParseSend(p.next())
	if err != nil {
		p.t.Fatalf("expecting a SEND: %v", err)
	}
	s := sent{cseq: v.Cseq, to: v.To, group: v.Flags&codec.FlagGroup != 0, known: -1}
	for _, ext := range []uint8{codec.ExtEpoch, codec.ExtDevices} {
		if version, ok, err := v.Known(ext); err != nil {
			p.t.Fatal(err)
		} else if ok {
			s.known = int64(version)
		}
	}
	for part, rest, ok := v.Parts.Next(); ok; part, rest, ok = rest.Next() {
		s.devices = append(s.devices, part.Device)
		s.kind, s.text = part.Kind, string(part.Blob)
	}
	return s
}

// reject refuses messages to a user, or to a group.
func (p *peer) reject(seq uint64, code codec.ErrorCode, to, first, last uint64) {
	p.t.Helper()
	r := codec.Receipt{
		Seq: seq, Kind: codec.ReceiptRejected, Code: uint8(code), Gen: testGen, Peer: to, First: first, Last: last, TimeSec: 1_700_000_000,
	}
	if to&codec.GroupBit != 0 {
		r.Peer, r.Group, r.Flags = 0, to, codec.FlagGroup
	}
	p.write(codec.AppendReceipt(nil, &r))
}

func (p *peer) groupReceipt(seq uint64, kind codec.ReceiptKind, group, first, last uint64) {
	p.t.Helper()
	p.write(codec.AppendReceipt(nil, &codec.Receipt{
		Seq: seq, Kind: kind, Gen: testGen, First: first, Last: last, TimeSec: 1_700_000_000, Flags: codec.FlagGroup, Group: group,
	}))
}

func (p *peer) groupEvent(seq, groupSeq, by uint64, e iq.Event) {
	p.t.Helper()
	b, err := iq.AppendEvent(nil, &e)
	if err != nil {
		p.t.Fatal(err)
	}
	p.write(codec.AppendDeliver(nil, &codec.Deliver{
		Seq: seq, From: by, Kind: codec.PayloadGroupEvent, ID: groupSeq, TimeSec: 1_700_000_000, Flags: codec.FlagGroup, Group: testGroup,
		GroupSeq: groupSeq, Blob: b,
	}))
}

// place says where in the group's order a message of this device stands.
func (p *peer) place(seq, cseq, groupSeq uint64) {
	p.t.Helper()
	p.write(codec.AppendDeliver(nil, &codec.Deliver{
		Seq: seq, From: testUser, Gen: testGen, Kind: codec.PayloadGroupPlace, ID: cseq, TimeSec: 1_700_000_000, Flags: codec.FlagGroup,
		Group: testGroup, GroupSeq: groupSeq,
	}))
}

// primary is a user's primary device that signs lists.
type primary struct {
	user uint64
	key  ed25519.PrivateKey
}

func newPrimary(t testing.TB, user uint64) primary {
	t.Helper()
	_, key, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	return primary{user: user, key: key}
}

// list is a signed list, with what is registered.
func (s *primary) list(version uint32, devices ...uint8) iq.DeviceList {
	l := iq.DeviceList{User: s.user, Version: version, List: devices}
	l.Signature = ed25519.Sign(s.key, iq.SignedBytes(nil, &l))
	return l
}

// known is the list with the primary's key beside it.
func (s *primary) known(l iq.DeviceList) iq.DeviceList {
	l.Known = []iq.KnownDevice{{Gen: 3, Sign: [32]byte(s.key.Public().(ed25519.PublicKey)), RegisteredSec: 1_700_000_000}}
	return l
}

// later runs f while the test goes on; the result is waited for.
func later[R any](f func() R) func() R {
	done := make(chan R, 1)
	go func() { done <- f() }() // ended by f, which the test lets go on
	return func() R { return <-done }
}

// levelOf waits until the client knows that a message came that far.
func levelOf(t *testing.T, c *Client, id uint64, level TickLevel) {
	t.Helper()
	if s, ok := c.Sent(id); !ok || s.Level != level {
		t.Errorf("message %d is at %v (known %v), want %v", id, s.Level, ok, level)
	}
}
