package codec

import "encoding/binary"

// Success answers Hello.
// Layout: incarnation u64, gen u16, upHigh u64, keepaliveSec u16, windowEntries u16, windowBytes u32, timeMs u64, features u32 = 38 bytes, [ext].
type Success struct {
	Incarnation   uint64
	Gen           uint16
	UpHigh        uint64 // resend what lies above
	KeepaliveSec  uint16 // send something at least this often
	WindowEntries uint16 // most SENDs without a first tick
	WindowBytes   uint32
	TimeMs        uint64 // server's unix time
	Features      uint32
	Ext           Ext
}

const successBytes = 38

// ParseSuccess reads a SUCCESS. Ext aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrExt, ErrExtCritical. Allocates nothing.
func ParseSuccess(f Frame) (v Success, err error) {
	if err = f.is(KindSuccess, 0); err != nil {
		return v, err
	}
	if v.Ext, err = splitExact(f.Flags, f.Body, successBytes); err != nil {
		return Success{}, err
	}
	b := f.Body[:successBytes]
	v.Incarnation = binary.BigEndian.Uint64(b)
	v.Gen = binary.BigEndian.Uint16(b[8:])
	v.UpHigh = binary.BigEndian.Uint64(b[10:])
	v.KeepaliveSec = binary.BigEndian.Uint16(b[18:])
	v.WindowEntries = binary.BigEndian.Uint16(b[20:])
	v.WindowBytes = binary.BigEndian.Uint32(b[22:])
	v.TimeMs = binary.BigEndian.Uint64(b[26:])
	v.Features = binary.BigEndian.Uint32(b[34:])
	return v, nil
}

// AppendSuccess adds a SUCCESS frame to dst: 41 bytes without extensions.
// Errors: ErrExt, ErrExtCritical; dst is then returned unchanged.
func AppendSuccess(dst []byte, v *Success) ([]byte, error) {
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindSuccess, flag, successBytes+extLen)
	dst = binary.BigEndian.AppendUint64(dst, v.Incarnation)
	dst = binary.BigEndian.AppendUint16(dst, v.Gen)
	dst = binary.BigEndian.AppendUint64(dst, v.UpHigh)
	dst = binary.BigEndian.AppendUint16(dst, v.KeepaliveSec)
	dst = binary.BigEndian.AppendUint16(dst, v.WindowEntries)
	dst = binary.BigEndian.AppendUint32(dst, v.WindowBytes)
	dst = binary.BigEndian.AppendUint64(dst, v.TimeMs)
	dst = binary.BigEndian.AppendUint32(dst, v.Features)
	return appendExt(dst, v.Ext), nil
}
