package store

// Limits of what is kept about a user. Over each: ErrTooMany or ErrTooLarge, nothing has changed.
const (
	// ContactsMax and BlockedMax users: 8 bytes each in memory while the user is.
	ContactsMax = 4_096
	BlockedMax  = 1_024
	// NameBytesMax, AboutBytesMax and PictureBytesMax bound a profile, as the protocol does.
	NameBytesMax    = 128
	AboutBytesMax   = 512
	PictureBytesMax = 256
	// SignatureBytesMax is the length of an Ed25519 signature.
	SignatureBytesMax = 64
)
