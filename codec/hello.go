package codec

import "encoding/binary"

// Version is the only version of the protocol so far: the first byte of a HELLO.
const Version = 1

// Hello opens a session.
// Layout: version u8, device u8, user u64, gen u16, incarnation u64, downSeq u64, ticked u64, features u32, epoch u32 = 44 bytes, [ext].
type Hello struct {
	Version     uint8
	Device      uint8
	User        uint64
	Gen         uint16 // 0: no state, register a new generation
	Incarnation uint64 // of the data this client last saw; 0 with Gen 0
	DownSeq     uint64 // last seq kept by the client; with Gen 0 its generation token, 0 for none
	Ticked      uint64 // highest cseq with a first tick
	Features    uint32 // none defined: 0
	Epoch       uint32 // connection epoch: higher with each attempt of a generation, so that a late one is known as such
	Ext         Ext
}

const helloBytes = 44

// Types of extension in a HELLO, each at most once. Both are critical: who does not know them must not log the device in.
const (
	ExtToken   = 0x81 // a registration token: secure.Token's bytes, 1 to 255
	ExtSignKey = 0x82 // the device's Ed25519 key, 32 bytes: kept at registration, it signs links of companions
)

const signKeyBytes = 32

// checkHelloExt is checkExt for a HELLO, which may have the two critical items.
func checkHelloExt(e Ext) error {
	err := checkExt(e)
	if err != ErrExtCritical {
		return err
	}
	var token, signKey int
	err = nil
	for item, rest, ok := e.Next(); ok; item, rest, ok = rest.Next() {
		switch {
		case item.Type == ExtToken && len(item.Value) != 0:
			token++
		case item.Type == ExtSignKey && len(item.Value) == signKeyBytes:
			signKey++
		case item.Type == ExtToken || item.Type == ExtSignKey:
			return ErrExt
		case item.Type >= extCritical:
			err = ErrExtCritical
		}
	}
	if token > 1 || signKey > 1 {
		return ErrExt
	}
	return err
}

// Extension is the value of the HELLO's item of a type: ExtToken or ExtSignKey. It aliases the frame. ok is false when there is none.
func (v *Hello) Extension(t uint8) (value []byte, ok bool) { return v.Ext.Find(t) }

// ParseHello reads a HELLO. The version is not judged: later versions keep this layout, and a server that does not
// speak one answers CodeVersion. Ext aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrExt, ErrExtCritical. Allocates nothing.
func ParseHello(f Frame) (v Hello, err error) {
	if err = f.is(KindHello, 0); err != nil {
		return v, err
	}
	v.Ext, err = splitExact(f.Flags, f.Body, helloBytes)
	if err == ErrExtCritical {
		err = checkHelloExt(v.Ext)
	}
	if err != nil {
		return Hello{}, err
	}
	b := f.Body[:helloBytes]
	v.Version = b[0]
	v.Device = b[1]
	v.User = binary.BigEndian.Uint64(b[2:])
	v.Gen = binary.BigEndian.Uint16(b[10:])
	v.Incarnation = binary.BigEndian.Uint64(b[12:])
	v.DownSeq = binary.BigEndian.Uint64(b[20:])
	v.Ticked = binary.BigEndian.Uint64(b[28:])
	v.Features = binary.BigEndian.Uint32(b[36:])
	v.Epoch = binary.BigEndian.Uint32(b[40:])
	return v, nil
}

// AppendHello adds a HELLO frame to dst: 47 bytes without extensions.
// Errors: ErrExt, ErrExtCritical; dst is then returned unchanged.
func AppendHello(dst []byte, v *Hello) ([]byte, error) {
	if err := checkHelloExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindHello, flag, helloBytes+extLen)
	dst = append(dst, v.Version, v.Device)
	dst = binary.BigEndian.AppendUint64(dst, v.User)
	dst = binary.BigEndian.AppendUint16(dst, v.Gen)
	dst = binary.BigEndian.AppendUint64(dst, v.Incarnation)
	dst = binary.BigEndian.AppendUint64(dst, v.DownSeq)
	dst = binary.BigEndian.AppendUint64(dst, v.Ticked)
	dst = binary.BigEndian.AppendUint32(dst, v.Features)
	dst = binary.BigEndian.AppendUint32(dst, v.Epoch)
	return appendExt(dst, v.Ext), nil
}
