package codec

import "encoding/binary"

// Deliver hands a message to a device.
// Layout: seq u64, from u64, dev u8, kind u8, gen u16, id u64, ts u32 = 32 bytes, [group u64, gseq u64], [ext], blob.
type Deliver struct {
	Seq      uint64 // 0 with FlagNoStore and only then: not acknowledged
	From     uint64
	Device   uint8
	Kind     uint8
	Gen      uint16
	ID       uint64 // the sender's cseq
	TimeSec  uint32 // when the server took it, unix seconds
	Flags    Flags  // FlagGroup, FlagNoStore, FlagUrgent
	Group    uint64 // with FlagGroup, else 0
	GroupSeq uint64
	Ext      Ext
	Blob     []byte // 0..BlobBytesMax bytes
}

const (
	deliverBytes = 32
	groupBytes   = 16
	deliverFlags = FlagGroup | FlagNoStore | FlagUrgent
)

// ParseDeliver reads a DELIVER. Ext and Blob alias the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrValue (seq 0 without FlagNoStore, or with it another), ErrExt,
// ErrExtCritical, ErrBlobTooLarge. Allocates nothing.
func ParseDeliver(f Frame) (Deliver, error) {
	if err := f.is(KindDeliver, deliverFlags); err != nil {
		return Deliver{}, err
	}
	fixed := deliverBytes
	if f.Flags&FlagGroup != 0 {
		fixed += groupBytes
	}
	ext, blob, err := splitTail(f.Flags, f.Body, fixed)
	if err != nil {
		return Deliver{}, err
	}
	if len(blob) > BlobBytesMax {
		return Deliver{}, ErrBlobTooLarge
	}
	b := f.Body[:deliverBytes]
	seq := binary.BigEndian.Uint64(b)
	if (seq == 0) != (f.Flags&FlagNoStore != 0) {
		return Deliver{}, ErrValue
	}
	var group, groupSeq uint64
	if f.Flags&FlagGroup != 0 {
		group = binary.BigEndian.Uint64(f.Body[deliverBytes:])
		groupSeq = binary.BigEndian.Uint64(f.Body[deliverBytes+8:])
	}
	return Deliver{
		Seq:      seq,
		From:     binary.BigEndian.Uint64(b[8:]),
		Device:   b[16],
		Kind:     b[17],
		Gen:      binary.BigEndian.Uint16(b[18:]),
		ID:       binary.BigEndian.Uint64(b[20:]),
		TimeSec:  binary.BigEndian.Uint32(b[28:]),
		Flags:    f.Flags &^ FlagExt,
		Group:    group,
		GroupSeq: groupSeq,
		Ext:      ext,
		Blob:     blob,
	}, nil
}

// AppendDeliver adds a DELIVER frame to dst: 35 bytes and the blob without group fields and extensions.
// Errors: ErrFlags, ErrValue (as ParseDeliver, and group fields without FlagGroup), ErrExt, ErrExtCritical,
// ErrBlobTooLarge; dst is then returned unchanged.
func AppendDeliver(dst []byte, v *Deliver) ([]byte, error) {
	flags := v.Flags &^ FlagExt
	if err := checkDeliver(v, flags); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	bodyLen := deliverBytes + extLen + len(v.Blob)
	if flags&FlagGroup != 0 {
		bodyLen += groupBytes
	}
	dst = appendHead(dst, KindDeliver, flags|flag, bodyLen)
	dst = binary.BigEndian.AppendUint64(dst, v.Seq)
	dst = binary.BigEndian.AppendUint64(dst, v.From)
	dst = append(dst, v.Device, v.Kind, byte(v.Gen>>8), byte(v.Gen))
	dst = binary.BigEndian.AppendUint64(dst, v.ID)
	dst = binary.BigEndian.AppendUint32(dst, v.TimeSec)
	if flags&FlagGroup != 0 {
		dst = binary.BigEndian.AppendUint64(dst, v.Group)
		dst = binary.BigEndian.AppendUint64(dst, v.GroupSeq)
	}
	dst = appendExt(dst, v.Ext)
	return append(dst, v.Blob...), nil
}

func checkDeliver(v *Deliver, flags Flags) error {
	if flags&^deliverFlags != 0 {
		return ErrFlags
	}
	if (v.Seq == 0) != (flags&FlagNoStore != 0) {
		return ErrValue
	}
	if flags&FlagGroup == 0 && v.Group|v.GroupSeq != 0 {
		return ErrValue
	}
	if len(v.Blob) > BlobBytesMax {
		return ErrBlobTooLarge
	}
	return checkExt(v.Ext)
}
