package talk

import (
	"errors"
	"strconv"
	"strings"

	"trunkline/client"
	"trunkline/codec"
)

// Peer is whom a conversation is with: a user's id, or a group's, which has codec.GroupBit.
type Peer uint64

// IsGroup says whether the conversation is a group's.
func (p Peer) IsGroup() bool { return uint64(p)&codec.GroupBit != 0 }

// String is the id as people type it: digits for a user, g and digits for a group.
func (p Peer) String() string {
	if p.IsGroup() {
		return client.GroupName(uint64(p))
	}
	return strconv.FormatUint(uint64(p), 10)
}

var (
	errUser = errors.New("a user is a number of up to 18 digits")
	errPeer = errors.New("a user is a number of up to 18 digits, a group is g and a number")
)

// ParsePeer reads what String wrote.
func ParsePeer(s string) (Peer, error) {
	if strings.HasPrefix(s, "g") {
		g, err := client.ParseGroup(s)
		if err != nil {
			return 0, errPeer
		}
		return Peer(g), nil
	}
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n > codec.UserMax {
		return 0, errPeer
	}
	return Peer(n), nil
}

// parseUsers reads numbers of users.
func parseUsers(words []string) ([]uint64, error) {
	users := make([]uint64, 0, len(words))
	for _, w := range words {
		p, err := ParsePeer(strings.TrimSuffix(w, ","))
		if err != nil || p.IsGroup() {
			return nil, errUser
		}
		users = append(users, uint64(p))
	}
	return users, nil
}
