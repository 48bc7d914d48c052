package wirecases

import (
	"strings"

	"trunkline/codec"
)

const (
	sendHead    = "000000000000000d 00000000000003ea"                                      // cseq 13 to 1002
	deliverHead = "0000010000000006 00000000000003e9 00 01 0007 000000000000000d 6553f100" // 32 bytes
)

func sendCases() []Case {
	k := codec.KindSend
	hello := codec.Parts(unhex("00 01 0005 68656c6c6f"))
	two := codec.Parts(unhex("00 01 0002 6869 03 81 0000"))
	largest := codec.Parts(append(unhex("00 01 fc00"), repeat(7, codec.BlobBytesMax)...))
	var many, tooMany codec.Parts
	for d := range uint8(codec.PartsMax) {
		many = many.Append(codec.Part{Device: d})
	}
	tooMany = append(append(tooMany, many...), 200, 0, 0, 0)
	full := codec.Parts(append(append(unhex("00 01 fc00"), repeat(7, codec.BlobBytesMax)...), append(unhex("01 01 03d1"), repeat(7, 0x3d1)...)...))
	over := codec.Parts(append(append(unhex("00 01 fc00"), repeat(7, codec.BlobBytesMax)...), append(unhex("01 01 03d2"), repeat(7, 0x3d2)...)...))
	tooLarge := append(unhex("00 01 fc01"), repeat(7, codec.BlobBytesMax+1)...)
	accepted := func(name string, body []byte, v codec.Send) Case {
		return Case{Name: name, Bytes: frame(k, 0, unhex(sendHead), body), Kind: k, Dir: up, Want: Accepted, Value: v}
	}
	refused := func(name string, body []byte, err error) Case {
		return Case{Name: name, Bytes: frame(k, 0, unhex(sendHead), body), Kind: k, Dir: up, Want: Refused, WantErr: err}
	}
	overFrame := refused("two parts that fill more than a frame are refused", append([]byte{2}, over...), codec.ErrFrameTooLarge)
	overFrame.AtHead, overFrame.Kind = true, 0
	return []Case{
		good(up, k, "a SEND has one payload for one device", "1c 10 00"+sendHead+"01 00 01 0005 68656c6c6f", codec.Send{Cseq: 13, To: 1002, N: 1, Parts: hello}),
		good(up, k, "a SEND has one payload for each device, and a payload may be empty",
			"1d 10 00"+sendHead+"02 00 01 0002 6869 03 81 0000", codec.Send{Cseq: 13, To: 1002, N: 2, Parts: two}),
		good(up, k, "the extension block lies before the parts",
			"20 10 0d"+sendHead+"01 0002 0500 00 01 0005 68656c6c6f",
			codec.Send{Cseq: 13, To: 1002, Flags: codec.FlagNoStore | codec.FlagUrgent, N: 1, Ext: codec.Ext{5, 0}, Parts: hello}),
		good(up, k, "a SEND to a group has one payload for everybody",
			"1c 10 02 000000000000000d 8000000000000004 01 00 01 0005 68656c6c6f",
			codec.Send{Cseq: 13, To: codec.GroupBit | 4, Flags: codec.FlagGroup, N: 1, Parts: hello}),
		good(up, k, "a SEND to a group says which epoch its sender knows",
			"24 10 03 000000000000000d 8000000000000004 01 0006 03 04 00000007 00 01 0005 68656c6c6f",
			codec.Send{Cseq: 13, To: codec.GroupBit | 4, Flags: codec.FlagGroup, N: 1, Ext: unhex("03 04 00000007"), Parts: hello}),
		good(up, k, "a SEND says which list of devices its sender knows",
			"24 10 01"+sendHead+"01 0006 04 04 00000002 00 01 0005 68656c6c6f",
			codec.Send{Cseq: 13, To: 1002, N: 1, Ext: unhex("04 04 00000002"), Parts: hello}),
		accepted("a payload of 64,512 bytes is the longest", append([]byte{1}, largest...), codec.Send{Cseq: 13, To: 1002, N: 1, Parts: largest}),
		accepted("32 parts are the most", append([]byte{32}, many...), codec.Send{Cseq: 13, To: 1002, N: 32, Parts: many}),
		accepted("a frame may be filled to its last byte", append([]byte{2}, full...), codec.Send{Cseq: 13, To: 1002, N: 2, Parts: full}),

		overFrame,
		badHead(up, k, "a SEND without its count is refused", "12 10 00"+sendHead, codec.ErrBodyLength),
		bad(up, k, "a SEND without parts is refused", "13 10 00"+sendHead+"00", codec.ErrParts),
		bad(up, k, "a SEND whose parts are missing is refused", "13 10 00"+sendHead+"01", codec.ErrParts),
		bad(up, k, "a SEND with one part less than its count is refused", "1c 10 00"+sendHead+"02 00 01 0005 68656c6c6f", codec.ErrParts),
		bad(up, k, "a SEND with one part more than its count is refused", "1d 10 00"+sendHead+"01 00 01 0002 6869 03 81 0000", codec.ErrParts),
		bad(up, k, "a part that is longer than the frame is refused", "1c 10 00"+sendHead+"01 00 01 0006 68656c6c6f", codec.ErrParts),
		bad(up, k, "a byte behind the last part is refused", "1d 10 00"+sendHead+"01 00 01 0005 68656c6c6f 00", codec.ErrParts),
		bad(up, k, "half the head of a part is refused", "16 10 00"+sendHead+"01 00 01 00", codec.ErrParts),
		bad(up, k, "two parts for one device are refused", "1b 10 00"+sendHead+"02 03 01 0000 03 01 0000", codec.ErrParts),
		refused("33 parts are refused", append([]byte{33}, tooMany...), codec.ErrParts),
		refused("a payload of 64,513 bytes is refused, by itself", append([]byte{1}, tooLarge...), codec.ErrBlobTooLarge),
		bad(up, k, "cseq 0 is refused", "1c 10 00 0000000000000000 00000000000003ea 01 00 01 0005 68656c6c6f", codec.ErrValue),
		bad(up, k, "a group SEND with two parts is refused", "1b 10 02 000000000000000d 8000000000000004 02 00 01 0000 01 01 0000", codec.ErrParts),
		bad(up, k, "a group SEND for device 1 is refused", "17 10 02 000000000000000d 8000000000000004 01 01 01 0000", codec.ErrParts),
		bad(up, k, "a SEND with a critical extension is refused, by itself", "20 10 01"+sendHead+"01 0002 8500 00 01 0005 68656c6c6f", codec.ErrExtCritical),
		bad(up, k, "a SEND whose block is cut is refused", "15 10 01"+sendHead+"01 0005", codec.ErrExt),
		bad(up, k, "damaged parts behind a critical extension are damage", "17 10 01"+sendHead+"01 0002 8500", codec.ErrParts),
		badHead(up, k, "a SEND takes no flag for nodes", "1c 10 10"+sendHead+"01 00 01 0005 68656c6c6f", codec.ErrFlags),
	}
}

