package codec

// Frame is one length-prefixed unit of the wire. Body aliases the bytes it was split from.
type Frame struct {
	Kind  Kind
	Flags Flags
	Body  []byte
}

// headBytes are the type and the flags, the part of the length that is not body.
const headBytes = 2

// flagsReserved must be zero on every frame, of unknown kinds too.
const flagsReserved Flags = 0xE0

// Next splits the first whole frame off b. frameBytesMax bounds the whole frame, its length prefix included:
// FrameBytesMax, or PreLoginFrameBytesMax before login; a larger value counts as FrameBytesMax.
//
// Shape: uvarint length (1..3 bytes, shortest form) of what follows, type u8, flags u8, body.
// Body aliases b and is valid until b is reused. used == 0 with a nil error means: need more bytes.
//
// A frame is refused as early as its bytes allow: a length above the limit before the type arrived; an unknown type
// below 0x80, a flag that the type does not take or an impossible body length before the body arrived.
// Frames of unknown types from 0x80 are returned: the caller skips them.
//
// Errors: ErrLengthPrefix, ErrFrameTooShort, ErrFrameTooLarge, ErrFlags, ErrKindUnknown, ErrBodyLength (all the
// peer's fault; used is 0). Allocates nothing.
// Source: docs/protocol.md, "Frames".
func Next(b []byte, frameBytesMax int) (f Frame, used int, err error) {
	length, prefix, err := parseLength(b)
	if prefix == 0 {
		return Frame{}, 0, err
	}
	if length < headBytes {
		return Frame{}, 0, ErrFrameTooShort
	}
	end := prefix + length
	if end > min(frameBytesMax, FrameBytesMax) {
		return Frame{}, 0, ErrFrameTooLarge
	}
	if len(b) < prefix+headBytes {
		return Frame{}, 0, nil
	}
	kind, flags := Kind(b[prefix]), Flags(b[prefix+1])
	if err := checkHead(kind, flags, length-headBytes); err != nil {
		return Frame{}, 0, err
	}
	if len(b) < end {
		return Frame{}, 0, nil
	}
	return Frame{Kind: kind, Flags: flags, Body: b[prefix+headBytes : end : end]}, end, nil
}

// parseLength reads the length prefix. prefix == 0 means: need more bytes, or err.
func parseLength(b []byte) (length, prefix int, err error) {
	if len(b) == 0 {
		return 0, 0, nil
	}
	if b[0] < 0x80 {
		return int(b[0]), 1, nil
	}
	length = int(b[0] & 0x7F)
	for i := 1; i < LengthPrefixBytesMax; i++ {
		if i >= len(b) {
			return 0, 0, nil
		}
		c := b[i]
		length |= int(c&0x7F) << (7 * i)
		if c == 0 {
			return 0, 0, ErrLengthPrefix
		}
		if c < 0x80 {
			return length, i + 1, nil
		}
	}
	return 0, 0, ErrLengthPrefix
}

// shape is what can be said of a kind's frames by their head alone.
type shape struct {
	known   bool
	flags   Flags // the flags that the kind takes
	bodyMin int32
	bodyMax int32
}

const (
	extBlockBytesMax = 2 + ExtBytesMax // with its u16 total
	bodyBytesMax     = FrameBytesMax - LengthPrefixBytesMax - headBytes
)

// shapes is indexed by Kind. Kinds that are not known have the zero shape.
var shapes = [...]shape{
	KindPing:      {known: true},
	KindPong:      {known: true},
	KindHello:     fixedShape(helloBytes),
	KindSuccess:   fixedShape(successBytes),
	KindResume:    {known: true, flags: FlagExt, bodyMax: bodyBytesMax},
	KindError:     tailShape(errorBytes, TextBytesMax),
	KindGoAway:    tailShape(goAwayBytes, TextBytesMax),
	KindState:     fixedShape(stateBytes),
	KindTicket:    {known: true, bodyMin: ticketBytes + 1, bodyMax: ticketBytes + ticketSealedBytesMax},
	KindSend:      {known: true, flags: FlagExt | sendFlags, bodyMin: sendBytes, bodyMax: bodyBytesMax},
	KindDeliver:   {known: true, flags: FlagExt | deliverFlags, bodyMin: deliverBytes, bodyMax: bodyBytesMax},
	KindAck:       {known: true, flags: FlagExt, bodyMin: ackBytes, bodyMax: tickBytes + extBlockBytesMax},
	KindReceipt:   {known: true, flags: FlagExt | receiptFlags, bodyMin: receiptBytes, bodyMax: receiptBytes + 8 + extBlockBytesMax},
	KindTyping:    fixedShape(typingBytes),
	KindPresence:  fixedShape(presenceBytes),
	KindSubscribe: tailShape(subscribeBytes, 8*SubscribePeersMax),
	KindNode:      {known: true, flags: FlagExt | nodeFlags, bodyMin: nodeBytes, bodyMax: bodyBytesMax},
}

func fixedShape(bytes int32) shape { return tailShape(bytes, 0) }

func tailShape(bytes, tailMax int32) shape {
	return shape{known: true, flags: FlagExt, bodyMin: bytes, bodyMax: bytes + extBlockBytesMax + tailMax}
}

// checkHead refuses a frame that can't be right whatever its body holds.
func checkHead(kind Kind, flags Flags, bodyLen int) error {
	if flags&flagsReserved != 0 {
		return ErrFlags
	}
	if !kind.Known() {
		if kind.Skipped() {
			return nil
		}
		return ErrKindUnknown
	}
	s := &shapes[kind]
	if flags&^s.flags != 0 {
		return ErrFlags
	}
	if bodyLen < int(s.bodyMin) || bodyLen > int(s.bodyMax) {
		return ErrBodyLength
	}
	return nil
}

// appendHead adds prefix, type and flags for a body of bodyLen bytes, which the caller then adds.
func appendHead(dst []byte, kind Kind, flags Flags, bodyLen int) []byte {
	length := bodyLen + headBytes
	switch {
	case length < 1<<7:
		return append(dst, byte(length), byte(kind), byte(flags))
	case length < 1<<14:
		return append(dst, byte(length)|0x80, byte(length>>7), byte(kind), byte(flags))
	}
	return append(dst, byte(length)|0x80, byte(length>>7)|0x80, byte(length>>14), byte(kind), byte(flags))
}

// AppendFrame adds a frame as Next gave it, for whoever hands it on.
func AppendFrame(dst []byte, f Frame) []byte {
	return append(appendHead(dst, f.Kind, f.Flags, len(f.Body)), f.Body...)
}

// AppendPing adds a PING frame to dst: 3 bytes, no body. Whoever receives it answers PONG.
func AppendPing(dst []byte) []byte { return appendHead(dst, KindPing, 0, 0) }

// AppendPong adds a PONG frame to dst: 3 bytes, no body.
func AppendPong(dst []byte) []byte { return appendHead(dst, KindPong, 0, 0) }
