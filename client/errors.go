package client

import (
	"errors"
	"fmt"
	"time"

	"trunkline/codec"
)

// Errors of Dial and OpenState.
var (
	// ErrConfig: an option is missing or out of range.
	ErrConfig = errors.New("client: configuration")
	// ErrStateInUse: another process or client holds the state's file. One device is one client.
	ErrStateInUse = errors.New("client: state is in use")
	// ErrStateDamaged: the state does not read as this version's.
	ErrStateDamaged = errors.New("client: state is damaged")
	// ErrServerKeyMissing: neither the application nor the state names the server's key.
	ErrServerKeyMissing = errors.New("client: the server's key is not known: WithServerKey names it, WithTrustFirst takes what the server shows, WithPlaintext does without")
	// ErrStateOtherDevice: the state belongs to another user or device.
	ErrStateOtherDevice = errors.New("client: state belongs to another device")
)

// Errors of RequestLink and ApproveLink.
var (
	// ErrLink: these devices can't be linked.
	ErrLink = errors.New("client: no link")
)

// Errors of Send, Read, Ack and Subscribe.
var (
	// ErrClosed: Close was called, or the client has ended (then it wraps why).
	ErrClosed = errors.New("client: closed")
	// ErrOutboxFull: OutboxEntriesMax or OutboxBytesMax is reached; nothing was taken.
	ErrOutboxFull = errors.New("client: outbox is full")
	// ErrTooLarge: the payload is longer than PayloadBytesMax.
	ErrTooLarge = errors.New("client: payload is too large")
	// ErrReceiver: the id can't name a user.
	ErrReceiver = errors.New("client: receiver is not a user id")
	// ErrUnknownMessage: the message did not come from this client's Events.
	ErrUnknownMessage = errors.New("client: message is not from this client")
	// ErrTooManySubscriptions: SubscriptionsMax is reached; none of the call's users was added.
	ErrTooManySubscriptions = errors.New("client: too many subscriptions")
)

// Errors of requests: everything that is asked of the server and answered.
var (
	// ErrInterrupted: the connection was lost between the request and its answer. Whether it was done is not known: ask how things are. Requests
	// that may be done twice without harm are asked again by the client itself, and then end with ctx at the latest.
	ErrInterrupted = errors.New("client: connection lost before the answer; it is not known whether it was done")
	// ErrTooManyRequests: RequestsMax wait for their answers.
	ErrTooManyRequests = errors.New("client: too many requests at once")
	// ErrRequest: a field is missing or above its limit; nothing was asked.
	ErrRequest = errors.New("client: request")
	// ErrGroup: the id or name can't be a group's.
	ErrGroup = errors.New("client: not a group")
	// ErrNotPrimary: only the user's primary device may do that.
	ErrNotPrimary = errors.New("client: only the primary device, number 0, may do that")
	// ErrNoSignKey: the plain transport has no keys, and so nothing to sign with.
	ErrNoSignKey = errors.New("client: the plain transport has no key to sign with")
	// ErrDeviceList: a list of devices is malformed, or not signed by its user's primary device.
	ErrDeviceList = errors.New("client: list of devices")
	// ErrDeviceKeyChanged: the user's primary device has another key than the pinned one: a new phone, or an impostor. See TrustDevices.
	ErrDeviceKeyChanged = errors.New("client: the primary device has another key than before")
)

// Errors that end a connection or the client.
var (
	// ErrProtocol: the server sent what the protocol does not allow.
	ErrProtocol = errors.New("client: protocol error")
	// ErrPongTimeout: the server stayed silent after a ping.
	ErrPongTimeout = errors.New("client: server does not answer")
	// ErrState: the state could not be written. The client ends: it can't promise anything any more.
	ErrState = errors.New("client: writing the state")
	// ErrStateBehind: the server has taken more from this device than the state has ever sent, as after restoring an old
	// copy of the state's file. Going on would give old numbers to new messages, so the client ends.
	ErrStateBehind = errors.New("client: state is older than what the server knows of this device")

	// ErrServerKeyChanged: whoever answers does not have the pinned key, and no certificate of the pinned operator names
	// its key: an impostor, or a server whose keys were made anew. Nothing was sent to it. The client does not come back by itself.
	ErrServerKeyChanged = errors.New("client: SOMEBODY ELSE ANSWERS: the server's key is not the pinned one")

	// ErrReplaced: another client logged in as this device.
	ErrReplaced = &ServerError{Code: codec.CodeReplaced}
	// ErrGenerationStale: this device was registered again since; the state can't be used any more.
	ErrGenerationStale = &ServerError{Code: codec.CodeGenerationStale}
	// ErrVersion: the server does not speak this version of the protocol.
	ErrVersion = &ServerError{Code: codec.CodeVersion}
	// ErrNotAuthorized: the server does not accept this device.
	ErrNotAuthorized = &ServerError{Code: codec.CodeNotAuthorized}
	// ErrNotRegistered: the server does not know the device with this key; a token registers it.
	ErrNotRegistered = &ServerError{Code: codec.CodeNotRegistered}
	// ErrTokenRefused: the registration token is forged, expired, used, or somebody else's.
	ErrTokenRefused = &ServerError{Code: codec.CodeTokenRefused}
	// ErrDeviceRemoved: the device was removed from its account, or the account was deleted.
	ErrDeviceRemoved = &ServerError{Code: codec.CodeDeviceRemoved}
	// ErrDraining: the server is going down; it is fine to come back.
	ErrDraining = &ServerError{Code: codec.CodeDraining}
)

