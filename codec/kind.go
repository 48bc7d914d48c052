package codec

// Kind is the type byte of a frame. Kinds 0x80 to 0xFF are skipped when unknown; unknown kinds below are errors.
type Kind uint8

// The kinds of frame. Values are wire format and never change.
const (
	KindPing      Kind = 0x01
	KindPong      Kind = 0x02
	KindHello     Kind = 0x03
	KindSuccess   Kind = 0x04
	KindResume    Kind = 0x05 // reserved for the encrypted transport
	KindError     Kind = 0x06
	KindGoAway    Kind = 0x07
	KindState     Kind = 0x08
	KindTicket    Kind = 0x09
	KindSend      Kind = 0x10
	KindDeliver   Kind = 0x11
	KindAck       Kind = 0x12
	KindReceipt   Kind = 0x13
	KindTyping    Kind = 0x14
	KindPresence  Kind = 0x15
	KindSubscribe Kind = 0x16
	KindNode      Kind = 0x20
)

// Flags is the flags byte of a frame. Bits 0xE0 must be zero.
type Flags uint8

// The flags of a frame.
const (
	FlagExt     Flags = 0x01 // an extension block follows the fixed fields
	FlagGroup   Flags = 0x02 // the frame carries group fields
	FlagNoStore Flags = 0x04 // never put in a mailbox, never acknowledged by the recipient
	FlagUrgent  Flags = 0x08 // hint for push gateways
	FlagDeflate Flags = 0x10 // NODE only: the node is DEFLATE-compressed
)

// ErrorCode is the code of an ERROR or GOAWAY frame and of a rejection.
// docs/protocol.md, "Codes", says for each whether the connection closes and whether the client should return.
type ErrorCode uint16

// Soft codes keep the connection; they also stand in rejections.
const (
	CodeNone            ErrorCode = 0
	CodeRateLimited     ErrorCode = 1 // temporary refusal: send the named cseq again after retry-after
	CodeNoSuchUser      ErrorCode = 2 // rejection
	CodeNoSuchDevice    ErrorCode = 3 // rejection
	CodeTooLarge        ErrorCode = 4 // rejection
	CodeMailboxFull     ErrorCode = 5 // rejection: the recipient's mailbox is at its cap
	CodeServerFull      ErrorCode = 6 // temporary refusal: intake is stopped (memory, disk)
	CodeUnsupported     ErrorCode = 7 // the stanza is known and not served here
	CodeNoPrekeys       ErrorCode = 8
	CodeNotMember       ErrorCode = 9
	CodeTooMany         ErrorCode = 10 // a per-session table (subscriptions) is full
	CodeInternal        ErrorCode = 11 // rejection: the server failed on this stanza
	CodeNotForGroups    ErrorCode = 12
	CodeInvalidReceiver ErrorCode = 13 // rejection: the id can't name a user or a group
	CodeEpochStale      ErrorCode = 14 // rejection: the group has changed since; a notice with the present one comes before
	CodeDevicesStale    ErrorCode = 15 // rejection: the receiver's list of devices has changed since; a notice with the present one comes before
	CodeRefused         ErrorCode = 16 // rejection, or the answer to a request: a rule of the operator or of the other user is against it
	CodeNotAllowed      ErrorCode = 17 // the answer to a request: it takes an admin, or the primary device
	CodeInvalid         ErrorCode = 18 // the answer to a request: a field is missing, above its limit or damaged
	CodeNotFound        ErrorCode = 19 // the answer to a request: there is no such thing
)

