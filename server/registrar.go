package server

import (
	"trunkline/codec/secure"
	"trunkline/store"
)

// Verifier decides whether a device that is not known, or comes with another key than before, may register.
// It is called by the registrar's goroutines, several at once, never by a loop.
type Verifier interface {
	// Verify judges a claim at a unix second. Errors: ErrNotRegistered (nothing was shown that would allow it), ErrTokenRefused
	// (what was shown is forged, expired, or for somebody else); others count as faults of the server.
	Verify(claim Claim, now uint64) (Grant, error)
}

// Claim is what a device that wants to register brings, and what is known of it.
type Claim struct {
	User    uint64
	Device  uint8
	Static  secure.PublicKey // proved by the handshake
	Sign    [32]byte         // Ed25519; zero: none named
	Proof   []byte           // the registration token; empty: none. Not to be kept
	Primary *store.Device    // the user's device 0; nil: there is none
	Known   *store.Device    // the device, registered with another key; nil: not known, or removed
}

// Grant is what a verifier has to say about a claim that it allows.
type Grant struct {
	SingleUse  bool    // TokenID may be used by one key only: the registrar keeps it
	TokenID    [8]byte // the token's id, unique for the user
	ExpiresSec uint64  // unix second after which the verifier refuses that token by itself
	LinkedBy   uint8   // the device that signed the link; the claim's own device: none did
}
