package shard

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/store"
)

// fanItem is one message of a run on its way to members: peer's device of generation gen has sent it with cseq, or the server made it.
type fanItem struct {
	tag     uint8 // of the payload
	device  uint8
	gen     uint16
	flags   codec.Flags
	peer    uint64
	cseq    uint64
	timeSec uint32
	payload []byte // group id, gseq, blob

	shared store.Key // the entry that holds the payload on this loop; none: not yet
}

// itemHeadBytes stand before an item's payload, big-endian: tag u8, device u8, gen u16, flags u16, peer u64, cseq u64, time u32, length u32.
const itemHeadBytes = 1 + 1 + 2 + 2 + 8 + 8 + 4 + 4

func appendItem(b []byte, it *fanItem) []byte {
	b = append(b, it.tag, it.device)
	b = binary.BigEndian.AppendUint16(b, it.gen)
	b = binary.BigEndian.AppendUint16(b, uint16(it.flags))
	b = binary.BigEndian.AppendUint64(b, it.peer)
	b = binary.BigEndian.AppendUint64(b, it.cseq)
	b = binary.BigEndian.AppendUint32(b, it.timeSec)
	b = binary.BigEndian.AppendUint32(b, uint32(len(it.payload)))
	return append(b, it.payload...)
}

// parseItems adds what appendItem has written; the payloads alias it.
func parseItems(items []fanItem, b []byte) []fanItem {
	for len(b) >= itemHeadBytes {
		n := int(binary.BigEndian.Uint32(b[26:]))
		items = append(items, fanItem{
			tag: b[0], device: b[1], gen: binary.BigEndian.Uint16(b[2:]), flags: codec.Flags(binary.BigEndian.Uint16(b[4:])),
			peer: binary.BigEndian.Uint64(b[6:]), cseq: binary.BigEndian.Uint64(b[14:]), timeSec: binary.BigEndian.Uint32(b[22:]),
			payload: b[itemHeadBytes : itemHeadBytes+n : itemHeadBytes+n],
		})
		b = b[itemHeadBytes+n:]
	}
	return items
}

// isEvent says whether the server made it: it goes to all devices.
func (it *fanItem) isEvent() bool { return it.tag == codec.PayloadGroupEvent }

// sentBy says whether a device is the one that has sent it: that gets the message's place in the order instead.
func (it *fanItem) sentBy(p *mailbox) bool {
	return p.user == it.peer && p.device == it.device && !it.isEvent()
}
