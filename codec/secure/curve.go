package secure

import (
	"crypto/ecdh"
	"io"

	"github.com/flynn/noise"
)

// curve is X25519 for one handshake after the other. Package noise hands private keys around as bytes; making a key of them costs a
// multiplication each time, so curve keeps the keys that it made: the static one for good, the ephemeral one until the next is drawn.
type curve struct {
	static    cachedKey
	ephemeral cachedKey
}

// cachedKey is known by where its bytes lie: no secret is compared.
type cachedKey struct {
	bytes *byte
	key   *ecdh.PrivateKey
}

func (c *cachedKey) is(private []byte) bool { return c.bytes != nil && c.bytes == &private[0] }

// setStatic makes a key pair for package noise and remembers it.
func (c *curve) setStatic(private *PrivateKey) (noise.DHKey, error) {
	pair, cached, err := newPair(append([]byte(nil), private[:]...))
	c.static = cached
	return pair, err
}

func newPair(private []byte) (noise.DHKey, cachedKey, error) {
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return noise.DHKey{}, cachedKey{}, err
	}
	return noise.DHKey{Private: private, Public: key.PublicKey().Bytes()}, cachedKey{bytes: &private[0], key: key}, nil
}

// GenerateKeypair draws an ephemeral key.
func (c *curve) GenerateKeypair(random io.Reader) (noise.DHKey, error) {
	private := make([]byte, keyBytes)
	if _, err := io.ReadFull(random, private); err != nil {
		return noise.DHKey{}, err
	}
	pair, cached, err := newPair(private)
	c.ephemeral = cached
	return pair, err
}

// DH multiplies. A public key of low order, all zeros among them, is refused.
func (c *curve) DH(private, public []byte) ([]byte, error) {
	remote, err := ecdh.X25519().NewPublicKey(public)
	if err != nil {
		return nil, err
	}
	for _, cached := range []*cachedKey{&c.ephemeral, &c.static} {
		if cached.is(private) {
			return cached.key.ECDH(remote)
		}
	}
	key, err := ecdh.X25519().NewPrivateKey(private)
	if err != nil {
		return nil, err
	}
	return key.ECDH(remote)
}

// DHLen is the length of a key and of a product.
func (c *curve) DHLen() int { return keyBytes }

// DHName is the curve's name in the protocol name that both sides hash.
func (c *curve) DHName() string { return "25519" }

// newSuite is the one suite of this version over a curve that remembers.
func newSuite(c *curve) noise.CipherSuite {
	return noise.NewCipherSuite(c, noise.CipherChaChaPoly, noise.HashSHA256)
}

// appendPrologue binds what was said in the clear: a flight whose version, suite, kind, length or ticket was changed on the way makes
// another handshake, which fails.
func appendPrologue(dst, clear []byte) []byte {
	dst = append(dst, "trunkline"...)
	return append(dst, clear...)
}
