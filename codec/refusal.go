package codec

import "encoding/binary"

// Error reports a refusal (soft) or why the connection closes. Layout: code u16, ref u64, retryAfterMs u32 = 14 bytes, [ext], text.
type Error struct {
	Code         ErrorCode
	Ref          uint64 // a cseq, a stream offset or a NODE ref, as the code says
	RetryAfterMs uint32
	Ext          Ext
	Text         []byte // for people, UTF-8, at most TextBytesMax bytes
}

// GoAway asks the client to leave. Layout: code u16, retryAfterMs u32 = 6 bytes, [ext], host.
type GoAway struct {
	Code         ErrorCode
	RetryAfterMs uint32
	Ext          Ext
	Host         []byte // "host:port" to go to, or empty
}

const (
	errorBytes  = 14
	goAwayBytes = 6
)

// ParseError reads an ERROR. Any code is taken, also those this version has no name for: below 64 the connection
// stays. Ext and Text alias the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrExt, ErrExtCritical, ErrText. Allocates nothing.
func ParseError(f Frame) (v Error, err error) {
	if err = f.is(KindError, 0); err != nil {
		return v, err
	}
	ext, text, err := splitTail(f.Flags, f.Body, errorBytes)
	if err != nil {
		return v, err
	}
	if err = checkText(text); err != nil {
		return v, err
	}
	b := f.Body[:errorBytes]
	v.Code = ErrorCode(binary.BigEndian.Uint16(b))
	v.Ref = binary.BigEndian.Uint64(b[2:])
	v.RetryAfterMs = binary.BigEndian.Uint32(b[10:])
	v.Ext, v.Text = ext, text
	return v, nil
}

// AppendError adds an ERROR frame to dst: 17 bytes without text and extensions.
// Errors: ErrExt, ErrExtCritical, ErrText; dst is then returned unchanged.
func AppendError(dst []byte, v *Error) ([]byte, error) {
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	if err := checkText(v.Text); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindError, flag, errorBytes+extLen+len(v.Text))
	dst = binary.BigEndian.AppendUint16(dst, uint16(v.Code))
	dst = binary.BigEndian.AppendUint64(dst, v.Ref)
	dst = binary.BigEndian.AppendUint32(dst, v.RetryAfterMs)
	dst = appendExt(dst, v.Ext)
	return append(dst, v.Text...), nil
}

// ParseGoAway reads a GOAWAY. Ext and Host alias the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrExt, ErrExtCritical, ErrText. Allocates nothing.
func ParseGoAway(f Frame) (v GoAway, err error) {
	if err = f.is(KindGoAway, 0); err != nil {
		return v, err
	}
	ext, host, err := splitTail(f.Flags, f.Body, goAwayBytes)
	if err != nil {
		return v, err
	}
	if err = checkText(host); err != nil {
		return v, err
	}
	v.Code = ErrorCode(binary.BigEndian.Uint16(f.Body))
	v.RetryAfterMs = binary.BigEndian.Uint32(f.Body[2:])
	v.Ext, v.Host = ext, host
	return v, nil
}

// AppendGoAway adds a GOAWAY frame to dst: 9 bytes without host and extensions.
// Errors: ErrExt, ErrExtCritical, ErrText; dst is then returned unchanged.
func AppendGoAway(dst []byte, v *GoAway) ([]byte, error) {
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	if err := checkText(v.Host); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindGoAway, flag, goAwayBytes+extLen+len(v.Host))
	dst = binary.BigEndian.AppendUint16(dst, uint16(v.Code))
	dst = binary.BigEndian.AppendUint32(dst, v.RetryAfterMs)
	dst = appendExt(dst, v.Ext)
	return append(dst, v.Host...), nil
}