func deliverCases() []Case {
	k := codec.KindDeliver
	v := codec.Deliver{Seq: 1<<40 + 6, From: 1001, Kind: 1, Gen: 7, ID: 13, TimeSec: 1_700_000_000, Blob: []byte("hello")}
	with := func(change func(v *codec.Deliver)) codec.Deliver { c := v; change(&c); return c }
	ephemeral := "0000000000000000" + deliverHead[16:]
	group := "8000000000000004 0000000000000063"
	largest := repeat(7, codec.BlobBytesMax)
	return []Case{
		good(down, k, "a DELIVER is 35 bytes and the payload", "27 11 00"+deliverHead+"68656c6c6f", v),
		good(down, k, "a payload may be empty", "22 11 00"+deliverHead, with(func(v *codec.Deliver) { v.Blob = []byte{} })),
		good(down, k, "group fields lie behind the fixed ones", "37 11 02"+deliverHead+group+"68656c6c6f",
			with(func(v *codec.Deliver) { v.Flags, v.Group, v.GroupSeq = codec.FlagGroup, codec.GroupBit|4, 99 })),
		good(down, k, "the extension block lies before the payload", "2b 11 01"+deliverHead+"0002 0500 68656c6c6f",
			with(func(v *codec.Deliver) { v.Ext = codec.Ext{5, 0} })),
		good(down, k, "group fields lie before the extension block", "3b 11 03"+deliverHead+group+"0002 0500 68656c6c6f",
			with(func(v *codec.Deliver) {
				v.Flags, v.Group, v.GroupSeq, v.Ext = codec.FlagGroup, codec.GroupBit|4, 99, codec.Ext{5, 0}
			})),
		good(down, k, "what happened in a group comes as a DELIVER of kind 0x70, its id is the gseq",
			"40 11 02 0000010000000008 00000000000003e9 00 70 0000 0000000000000063 6553f100"+group+"fd 02 17 09 1f d8ec e0 05 fa e9 03ec fb",
			with(func(v *codec.Deliver) {
				v.Seq, v.Kind, v.Gen, v.ID, v.Flags, v.Group, v.GroupSeq = 1<<40+8, codec.PayloadGroupEvent, 0, 99, codec.FlagGroup, codec.GroupBit|4, 99
				v.Blob = unhex("fd 02 17 09 1f d8ec e0 05 fa e9 03ec fb")
			})),
		good(down, k, "an ephemeral DELIVER has seq 0", "27 11 0c"+ephemeral+"68656c6c6f",
			with(func(v *codec.Deliver) { v.Seq, v.Flags = 0, codec.FlagNoStore|codec.FlagUrgent })),
		{Name: "a DELIVER of 64,512 bytes of payload is the longest", Bytes: frame(k, 0, unhex(deliverHead), largest), Kind: k, Dir: down, Want: Accepted,
			Value: with(func(v *codec.Deliver) { v.Blob = largest })},

		badHead(down, k, "a DELIVER that is one byte short is refused", "21 11 00"+deliverHead[:len(deliverHead)-2], codec.ErrBodyLength),
		bad(down, k, "a group DELIVER without its group is refused", "27 11 02"+deliverHead+"68656c6c6f", codec.ErrBodyLength),
		bad(down, k, "seq 0 without the no-store flag is refused", "27 11 00"+ephemeral+"68656c6c6f", codec.ErrValue),
		bad(down, k, "a seq with the no-store flag is refused", "27 11 04"+deliverHead+"68656c6c6f", codec.ErrValue),
		bad(down, k, "a DELIVER whose block is missing is refused", "22 11 01"+deliverHead, codec.ErrExt),
		bad(down, k, "a DELIVER whose payload is taken for a block is refused", "27 11 01"+deliverHead+"68656c6c6f", codec.ErrExt),
		bad(down, k, "a DELIVER with a critical extension is refused", "2b 11 01"+deliverHead+"0002 c500 68656c6c6f", codec.ErrExtCritical),
		{Name: "a payload of 64,513 bytes is refused", Bytes: frame(k, 0, unhex(deliverHead), largest, []byte{7}), Kind: k, Dir: down, Want: Refused,
			WantErr: codec.ErrBlobTooLarge},
		badHead(down, k, "a DELIVER takes no flag for nodes", "22 11 10"+deliverHead, codec.ErrFlags),
	}
}

