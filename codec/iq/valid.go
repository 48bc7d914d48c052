package iq

import (
	"unicode/utf8"

	"trunkline/codec"
)

// validUser says whether an id can name a user, validGroup a group.
func validUser(id uint64) bool { return id > 0 && id <= codec.UserMax }

func validGroup(id uint64) bool {
	n := id &^ codec.GroupBit
	return id&codec.GroupBit != 0 && n > 0 && n <= codec.GroupMax
}

// validText says whether a text is UTF-8 of at most longest bytes.
func validText(text string, longest int) bool { return len(text) <= longest && utf8.ValidString(text) }
