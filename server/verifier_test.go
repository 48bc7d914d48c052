package server

import (
	"crypto/ed25519"
	"errors"
	"testing"

	"trunkline/codec/secure"
	"trunkline/store"
)

// seedKey is an Ed25519 key from one byte.
func seedKey(b byte) ed25519.PrivateKey {
	seed := [ed25519.SeedSize]byte{b}
	return ed25519.NewKeyFromSeed(seed[:])
}

func publicOf(k ed25519.PrivateKey) ed25519.PublicKey { return k.Public().(ed25519.PublicKey) }

// verifyCase is a claim of user 1001 at second 1,000, and what each built-in verifier says to it.
type verifyCase struct {
	name        string
	claim       Claim
	token, open error
	grant       Grant // of whoever lets it in
}

// The people of the cases: an operator and somebody else who signs, a primary device with a signing key, keys of companions.
var (
	theOperator, theStranger, thePrimary = seedKey(1), seedKey(2), seedKey(3)
	keyA, keyB                           = secure.PublicKey{0xA}, secure.PublicKey{0xB}
	tokenID                              = [8]byte{1, 2, 3, 4, 5, 6, 7, 8}
)

func operatorToken(set func(*secure.Token)) []byte {
	return signedToken(theOperator, secure.Token{Kind: secure.TokenOperator, User: 1001, NotAfter: 2000, ID: tokenID}, set)
}

func linkToken(set func(*secure.Token)) []byte {
	return signedToken(thePrimary, secure.Token{Kind: secure.TokenLink, User: 1001, Device: 1, NotAfter: 2000, ID: tokenID, Key: keyA}, set)
}

func signedToken(signer ed25519.PrivateKey, t secure.Token, set func(*secure.Token)) []byte {
	if set != nil {
		set(&t)
	}
	return secure.SignToken(signer, &t)
}

// claimOf is a claim of user 1001 with key A; primary says that the user has one.
func claimOf(device uint8, proof []byte, primary *store.Device) Claim {
	return Claim{User: 1001, Device: device, Static: keyA, Proof: proof, Primary: primary}
}

func verifyCases() []verifyCase {
	primary := &store.Device{User: 1001, Gen: 1, Static: [32]byte{9}, Sign: [32]byte(publicOf(thePrimary))}
	mute := &store.Device{User: 1001, Gen: 1, Static: [32]byte{9}} // it named no signing key
	gone := &store.Device{User: 1001, Gen: 2, Sign: [32]byte(publicOf(thePrimary))}
	other := &store.Device{User: 1001, Gen: 1, Static: [32]byte(keyB)}
	known := func(c Claim) Claim { c.Known = other; return c }
	flip := func(b []byte, i int) []byte { b[i] ^= 1; return b }
	operator := Grant{SingleUse: true, TokenID: tokenID, ExpiresSec: 2000}
	companion := Grant{SingleUse: true, TokenID: tokenID, ExpiresSec: 2000, LinkedBy: 1}
	link := Grant{TokenID: tokenID, ExpiresSec: 2000, LinkedBy: 0}
	no, bad := ErrNotRegistered, ErrTokenRefused
	return []verifyCase{
		{"a new user without a token", claimOf(0, nil, nil), no, nil, Grant{}},
		{"a known device with another key and no token", known(claimOf(0, nil, other)), no, no, Grant{}},
		{"a companion of a user without a primary", claimOf(3, nil, nil), no, nil, Grant{LinkedBy: 3}},
		{"a companion of a user whose primary was removed", claimOf(3, nil, gone), no, nil, Grant{LinkedBy: 3}},
		{"a companion of a user who has a primary", claimOf(1, nil, primary), no, no, Grant{}},

		{"the operator's token", claimOf(0, operatorToken(nil), nil), nil, nil, operator},
		{"the operator's token for a known device with another key", known(claimOf(0, operatorToken(nil), other)), nil, nil, operator},
		{"the operator's token for any device", claimOf(1, operatorToken(func(t *secure.Token) { t.AnyDevice = true }), primary), nil, nil, companion},
		{"the operator's token in its last second", claimOf(0, operatorToken(func(t *secure.Token) { t.NotAfter = 1000 }), nil), nil, nil, Grant{SingleUse: true, TokenID: tokenID, ExpiresSec: 1000}},
		{"the operator's token for another device", claimOf(1, operatorToken(nil), nil), bad, bad, Grant{}},
		{"the operator's token for another user", claimOf(0, operatorToken(func(t *secure.Token) { t.User = 1002 }), nil), bad, bad, Grant{}},
		{"any device, but of another user", claimOf(0, operatorToken(func(t *secure.Token) { t.User, t.AnyDevice = 1002, true }), nil), bad, bad, Grant{}},
		{"an expired token", claimOf(0, operatorToken(func(t *secure.Token) { t.NotAfter = 999 }), nil), bad, bad, Grant{}},
		{"a token that somebody else signed", claimOf(0, signedToken(theStranger, secure.Token{Kind: secure.TokenOperator, User: 1001, NotAfter: 2000}, nil), nil), bad, bad, Grant{}},
		{"a token whose device was changed", claimOf(1, flip(operatorToken(nil), 9), nil), bad, bad, Grant{}},
		{"a token whose time was changed", claimOf(0, flip(operatorToken(nil), 12), nil), bad, bad, Grant{}},
		{"a token with a changed signature", claimOf(0, flip(operatorToken(nil), 90), nil), bad, bad, Grant{}},
		{"a token cut short", claimOf(0, operatorToken(nil)[:90], nil), bad, bad, Grant{}},
		{"a token with more behind it", claimOf(0, append(operatorToken(nil), 0), nil), bad, bad, Grant{}},
		{"a token of no kind", claimOf(0, []byte{7, 1, 2, 3}, nil), bad, bad, Grant{}},

		{"a link by the primary", claimOf(1, linkToken(nil), primary), nil, nil, link},
		{"a link for a companion that comes with a new key", known(claimOf(1, linkToken(nil), primary)), nil, nil, link},
		{"a link for another key", claimOf(1, linkToken(func(t *secure.Token) { t.Key = keyB }), primary), bad, bad, Grant{}},
		{"a link for another device", claimOf(2, linkToken(nil), primary), bad, bad, Grant{}},
		{"a link for another user", claimOf(1, linkToken(func(t *secure.Token) { t.User = 1002 }), primary), bad, bad, Grant{}},
		{"an expired link", claimOf(1, linkToken(func(t *secure.Token) { t.NotAfter = 999 }), primary), bad, bad, Grant{}},
		{"a link that makes a primary", claimOf(0, linkToken(func(t *secure.Token) { t.Device = 0 }), primary), bad, bad, Grant{}},
		{"a link that the operator signed", claimOf(1, signedToken(theOperator, secure.Token{Kind: secure.TokenLink, User: 1001, Device: 1, NotAfter: 2000, Key: keyA}, nil), primary), bad, bad, Grant{}},
		{"an operator's token that the primary signed", claimOf(1, signedToken(thePrimary, secure.Token{Kind: secure.TokenOperator, User: 1001, Device: 1, NotAfter: 2000}, nil), primary), bad, bad, Grant{}},
		{"a link without a primary", claimOf(1, linkToken(nil), nil), bad, bad, Grant{}},
		{"a link by a primary that was removed", claimOf(1, linkToken(nil), gone), bad, bad, Grant{}},
		{"a link by a primary without a signing key", claimOf(1, signedToken(make(ed25519.PrivateKey, 64), secure.Token{Kind: secure.TokenLink, User: 1001, Device: 1, NotAfter: 2000, Key: keyA}, nil), mute), bad, bad, Grant{}},
	}
}

