package server

import "time"

// Limits of the keyring.
const (
	// KeyFileBytesMax bounds each file of a directory of keys; ours have less than 700 bytes. Larger: ErrKeysBroken.
	KeyFileBytesMax = 4096
	// CertificateValidity is ten years: a certificate only tells clients with an older pin which key the operator uses now. A thief
	// of the server key needs none, and an earlier end would not stop him. Past it the server does not start: ErrCertificateExpired.
	CertificateValidity = 3652 * 24 * time.Hour
	// CertificateRenewal is how long before its end serve and `keys show` say that the certificate wants to be renewed.
	CertificateRenewal = 30 * 24 * time.Hour
	// CertificateClockSkew is how long before it was made a certificate is valid already, for clients whose clock is behind.
	CertificateClockSkew = 24 * time.Hour
	// TicketClockSlack is taken off the age of a ticket key that is older than the process: so much may a clock have been stepped
	// forward without ending a ticket early. The key lives longer by as much.
	TicketClockSlack = time.Hour
	// TicketAgeMax is the greatest age that is counted; an older key is due in any case.
	TicketAgeMax = 100 * 365 * 24 * time.Hour
)
