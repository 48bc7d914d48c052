package secure

import (
	"bytes"
	"crypto/ed25519"
	"testing"
)

// signer is an Ed25519 key made of one byte.
func signer(b byte) (ed25519.PrivateKey, ed25519.PublicKey) {
	return signerOf([32]byte(bytes.Repeat([]byte{b}, ed25519.SeedSize)))
}

func signerOf(seed [32]byte) (ed25519.PrivateKey, ed25519.PublicKey) {
	k := ed25519.NewKeyFromSeed(seed[:])
	return k, k.Public().(ed25519.PublicKey)
}

func TestACertificateIsGoodInItsTime(t *testing.T) {
	operator, public := signer(1)
	_, other := signer(2)
	static := PublicKey{5}
	c := SignCertificate(operator, &static, 1_000, 2_000)
	for _, c2 := range []struct {
		name string
		key  ed25519.PublicKey
		now  uint64
		want error
	}{
		{"its first second", public, 1_000, nil},
		{"its last second", public, 2_000, nil},
		{"a second too early", public, 999, ErrCertificateTime},
		{"a second too late", public, 2_001, ErrCertificateTime},
		{"a clock that was never set", public, 0, ErrCertificateTime},
		{"another operator", other, 1_500, ErrCertificate},
		{"no operator", nil, 1_500, ErrCertificate},
		{"an operator key of zeros, which is how none is kept", make([]byte, 32), 1_500, ErrCertificate},
		{"a short operator key", public[:31], 1_500, ErrCertificate},
	} {
		wantErr(t, c2.name, c.Verify(c2.key, c2.now), c2.want)
	}
}

func TestAForgedCertificateIsRefused(t *testing.T) {
	operator, public := signer(1)
	static := PublicKey{5}
	c := SignCertificate(operator, &static, 1_000, 2_000)
	b := c.Append(nil)
	if back, err := ParseCertificate(b); err != nil || back != c || len(b) != CertificateBytes {
		t.Fatalf("%+v, %v", back, err)
	}
	for bit := range 8 * len(b) {
		changed, err := ParseCertificate(flip(b, bit))
		if err == nil {
			err = changed.Verify(public, 1_500)
		}
		if err != ErrCertificate {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	for _, n := range []int{0, 1, 112, 114} {
		_, err := ParseCertificate(append(bytes.Clone(b), 0)[:n])
		wantErr(t, "another length", err, ErrCertificate)
	}
}

// Zeros are a point of order four: without a secret, a signature of nothing is good for every fourth message or so.
func TestTheKeyThatStandsForNoneSignsNothing(t *testing.T) {
	none := make(ed25519.PublicKey, ed25519.PublicKeySize)
	signature := make([]byte, ed25519.SignatureSize)
	signature[0] = 1 // R is the neutral element, S is 0
	forged := 0
	for i := range byte(64) {
		message := []byte{i}
		if ed25519.Verify(none, message, signature) {
			forged++
		}
		if verify(none, message, signature) {
			t.Errorf("message %d is signed by nobody", i)
		}
	}
	if forged == 0 {
		t.Error("the library has become stricter: verify need not look for zeros any more")
	}
}
