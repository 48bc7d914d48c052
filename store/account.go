package store

import "encoding/binary"

// Device is what is kept of one device of a user. It holds no pointers.
// Record, big-endian: version u8 = 1, linkedBy u8, gen u16, static 32, sign 32, token u64, registeredSec u64 = 84 bytes.
type Device struct {
	User          uint64
	Device        uint8
	LinkedBy      uint8    // the device that signed its link; its own number: no device did
	Gen           uint16   // generation, 1 to 65,535
	Static        [32]byte // X25519 key; zero: the device was removed, and Gen is where the next registration goes on
	Sign          [32]byte // Ed25519 key; zero: it named none
	Token         uint64   // registration token of the HELLO that began Gen; 0: none
	RegisteredSec uint64   // unix seconds, of the registration with Static
}

// Removed says that only the generation is left of the device.
func (d *Device) Removed() bool { return d.Static == [32]byte{} }

// User is what is kept of a user. It exists from the first registration of one of its devices.
// Record, big-endian: version u8 = 1, devices u8, createdSec u64 = 10 bytes.
type User struct {
	User       uint64
	Devices    uint8 // that are not removed, at most UserDevicesMax
	CreatedSec uint64
}

// TokenUse says that a single-use registration token was used, and by whom.
// Record, big-endian: version u8 = 1, device u8, static 32, expiresSec u64 = 42 bytes.
type TokenUse struct {
	User       uint64
	ID         [8]byte
	Device     uint8
	Static     [32]byte // the key that it registered
	ExpiresSec uint64   // unix seconds; some time later the record is purged
}

// Revocation says that a device's resume tickets of other generations than Gen are refused.
// Record, big-endian: version u8 = 1, zero u8, gen u16, untilSec u64 = 12 bytes.
type Revocation struct {
	User     uint64
	Device   uint8
	Gen      uint16 // the device's generation
	UntilSec uint64 // unix seconds; no ticket of another generation lives longer, so the record is purged some time later
}

// AccountChange is what becomes durable together. Nil fields change nothing. Device, Used and Revoke are of one user: where users lie in several
// places, two of them are refused with ErrUser.
type AccountChange struct {
	NowSec uint64      // unix seconds: what expired before is purged now and then
	Device *Device     // takes the place of what is kept of that device; the user's record follows
	Used   *TokenUse   // of a token that was not used before, or by the same device and key
	Revoke *Revocation // takes the place of the same device's
	// InvalidBefore, when it is not 0, drops every revocation (before Revoke is written): the caller refuses all tickets issued
	// before this second instead. It never goes back.
	InvalidBefore uint64
}

// Check says whether a change may be made, whatever is kept now. Errors: ErrUser, ErrGeneration.
func (c *AccountChange) Check() error {
	switch {
	case c.Device != nil && c.Device.User > UserMax, c.Used != nil && c.Used.User > UserMax, c.Revoke != nil && c.Revoke.User > UserMax:
		return ErrUser
	case c.Device != nil && c.Device.Gen == 0:
		return ErrGeneration
	}
	return nil
}

// SameUse says that both uses register the same key for the same device with the same token: one of them is a repetition.
func (t *TokenUse) SameUse(o *TokenUse) bool {
	return t.User == o.User && t.ID == o.ID && t.Device == o.Device && t.Static == o.Static
}

// Revocations is what stands against resume tickets, as it was when it was asked for.
type Revocations struct {
	InvalidBefore uint64 // unix seconds: tickets issued earlier are refused; 0: none
	List          []Revocation
}

