package wirecases

import "trunkline/codec"

// The fixed fields of a HELLO and a SUCCESS, for rows that damage what is around them.
const (
	helloBody   = "01 00 00000000000003e9 0007 00000000000000aa 0000010000000005 000000000000000c 00000000 00000003"
	successBody = "00000000000000aa 0007 000000000000000c 00f0 0040 00040000 0000018bcfe56800 00000000"
)

func loginCases() []Case {
	hello := codec.Hello{Version: 1, User: 1001, Gen: 7, Incarnation: 0xAA, DownSeq: 1<<40 + 5, Ticked: 12, Epoch: 3}
	newcomer := codec.Hello{Version: 1, Device: 255, User: codec.UserMax, DownSeq: 0x7A6B, Epoch: 1}
	withExt := hello
	withExt.Ext = codec.Ext{0x05, 0x02, 0xAB, 0xCD, 0x06, 0x00}
	success := codec.Success{
		Incarnation: 0xAA, Gen: 7, UpHigh: 12, KeepaliveSec: 240, WindowEntries: 64, WindowBytes: 256 << 10, TimeMs: 1_700_000_000_000,
	}
	state := codec.KindState
	cases := []Case{
		preLogin(good(up, codec.KindHello, "a HELLO resumes a generation", "2e 03 00"+helloBody, hello)),
		preLogin(good(up, codec.KindHello, "a HELLO without state asks for a new generation",
			"2e 03 00 01 ff 0de0b6b3a763ffff 0000 0000000000000000 0000000000007a6b 0000000000000000 00000000 00000001", newcomer)),
		preLogin(good(up, codec.KindHello, "unknown extensions that are not critical are passed over",
			"36 03 01"+helloBody+"0006 05 02 abcd 06 00", withExt)),
		preLogin(good(up, codec.KindHello, "a HELLO of a later version is read so that it can be refused by name",
			"2e 03 00 02"+helloBody[2:], func() codec.Hello { v := hello; v.Version = 2; return v }())),
		good(down, codec.KindSuccess, "a SUCCESS answers a HELLO", "28 04 00"+successBody, success),
		good(up, state, "a STATE says active", "03 08 00 01", codec.State{Active: 1}),
		good(up, state, "a STATE says inactive", "03 08 00 00", codec.State{}),
		good(up, codec.KindResume, "a RESUME is reserved and its body is not looked at", "05 05 00 010203", nil),

		preLogin(badHead(up, codec.KindHello, "a HELLO that is one byte short is refused before its body", "2d 03 00", codec.ErrBodyLength)),
		preLogin(bad(up, codec.KindHello, "a HELLO with a byte behind its fields is refused", "2f 03 00"+helloBody+"00", codec.ErrBodyLength)),
		preLogin(badHead(up, codec.KindHello, "a HELLO longer than any extension makes it is refused before its body", "c9 06 03 01", codec.ErrBodyLength)),
		preLogin(badHead(up, codec.KindHello, "a HELLO takes no group flag", "2e 03 02"+helloBody, codec.ErrFlags)),
		preLogin(bad(up, codec.KindHello, "a HELLO whose extension flag has no block is refused", "2e 03 01"+helloBody, codec.ErrExt)),
		preLogin(bad(up, codec.KindHello, "an empty extension block is refused", "30 03 01"+helloBody+"0000", codec.ErrExt)),
		preLogin(bad(up, codec.KindHello, "half a total is refused", "2f 03 01"+helloBody+"00", codec.ErrExt)),
		preLogin(bad(up, codec.KindHello, "a block shorter than its total is refused", "32 03 01"+helloBody+"0003 05 00", codec.ErrExt)),
		preLogin(bad(up, codec.KindHello, "bytes behind the block are refused", "33 03 01"+helloBody+"0002 05 00 00", codec.ErrBodyLength)),
		preLogin(bad(up, codec.KindHello, "an item longer than its block is refused", "33 03 01"+helloBody+"0003 05 02 00", codec.ErrExt)),
		preLogin(bad(up, codec.KindHello, "an item without a length is refused", "31 03 01"+helloBody+"0001 05", codec.ErrExt)),
		preLogin(bad(up, codec.KindHello, "an unknown critical extension is refused", "32 03 01"+helloBody+"0002 80 00", codec.ErrExtCritical)),
		preLogin(bad(up, codec.KindHello, "a damaged item behind a critical one is damage", "33 03 01"+helloBody+"0003 80 00 01", codec.ErrExt)),
		badHead(down, codec.KindSuccess, "a SUCCESS that is one byte short is refused", "27 04 00"+successBody[:len(successBody)-2], codec.ErrBodyLength),
		bad(down, codec.KindSuccess, "a SUCCESS with a byte behind its fields is refused", "29 04 00"+successBody+"00", codec.ErrBodyLength),
		bad(down, codec.KindSuccess, "a SUCCESS with a critical extension is refused", "2c 04 01"+successBody+"0002 ff 00", codec.ErrExtCritical),
		badHead(up, state, "a STATE without its byte is refused", "02 08 00", codec.ErrBodyLength),
		bad(up, state, "a STATE of two bytes is refused", "04 08 00 01 00", codec.ErrBodyLength),
		bad(up, state, "a STATE of 2 is refused", "03 08 00 02", codec.ErrValue),
		badHead(up, state, "a STATE takes no flag for nodes", "03 08 10 01", codec.ErrFlags),
	}
	tooLong := Case{
		Name: "an extension block above 768 bytes is refused", Kind: codec.KindHello, Dir: up, Want: Refused, WantErr: codec.ErrBodyLength,
		Bytes: frame(codec.KindHello, codec.FlagExt, unhex(helloBody), unhex("0301"), repeat(0, 769)), AtHead: true,
	}
	longest := Case{
		Name: "an extension block of 768 bytes is the longest", Kind: codec.KindHello, Dir: up, Want: Accepted,
		Bytes: frame(codec.KindHello, codec.FlagExt, unhex(helloBody), unhex("0300"), repeat(0, 768)),
		Value: func() codec.Hello { v := hello; v.Ext = repeat(0, 768); return v }(),
	}
	return append(cases, preLogin(tooLong), preLogin(longest))
}

