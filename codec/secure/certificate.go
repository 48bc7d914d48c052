package secure

import (
	"crypto/ed25519"
	"encoding/binary"
)

// Certificate names the server's static key, signed by the operator's key.
// Layout: version u8 = 1, static 32, notBefore u64, notAfter u64 (unix seconds), Ed25519 signature 64 over "trunkline certificate" and the 49 bytes = 113 bytes.
type Certificate struct {
	Static    PublicKey
	NotBefore uint64
	NotAfter  uint64 // the last second it is valid in
	Signature [64]byte
}

const (
	certificateVersion     = 1
	certificateContext     = "trunkline certificate"
	certificateSignedBytes = 49
)

// SignCertificate makes one with the operator's key.
func SignCertificate(operator ed25519.PrivateKey, static *PublicKey, notBefore, notAfter uint64) Certificate {
	c := Certificate{Static: *static, NotBefore: notBefore, NotAfter: notAfter}
	c.Signature = [64]byte(ed25519.Sign(operator, c.appendSigned([]byte(certificateContext))))
	return c
}

// Verify checks signature and validity with the pinned operator key. No key, or one that is all zero, verifies nothing.
// Errors: ErrCertificate, ErrCertificateTime (the signature is good).
func (c *Certificate) Verify(operator ed25519.PublicKey, now uint64) error {
	if !verify(operator, c.appendSigned([]byte(certificateContext)), c.Signature[:]) {
		return ErrCertificate
	}
	if now < c.NotBefore || now > c.NotAfter {
		return ErrCertificateTime
	}
	return nil
}

// Append adds the certificate's 113 bytes.
func (c *Certificate) Append(dst []byte) []byte {
	return append(c.appendSigned(dst), c.Signature[:]...)
}

// ParseCertificate reads them without checking the signature. Errors: ErrCertificate (another length or version).
func ParseCertificate(b []byte) (Certificate, error) {
	if len(b) != CertificateBytes || b[0] != certificateVersion {
		return Certificate{}, ErrCertificate
	}
	return Certificate{
		Static:    PublicKey(b[1:33]),
		NotBefore: binary.BigEndian.Uint64(b[33:]),
		NotAfter:  binary.BigEndian.Uint64(b[41:]),
		Signature: [64]byte(b[certificateSignedBytes:]),
	}, nil
}

func (c *Certificate) appendSigned(dst []byte) []byte {
	dst = append(dst, certificateVersion)
	dst = append(dst, c.Static[:]...)
	dst = binary.BigEndian.AppendUint64(dst, c.NotBefore)
	return binary.BigEndian.AppendUint64(dst, c.NotAfter)
}

// verify is ed25519.Verify for keys that may be missing: all zero, which is how "none" is kept, is a key of low order that
// anybody can sign for.
func verify(signer ed25519.PublicKey, message, signature []byte) bool {
	if len(signer) != ed25519.PublicKeySize || [32]byte(signer) == [32]byte{} {
		return false
	}
	return ed25519.Verify(signer, message, signature)
}
