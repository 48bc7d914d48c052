package secure

import (
	"crypto/ed25519"
	"encoding/binary"
)

// Token lets a device register: signed by the operator, or, for a companion, by the user's primary device.
// Bytes: kind u8 (1 operator, 2 link), user u64, device u8, anyDevice u8, notAfter u64 (unix seconds), id 8 (random),
// key 32 (kind 2: the companion's static key; kind 1: absent), signature 64 over "trunkline token" and the bytes before it. Text: "tlt1" and base64url of them.
type Token struct {
	Kind      TokenKind
	User      uint64
	Device    uint8
	AnyDevice bool   // kind 1: any device of the user
	NotAfter  uint64 // the last second it is valid in
	ID        [8]byte
	Key       PublicKey // kind 2
}

// TokenKind says who signed.
type TokenKind uint8

// The kinds of token.
const (
	TokenOperator TokenKind = 1
	TokenLink     TokenKind = 2
)

const (
	tokenContext       = "trunkline token"
	tokenFixedBytes    = 1 + 8 + 1 + 1 + 8 + 8
	operatorTokenBytes = tokenFixedBytes + ed25519.SignatureSize
	linkTokenBytes     = tokenFixedBytes + keyBytes + ed25519.SignatureSize
)

// TokenBytesMax is how long the longest token is: it fits one extension of a HELLO.
const TokenBytesMax = linkTokenBytes

// SignToken gives the token's bytes: 91 for the operator's, 123 for a link.
func SignToken(signer ed25519.PrivateKey, t *Token) []byte {
	context := len(tokenContext)
	b := make([]byte, 0, context+linkTokenBytes)
	b = append(b, tokenContext...)
	b = append(b, byte(t.Kind))
	b = binary.BigEndian.AppendUint64(b, t.User)
	b = append(b, t.Device, 0)
	if t.AnyDevice {
		b[len(b)-1] = 1
	}
	b = binary.BigEndian.AppendUint64(b, t.NotAfter)
	b = append(b, t.ID[:]...)
	if t.Kind == TokenLink {
		b = append(b, t.Key[:]...)
	}
	return append(b, ed25519.Sign(signer, b)...)[context:]
}

// ParseToken reads a token's bytes without checking signature and time. Errors: ErrToken.
func ParseToken(b []byte) (Token, error) {
	if len(b) == 0 || len(b) != tokenBytes(TokenKind(b[0])) || b[10] > 1 {
		return Token{}, ErrToken
	}
	t := Token{
		Kind:      TokenKind(b[0]),
		User:      binary.BigEndian.Uint64(b[1:]),
		Device:    b[9],
		AnyDevice: b[10] == 1,
		NotAfter:  binary.BigEndian.Uint64(b[11:]),
		ID:        [8]byte(b[19:27]),
	}
	if t.Kind == TokenLink {
		t.Key = PublicKey(b[tokenFixedBytes : tokenFixedBytes+keyBytes])
		if t.AnyDevice || t.Key == (PublicKey{}) {
			return Token{}, ErrToken
		}
	}
	return t, nil
}

// tokenBytes is how long a token of a kind is; -1 for no kind.
func tokenBytes(kind TokenKind) int {
	switch kind {
	case TokenOperator:
		return operatorTokenBytes
	case TokenLink:
		return linkTokenBytes
	}
	return -1
}

// VerifyToken reads a token and checks signature and time. No key, or one that is all zero, verifies nothing. The token is returned with
// ErrTokenExpired too, for its signature is good then. Who may sign which kind, and for whom, the caller judges.
// Errors: ErrToken, ErrTokenSignature, ErrTokenExpired.
func VerifyToken(b []byte, signer ed25519.PublicKey, now uint64) (Token, error) {
	t, err := ParseToken(b)
	if err != nil {
		return Token{}, err
	}
	signed := len(b) - ed25519.SignatureSize
	if !verify(signer, append([]byte(tokenContext), b[:signed]...), b[signed:]) {
		return Token{}, ErrTokenSignature
	}
	if now > t.NotAfter {
		return t, ErrTokenExpired
	}
	return t, nil
}

// TokenText is the text of a token's bytes.
func TokenText(b []byte) string { return textOf(tokenPrefix, b) }

// ParseTokenText gives the bytes of a token's text, which has the form of a token; the signature is not checked.
// Errors: ErrToken, with what is wrong.
func ParseTokenText(s string) ([]byte, error) {
	b, err := bytesOf(tokenPrefix, s, TokenBytesMax, ErrToken)
	if err != nil {
		return nil, err
	}
	if _, err := ParseToken(b); err != nil {
		return nil, err
	}
	return b, nil
}