// Codes from 64 close the connection. From 64 to 95 the client should not come back by itself.
const (
	CodeMalformed       ErrorCode = 64 // ref is the offset of the frame in the connection's stream
	CodeCseqGap         ErrorCode = 65 // ref is the cseq that was expected
	CodeUnexpected      ErrorCode = 66 // a frame that this state does not take
	CodeVersion         ErrorCode = 67
	CodeReplaced        ErrorCode = 68 // another client logged in as this device
	CodeGenerationStale ErrorCode = 69 // this device has been registered again since
	CodeNotAuthorized   ErrorCode = 70
	CodeAckInvalid      ErrorCode = 71 // an ACK above what was delivered
	CodeNotRegistered   ErrorCode = 72 // the device is not known, or has another key: a token registers it
	CodeTokenRefused    ErrorCode = 73 // the registration token is forged, expired, used, or for somebody else
	CodeDeviceRemoved   ErrorCode = 74 // the device was removed from its account, or the account was deleted

	// From 96: come back after retry-after, or with backoff.
	CodeDraining     ErrorCode = 96 // GOAWAY: the server is going down
	CodeLoginTimeout ErrorCode = 97
	CodeIdle         ErrorCode = 98
	CodeSlowConsumer ErrorCode = 99  // outbound cap reached
	CodeAckTimeout   ErrorCode = 100 // nothing acknowledged for too long
	CodeCrashed      ErrorCode = 101 // the session's step panicked
	CodeBusy         ErrorCode = 102 // connection limit, or more handshakes than there is time for
	CodeTicket       ErrorCode = 103 // in a refusal flight: the ticket can't be used, a contact flight may follow at once
	CodeSessionLimit ErrorCode = 104 // too many devices of the user are connected
)

// Known says whether this version has a name for the kind.
func (k Kind) Known() bool { return int(k) < len(shapes) && shapes[k].known }

// Skipped says whether a frame of this kind, if it is not known, is passed over instead of refused.
func (k Kind) Skipped() bool { return k >= 0x80 }

// Closes says whether the connection ends with this code.
func (c ErrorCode) Closes() bool { return c >= 64 }

// Returns says whether a client that was closed with this code should come back by itself.
func (c ErrorCode) Returns() bool { return c < 64 || c >= 96 }

// String is the code's name in logs, metrics and docs/protocol.md; empty for a code without one.
func (c ErrorCode) String() string {
	if int(c) < len(codeNames) {
		return codeNames[c]
	}
	return ""
}

var codeNames = [...]string{
	CodeNone:            "none",
	CodeRateLimited:     "rate_limited",
	CodeNoSuchUser:      "no_such_user",
	CodeNoSuchDevice:    "no_such_device",
	CodeTooLarge:        "too_large",
	CodeMailboxFull:     "mailbox_full",
	CodeServerFull:      "server_full",
	CodeUnsupported:     "unsupported",
	CodeNoPrekeys:       "no_prekeys",
	CodeNotMember:       "not_member",
	CodeTooMany:         "too_many",
	CodeInternal:        "internal",
	CodeNotForGroups:    "not_for_groups",
	CodeInvalidReceiver: "invalid_receiver",
	CodeEpochStale:      "epoch_stale",
	CodeDevicesStale:    "devices_stale",
	CodeRefused:         "refused",
	CodeNotAllowed:      "not_allowed",
	CodeInvalid:         "invalid",
	CodeNotFound:        "not_found",
	CodeMalformed:       "malformed",
	CodeCseqGap:         "cseq_gap",
	CodeUnexpected:      "unexpected",
	CodeVersion:         "version",
	CodeReplaced:        "replaced",
	CodeGenerationStale: "generation_stale",
	CodeNotAuthorized:   "not_authorized",
	CodeAckInvalid:      "ack_invalid",
	CodeNotRegistered:   "not_registered",
	CodeTokenRefused:    "token_refused",
	CodeDeviceRemoved:   "device_removed",
	CodeDraining:        "draining",
	CodeLoginTimeout:    "login_timeout",
	CodeIdle:            "idle",
	CodeSlowConsumer:    "slow_consumer",
	CodeAckTimeout:      "ack_timeout",
	CodeCrashed:         "crashed",
	CodeBusy:            "busy",
	CodeTicket:          "ticket_refused",
	CodeSessionLimit:    "session_limit",
}

// String is the kind's name in docs/protocol.md; empty for a kind without one.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return ""
}

var kindNames = [...]string{
	KindPing:      "PING",
	KindPong:      "PONG",
	KindHello:     "HELLO",
	KindSuccess:   "SUCCESS",
	KindResume:    "RESUME",
	KindError:     "ERROR",
	KindGoAway:    "GOAWAY",
	KindState:     "STATE",
	KindTicket:    "TICKET",
	KindSend:      "SEND",
	KindDeliver:   "DELIVER",
	KindAck:       "ACK",
	KindReceipt:   "RECEIPT",
	KindTyping:    "TYPING",
	KindPresence:  "PRESENCE",
	KindSubscribe: "SUBSCRIBE",
	KindNode:      "NODE",
}
