package codec

import "encoding/binary"

// Tick is the server's ACK: every cseq up to UpHigh is taken (first tick). Layout: upHigh u64, ts u32 = 12 bytes, [ext].
type Tick struct {
	UpHigh  uint64
	TimeSec uint32 // when the server wrote it, unix seconds
	Ext     Ext
}

// Ack is the client's ACK: every seq up to Seq is kept. Layout: seq u64 = 8 bytes, [ext].
type Ack struct {
	Seq uint64
	Ext Ext
}

const (
	tickBytes = 12
	ackBytes  = 8
)

// ParseTick reads an ACK that came from a server. Ext aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrExt, ErrExtCritical. Allocates nothing.
func ParseTick(f Frame) (v Tick, err error) {
	if err = f.is(KindAck, 0); err != nil {
		return v, err
	}
	if v.Ext, err = splitExact(f.Flags, f.Body, tickBytes); err != nil {
		return Tick{}, err
	}
	v.UpHigh = binary.BigEndian.Uint64(f.Body)
	v.TimeSec = binary.BigEndian.Uint32(f.Body[8:])
	return v, nil
}

// AppendTick adds a server's ACK frame to dst: 15 bytes without extensions.
// Errors: ErrExt, ErrExtCritical; dst is then returned unchanged.
func AppendTick(dst []byte, v *Tick) ([]byte, error) {
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindAck, flag, tickBytes+extLen)
	dst = binary.BigEndian.AppendUint64(dst, v.UpHigh)
	dst = binary.BigEndian.AppendUint32(dst, v.TimeSec)
	return appendExt(dst, v.Ext), nil
}

// ParseAck reads an ACK that came from a client. Ext aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrExt, ErrExtCritical. Allocates nothing.
func ParseAck(f Frame) (v Ack, err error) {
	if err = f.is(KindAck, 0); err != nil {
		return v, err
	}
	if v.Ext, err = splitExact(f.Flags, f.Body, ackBytes); err != nil {
		return Ack{}, err
	}
	v.Seq = binary.BigEndian.Uint64(f.Body)
	return v, nil
}

// AppendAck adds a client's ACK frame to dst: 11 bytes without extensions.
// Errors: ErrExt, ErrExtCritical; dst is then returned unchanged.
func AppendAck(dst []byte, v *Ack) ([]byte, error) {
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindAck, flag, ackBytes+extLen)
	dst = binary.BigEndian.AppendUint64(dst, v.Seq)
	return appendExt(dst, v.Ext), nil
}
