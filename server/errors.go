package server

import "errors"

// Errors of New and Config. ErrConfig is the operator's fault (exit status 2), the others the machine's (exit status 1).
var (
	ErrConfig     = errors.New("wrong configuration")
	ErrDataLocked = errors.New("data directory is in use")
	ErrDataBroken = errors.New("data directory is damaged")
	// ErrMailboxesDamaged: what is on the disk is not what was written. The text names the place. Nothing of it is served.
	ErrMailboxesDamaged = errors.New("the mailboxes are damaged")
	// ErrJournalMissing: a directory that the journal was in is not there, or is another one.
	ErrJournalMissing = errors.New("a part of the journal is missing")
)

// Errors of Run.
var (
	ErrRunTwice   = errors.New("server: Run was called before")
	errNotSettled = errors.New("mailboxes were not written back") // the machine's fault: the disk
)

// Errors of keys: the operator's fault, and each text says what mends it.
var (
	ErrKeysMissing        = errors.New("there are no keys")
	ErrKeysThere          = errors.New("there are keys already")
	ErrKeysExposed        = errors.New("keys are not private")
	ErrKeysBroken         = errors.New("keys are damaged")
	ErrNoOperator         = errors.New("no private key of the operator")
	ErrRotation           = errors.New("not a kind of key")
	ErrCertificateExpired = errors.New("the server's certificate has expired")
	ErrCertificateEarly   = errors.New("the server's certificate is not valid yet")
)

// Errors of what strangers send: the peer's fault.
var (
	ErrProxyHeader = errors.New("not a PROXY v2 header for TCP")
)

// Errors of a Verifier: the peer's fault.
var (
	ErrNotRegistered = errors.New("the device is not registered")
	ErrTokenRefused  = errors.New("the registration token is refused")
)

// Errors of the registrar.
var (
	ErrRegistrarFull   = errors.New("too many logins wait for the accounts")
	ErrRegistrarClosed = errors.New("the registrar has ended")
	errLoopFull        = errors.New("the user's loop takes nothing just now")
	errCompanionsFull  = errors.New("the user has as many companions as --companions allows")
	errGenerationStale = errors.New("the device has been registered again since") // the peer's fault
)

// ConfigError names one setting that can't be used. It is an ErrConfig and prints as one line.
type ConfigError struct {
	Key    string // the flag and the key in the file: "max-connections"
	Reason string // what is wrong and what would be right
}

// Error is "--key: reason".
func (e *ConfigError) Error() string { return "--" + e.Key + ": " + e.Reason }

// Is makes every ConfigError an ErrConfig.
func (e *ConfigError) Is(target error) bool { return target == ErrConfig }
