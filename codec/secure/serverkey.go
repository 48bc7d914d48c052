package secure

import "fmt"

// ServerKey is what a client pins: the server's static key and the operator's key, which may name another static key later.
// Text: "tlk1" and the base64url (no padding) of version u8 = 1, static 32, operator 32, the first 4 bytes of SHA-256 over those 65.
type ServerKey struct {
	Static   PublicKey
	Operator [32]byte // Ed25519; zero: none, the key can't be rotated
}

const (
	serverKeyVersion = 1
	serverKeyBytes   = 1 + keyBytes + keyBytes
)

// ParseServerKey reads the text. Errors: ErrServerKey, with what is wrong (typing error: the checksum).
func ParseServerKey(s string) (ServerKey, error) {
	b, err := checkedBytesOf(serverKeyPrefix, s, serverKeyBytes, ErrServerKey)
	if err != nil {
		return ServerKey{}, err
	}
	if b[0] != serverKeyVersion {
		return ServerKey{}, fmt.Errorf("%w: version %d is not known here", ErrServerKey, b[0])
	}
	k := ServerKey{Static: PublicKey(b[1:33]), Operator: [32]byte(b[33:65])}
	if k.Static == (PublicKey{}) {
		return ServerKey{}, fmt.Errorf("%w: it names no key", ErrServerKey)
	}
	return k, nil
}

// String is the text, 96 letters.
func (k ServerKey) String() string {
	b := make([]byte, 0, serverKeyBytes+checksumBytes)
	b = append(b, serverKeyVersion)
	b = append(b, k.Static[:]...)
	b = append(b, k.Operator[:]...)
	return textOf(serverKeyPrefix, appendChecksum(b))
}
