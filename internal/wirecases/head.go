package wirecases

import "trunkline/codec"

const (
	up   = codec.ToServer
	down = codec.ToClient
)

// headCases are about length, type and flags.
func headCases() []Case {
	cases := []Case{
		good(up, codec.KindPing, "a PING has no body", "02 01 00", nil),
		good(down, codec.KindPong, "a PONG has no body", "02 02 00", nil),
		{Name: "an unknown type from 0x80 is skipped", Bytes: unhex("05 80 00 010203"), Kind: 0x80, Dir: up, Want: Skipped},
		{Name: "an unknown type from 0x80 may have any known flag", Bytes: unhex("02 ff 1f"), Kind: 0xFF, Dir: up, Want: Skipped},
		{Name: "an unknown type from 0x80 may be as long as a frame can be", Bytes: frame(0x90, 0, repeat(7, 65_514)), Kind: 0x90, Dir: up, Want: Skipped},
		{Name: "nothing is the start of a frame", Bytes: nil, Dir: up, Want: Partial},
		{Name: "a length alone is the start of a frame", Bytes: unhex("02"), Dir: up, Want: Partial},
		{Name: "two of three length bytes are the start of a frame", Bytes: unhex("ecff"), Dir: up, Want: Partial},
		{Name: "a length and a type are the start of a frame", Bytes: unhex("2e 03"), Kind: codec.KindHello, Dir: up, Want: Partial},
		{Name: "a frame without its last byte is the start of a frame", Bytes: unhex("0a 12 00 00000100000000"), Kind: codec.KindAck, Dir: up, Want: Partial},

		badHead(up, 0, "a length of 0 has no room for type and flags", "00 01 00", codec.ErrFrameTooShort),
		badHead(up, 0, "a length of 1 has no room for flags", "01 01 00", codec.ErrFrameTooShort),
		badHead(up, 0, "a length in two bytes that fits one is refused", "82 00 01 00", codec.ErrLengthPrefix),
		badHead(up, 0, "a length in three bytes that fits two is refused", "82 81 00 01 00", codec.ErrLengthPrefix),
		badHead(up, 0, "a zero in two bytes is refused", "80 00", codec.ErrLengthPrefix),
		badHead(up, 0, "a length of four bytes is refused at the third", "82 80 80", codec.ErrLengthPrefix),
		badHead(up, 0, "the largest varint there is, is refused", "ffffffffffffffffff01", codec.ErrLengthPrefix),
		badHead(up, 0, "one byte above the frame limit is refused from its length alone", "ed ff 03", codec.ErrFrameTooLarge),
		badHead(up, 0, "the largest length of three bytes is refused from its length alone", "ff ff 7f", codec.ErrFrameTooLarge),
		badHead(up, codec.KindHello, "a TLS greeting is refused", "16 03 01 00 a5 01", codec.ErrBodyLength),
		badHead(up, codec.Kind('E'), "an HTTP request is refused", "47 45 54 20 2f 20 48 54 54 50", codec.ErrFlags),
		badHead(up, 0x00, "type 0 is refused", "02 00 00", codec.ErrKindUnknown),
		badHead(up, 0x0A, "an unknown type below 0x80 is refused before its body", "7f 0a 00", codec.ErrKindUnknown),
		badHead(up, 0x7F, "the last type below 0x80 is refused", "02 7f 00", codec.ErrKindUnknown),
		badHead(up, codec.KindPing, "flag 0x20 is reserved", "02 01 20", codec.ErrFlags),
		badHead(up, codec.KindPing, "flag 0x40 is reserved", "02 01 40", codec.ErrFlags),
		badHead(up, codec.KindPing, "flag 0x80 is reserved", "02 01 80", codec.ErrFlags),
		badHead(up, 0x80, "a reserved flag on an unknown type is refused", "02 80 80", codec.ErrFlags),
		badHead(up, codec.KindPing, "a PING takes no extension block", "02 01 01", codec.ErrFlags),
		badHead(up, codec.KindPing, "a PING with a body is refused before the body", "03 01 00", codec.ErrBodyLength),
		badHead(down, codec.KindPong, "a PONG with a body is refused", "03 02 00 00", codec.ErrBodyLength),
		badHead(down, codec.KindPong, "a PONG takes no flag", "02 02 08", codec.ErrFlags),
	}
	large := Case{Name: "a frame above 1,024 bytes is refused before login", Bytes: unhex("ff 07"), Dir: up, Want: Refused, WantErr: codec.ErrFrameTooLarge, AtHead: true}
	largest := Case{Name: "a skipped frame of 1,024 bytes is the longest before login", Bytes: frame(0x90, 0, repeat(7, 1_020)), Kind: 0x90, Dir: up, Want: Skipped}
	return append(cases, preLogin(large), preLogin(largest))
}
