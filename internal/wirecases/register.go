package wirecases

import (
	"strings"

	"trunkline/codec"
)

// signKey and token stand for a key and a token: only their lengths matter to a frame.
var (
	signKey = strings.Repeat("5a", 32)
	token   = strings.Repeat("c3", 91)
)

// registerCases are HELLOs that register a device: they have the two critical items that version 1 knows.
func registerCases() []Case {
	hello := codec.Hello{Version: 1, User: 1001, Gen: 7, Incarnation: 0xAA, DownSeq: 1<<40 + 5, Ticked: 12, Epoch: 3}
	with := func(items string) codec.Hello {
		v := hello
		v.Ext = unhex(items)
		return v
	}
	both := "82 20" + signKey + "81 5b" + token
	longest := strings.Repeat("c3", 255)
	kind := codec.KindHello
	accepted := []Case{
		good(up, kind, "a HELLO brings a token and the device's signing key", "af01 03 01"+helloBody+"007f"+both, with(both)),
		good(up, kind, "a HELLO brings a token alone", "8d01 03 01"+helloBody+"005d 81 5b"+token, with("81 5b"+token)),
		good(up, kind, "a HELLO brings a signing key alone", "52 03 01"+helloBody+"0022 82 20"+signKey, with("82 20"+signKey)),
		good(up, kind, "a token of 255 bytes is the longest", "b102 03 01"+helloBody+"0101 81 ff"+longest, with("81 ff"+longest)),
		good(up, kind, "an unknown item that is not critical stands beside a token", "8f01 03 01"+helloBody+"005f 05 00 81 5b"+token, with("05 00 81 5b"+token)),
	}
	refused := []Case{
		bad(up, kind, "a token of no bytes is refused", "32 03 01"+helloBody+"0002 81 00", codec.ErrExt),
		bad(up, kind, "a second token is refused", "36 03 01"+helloBody+"0006 81 01 c3 81 01 c3", codec.ErrExt),
		bad(up, kind, "a signing key of 31 bytes is refused", "51 03 01"+helloBody+"0021 82 1f"+signKey[2:], codec.ErrExt),
		bad(up, kind, "a signing key of 33 bytes is refused", "53 03 01"+helloBody+"0023 82 21 00"+signKey, codec.ErrExt),
		bad(up, kind, "a second signing key is refused", "74 03 01"+helloBody+"0044 82 20"+signKey+"82 20"+signKey, codec.ErrExt),
		bad(up, kind, "an unknown critical item beside a token is refused", "35 03 01"+helloBody+"0005 81 01 c3 83 00", codec.ErrExtCritical),
		bad(up, kind, "a token that is cut is refused", "33 03 01"+helloBody+"0003 81 02 c3", codec.ErrExt),
		bad(up, kind, "bytes behind a token's block are refused", "34 03 01"+helloBody+"0003 81 01 c3 00", codec.ErrBodyLength),
	}
	all := append(accepted, refused...)
	for i := range all {
		all[i] = preLogin(all[i])
	}
	return append(all,
		bad(down, codec.KindSuccess, "a SUCCESS with a token is refused", "2d 04 01"+successBody+"0003 81 01 c3", codec.ErrExtCritical))
}

func ticketCases() []Case {
	psk, sealed := strings.Repeat("11", 32), strings.Repeat("77", 91)
	longest := strings.Repeat("77", 255)
	value := codec.Ticket{LifetimeSec: 604_800, PSK: [32]byte(repeat(0x11, 32)), Sealed: repeat(0x77, 91)}
	short, long := value, value
	short.Sealed, long.Sealed = repeat(0x77, 1), repeat(0x77, 255)
	kind := codec.KindTicket
	return []Case{
		good(down, kind, "a TICKET lets a client come back in one round trip", "8101 09 00 00093a80"+psk+sealed, value),
		good(down, kind, "a TICKET may seal one byte", "27 09 00 00093a80"+psk+"77", short),
		good(down, kind, "a TICKET may seal 255 bytes", "a502 09 00 00093a80"+psk+longest, long),

		badHead(down, kind, "a TICKET that seals nothing is refused before its body", "26 09 00", codec.ErrBodyLength),
		badHead(down, kind, "a TICKET that seals 256 bytes is refused before its body", "a602 09 00", codec.ErrBodyLength),
		badHead(down, kind, "a TICKET takes no extension block", "27 09 01 00093a80"+psk+"77", codec.ErrFlags),
		badHead(down, kind, "a TICKET takes no urgent flag", "27 09 08 00093a80"+psk+"77", codec.ErrFlags),
		badHead(down, kind, "a TICKET takes no group flag", "27 09 02 00093a80"+psk+"77", codec.ErrFlags),
	}
}
