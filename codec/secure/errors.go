package secure

import "errors"

// Errors of flights: the peer's fault.
var (
	ErrMagic         = errors.New("secure: not a trunkline flight")
	ErrVersion       = errors.New("secure: a version that is not spoken")
	ErrSuite         = errors.New("secure: a suite that is not spoken")
	ErrFlightKind    = errors.New("secure: a kind of flight that is not known here")
	ErrFlightLength  = errors.New("secure: a flight of the wrong length")
	ErrHandshake     = errors.New("secure: handshake failed")
	ErrEarlyTooLarge = errors.New("secure: too much early data")
	ErrPrivateKey    = errors.New("secure: a private key that was never set")
)

// Errors of records: the connection ends without a word.
var (
	ErrRecord         = errors.New("secure: a record that is not authentic")
	ErrRecordTooLarge = errors.New("secure: record too large")
	ErrExhausted      = errors.New("secure: the keys have sealed all they may")
	ErrLink           = errors.New("secure: not the bytes of a link")
)

// Errors of tickets, certificates, keys and tokens.
var (
	ErrTicket          = errors.New("secure: a ticket that can't be opened")
	ErrCertificate     = errors.New("secure: a certificate that the operator did not sign")
	ErrCertificateTime = errors.New("secure: a certificate that is not valid now")
	ErrServerKey       = errors.New("secure: not a server key")
	ErrToken           = errors.New("secure: not a token")
	ErrTokenSignature  = errors.New("secure: a token with a wrong signature")
	ErrTokenExpired    = errors.New("secure: a token that has expired")
	ErrLinkRequest     = errors.New("secure: not a link request")
)
