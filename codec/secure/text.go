package secure

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
)

// Keys, tokens and requests have a text that people copy: four letters that say what it is and which layout, then base64url without
// padding. There is one text for the same bytes.
const (
	serverKeyPrefix   = "tlk1"
	tokenPrefix       = "tlt1"
	linkRequestPrefix = "tlr1"

	checksumBytes = 4
)

func textOf(prefix string, b []byte) string {
	return prefix + base64.RawURLEncoding.EncodeToString(b)
}

// bytesOf reads a text that has at most bytesMax bytes. What is wrong stands behind the sentinel.
func bytesOf(prefix, s string, bytesMax int, sentinel error) ([]byte, error) {
	rest, ok := strings.CutPrefix(s, prefix)
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin with %s", sentinel, prefix)
	}
	if len(rest) > base64.RawURLEncoding.EncodedLen(bytesMax) {
		return nil, fmt.Errorf("%w: too long", sentinel)
	}
	b, err := base64.RawURLEncoding.DecodeString(rest)
	if err != nil || textOf(prefix, b) != s {
		return nil, fmt.Errorf("%w: a letter that does not belong there", sentinel)
	}
	return b, nil
}

// appendChecksum guards a text against typing errors.
func appendChecksum(b []byte) []byte {
	sum := sha256.Sum256(b)
	return append(b, sum[:checksumBytes]...)
}

// checkedBytesOf is bytesOf for a text of exactly bytes bytes and a checksum, which it cuts off.
func checkedBytesOf(prefix, s string, bytes int, sentinel error) ([]byte, error) {
	b, err := bytesOf(prefix, s, bytes+checksumBytes, sentinel)
	if err != nil {
		return nil, err
	}
	if len(b) != bytes+checksumBytes {
		return nil, fmt.Errorf("%w: too short", sentinel)
	}
	if again := appendChecksum(b[:bytes:bytes]); string(again) != string(b) {
		return nil, fmt.Errorf("%w: a typing error, the checksum is wrong", sentinel)
	}
	return b[:bytes], nil
}
