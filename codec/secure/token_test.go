package secure

import (
	"bytes"
	"crypto/ed25519"
	"strings"
	"testing"
)

var (
	operatorToken = Token{Kind: TokenOperator, User: 1001, Device: 3, NotAfter: 2_000, ID: [8]byte{1, 7: 8}}
	anyToken      = Token{Kind: TokenOperator, User: 1001, AnyDevice: true, NotAfter: 2_000, ID: [8]byte{1, 7: 8}}
	linkToken     = Token{Kind: TokenLink, User: 1001, Device: 3, NotAfter: 2_000, ID: [8]byte{1, 7: 8}, Key: PublicKey{9}}
)

func TestATokenIsGoodUntilItExpires(t *testing.T) {
	operator, public := signer(1)
	_, other := signer(2)
	for _, token := range []Token{operatorToken, anyToken, linkToken} {
		b := SignToken(operator, &token)
		if len(b) != tokenBytes(token.Kind) || len(b) > TokenBytesMax {
			t.Fatalf("kind %d has %d bytes", token.Kind, len(b))
		}
		for _, c := range []struct {
			name string
			key  ed25519.PublicKey
			now  uint64
			err  error
		}{
			{"long before", public, 0, nil},
			{"its last second", public, 2_000, nil},
			{"a second too late", public, 2_001, ErrTokenExpired},
			{"another signer", other, 0, ErrTokenSignature},
			{"no signer", nil, 0, ErrTokenSignature},
			{"a signer of zeros", make([]byte, 32), 0, ErrTokenSignature},
		} {
			got, err := VerifyToken(b, c.key, c.now)
			want := token
			if c.err == ErrTokenSignature {
				want = Token{}
			}
			if err != c.err || got != want {
				t.Errorf("kind %d, %s: %+v, %v", token.Kind, c.name, got, err)
			}
		}
	}
}

func TestAForgedTokenIsRefused(t *testing.T) {
	operator, public := signer(1)
	for _, token := range []Token{operatorToken, linkToken} {
		b := SignToken(operator, &token)
		for bit := range 8 * len(b) {
			_, err := VerifyToken(flip(b, bit), public, 0)
			if err != ErrToken && err != ErrTokenSignature {
				t.Fatalf("kind %d, bit %d: %v", token.Kind, bit, err)
			}
		}
		for n := range b {
			_, err := VerifyToken(b[:n], public, 0)
			wantErr(t, "a cut token", err, ErrToken)
		}
	}
	// What was signed as a certificate is no token, whatever its bytes say.
	static := PublicKey{5}
	c := SignCertificate(operator, &static, 1, 2)
	b := SignToken(operator, &operatorToken)
	copy(b[len(b)-64:], c.Signature[:])
	_, err := VerifyToken(b, public, 0)
	wantErr(t, "a certificate's signature", err, ErrTokenSignature)
}

func TestTokensThatSayNothingAreRefused(t *testing.T) {
	operator, public := signer(1)
	for name, change := range map[string]func(*Token){
		"kind 0":                  func(t *Token) { t.Kind = 0 },
		"kind 3":                  func(t *Token) { t.Kind = 3 },
		"a link for any device":   func(t *Token) { t.AnyDevice = true },
		"a link without a key":    func(t *Token) { t.Key = PublicKey{} },
		"a link cut to the other": func(t *Token) { t.Kind = TokenOperator },
	} {
		token := linkToken
		change(&token)
		b := SignToken(operator, &token)
		if token.Kind == TokenOperator {
			b[0] = byte(TokenLink)
		}
		_, err := VerifyToken(b, public, 0)
		wantErr(t, name, err, ErrToken)
	}
}

func TestATokenHasOneText(t *testing.T) {
	operator, _ := signer(1)
	b := SignToken(operator, &operatorToken)
	text := TokenText(b)
	if back, err := ParseTokenText(text); err != nil || !bytes.Equal(back, b) || !strings.HasPrefix(text, "tlt1") {
		t.Fatalf("%s: %v", text, err)
	}
	last := text[len(text)-1]
	for name, s := range map[string]string{
		"nothing": "", "the prefix alone": "tlt1", "a server key": "tlk1" + text[4:], "no prefix": text[4:], "a space before": " " + text,
		"a line end behind": text + "\n", "a line end inside": text[:20] + "\n" + text[20:], "padding": text + "==",
		"a letter of the other alphabet": text[:20] + "+" + text[21:], "a letter missing": text[:len(text)-1],
		"bits behind the last byte": text[:len(text)-1] + string(last+1), "far too long": text + strings.Repeat("A", 4_000),
	} {
		_, err := ParseTokenText(s)
		wantErr(t, name, err, ErrToken)
	}
}
