package codec

// Limits of the wire. Every one is part of the protocol: see docs/protocol.md, "Limits".
const (
	// FrameBytesMax bounds a whole frame, its length prefix included, so that one frame always fits one
	// encrypted record (65,535 less a 16-byte tag). Over it: ErrFrameTooLarge, the connection closes.
	FrameBytesMax = 65_519
	// PreLoginFrameBytesMax bounds every frame of a connection that has not logged in.
	PreLoginFrameBytesMax = 1_024
	// LengthPrefixBytesMax is the longest length prefix: three bytes of seven bits.
	LengthPrefixBytesMax = 3
	// BlobBytesMax bounds one payload, so that whatever fits a SEND also fits the DELIVER made from it,
	// group fields and extensions included.
	BlobBytesMax = 64_512
	// PartsMax bounds the device parts of one SEND.
	PartsMax = 32
	// ExtBytesMax bounds the extension block of a frame, its own length field excluded.
	ExtBytesMax = 768
	// SubscribePeersMax bounds the peers named by one SUBSCRIBE.
	SubscribePeersMax = 64
	// TextBytesMax bounds the text of an ERROR and the host of a GOAWAY.
	TextBytesMax = 200
	// NodeDepthMax bounds how deep binary nodes nest.
	NodeDepthMax = 8
	// NodeItemsMax bounds the nodes, attributes and values of one NODE frame together.
	NodeItemsMax = 4_096
	// NodeAttrsMax bounds the attributes of one node: keys are compared pairwise.
	NodeAttrsMax = 32
	// NodeInflatedBytesMax bounds a NODE frame after DEFLATE is undone.
	NodeInflatedBytesMax = 256 << 10
	// NodeDeflateBytesMin is the smallest node that is worth compressing.
	NodeDeflateBytesMin = 512
	// PayloadDeflateBytesMin is the smallest payload that a client tries to compress.
	PayloadDeflateBytesMin = 128
	// UserMax is the largest user id: 18 decimal digits. Groups have the top bit set.
	UserMax = 999_999_999_999_999_999
	// GroupBit marks a group id. The number below it is 1 to GroupMax, so that users and groups together fit 60 bits.
	GroupBit = 1 << 63
	// GroupMax is the largest number of a group.
	GroupMax = 1<<57 - 1
	// DeviceMax is the largest device of a user; the two numbers above are the server's own.
	DeviceMax = 253
)
