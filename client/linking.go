package client

import (
	"crypto/rand"
	"fmt"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// RequestLink is what a companion device shows to its user's primary device to be linked: its key, which is drawn now unless
// state has it already. The primary answers with a token (ApproveLink) for WithRegistrationToken. No client may run
// on state meanwhile. Errors: ErrLink, ErrStateOtherDevice, ErrStateDamaged, ErrState.
func RequestLink(state State, user uint64, device uint8) (secure.LinkRequest, error) {
	if user == 0 || user > codec.UserMax || device == 0 || device > codec.DeviceMax {
		return secure.LinkRequest{}, fmt.Errorf("%w: user %d device %d is no companion", ErrLink, user, device)
	}
	snap, err := loadFor(state, user, device)
	if err != nil {
		return secure.LinkRequest{}, err
	}
	id := snap.Identity
	if id.empty() {
		if err := id.draw(); err != nil {
			return secure.LinkRequest{}, err
		}
	}
	if err := commitIdentity(state, &snap, user, device, id); err != nil {
		return secure.LinkRequest{}, err
	}
	return secure.LinkRequest{User: user, Device: device, Static: id.Key.Public()}, nil
}

// ApproveLink signs, as the user's primary device, that a companion may register until notAfter. state is the primary's; no
// client may run on it meanwhile. Errors: ErrLink, ErrStateOtherDevice, ErrStateDamaged.
func ApproveLink(state State, r secure.LinkRequest, notAfter time.Time) (token []byte, err error) {
	snap, err := loadFor(state, r.User, 0)
	if err != nil {
		return nil, err
	}
	switch {
	case snap.Identity.empty() || snap.Marks.Generation == 0:
		return nil, fmt.Errorf("%w: the primary device of user %d has not registered with this state", ErrLink, r.User)
	case r.Device == 0:
		return nil, fmt.Errorf("%w: device 0 is the primary itself", ErrLink)
	}
	t := secure.Token{Kind: secure.TokenLink, User: r.User, Device: r.Device, NotAfter: uint64(notAfter.Unix()), Key: r.Static}
	if _, err := rand.Read(t.ID[:]); err != nil {
		return nil, fmt.Errorf("draw the token's id: %w", err)
	}
	return secure.SignToken(snap.Identity.signer(), &t), nil
}

// loadFor loads a state that is this device's, or nobody's yet.
func loadFor(state State, user uint64, device uint8) (Snapshot, error) {
	snap, err := state.Load()
	if err != nil {
		return snap, err
	}
	if m := snap.Marks; m.User != 0 && (m.User != user || m.Device != device) {
		return snap, fmt.Errorf("%w: user %d device %d, not user %d device %d", ErrStateOtherDevice, m.User, m.Device, user, device)
	}
	return snap, checkSnapshot(&snap)
}
