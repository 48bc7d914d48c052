package codec

import "encoding/binary"

// State says whether a person is looking. Layout: active u8 (0 or 1), [ext].
type State struct {
	Active uint8
	Ext    Ext
}

// Typing says that somebody writes. Layout: peer u64, dev u8, state u8 (0 paused, 1 composing, 2 recording) = 10 bytes, [ext].
type Typing struct {
	Peer   uint64 // to the server: whom to tell; to a client: who writes
	Device uint8  // to the server: 0; to a client: the device that writes
	State  uint8
	Ext    Ext
}

// Presence reports a subscribed user. Layout: peer u64, state u8 (0 unavailable, 1 available), lastSeen u32 (unix seconds,
// 0 unknown) = 13 bytes, [ext].
type Presence struct {
	Peer        uint64
	State       uint8
	LastSeenSec uint32
	Ext         Ext
}

// Subscribe asks for presence of some users or stops it. Layout: op u8 (1 add, 0 remove), n u8, [ext], n x peer u64.
type Subscribe struct {
	Op    uint8
	N     uint8 // 1..SubscribePeersMax
	Ext   Ext
	Peers Peers
}

// Peers is the encoded list of a SUBSCRIBE: 8 bytes each.
type Peers []byte

const (
	stateBytes     = 1
	typingBytes    = 10
	presenceBytes  = 13
	subscribeBytes = 2

	stateActiveMax   = 1
	typingStateMax   = 2
	presenceStateMax = 1
	subscribeOpMax   = 1
)

// At returns the i-th peer, 0 <= i < Len().
func (p Peers) At(i int) uint64 { return binary.BigEndian.Uint64(p[8*i:]) }

// Len is how many peers the list holds.
func (p Peers) Len() int { return len(p) / 8 }

// Append adds one peer; count it in Subscribe.N.
func (p Peers) Append(peer uint64) Peers { return binary.BigEndian.AppendUint64(p, peer) }

// ParseState reads a STATE. Ext aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrValue, ErrExt, ErrExtCritical. Allocates nothing.
func ParseState(f Frame) (v State, err error) {
	if err = f.is(KindState, 0); err != nil {
		return v, err
	}
	if v.Ext, err = splitExact(f.Flags, f.Body, stateBytes); err != nil {
		return State{}, err
	}
	if v.Active = f.Body[0]; v.Active > stateActiveMax {
		return State{}, ErrValue
	}
	return v, nil
}

// AppendState adds a STATE frame to dst: 4 bytes without extensions.
// Errors: ErrValue, ErrExt, ErrExtCritical; dst is then returned unchanged.
func AppendState(dst []byte, v *State) ([]byte, error) {
	if v.Active > stateActiveMax {
		return dst, ErrValue
	}
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindState, flag, stateBytes+extLen)
	dst = append(dst, v.Active)
	return appendExt(dst, v.Ext), nil
}

// ParseTyping reads a TYPING. Ext aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrValue, ErrExt, ErrExtCritical. Allocates nothing.
func ParseTyping(f Frame) (v Typing, err error) {
	if err = f.is(KindTyping, 0); err != nil {
		return v, err
	}
	if v.Ext, err = splitExact(f.Flags, f.Body, typingBytes); err != nil {
		return Typing{}, err
	}
	v.Peer = binary.BigEndian.Uint64(f.Body)
	v.Device = f.Body[8]
	if v.State = f.Body[9]; v.State > typingStateMax {
		return Typing{}, ErrValue
	}
	return v, nil
}

// AppendTyping adds a TYPING frame to dst: 13 bytes without extensions.
// Errors: ErrValue, ErrExt, ErrExtCritical; dst is then returned unchanged.
func AppendTyping(dst []byte, v *Typing) ([]byte, error) {
	if v.State > typingStateMax {
		return dst, ErrValue
	}
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindTyping, flag, typingBytes+extLen)
	dst = binary.BigEndian.AppendUint64(dst, v.Peer)
	dst = append(dst, v.Device, v.State)
	return appendExt(dst, v.Ext), nil
}

// ParsePresence reads a PRESENCE. Ext aliases the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrValue, ErrExt, ErrExtCritical. Allocates nothing.
func ParsePresence(f Frame) (v Presence, err error) {
	if err = f.is(KindPresence, 0); err != nil {
		return v, err
	}
	if v.Ext, err = splitExact(f.Flags, f.Body, presenceBytes); err != nil {
		return Presence{}, err
	}
	v.Peer = binary.BigEndian.Uint64(f.Body)
	v.LastSeenSec = binary.BigEndian.Uint32(f.Body[9:])
	if v.State = f.Body[8]; v.State > presenceStateMax {
		return Presence{}, ErrValue
	}
	return v, nil
}

// AppendPresence adds a PRESENCE frame to dst: 16 bytes without extensions.
// Errors: ErrValue, ErrExt, ErrExtCritical; dst is then returned unchanged.
func AppendPresence(dst []byte, v *Presence) ([]byte, error) {
	if v.State > presenceStateMax {
		return dst, ErrValue
	}
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindPresence, flag, presenceBytes+extLen)
	dst = binary.BigEndian.AppendUint64(dst, v.Peer)
	dst = append(dst, v.State)
	dst = binary.BigEndian.AppendUint32(dst, v.LastSeenSec)
	return appendExt(dst, v.Ext), nil
}

// ParseSubscribe reads a SUBSCRIBE and checks its list. Ext and Peers alias the frame.
// Errors: ErrKind, ErrFlags, ErrBodyLength, ErrValue, ErrExt, ErrExtCritical, ErrPeers. Allocates nothing.
func ParseSubscribe(f Frame) (v Subscribe, err error) {
	if err = f.is(KindSubscribe, 0); err != nil {
		return v, err
	}
	ext, peers, err := splitTail(f.Flags, f.Body, subscribeBytes)
	if err != nil {
		return v, err
	}
	v = Subscribe{Op: f.Body[0], N: f.Body[1], Ext: ext, Peers: peers}
	if err = checkSubscribe(&v); err != nil {
		return Subscribe{}, err
	}
	return v, nil
}

// AppendSubscribe adds a SUBSCRIBE frame to dst: 5 bytes and 8 for each peer without extensions.
// Errors: ErrValue, ErrExt, ErrExtCritical, ErrPeers; dst is then returned unchanged.
func AppendSubscribe(dst []byte, v *Subscribe) ([]byte, error) {
	if err := checkSubscribe(v); err != nil {
		return dst, err
	}
	if err := checkExt(v.Ext); err != nil {
		return dst, err
	}
	extLen, flag := extSize(v.Ext)
	dst = appendHead(dst, KindSubscribe, flag, subscribeBytes+extLen+len(v.Peers))
	dst = append(dst, v.Op, v.N)
	dst = appendExt(dst, v.Ext)
	return append(dst, v.Peers...), nil
}

func checkSubscribe(v *Subscribe) error {
	if v.Op > subscribeOpMax {
		return ErrValue
	}
	if v.N == 0 || v.N > SubscribePeersMax || len(v.Peers) != 8*int(v.N) {
		return ErrPeers
	}
	return nil
}
