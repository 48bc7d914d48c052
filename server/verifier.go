package server

import (
	"crypto/ed25519"
	"fmt"

	"trunkline/codec/secure"
)

// NewVerifier is the built-in verifier of a value of Config.Registration, for tokens of this operator; nil for another value.
func NewVerifier(registration string, operator ed25519.PublicKey) Verifier {
	switch registration {
	case RegistrationToken:
		return TokenVerifier{operator}
	case RegistrationOpen:
		return OpenVerifier{TokenVerifier{operator}}
	}
	return nil
}

// TokenVerifier lets a device register that shows a token: the operator's for this user and device, or one by which the
// user's primary device links this very companion. Whether a token was used before is the registrar's to see.
type TokenVerifier struct {
	Operator ed25519.PublicKey
}

// Verify implements Verifier.
func (v TokenVerifier) Verify(c Claim, now uint64) (Grant, error) {
	if len(c.Proof) == 0 {
		return Grant{}, fmt.Errorf("%w: it showed no token", ErrNotRegistered)
	}
	t, err := secure.ParseToken(c.Proof)
	if err != nil {
		return Grant{}, refused(err)
	}
	if t.Kind == secure.TokenLink {
		return verifyLink(&c, now)
	}
	if t, err = secure.VerifyToken(c.Proof, v.Operator, now); err != nil {
		return Grant{}, refused(err)
	}
	if t.User != c.User || t.Device != c.Device && !t.AnyDevice {
		return Grant{}, fmt.Errorf("%w: it is for another device", ErrTokenRefused)
	}
	return Grant{SingleUse: true, TokenID: t.ID, ExpiresSec: t.NotAfter, LinkedBy: c.Device}, nil
}

// verifyLink judges a link token. It names one static key, so nobody else can use it and its use need not be kept.
func verifyLink(c *Claim, now uint64) (Grant, error) {
	if c.Device == primaryDevice {
		return Grant{}, fmt.Errorf("%w: a primary device can't be linked", ErrTokenRefused)
	}
	if c.Primary == nil || c.Primary.Removed() || c.Primary.Sign == [32]byte{} {
		return Grant{}, fmt.Errorf("%w: the user has no primary device that could link another", ErrTokenRefused)
	}
	t, err := secure.VerifyToken(c.Proof, c.Primary.Sign[:], now)
	if err != nil {
		return Grant{}, refused(err)
	}
	if t.User != c.User || t.Device != c.Device || t.Key != c.Static {
		return Grant{}, fmt.Errorf("%w: it links another device", ErrTokenRefused)
	}
	return Grant{TokenID: t.ID, ExpiresSec: t.NotAfter, LinkedBy: primaryDevice}, nil
}

func refused(err error) error { return fmt.Errorf("%w: %w", ErrTokenRefused, err) }

// primaryDevice is the device that signs for the others.
const primaryDevice = 0

// OpenVerifier is for trials: it lets an unknown device register without a token, so whoever comes first has the name. What
// belongs to somebody stays theirs: a known device with another key needs a token, and so does a companion of a user who
// has a primary device, for it would read along. A token that is shown must be right, here as there.
type OpenVerifier struct {
	Tokens TokenVerifier
}

// Verify implements Verifier.
func (v OpenVerifier) Verify(c Claim, now uint64) (Grant, error) {
	switch {
	case len(c.Proof) != 0:
		return v.Tokens.Verify(c, now)
	case c.Known != nil:
		return Grant{}, fmt.Errorf("%w: the device is registered with another key, a new one needs a token", ErrNotRegistered)
	case c.Device != primaryDevice && c.Primary != nil && !c.Primary.Removed():
		return Grant{}, fmt.Errorf("%w: a companion needs a token of the user's primary device", ErrNotRegistered)
	}
	return Grant{LinkedBy: c.Device}, nil
}
