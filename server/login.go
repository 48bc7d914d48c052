package server

import (
	"encoding/binary"

	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/netpoll"
)

// loginAsk is what a loop asks the registrar before a device that has proved a static key may log in.
type loginAsk struct {
	loop   int
	conn   netpoll.ConnID
	user   uint64
	device uint8
	gen    uint16           // of the HELLO; 0: the client has no state and begins a generation
	token  uint64           // of a HELLO with gen 0: the same token gets the same generation again
	static secure.PublicKey // proved by the handshake
	sign   [32]byte         // the device's Ed25519 key; zero: it named none
	proof  []byte           // the registration token; empty: none. It belongs to the registrar from now on
}

// loginAnswer is what the registrar posts back to the loop. Code 0: the device may log in with that generation.
// Layout, big-endian: askLogin u8, conn u64, code u16, gen u16, retryAfterMs u32 = 17 bytes.
type loginAnswer struct {
	conn         netpoll.ConnID
	code         codec.ErrorCode // CodeNone, CodeNotRegistered, CodeTokenRefused, CodeGenerationStale, CodeBusy, CodeInternal
	gen          uint16
	retryAfterMs uint32
}

const loginAnswerBytes = 17

func appendLoginAnswer(dst []byte, a *loginAnswer) []byte {
	dst = append(dst, askLogin)
	dst = binary.BigEndian.AppendUint64(dst, uint64(a.conn))
	dst = binary.BigEndian.AppendUint16(dst, uint16(a.code))
	dst = binary.BigEndian.AppendUint16(dst, a.gen)
	return binary.BigEndian.AppendUint32(dst, a.retryAfterMs)
}

func parseLoginAnswer(b []byte) loginAnswer {
	return loginAnswer{
		conn:         netpoll.ConnID(binary.BigEndian.Uint64(b[1:])),
		code:         codec.ErrorCode(binary.BigEndian.Uint16(b[9:])),
		gen:          binary.BigEndian.Uint16(b[11:]),
		retryAfterMs: binary.BigEndian.Uint32(b[13:]),
	}
}
