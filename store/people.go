package store

import (
	"cmp"
	"errors"
)

// Profile is what a user says of itself.
type Profile struct {
	User       uint64
	Name       string
	About      string
	Picture    []byte
	ChangedSec uint64 // unix seconds
}

// Settings are what a user has decided about others, and its list of devices. Lists are ascending, without repetition.
type Settings struct {
	User     uint64
	Version  uint32 // rises with each change: what loops were told of can be compared
	Presence uint8  // iq.Rule
	LastSeen uint8
	Profile  uint8
	Contacts []uint64
	Blocked  []uint64

	DevicesVersion uint32 // of the signed list; 0: there is none
	Devices        []uint8
	Signature      []byte
}

// People is what is kept beside the accounts, where a user is more than its devices. Whoever keeps Accounts keeps People too, in the same place.
// Its methods may be called from any goroutine but a loop's: they wait for a disk or another machine.
// Errors of all: those of Accounts' reads and, of the changes, ErrUser and ErrDiskFull: after these nothing has changed.
type People interface {
	// Profile reads a profile. Errors: ErrNoProfile.
	Profile(user uint64) (Profile, error)
	// SetProfile makes it durable. Errors: ErrTooLarge.
	SetProfile(p *Profile) error
	// Settings reads what a user has decided; a user who has decided nothing has zero settings.
	Settings(user uint64) (Settings, error)
	// SetSettings makes them durable when s.Version is one above what is kept. Errors: ErrTooMany, ErrTooLarge,
	// ErrNotAscending; ErrSettingsChanged: somebody else was first, read again.
	SetSettings(s *Settings) error
	// Devices lists a user's devices, removed ones too, ascending.
	Devices(user uint64) ([]Device, error)
	// Forget removes everything of a user but the revocations of its tickets: devices, token uses, profile, settings.
	// The given revocations, the user's own, become durable with it, so that no ticket outlives the user. Errors: ErrRevocationsFull.
	Forget(user uint64, revoke []Revocation) error
}

// PeopleOf gives the People that are kept together with accounts: closing the accounts closes both.
func PeopleOf(a Accounts) (People, error) {
	if p, ok := a.(People); ok {
		return p, nil
	}
	return nil, errors.New("store: nothing but accounts is kept there")
}

// Check says whether a profile may be kept. Errors: ErrUser, ErrTooLarge.
func (p *Profile) Check() error {
	switch {
	case p.User > UserMax:
		return ErrUser
	case len(p.Name) > NameBytesMax, len(p.About) > AboutBytesMax, len(p.Picture) > PictureBytesMax:
		return ErrTooLarge
	}
	return nil
}

// Check says whether settings may be kept, whatever is kept now. Errors: ErrUser, ErrTooMany, ErrTooLarge, ErrNotAscending.
func (s *Settings) Check() error {
	switch {
	case s.User > UserMax:
		return ErrUser
	case len(s.Contacts) > ContactsMax, len(s.Blocked) > BlockedMax, len(s.Devices) > UserDevicesMax:
		return ErrTooMany
	case len(s.Signature) > SignatureBytesMax:
		return ErrTooLarge
	case !ascending(s.Contacts), !ascending(s.Blocked), !ascending(s.Devices):
		return ErrNotAscending
	case len(s.Contacts) > 0 && s.Contacts[len(s.Contacts)-1] > UserMax, len(s.Blocked) > 0 && s.Blocked[len(s.Blocked)-1] > UserMax:
		return ErrUser
	}
	return nil
}

func ascending[T cmp.Ordered](list []T) bool {
	for i := 1; i < len(list); i++ {
		if list[i] <= list[i-1] {
			return false
		}
	}
	return true
}

// CheckForget says whether a user may be forgotten with these revocations. Errors: ErrUser: it is too large, or a revocation is somebody else's.
func CheckForget(user uint64, revoke []Revocation) error {
	if user > UserMax {
		return ErrUser
	}
	for i := range revoke {
		if revoke[i].User != user {
			return ErrUser
		}
	}
	return nil
}
