package netpoll

import (
	"encoding/binary"
	"net/netip"
)

// parcel is what one loop sends another in one turn: records back to back, each
//
//	 0          4
//	+----------+-----------------+
//	| kind:2   | body            |
//	| length:30|                 |
//	+----------+-----------------+
//
// Parcels circulate: a sender that hands in a full one takes an empty one from the same inbox, so that in a steady state
// nothing is allocated.
type parcel struct {
	from int // index of the sending loop, -1: Reactor.Post
	at   int // read so far
	buf  []byte
}

const (
	recordHead   = 4
	recordKind   = 30 // shift
	recordLength = 1<<recordKind - 1

	recordMessage uint32 = 0
	recordConn    uint32 = 1
)

func appendMessage(dst, msg []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, recordMessage<<recordKind|uint32(len(msg)))
	return append(dst, msg...)
}

// next takes the next record out; ok is false at the end.
func (p *parcel) next() (kind uint32, body []byte, ok bool) {
	if p.at == len(p.buf) {
		return 0, nil, false
	}
	head := binary.LittleEndian.Uint32(p.buf[p.at:])
	from := p.at + recordHead
	p.at = from + int(head&recordLength)
	return head >> recordKind, p.buf[from:p.at:p.at], true
}

// passage is a connection on its way to another loop: accepted there and dealt out, or moved.
type passage struct {
	fd       int
	origin   Origin
	flags    slotFlags
	listener int
	remote   netip.AddrPort
	tag      uint32 // of the Doorkeeper, 0: none
	state    []byte
	inbound  []byte
	outbound []byte
}

const passageHead = 4 + 1 + 2 + 2 + 1 + 16 + 2 + 4 + 4 + 4

// appendHead starts a passage's record; the three variable parts follow: state, inbound, outbound.
func (p *passage) appendHead(dst []byte, state, inbound, outbound int) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, recordConn<<recordKind|uint32(passageHead+state+inbound+outbound))
	dst = le.AppendUint32(dst, uint32(p.fd))
	dst = append(dst, byte(p.origin))
	dst = le.AppendUint16(dst, uint16(p.flags))
	dst = le.AppendUint16(dst, uint16(p.listener))
	addr := p.remote.Addr()
	family := byte(0)
	switch {
	case addr.Is4():
		family = 4
	case addr.IsValid():
		family = 6
	}
	raw := [16]byte{}
	if family != 0 {
		raw = addr.As16()
	}
	dst = append(append(dst, family), raw[:]...)
	dst = le.AppendUint16(dst, p.remote.Port())
	dst = le.AppendUint32(dst, p.tag)
	dst = le.AppendUint32(dst, uint32(state))
	return le.AppendUint32(dst, uint32(inbound))
}

// parsePassage reads what appendHead and the parts behind it have written; the slices alias b.
func parsePassage(b []byte) passage {
	le := binary.LittleEndian
	p := passage{
		fd:       int(int32(le.Uint32(b))),
		origin:   Origin(b[4]),
		flags:    slotFlags(le.Uint16(b[5:])),
		listener: int(int16(le.Uint16(b[7:]))),
	}
	switch b[9] {
	case 4:
		p.remote = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[10:26])).Unmap(), le.Uint16(b[26:]))
	case 6:
		p.remote = netip.AddrPortFrom(netip.AddrFrom16([16]byte(b[10:26])), le.Uint16(b[26:]))
	}
	p.tag = le.Uint32(b[28:])
	state, inbound := int(le.Uint32(b[32:])), int(le.Uint32(b[36:]))
	b = b[passageHead:]
	p.state, p.inbound, p.outbound = b[:state:state], b[state:state+inbound:state+inbound], b[state+inbound:]
	return p
}