// ServerError is an ERROR or GOAWAY of the server. errors.Is compares codes only: errors.Is(err, ErrReplaced).
type ServerError struct {
	Code       codec.ErrorCode
	Ref        uint64        // what it is about, as the code says
	RetryAfter time.Duration // come back no sooner; 0 when the server named none
	Host       string        // GOAWAY: where to go instead, or ""
	Text       string
	Unproven   bool // said before the server had proved who it is: a hint, which never ends a client
}

// Error names the code, in words where the project's codes have them.
func (e *ServerError) Error() string {
	s := fmt.Sprintf("server: %s (code %d)", codeText(e.Code), e.Code)
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Unproven {
		s += ", it says"
	}
	return s
}

// Is makes two ServerErrors of one code equal for errors.Is.
func (e *ServerError) Is(target error) bool {
	t, ok := target.(*ServerError)
	return ok && t.Code == e.Code
}

// Temporary is true when the code lets the client come back by itself, or when nobody has proved it.
func (e *ServerError) Temporary() bool { return e.Unproven || e.Code.Returns() }

// closedBy wraps the reason of a client's end so that both ErrClosed and the reason are found.
func closedBy(cause error) error {
	if cause == nil {
		return ErrClosed
	}
	return fmt.Errorf("%w: %w", ErrClosed, cause)
}

// codeText says what a code means to a person.
func codeText(code codec.ErrorCode) string {
	if s, ok := codeTexts[code]; ok {
		return s
	}
	return "unknown reason"
}

// codeTexts is never written to.
var codeTexts = map[codec.ErrorCode]string{
	codec.CodeRateLimited:     "too fast",
	codec.CodeNoSuchUser:      "no such user",
	codec.CodeNoSuchDevice:    "no such device",
	codec.CodeTooLarge:        "message is too large",
	codec.CodeMailboxFull:     "the recipient's mailbox is full",
	codec.CodeServerFull:      "takes no messages for the moment",
	codec.CodeUnsupported:     "not supported by this server",
	codec.CodeNoPrekeys:       "no prekeys",
	codec.CodeNotMember:       "not a member of the group",
	codec.CodeTooMany:         "too many of these in one session",
	codec.CodeInternal:        "failed on this message",
	codec.CodeNotForGroups:    "not possible for groups",
	codec.CodeInvalidReceiver: "that id can't name a user",
	codec.CodeEpochStale:      "the group has changed since",
	codec.CodeDevicesStale:    "the user's devices have changed since",
	codec.CodeRefused:         "refused by a rule of the operator or of the other user",
	codec.CodeNotAllowed:      "this takes an admin, or the primary device",
	codec.CodeInvalid:         "a field is missing, too long or damaged",
	codec.CodeNotFound:        "there is no such thing",
	codec.CodeMalformed:       "malformed frame",
	codec.CodeCseqGap:         "gap in the numbers of sent messages",
	codec.CodeUnexpected:      "frame not expected here",
	codec.CodeVersion:         "protocol version not supported",
	codec.CodeReplaced:        "another client logged in as this device",
	codec.CodeGenerationStale: "this device was registered again since; its state can't be used any more",
	codec.CodeNotAuthorized:   "not authorized",
	codec.CodeAckInvalid:      "acknowledged what was never delivered",
	codec.CodeNotRegistered:   "does not know this device, or knows it with another key",
	codec.CodeTokenRefused:    "refused the registration token",
	codec.CodeDeviceRemoved:   "the device was removed from its account, or the account was deleted",
	codec.CodeDraining:        "going down",
	codec.CodeLoginTimeout:    "login took too long",
	codec.CodeIdle:            "nothing heard from this client for too long",
	codec.CodeSlowConsumer:    "this client reads too slowly",
	codec.CodeAckTimeout:      "nothing acknowledged for too long",
	codec.CodeCrashed:         "failed in this session",
	codec.CodeBusy:            "full",
	codec.CodeTicket:          "ticket refused",
	codec.CodeSessionLimit:    "too many devices of this user are connected",
}
