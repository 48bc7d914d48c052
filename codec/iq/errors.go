package iq

import "errors"

var (
	// ErrUnknown: well formed, and nothing that this version knows. CodeUnsupported, or passed over by a client.
	ErrUnknown = errors.New("iq: unknown stanza")
	// ErrForm: a field is missing, above its limit, or nothing that can stand there. CodeInvalid. From an Append function: the caller's fault.
	ErrForm = errors.New("iq: malformed stanza")
)
