package secure

import (
	"crypto/cipher"
	"encoding/binary"
	"reflect"
	"sync"

	"golang.org/x/crypto/chacha20poly1305"
)

// engine is ChaCha20-Poly1305 that takes another key for each record, so that a connection keeps its two keys and nothing else.
// chacha20poly1305.New puts a copy of the key on the heap, and so does a nonce that is handed to an interface: 48 bytes for each
// record. An engine is made once and lent by a pool instead.
type engine struct {
	aead  cipher.AEAD
	key   *[32]byte // the copy of the key inside aead; nil: the library keeps it in another form, and aead is made anew each time
	nonce [chacha20poly1305.NonceSize]byte
}

var engines = sync.Pool{New: func() any { return newEngine() }}

func newEngine() *engine {
	e := &engine{aead: newAEAD(&[32]byte{})}
	e.key = keyInside(e.aead)
	return e
}

func newAEAD(key *[32]byte) cipher.AEAD {
	aead, err := chacha20poly1305.New(key[:])
	if err != nil {
		panic(err) // 32 bytes always make a key, but for a process that is held to FIPS 140, which can't speak this suite
	}
	return aead
}

// keyInside finds the key that New has copied: the only field of what it returns. Any other form is left alone.
func keyInside(aead cipher.AEAD) *[32]byte {
	v := reflect.ValueOf(aead)
	if v.Kind() != reflect.Pointer || v.Type().Elem().Kind() != reflect.Struct {
		return nil
	}
	t := v.Type().Elem()
	if t.NumField() != 1 || t.Field(0).Type != reflect.TypeFor[[32]byte]() {
		return nil
	}
	return (*[32]byte)(v.UnsafePointer())
}

// prepare sets key and nonce of a Noise transport message: four zero bytes and the counter, little-endian.
func (e *engine) prepare(key *[32]byte, counter uint64) {
	if e.key != nil {
		*e.key = *key
	} else {
		e.aead = newAEAD(key)
	}
	binary.LittleEndian.PutUint64(e.nonce[4:], counter)
}

// release gives the engine back without the key.
func (e *engine) release() {
	e.forget()
	engines.Put(e)
}

func (e *engine) forget() {
	if e.key != nil {
		*e.key = [32]byte{}
	} else {
		e.aead = nil
	}
}

// sealRecord appends ciphertext and tag to dst. plain may lie exactly at dst's end.
func sealRecord(key *[32]byte, counter uint64, dst, plain []byte) []byte {
	e := engines.Get().(*engine)
	e.prepare(key, counter)
	dst = e.aead.Seal(dst, e.nonce[:], plain, nil)
	e.release()
	return dst
}

// openRecord decrypts in place.
func openRecord(key *[32]byte, counter uint64, sealed []byte) ([]byte, error) {
	e := engines.Get().(*engine)
	e.prepare(key, counter)
	plain, err := e.aead.Open(sealed[:0], e.nonce[:], sealed, nil)
	e.release()
	return plain, err
}
