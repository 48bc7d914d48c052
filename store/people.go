package store

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
// Errors of all: those of Accounts, and ErrAccountsAway: where they are kept can't be reached just now, nothing has changed, come again.
type People interface {
	// Profile reads a profile. Errors: ErrNoProfile.
	Profile(user uint64) (Profile, error)
	// SetProfile makes it durable.
	SetProfile(p *Profile) error
	// Settings reads what a user has decided; a user who has decided nothing has zero settings.
	Settings(user uint64) (Settings, error)
	// SetSettings makes them durable when s.Version is one above what is kept. Errors: ErrSettingsChanged: somebody else was first, read again.
	SetSettings(s *Settings) error
	// Devices lists a user's devices, removed ones too, ascending.
	Devices(user uint64) ([]Device, error)
	// Forget removes everything of a user but the revocations of its tickets: devices, token uses, profile, settings.
	Forget(user uint64, revoke []Revocation) error
}

// Limits of what is kept about a user. Over each: ErrTooMany or ErrTooLarge, nothing has changed.
const (
	// ContactsMax and BlockedMax users: 8 bytes each in memory while the user is.
	ContactsMax = 4_096
	BlockedMax  = 1_024
)