func refusalCases() []Case {
	text := repeat('x', codec.TextBytesMax)
	errorBody, goAwayBody := "0041 000000000000000d 00000000", "0060 000007d0"
	return []Case{
		good(down, codec.KindError, "an ERROR says what is wrong, for machines and people",
			"1b 06 00"+errorBody+"65787065637465642031 33", codec.Error{Code: codec.CodeCseqGap, Ref: 13, Text: []byte("expected 13")}),
		good(down, codec.KindError, "an ERROR needs no text and may have a code that nobody knows",
			"10 06 00 ffff 0000000000000000 0000c350", codec.Error{Code: 0xFFFF, RetryAfterMs: 50_000, Text: []byte{}}),
		good(down, codec.KindError, "the extension block lies before the text",
			"15 06 01"+errorBody+"0002 0500 41", codec.Error{Code: codec.CodeCseqGap, Ref: 13, Ext: codec.Ext{5, 0}, Text: []byte("A")}),
		good(down, codec.KindGoAway, "a GOAWAY names another host",
			"10 07 00"+goAwayBody+"62 3a 35 32 32 32 32 32", codec.GoAway{Code: codec.CodeDraining, RetryAfterMs: 2000, Host: []byte("b:522222")}),
		good(down, codec.KindGoAway, "a GOAWAY needs no host", "08 07 00"+goAwayBody, codec.GoAway{Code: codec.CodeDraining, RetryAfterMs: 2000, Host: []byte{}}),
		{Name: "a text of 200 bytes is the longest", Bytes: frame(codec.KindError, 0, unhex(errorBody), text), Kind: codec.KindError, Dir: down, Want: Accepted,
			Value: codec.Error{Code: codec.CodeCseqGap, Ref: 13, Text: text}},

		badHead(down, codec.KindError, "an ERROR that is one byte short is refused", "0f 06 00 0041 000000000000000d 000000", codec.ErrBodyLength),
		bad(down, codec.KindError, "a text that is no UTF-8 is refused", "12 06 00"+errorBody+"c3 28", codec.ErrText),
		bad(down, codec.KindError, "a text that ends within a letter is refused", "11 06 00"+errorBody+"c3", codec.ErrText),
		{Name: "a text of 201 bytes is refused", Bytes: frame(codec.KindError, 0, unhex(errorBody), text, []byte("x")), Kind: codec.KindError, Dir: down,
			Want: Refused, WantErr: codec.ErrText},
		bad(down, codec.KindError, "an ERROR with a critical extension is refused", "14 06 01"+errorBody+"0002 9000", codec.ErrExtCritical),
		badHead(down, codec.KindError, "an ERROR takes no urgent flag", "10 06 08"+errorBody, codec.ErrFlags),
		badHead(down, codec.KindGoAway, "a GOAWAY that is one byte short is refused", "07 07 00 0060 000007", codec.ErrBodyLength),
		bad(down, codec.KindGoAway, "a host that is no UTF-8 is refused", "09 07 00"+goAwayBody+"ff", codec.ErrText),
		{Name: "a host of 201 bytes is refused", Bytes: frame(codec.KindGoAway, 0, unhex(goAwayBody), text, []byte("x")), Kind: codec.KindGoAway, Dir: down,
			Want: Refused, WantErr: codec.ErrText},
		bad(down, codec.KindGoAway, "a GOAWAY whose block is cut is refused", "0b 07 01"+goAwayBody+"0004 05", codec.ErrExt),
	}
}