func ackCases() []Case {
	k := codec.KindAck
	seq := "0000010000000006"
	return []Case{
		good(up, k, "a client's ACK is 11 bytes", "0a 12 00"+seq, codec.Ack{Seq: 1<<40 + 6}),
		good(up, k, "a client's ACK with an extension", "0e 12 01"+seq+"0002 0500", codec.Ack{Seq: 1<<40 + 6, Ext: codec.Ext{5, 0}}),
		good(down, k, "a server's ACK is 15 bytes", "0e 12 00 000000000000000d 6553f100", codec.Tick{UpHigh: 13, TimeSec: 1_700_000_000}),
		good(down, k, "a server's ACK with an extension", "12 12 01 000000000000000d 6553f100 0002 0500",
			codec.Tick{UpHigh: 13, TimeSec: 1_700_000_000, Ext: codec.Ext{5, 0}}),

		badHead(up, k, "an ACK of 7 bytes is refused", "09 12 00 00000100000000", codec.ErrBodyLength),
		bad(up, k, "a server's ACK from a client is refused", "0e 12 00 000000000000000d 6553f100", codec.ErrBodyLength),
		bad(up, k, "an ACK of 9 bytes is refused", "0b 12 00"+seq+"00", codec.ErrBodyLength),
		bad(up, k, "an ACK with a damaged block is refused", "0d 12 01"+seq+"0001 05", codec.ErrExt),
		bad(up, k, "an ACK with a critical extension is refused", "0e 12 01"+seq+"0002 8000", codec.ErrExtCritical),
		badHead(up, k, "an ACK takes no group flag", "0a 12 02"+seq, codec.ErrFlags),
		bad(down, k, "a client's ACK from a server is refused", "0a 12 00"+seq, codec.ErrBodyLength),
		bad(down, k, "a server's ACK of 11 bytes is refused", "0d 12 00 000000000000000d 6553f1", codec.ErrBodyLength),
		badHead(down, k, "an ACK longer than any extension makes it is refused before its body", "91 06 12 01", codec.ErrBodyLength),
	}
}

