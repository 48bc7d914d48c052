package secure

import (
	"encoding/binary"
	"fmt"
)

// LinkRequest is what a companion shows its primary: "tlr1" and base64url of user u64, device u8, static 32, checksum 4 (as in ServerKey).
type LinkRequest struct {
	User   uint64
	Device uint8
	Static PublicKey
}

const linkRequestBytes = 8 + 1 + keyBytes

// ParseLinkRequest reads the text. Errors: ErrLinkRequest, with what is wrong.
func ParseLinkRequest(s string) (LinkRequest, error) {
	b, err := checkedBytesOf(linkRequestPrefix, s, linkRequestBytes, ErrLinkRequest)
	if err != nil {
		return LinkRequest{}, err
	}
	r := LinkRequest{User: binary.BigEndian.Uint64(b), Device: b[8], Static: PublicKey(b[9:])}
	if r.Static == (PublicKey{}) {
		return LinkRequest{}, fmt.Errorf("%w: it names no key", ErrLinkRequest)
	}
	return r, nil
}

// String is the text, 64 letters.
func (r LinkRequest) String() string {
	b := make([]byte, 0, linkRequestBytes+checksumBytes)
	b = binary.BigEndian.AppendUint64(b, r.User)
	b = append(b, r.Device)
	b = append(b, r.Static[:]...)
	return textOf(linkRequestPrefix, appendChecksum(b))
}
