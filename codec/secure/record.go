package secure

import (
	"encoding/binary"

	"golang.org/x/crypto/chacha20poly1305"
)

// sealRecord appends the ciphertext and tag of a Noise transport message: the nonce is four zero bytes and the counter,
// little-endian. plain may lie exactly at dst's end.
func sealRecord(key *[32]byte, counter uint64, dst, plain []byte) []byte {
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic(err)
	}
	var nonce [chacha20poly1305.NonceSize]byte
	binary.LittleEndian.PutUint64(nonce[4:], counter)
	return aead.Seal(dst, nonce[:], plain, nil)
}

// openRecord decrypts in place.
func openRecord(key *[32]byte, counter uint64, sealed []byte) ([]byte, error) {
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic(err)
	}
	var nonce [chacha20poly1305.NonceSize]byte
	binary.LittleEndian.PutUint64(nonce[4:], counter)
	return aead.Open(sealed[:0], nonce[:], sealed, nil)
}