func receiptCases() []Case {
	k := codec.KindReceipt
	// fields builds the 41 bytes from seq, kind, code and range.
	fields := func(seq, kind, code, first, last string) string {
		return seq + kind + code + "00 0007 00000000000003ea" + first + last + "6553f100"
	}
	one, five, nine, zero := "0000000000000001", "0000000000000005", "0000000000000009", "0000000000000000"
	v := codec.Receipt{Seq: 1, Kind: codec.ReceiptRead, Gen: 7, Peer: 1002, First: 5, Last: 9, TimeSec: 1_700_000_000}
	with := func(change func(v *codec.Receipt)) codec.Receipt { c := v; change(&c); return c }
	read := fields(one, "02", "00", five, nine)
	return []Case{
		good(up, k, "a RECEIPT says that a range was read", "2b 13 00"+read, v),
		good(up, k, "a RECEIPT says that one message was played", "2b 13 00"+fields(one, "03", "00", five, five),
			with(func(v *codec.Receipt) { v.Kind, v.Last = codec.ReceiptPlayed, 5 })),
		good(down, k, "a RECEIPT says that a range was delivered", "2b 13 00"+fields(one, "01", "00", five, nine),
			with(func(v *codec.Receipt) { v.Kind = codec.ReceiptDelivered })),
		good(down, k, "a RECEIPT says why a message was rejected", "2b 13 00"+fields(one, "04", "05", five, five),
			with(func(v *codec.Receipt) {
				v.Kind, v.Code, v.Last = codec.ReceiptRejected, uint8(codec.CodeMailboxFull), 5
			})),
		good(down, k, "a RECEIPT in a group, with an extension", "37 13 03"+read+"8000000000000004 0002 0500",
			with(func(v *codec.Receipt) { v.Flags, v.Group, v.Ext = codec.FlagGroup, codec.GroupBit|4, codec.Ext{5, 0} })),

		good(down, k, "a RECEIPT says that all of a group have a range", "33 13 02"+strings.Replace(fields(one, "01", "00", five, nine), "00000000000003ea", zero, 1)+
			"8000000000000004", with(func(v *codec.Receipt) {
			v.Kind, v.Peer, v.Flags, v.Group = codec.ReceiptDelivered, 0, codec.FlagGroup, codec.GroupBit|4
		})),

		badHead(up, k, "a RECEIPT that is one byte short is refused", "2a 13 00"+read[:len(read)-2], codec.ErrBodyLength),
		bad(up, k, "a RECEIPT with a byte behind its fields is refused", "2c 13 00"+read+"00", codec.ErrBodyLength),
		bad(up, k, "a group RECEIPT without its group is refused", "2b 13 02"+read, codec.ErrBodyLength),
		bad(up, k, "a RECEIPT with seq 0 is refused", "2b 13 00"+fields(zero, "02", "00", five, nine), codec.ErrValue),
		bad(up, k, "a RECEIPT of kind 0 is refused", "2b 13 00"+fields(one, "00", "00", five, nine), codec.ErrValue),
		bad(up, k, "a RECEIPT of kind 5 is refused", "2b 13 00"+fields(one, "05", "00", five, nine), codec.ErrValue),
		bad(up, k, "a RECEIPT from 0 is refused", "2b 13 00"+fields(one, "02", "00", zero, nine), codec.ErrValue),
		bad(up, k, "a RECEIPT whose range goes back is refused", "2b 13 00"+fields(one, "02", "00", nine, five), codec.ErrValue),
		bad(up, k, "a read RECEIPT with a code is refused", "2b 13 00"+fields(one, "02", "05", five, nine), codec.ErrValue),
		bad(down, k, "a rejection without a code is refused", "2b 13 00"+fields(one, "04", "00", five, nine), codec.ErrValue),
		bad(down, k, "a rejection with a code that closes is refused", "2b 13 00"+fields(one, "04", "40", five, nine), codec.ErrValue),
		bad(up, k, "a RECEIPT whose block is missing is refused", "2b 13 01"+read, codec.ErrExt),
		bad(up, k, "a RECEIPT with a critical extension is refused", "2f 13 01"+read+"0002 8000", codec.ErrExtCritical),
		badHead(up, k, "a RECEIPT takes no urgent flag", "2b 13 08"+read, codec.ErrFlags),
	}
}