// Accounts is the register of users and devices. Its methods may be called from any goroutine but a loop's: they wait for the
// disk. A change is visible to readers a moment before it is durable: who answers for a user on what he read does one thing
// after the other for that user.
// Errors of all: ErrAccountsDamaged, ErrAccountsFailed, ErrAccountsAway, ErrAccountsClosed.
type Accounts interface {
	// User reads a user. Errors: ErrNoUser.
	User(user uint64) (User, error)
	// Device reads a device, a removed one too. Errors: ErrNoDevice.
	Device(user uint64, device uint8) (Device, error)
	// Used reads the use of a registration token. Errors: ErrTokenUnused.
	Used(user uint64, id [8]byte) (TokenUse, error)
	// Revocations reads all of them: for a start.
	Revocations() (Revocations, error)
	// Apply makes a change durable, all of it or nothing, and returns then.
	// Errors: ErrUser, ErrGeneration, ErrDevicesFull, ErrTokenUsed, ErrTokensFull, ErrRevocationsFull, ErrDiskFull; after each of them nothing
	// has changed. ErrAccountsFailed: whether the change is kept shows at the next start. ErrAccountsAway: see there.
	Apply(change *AccountChange) error
	// Close gives the directory back. Safe to call twice.
	Close() error
}

const (
	recordVersion   = 1
	deviceBytes     = 84
	userBytes       = 10
	tokenUseBytes   = 42
	revocationBytes = 12
)

func appendDevice(dst []byte, d *Device) []byte {
	dst = append(dst, recordVersion, d.LinkedBy)
	dst = binary.BigEndian.AppendUint16(dst, d.Gen)
	dst = append(dst, d.Static[:]...)
	dst = append(dst, d.Sign[:]...)
	dst = binary.BigEndian.AppendUint64(dst, d.Token)
	return binary.BigEndian.AppendUint64(dst, d.RegisteredSec)
}

// parseDevice reads a record; the key named user and device. false: it is not one.
func parseDevice(user uint64, device uint8, b []byte) (d Device, ok bool) {
	if !isRecord(b, deviceBytes) {
		return d, false
	}
	d.User, d.Device, d.LinkedBy = user, device, b[1]
	d.Gen = binary.BigEndian.Uint16(b[2:])
	d.Static, d.Sign = [32]byte(b[4:36]), [32]byte(b[36:68])
	d.Token = binary.BigEndian.Uint64(b[68:])
	d.RegisteredSec = binary.BigEndian.Uint64(b[76:])
	return d, d.Gen != 0
}

func appendUser(dst []byte, u *User) []byte {
	dst = append(dst, recordVersion, u.Devices)
	return binary.BigEndian.AppendUint64(dst, u.CreatedSec)
}

func parseUser(user uint64, b []byte) (u User, ok bool) {
	if !isRecord(b, userBytes) {
		return u, false
	}
	return User{User: user, Devices: b[1], CreatedSec: binary.BigEndian.Uint64(b[2:])}, true
}

func appendTokenUse(dst []byte, t *TokenUse) []byte {
	dst = append(dst, recordVersion, t.Device)
	dst = append(dst, t.Static[:]...)
	return binary.BigEndian.AppendUint64(dst, t.ExpiresSec)
}

func parseTokenUse(user uint64, id [8]byte, b []byte) (t TokenUse, ok bool) {
	if !isRecord(b, tokenUseBytes) {
		return t, false
	}
	return TokenUse{User: user, ID: id, Device: b[1], Static: [32]byte(b[2:34]), ExpiresSec: binary.BigEndian.Uint64(b[34:])}, true
}

func appendRevocation(dst []byte, r *Revocation) []byte {
	dst = append(dst, recordVersion, 0)
	dst = binary.BigEndian.AppendUint16(dst, r.Gen)
	return binary.BigEndian.AppendUint64(dst, r.UntilSec)
}

func parseRevocation(user uint64, device uint8, b []byte) (r Revocation, ok bool) {
	if !isRecord(b, revocationBytes) {
		return r, false
	}
	return Revocation{User: user, Device: device, Gen: binary.BigEndian.Uint16(b[2:]), UntilSec: binary.BigEndian.Uint64(b[4:])}, true
}

func isRecord(b []byte, size int) bool { return len(b) == size && b[0] == recordVersion }
