package secure

import (
	"bytes"
	"crypto/cipher"
	"encoding/binary"
	"testing"

	"golang.org/x/crypto/chacha20poly1305"
)

// An engine that takes another key must seal as an AEAD that was made for that key.
func TestAnEngineSealsAsAFreshAEADDoes(t *testing.T) {
	reused, remade := newEngine(), newEngine()
	remade.key = nil // as if the library kept its key in another form
	for n := range uint64(5) {
		key := [32]byte{byte(n + 1), 31: 0xFF}
		aead, err := chacha20poly1305.New(key[:])
		if err != nil {
			t.Fatal(err)
		}
		counter := n<<40 | n
		nonce := binary.LittleEndian.AppendUint64(make([]byte, 4), counter)
		want := aead.Seal(nil, nonce, []byte("plaintext"), nil)
		for name, e := range map[string]*engine{"reused": reused, "remade": remade} {
			e.prepare(&key, counter)
			if got := e.aead.Seal(nil, e.nonce[:], []byte("plaintext"), nil); !bytes.Equal(got, want) {
				t.Errorf("%s, key %d: %x, want %x", name, n, got, want)
			}
		}
	}
	reused.forget()
	if *reused.key != [32]byte{} {
		t.Error("a key stays in the pool")
	}
	remade.forget()
	if remade.aead != nil {
		t.Error("an aead with its key stays in the pool")
	}
}

func TestTheLibraryKeepsItsKeyWhereItIsLookedFor(t *testing.T) {
	key := [32]byte{1, 2, 3, 31: 4}
	inside := keyInside(newAEAD(&key))
	if inside == nil || *inside != key {
		t.Fatal("records allocate: chacha20poly1305 keeps its key in another form now")
	}
	if keyInside(named{}) != nil || keyInside(new(named)) != nil || keyInside(new(twoKeys)) != nil {
		t.Error("a key was found in what is no key")
	}
}

// named has one field that is no key, twoKeys has two.
type (
	named   struct{ cipher.AEAD }
	twoKeys struct {
		cipher.AEAD
		_ [32]byte
	}
)
