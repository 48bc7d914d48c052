package codec

import "encoding/binary"

// ReceiptKind says what a receipt reports.
type ReceiptKind uint8

// The kinds of receipt. Clients send read and played; delivered and rejected are made by the server.
const (
	ReceiptDelivered ReceiptKind = 1
	ReceiptRead      ReceiptKind = 2
	ReceiptPlayed    ReceiptKind = 3
	ReceiptRejected  ReceiptKind = 4
)

// Receipt reports the fate of messages First..Last of one stream.
// Layout: seq u64, kind u8, code u8, dev u8, gen u16, peer u64, first u64, last u64, ts u32 = 41 bytes, [group u64], [ext].
//
// To a client: Seq is the mailbox seq, Peer and Device who received, Gen the generation of the addressed device
// whose cseqs First..Last are. From a client: Seq is the next cseq, Peer, Device and Gen the stream that was read.
type Receipt struct {
	Seq     uint64 // never 0
	Kind    ReceiptKind
	Code    uint8 // an ErrorCode below 64 when rejected, else 0
	Device  uint8
	Gen     uint16
	Peer    uint64
	First   uint64 // 1 <= First <= Last; the range may hold numbers that never were messages to Peer: do not walk it
	Last    uint64
	TimeSec uint32
	Flags   Flags  // FlagGroup
	Group   uint64 // with FlagGroup, else 0
	Ext     Ext
}

const (
	receiptBytes = 41
	receiptFlags = FlagGroup
)

// ParseReceipt reads a RECEIPT. Which kinds a client may send is the server's business. Ext aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrValue (seq 0, a kind that is not defined, a code that does not fit
// the kind, First 0 or above Last), ErrExt, ErrExtCritical (the stanza is then returned whole). Allocates nothing.
func ParseReceipt(f Frame) (v Receipt, err error) {
	if err = f.is(KindReceipt, receiptFlags); err != nil {
		return v, err
	}
	fixed := receiptBytes
	if f.Flags&FlagGroup != 0 {
		fixed += 8
	}
	ext, err := splitExact(f.Flags, f.Body, fixed)
	if err != nil && err != ErrExtCritical {
		return v, err
	}
	b := f.Body[:receiptBytes]
	v.Seq = binary.BigEndian.Uint64(b)
	v.Kind = ReceiptKind(b[8])
	v.Code = b[9]
	v.Device = b[10]
	v.Gen = binary.BigEndian.Uint16(b[11:])
	v.Peer = binary.BigEndian.Uint64(b[13:])
	v.First = binary.BigEndian.Uint64(b[21:])
	v.Last = binary.BigEndian.Uint64(b[29:])
	v.TimeSec = binary.BigEndian.Uint32(b[37:])
	v.Flags = f.Flags &^ FlagExt
	if fixed > receiptBytes {
		v.Group = binary.BigEndian.Uint64(f.Body[receiptBytes:])
	}
	v.Ext = ext
	if errValue := checkReceipt(&v); errValue != nil {
		return Receipt{}, errValue
	}
	return v, err
}

// AppendReceipt adds a RECEIPT frame to dst: 44 bytes without group and extensions.
// Errors: ErrFlags, ErrValue (as ParseReceipt, and a group without FlagGroup), ErrExt, ErrExtCritical; dst is then
// returned unchanged.
func AppendReceipt(dst []byte, v *Receipt) ([]byte, error) {
	flags := v.Flags &^ FlagExt
	if flags&^receiptFlags != 0 {
		return dst, ErrFlags
	}
	if err := checkReceipt(v); err != nil {
		return dst, err
	}
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	bodyLen := receiptBytes + extLen
	if flags&FlagGroup != 0 {
		bodyLen += 8
	}
	dst = appendHead(dst, KindReceipt, flags|flag, bodyLen)
	dst = binary.BigEndian.AppendUint64(dst, v.Seq)
	dst = append(dst, byte(v.Kind), v.Code, v.Device, byte(v.Gen>>8), byte(v.Gen))
	dst = binary.BigEndian.AppendUint64(dst, v.Peer)
	dst = binary.BigEndian.AppendUint64(dst, v.First)
	dst = binary.BigEndian.AppendUint64(dst, v.Last)
	dst = binary.BigEndian.AppendUint32(dst, v.TimeSec)
	if flags&FlagGroup != 0 {
		dst = binary.BigEndian.AppendUint64(dst, v.Group)
	}
	return appendExt(dst, v.Ext), nil
}

func checkReceipt(v *Receipt) error {
	if v.Seq == 0 || v.First == 0 || v.First > v.Last {
		return ErrValue
	}
	if v.Flags&FlagGroup == 0 && v.Group != 0 {
		return ErrValue
	}
	switch v.Kind {
	case ReceiptDelivered, ReceiptRead, ReceiptPlayed:
		if v.Code != 0 {
			return ErrValue
		}
	case ReceiptRejected:
		if v.Code == 0 || ErrorCode(v.Code).Closes() {
			return ErrValue
		}
	default:
		return ErrValue
	}
	return nil
}