func TestWhoMayRegister(t *testing.T) {
	for _, row := range verifyCases() {
		for registration, want := range map[string]error{RegistrationToken: row.token, RegistrationOpen: row.open} {
			t.Run(row.name+", registration "+registration, func(t *testing.T) {
				got, err := NewVerifier(registration, publicOf(theOperator)).Verify(row.claim, 1000)
				if !errors.Is(err, want) || (err == nil) != (want == nil) {
					t.Fatalf("got %v, want %v", err, want)
				}
				if other := map[error]error{ErrNotRegistered: ErrTokenRefused, ErrTokenRefused: ErrNotRegistered}[want]; want != nil && errors.Is(err, other) {
					t.Errorf("%v is two kinds of refusal at once", err)
				}
				grant := row.grant
				if want != nil {
					grant = Grant{}
				}
				if got != grant {
					t.Errorf("got %+v, want %+v", got, grant)
				}
			})
		}
	}
}

func TestAVerifierWithoutAnOperatorTakesNoTokenOfOne(t *testing.T) {
	zero := make(ed25519.PublicKey, ed25519.PublicKeySize)
	for _, operator := range []ed25519.PublicKey{nil, zero} {
		if _, err := NewVerifier(RegistrationToken, operator).Verify(claimOf(0, operatorToken(nil), nil), 1000); !errors.Is(err, ErrTokenRefused) {
			t.Errorf("operator %x: %v", operator, err)
		}
	}
	if v := NewVerifier("friends", publicOf(theOperator)); v != nil {
		t.Errorf("an unknown registration has the verifier %T", v)
	}
}

func FuzzAProofIsJudgedWithoutPanic(f *testing.F) {
	for _, row := range verifyCases() {
		f.Add(row.claim.Proof, row.claim.Device)
	}
	primary := &store.Device{User: 1001, Gen: 1, Static: [32]byte{9}, Sign: [32]byte(publicOf(thePrimary))}
	f.Fuzz(func(t *testing.T, proof []byte, device uint8) {
		claim := claimOf(device, proof, primary)
		grant, err := NewVerifier(RegistrationToken, publicOf(theOperator)).Verify(claim, 1000)
		if err != nil {
			if !errors.Is(err, ErrNotRegistered) && !errors.Is(err, ErrTokenRefused) {
				t.Errorf("%v is a fault of the server", err)
			}
			return
		}
		token, err := secure.ParseToken(proof)
		if err != nil || token.User != 1001 || token.NotAfter < 1000 || grant.TokenID != token.ID {
			t.Errorf("%x was allowed: %+v", proof, token)
		}
	})
}
