package codec

import "errors"

// All errors of this package are the peer's fault when they come from Next, a Parse function, Tape.Parse or
// ExpandPayload, and the caller's fault when they come from an Append function or a Builder. The code named beside
// each is what a server answers after login; before login it closes without a word. docs/protocol.md, "Malformed input".

// Errors of Next. All of them: CodeMalformed, the connection closes, for the next frame's place is unknown or doubtful.
var (
	// ErrLengthPrefix: the length has more than three bytes or is not in its shortest form. CodeMalformed.
	ErrLengthPrefix = errors.New("codec: length prefix is not minimal or too long")
	// ErrFrameTooShort: the announced length leaves no room for type and flags. CodeMalformed.
	ErrFrameTooShort = errors.New("codec: frame has no room for type and flags")
	// ErrFrameTooLarge: the announced frame is above the limit. CodeMalformed. An Append function returns it for a
	// value that does not fit one frame.
	ErrFrameTooLarge = errors.New("codec: frame above the size limit")
	// ErrFlags: a reserved flag is set, or one that this kind does not take. CodeMalformed.
	ErrFlags = errors.New("codec: flag not allowed on this frame")
	// ErrKindUnknown: an unknown type below 0x80. CodeMalformed.
	ErrKindUnknown = errors.New("codec: unknown frame type below 0x80")
)

// Errors of the Parse and Append functions of fixed stanzas. CodeMalformed unless noted.
var (
	// ErrKind: a Parse function was given a frame of another kind. The caller's mistake, never the peer's.
	ErrKind = errors.New("codec: frame of another kind")
	// ErrBodyLength: the body is shorter or longer than its fields. Next returns it too, as soon as the head has
	// arrived, when no body of that kind can have the announced length. CodeMalformed.
	ErrBodyLength = errors.New("codec: body length does not match its fields")
	// ErrValue: a field holds a value that is not defined for it. CodeMalformed.
	ErrValue = errors.New("codec: field value not defined")
	// ErrExt: the extension block is empty, above ExtBytesMax or its items do not fill it exactly. CodeMalformed.
	ErrExt = errors.New("codec: extension block is damaged")
	// ErrExtCritical: an extension item with t >= 0x80 that this version does not know. CodeUnsupported when login
	// is done (a server may refuse the stanza only), CodeMalformed where the stanza can't be refused alone.
	ErrExtCritical = errors.New("codec: unknown critical extension")
	// ErrParts: the part list of a SEND is empty, above PartsMax, names a device twice, does not match its count
	// or is no group form though FlagGroup says so. CodeMalformed.
	ErrParts = errors.New("codec: part list is damaged")
	// ErrBlobTooLarge: a payload above BlobBytesMax. ParseSend returns the whole stanza with this error, so that the
	// server can reject it alone: CodeTooLarge. From ParseDeliver: the server is broken, the client closes.
	ErrBlobTooLarge = errors.New("codec: payload above the size limit")
	// ErrPeers: the list of a SUBSCRIBE is empty, above SubscribePeersMax or does not match its count. CodeMalformed.
	ErrPeers = errors.New("codec: peer list is damaged")
	// ErrText: a text above TextBytesMax or not UTF-8. CodeMalformed.
	ErrText = errors.New("codec: text too long or not UTF-8")
)

// Errors of undoing DEFLATE: a NODE frame with FlagDeflate (CodeMalformed), and ExpandPayload, which only clients call
// (the message is shown as damaged; the connection is not to blame).
var (
	// ErrInflate: the bytes are no DEFLATE stream, end too early, or go on after its end.
	ErrInflate = errors.New("codec: damaged compression")
	// ErrInflateTooLarge: more comes out than is allowed.
	ErrInflateTooLarge = errors.New("codec: compressed data expands above the limit")
)

// Errors of Tape.Parse. CodeMalformed.
var (
	// ErrNodeLength: the node ends early or bytes follow it.
	ErrNodeLength = errors.New("codec: node ends early or is followed by more bytes")
	// ErrNodeTag: a tag byte without meaning, or a token that the dictionary does not have.
	ErrNodeTag = errors.New("codec: unknown tag or token in a node")
	// ErrNodePlace: a value where its kind can't stand: a number as a name, a list as an attribute.
	ErrNodePlace = errors.New("codec: value in the wrong place of a node")
	// ErrNodeForm: not the canonical form: a longer number or length than needed, a text that is a token, a key twice,
	// or compression that was not worth it.
	ErrNodeForm = errors.New("codec: node not in canonical form")
	// ErrNodeLimit: deeper, longer or with more attributes than allowed.
	ErrNodeLimit = errors.New("codec: node above a limit")
)

// ErrBuilder comes out of Builder.Finish, besides ErrNodeForm and ErrNodeLimit: the calls make no node. The caller's
// mistake, never the peer's.
var ErrBuilder = errors.New("codec: builder calls make no node")
