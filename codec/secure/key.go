package secure

import (
	"crypto/ecdh"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// PrivateKey and PublicKey are X25519 keys: the server's and a device's static key.
type (
	PrivateKey [32]byte
	PublicKey  [32]byte
)

// GenerateKey draws a key. random nil is the system's.
func GenerateKey(random io.Reader) (PrivateKey, error) {
	var k PrivateKey
	if err := draw(random, k[:]); err != nil {
		return PrivateKey{}, err
	}
	return k, nil
}

// Public is the key's other half. It costs a multiplication on the curve: about 70 us.
func (k *PrivateKey) Public() PublicKey {
	scalar, err := ecdh.X25519().NewPrivateKey(k[:])
	if err != nil {
		panic(err) // 32 bytes always make a key
	}
	return PublicKey(scalar.PublicKey().Bytes())
}

// KeyName is the first 8 bytes of SHA-256 of a static key, as in Ticket.Key.
func KeyName(static *PublicKey) [8]byte {
	sum := sha256.Sum256(static[:])
	return [8]byte(sum[:8])
}

// isZero says whether a secret was never set. It takes as long for any other.
func isZero(secret *[32]byte) bool {
	var bits uint64
	for i := 0; i < len(secret); i += 8 {
		bits |= binary.NativeEndian.Uint64(secret[i:])
	}
	return bits == 0
}

func source(random io.Reader) io.Reader {
	if random == nil {
		return rand.Reader
	}
	return random
}

// draw fills b with randomness.
func draw(random io.Reader, b []byte) error {
	_, err := io.ReadFull(source(random), b)
	return err
}
