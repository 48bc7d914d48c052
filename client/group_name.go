package client

import (
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// GroupName is a group's id for people: g and its number without the top bit, g123. ParseGroup reads it.
func GroupName(group uint64) string { return "g" + strconv.FormatUint(group&^codec.GroupBit, 10) }

// ParseGroup reads what GroupName wrote. Errors: ErrGroup.
func ParseGroup(name string) (group uint64, err error) {
	digits, ok := strings.CutPrefix(name, "g")
	n, err := strconv.ParseUint(digits, 10, 64)
	if !ok || err != nil || n == 0 || n > codec.GroupMax || digits[0] == '+' {
		return 0, fmt.Errorf("%w: %q", ErrGroup, name)
	}
	return n | codec.GroupBit, nil
}

// InviteText is a group and its invite code in one word, g123-00ff..., for people to pass on. ParseInvite reads it.
func InviteText(group uint64, code []byte) string {
	return GroupName(group) + "-" + hex.EncodeToString(code)
}

// ParseInvite reads what InviteText wrote. Errors: ErrGroup.
func ParseInvite(text string) (group uint64, code []byte, err error) {
	name, digits, ok := strings.Cut(text, "-")
	if group, err = ParseGroup(name); err != nil {
		return 0, nil, err
	}
	code, err = hex.DecodeString(digits)
	if !ok || err != nil || len(code) != iq.InviteBytes {
		return 0, nil, fmt.Errorf("%w: no invite code behind %s", ErrGroup, name)
	}
	return group, code, nil
}

// checkGroup says whether an id can name a group.
func checkGroup(group uint64) error {
	if n := group &^ codec.GroupBit; group&codec.GroupBit == 0 || n == 0 || n > codec.GroupMax {
		return fmt.Errorf("%w: %d", ErrGroup, group)
	}
	return nil
}
