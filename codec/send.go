package codec

import "encoding/binary"

// Part is one device's payload in a SEND. Layout: dev u8, kind u8, len u16, blob.
type Part struct {
	Device uint8
	Kind   uint8 // clients' business; bit 0x80: the payload was compressed by the client
	Blob   []byte
}

// Parts is the encoded part list of a SEND: checked by ParseSend, walked with Next.
type Parts []byte

// partHeadBytes are a part's device, kind and length.
const partHeadBytes = 4

// Next walks the parts of a SEND; ok is false at the end. The list was checked by ParseSend; one that no parser has
// checked ends at its first damaged part. Blob aliases the list.
func (p Parts) Next() (part Part, rest Parts, ok bool) {
	if len(p) < partHeadBytes {
		return Part{}, nil, false
	}
	end := partHeadBytes + int(binary.BigEndian.Uint16(p[2:]))
	if len(p) < end {
		return Part{}, nil, false
	}
	return Part{Device: p[0], Kind: p[1], Blob: p[partHeadBytes:end:end]}, p[end:], true
}

// Append adds one part; count it in Send.N. A blob above BlobBytesMax is not added, and AppendSend then refuses the
// list because its count does not match.
func (p Parts) Append(part Part) Parts {
	if len(part.Blob) > BlobBytesMax {
		return p
	}
	p = append(p, part.Device, part.Kind, byte(len(part.Blob)>>8), byte(len(part.Blob)))
	return append(p, part.Blob...)
}

// Send is a message from a client. Layout: cseq u64, to u64, n u8 = 17 bytes, [ext], n x Part.
// With FlagGroup `to` is a group and there is one part for everybody, its device 0.
type Send struct {
	Cseq  uint64 // from 1, contiguous, shared with the client's RECEIPTs
	To    uint64
	Flags Flags // FlagGroup, FlagNoStore, FlagUrgent
	N     uint8 // 1..PartsMax, no device twice
	Ext   Ext
	Parts Parts
}

// The extensions of a SEND. A server that does not know them takes the message all the same.
const (
	// ExtEpoch, u32: with FlagGroup, the epoch of the group that the sender knows. An older one is rejected (CodeEpochStale).
	ExtEpoch = 0x03
	// ExtDevices, u32: the version of the receiver's list of devices that the sender knows. An older one is rejected (CodeDevicesStale).
	ExtDevices = 0x04
)

const (
	sendBytes = 17
	sendFlags = FlagGroup | FlagNoStore | FlagUrgent
)

// ParseSend reads a SEND and checks its part list. Ext and Parts alias the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrValue (cseq 0), ErrExt, ErrExtCritical, ErrParts. With ErrBlobTooLarge
// and ErrExtCritical the stanza is returned whole, so that it can be refused by its cseq. Allocates nothing.
func ParseSend(f Frame) (v Send, err error) {
	if err = f.is(KindSend, sendFlags); err != nil {
		return v, err
	}
	ext, parts, err := splitTail(f.Flags, f.Body, sendBytes)
	if err != nil && err != ErrExtCritical {
		return v, err
	}
	b := f.Body[:sendBytes]
	v.Cseq = binary.BigEndian.Uint64(b)
	v.To = binary.BigEndian.Uint64(b[8:])
	v.N = b[16]
	v.Flags = f.Flags &^ FlagExt
	v.Ext, v.Parts = ext, parts
	if v.Cseq == 0 {
		return Send{}, ErrValue
	}
	switch errParts := checkParts(parts, v.N, v.Flags); errParts {
	case nil:
		return v, err
	case ErrBlobTooLarge:
		if err == nil {
			err = ErrBlobTooLarge
		}
		return v, err
	default:
		return Send{}, errParts
	}
}

// Known is what an extension of a SEND says; ok is false when it is not there. Errors: ErrExt (not four bytes).
func (v *Send) Known(ext uint8) (version uint32, ok bool, err error) {
	b, ok := v.Ext.Find(ext)
	if !ok {
		return 0, false, nil
	}
	if len(b) != 4 {
		return 0, false, ErrExt
	}
	return binary.BigEndian.Uint32(b), true, nil
}

// AppendSend adds a SEND frame to dst: 24 bytes and the blob for one part without extensions.
// Errors: ErrFlags, ErrValue (cseq 0), ErrExt, ErrExtCritical, ErrParts, ErrBlobTooLarge, ErrFrameTooLarge; dst is
// then returned unchanged.
func AppendSend(dst []byte, v *Send) ([]byte, error) {
	flags := v.Flags &^ FlagExt
	if flags&^sendFlags != 0 {
		return dst, ErrFlags
	}
	if v.Cseq == 0 {
		return dst, ErrValue
	}
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	if err := checkParts(v.Parts, v.N, flags); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	bodyLen := sendBytes + extLen + len(v.Parts)
	if bodyLen > bodyBytesMax {
		return dst, ErrFrameTooLarge
	}
	dst = appendHead(dst, KindSend, flags|flag, bodyLen)
	dst = binary.BigEndian.AppendUint64(dst, v.Cseq)
	dst = binary.BigEndian.AppendUint64(dst, v.To)
	dst = append(dst, v.N)
	dst = appendExt(dst, v.Ext)
	return append(dst, v.Parts...), nil
}

// checkParts holds a part list against its count, the limits and the group form. ErrBlobTooLarge comes only for
// a list that is well formed otherwise.
func checkParts(p Parts, n uint8, flags Flags) error {
	if n == 0 || n > PartsMax {
		return ErrParts
	}
	var devices [4]uint64 // one bit for each device seen
	tooLarge := false
	for ; n > 0; n-- {
		if len(p) < partHeadBytes {
			return ErrParts
		}
		device, size := p[0], int(binary.BigEndian.Uint16(p[2:]))
		if len(p) < partHeadBytes+size {
			return ErrParts
		}
		bit := uint64(1) << (device & 63)
		if devices[device>>6]&bit != 0 {
			return ErrParts
		}
		devices[device>>6] |= bit
		tooLarge = tooLarge || size > BlobBytesMax
		p = p[partHeadBytes+size:]
	}
	if len(p) != 0 {
		return ErrParts
	}
	if flags&FlagGroup != 0 && devices != [4]uint64{1} {
		return ErrParts
	}
	if tooLarge {
		return ErrBlobTooLarge
	}
	return nil
}
