package store

import (
	"errors"
	"fmt"
)

// Errors of Append, AppendShared and Replace. After each of them nothing has changed.
var (
	// ErrOrder: the device has an entry with this seq or a higher one.
	ErrOrder = errors.New("store: seq is not above the device's entries")
	// ErrNoEntry: the key names no entry.
	ErrNoEntry = errors.New("store: no such entry")
	// ErrFull: the memory limit for payloads, or for entries, is reached.
	ErrFull = errors.New("store: mailbox memory is full")
	// ErrUser: the user is above UserMax.
	ErrUser = errors.New("store: user id is out of range")
	// ErrTooLarge: the payload is longer than PayloadBytesMax.
	ErrTooLarge = errors.New("store: payload is too large")
)

// Errors of Accounts' reads: there is no such record.
var (
	ErrNoUser      = errors.New("store: no such user")
	ErrNoDevice    = errors.New("store: no such device")
	ErrTokenUnused = errors.New("store: the token was not used")
)

// Errors of Accounts' Apply. After each of them nothing has changed.
var (
	// ErrGeneration: a device's generation is never 0.
	ErrGeneration = errors.New("store: a device without a generation")
	// ErrDevicesFull: the user has UserDevicesMax devices.
	ErrDevicesFull = errors.New("store: the user has too many devices")
	// ErrTokenUsed: another device, or another key, has used the registration token.
	ErrTokenUsed = errors.New("store: the registration token was used before")
	// ErrTokensFull: TokenUsesMax registration tokens were used and have not expired.
	ErrTokensFull = errors.New("store: too many registration tokens are in use")
	// ErrRevocationsFull: RevocationsMax devices have a revocation that has not expired.
	ErrRevocationsFull = errors.New("store: too many revocations")
	// ErrDiskFull: the disk has no room. Reads go on; writes go on when there is room again.
	ErrDiskFull = errors.New("store: the disk is full")
)

// Errors of accounts as a whole.
var (
	// ErrAccountsDamaged: what is on the disk is not what was written.
	ErrAccountsDamaged = errors.New("store: the accounts are damaged")
	// ErrAccountsVersion: a later version of the server wrote them.
	ErrAccountsVersion = errors.New("store: the accounts are of a later version")
	// ErrAccountsLocked: another process has them open.
	ErrAccountsLocked = errors.New("store: the accounts are in use")
	// ErrAccountsFailed: the disk refused a write. Nothing is served any more; a new start reads what was kept.
	ErrAccountsFailed = errors.New("store: the accounts have failed")
	// ErrAccountsAway: where the accounts are kept can't be reached just now, or too many wait for it. Come again. Nothing has changed, unless
	// the error is ErrOutcomeUnknown too.
	ErrAccountsAway = errors.New("store: the accounts can't be reached")
	// ErrOutcomeUnknown: the connection was lost while a change became durable. Whether it is kept shows when it is read again.
	ErrOutcomeUnknown = errors.New("store: whether the change is kept is not known")
	// ErrAccountsClosed: Close was called.
	ErrAccountsClosed = errors.New("store: the accounts are closed")
)

// Errors of the durable mailboxes: journal, offline store and keeper.
var (
	// ErrRecord: bytes that are no record.
	ErrRecord = errors.New("store: not a record of the journal")
	// ErrJournalDamaged: a journal is damaged before its tail. The error is a *DamageError and names the place.
	ErrJournalDamaged = errors.New("store: the journal is damaged")
	// ErrJournalMissing: a journal that was in use is not where it was.
	ErrJournalMissing = errors.New("store: a journal is missing")
	// ErrJournalSlow: a sync takes longer than JournalSlowSync.
	ErrJournalSlow = errors.New("store: the journal's disk does not answer")
	// ErrJournalWaiting: more than JournalWaitingMax waits for the disk.
	ErrJournalWaiting = errors.New("store: the journal's disk is too slow for what is noted")
	// ErrJournalClosed: Close was called.
	ErrJournalClosed = errors.New("store: the journal is closed")
	// ErrOfflineDamaged: what the offline store holds is not what was written. It is named, and never served.
	ErrOfflineDamaged = errors.New("store: the offline store is damaged")
	// ErrOfflineFailed: the offline store can't be used for now; it is opened anew when the disk allows.
	ErrOfflineFailed = errors.New("store: the offline store has failed")
	// ErrOfflineLost: of what was applied since the last Flush that succeeded, something is gone. Apply all of it again, in order, then Flush.
	ErrOfflineLost = errors.New("store: the offline store lost what was not flushed")
	// ErrOfflineClosed: Close was called.
	ErrOfflineClosed = errors.New("store: the offline store is closed")
	// ErrStoreLocked: another process has the data directory.
	ErrStoreLocked = errors.New("store: the mailboxes are in use")
	// ErrStoreVersion: a later version wrote them.
	ErrStoreVersion = errors.New("store: the mailboxes are of a later version")
	// ErrStateDamaged: the state file is not what was written, or it is gone. The error is a *DamageError and names the place.
	ErrStateDamaged = errors.New("store: the state file is damaged")
	// ErrJournalTaken: a directory for the journal has the journal of other mailboxes.
	ErrJournalTaken = errors.New("store: the directory has another journal")
	// ErrOwnerEpochs: OwnerEpochMax owner epochs were used.
	ErrOwnerEpochs = errors.New("store: no owner epoch is left")
	// ErrNotSettled: what desks have handed over is not on the disk.
	ErrNotSettled = errors.New("store: not everything is on the disk")
	// ErrKeeperClosed: Close was called.
	ErrKeeperClosed = errors.New("store: the mailboxes are closed")
	// ErrBackupPlace: the place for a backup is not empty.
	ErrBackupPlace = errors.New("store: the directory for the backup is not empty")
)

// DamageError names the exact place of damage.
type DamageError struct {
	Path   string // of the file
	Offset int64  // in bytes; -1: unknown
	Why    string
	Err    error // ErrJournalDamaged, ErrOfflineDamaged or ErrStateDamaged
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%v: %s, byte %d: %s", e.Err, e.Path, e.Offset, e.Why)
}

// Unwrap implements errors.
func (e *DamageError) Unwrap() error { return e.Err }

// Errors of People.
var (
	// ErrNoProfile: the user has said nothing of itself.
	ErrNoProfile = errors.New("store: no such profile")
	// ErrSettingsChanged: the settings are not of the version that the change was made of. Read again.
	ErrSettingsChanged = errors.New("store: the settings have changed since they were read")
	// ErrTooMany: a list above its limit.
	ErrTooMany = errors.New("store: too many users in a list")
	// ErrNotAscending: a list that is not ascending, or names somebody twice.
	ErrNotAscending = errors.New("store: a list is not ascending")
)
