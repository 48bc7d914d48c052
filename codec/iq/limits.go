package iq

// Limits of the stanzas. Over each: ErrForm.
const (
	// UsersMax users in one request.
	UsersMax = 256
	// PageMax members or users in one answer; the rest comes with a cursor.
	PageMax = 1_024
	// SubjectBytesMax bytes of a group's subject, NameBytesMax of a name, AboutBytesMax of what a user says about itself,
	// PictureBytesMax of the reference of a picture.
	SubjectBytesMax = 256
	NameBytesMax    = 128
	AboutBytesMax   = 512
	PictureBytesMax = 256
	// InviteBytes is the length of an invite code.
	InviteBytes = 16
	// DevicesMax devices in a list.
	DevicesMax = 32
	// ReasonBytesMax bytes of a report's reason.
	ReasonBytesMax = 512
)