func presenceCases() []Case {
	typing, presence, subscribe := codec.KindTyping, codec.KindPresence, codec.KindSubscribe
	peer := "00000000000003ea"
	var most []byte
	for i := range codec.SubscribePeersMax {
		most = append(most, 0, 0, 0, 0, 0, 0, 4, byte(i))
	}
	return []Case{
		good(up, typing, "a TYPING says that somebody writes", "0c 14 00"+peer+"00 01", codec.Typing{Peer: 1002, State: 1}),
		good(down, typing, "a TYPING says that somebody speaks", "0c 14 00"+peer+"03 02", codec.Typing{Peer: 1002, Device: 3, State: 2}),
		good(down, presence, "a PRESENCE says that somebody is there", "0f 15 00"+peer+"01 00000000", codec.Presence{Peer: 1002, State: 1}),
		good(down, presence, "a PRESENCE says when somebody left", "0f 15 00"+peer+"00 6553f100", codec.Presence{Peer: 1002, LastSeenSec: 1_700_000_000}),
		good(up, subscribe, "a SUBSCRIBE adds two users", "14 16 00 01 02"+peer+"00000000000003eb",
			codec.Subscribe{Op: 1, N: 2, Peers: codec.Peers{}.Append(1002).Append(1003)}),
		good(up, subscribe, "a SUBSCRIBE takes a user away, with an extension before the list", "10 16 01 00 01 0002 0500"+peer,
			codec.Subscribe{N: 1, Ext: codec.Ext{5, 0}, Peers: codec.Peers{}.Append(1002)}),
		{Name: "64 users are the most", Bytes: frame(subscribe, 0, []byte{1, 64}, most), Kind: subscribe, Dir: up, Want: Accepted,
			Value: codec.Subscribe{Op: 1, N: 64, Peers: most}},

		badHead(up, typing, "a TYPING that is one byte short is refused", "0b 14 00"+peer+"00", codec.ErrBodyLength),
		bad(up, typing, "a TYPING with a byte behind its fields is refused", "0d 14 00"+peer+"00 01 00", codec.ErrBodyLength),
		bad(up, typing, "a TYPING of state 3 is refused", "0c 14 00"+peer+"00 03", codec.ErrValue),
		bad(up, typing, "a TYPING with a critical extension is refused", "10 14 01"+peer+"00 01 0002 8000", codec.ErrExtCritical),
		badHead(up, typing, "a TYPING takes no no-store flag: it never is stored", "0c 14 04"+peer+"00 01", codec.ErrFlags),
		badHead(down, presence, "a PRESENCE that is one byte short is refused", "0e 15 00"+peer+"01 000000", codec.ErrBodyLength),
		bad(down, presence, "a PRESENCE with a byte behind its fields is refused", "10 15 00"+peer+"01 00000000 00", codec.ErrBodyLength),
		bad(down, presence, "a PRESENCE of state 2 is refused", "0f 15 00"+peer+"02 00000000", codec.ErrValue),
		bad(down, presence, "a PRESENCE whose block is empty is refused", "11 15 01"+peer+"01 00000000 0000", codec.ErrExt),
		badHead(up, subscribe, "a SUBSCRIBE without its count is refused", "03 16 00 01", codec.ErrBodyLength),
		bad(up, subscribe, "a SUBSCRIBE to nobody is refused", "04 16 00 01 00", codec.ErrPeers),
		bad(up, subscribe, "a SUBSCRIBE with one user less than its count is refused", "0c 16 00 01 02"+peer, codec.ErrPeers),
		bad(up, subscribe, "a SUBSCRIBE with half a user is refused", "08 16 00 01 01 000003ea", codec.ErrPeers),
		bad(up, subscribe, "a SUBSCRIBE with a byte behind its list is refused", "0d 16 00 01 01"+peer+"00", codec.ErrPeers),
		bad(up, subscribe, "a SUBSCRIBE of op 2 is refused", "0c 16 00 02 01"+peer, codec.ErrValue),
		bad(up, subscribe, "a SUBSCRIBE with a critical extension is refused", "10 16 01 01 01 0002 8000"+peer, codec.ErrExtCritical),
		{Name: "65 users are refused", Bytes: frame(subscribe, codec.FlagExt, []byte{1, 65}, unhex("0002 0500"), most, unhex(peer)), Kind: subscribe, Dir: up,
			Want: Refused, WantErr: codec.ErrPeers},
	}
}
