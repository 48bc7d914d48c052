package codec

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"testing"
)

// dictionaryVersions are the parts of dict/tokens.txt that were published: everything up to a version's last line.
// A published part is wire format. A new version is a new row here; a row never changes.
var dictionaryVersions = []struct {
	version, bytes   int
	sha256           string
	singles, doubles int // tokens up to here
}{
	{1, 6184, "5009a7e32d74345765111d1ad9f993492f45d95b1ef9f983cabe374d2438a9fb", 198, 382},
}

func TestPublishedDictionaryVersionsNeverChange(t *testing.T) {
	for _, v := range dictionaryVersions {
		if len(tokensText) < v.bytes {
			t.Fatalf("version %d has %d bytes, the file %d: tokens were removed", v.version, v.bytes, len(tokensText))
		}
		part := tokensText[:v.bytes]
		if sum := sha256.Sum256([]byte(part)); hex.EncodeToString(sum[:]) != v.sha256 {
			t.Errorf("version %d changed: tokens may only be appended, under a new @version line", v.version)
		}
		d, err := readDictionary(part)
		if err != nil || d.version != v.version || len(d.singles) != v.singles || len(d.doubles) != v.doubles {
			t.Errorf("version %d reads as version %d with %d and %d tokens, %v", v.version, d.version, len(d.singles), len(d.doubles), err)
		}
	}
	last := dictionaryVersions[len(dictionaryVersions)-1]
	if last.version != DictionaryVersion || last.bytes != len(tokensText) {
		t.Errorf("the file has %d bytes, published are %d up to version %d of %d", len(tokensText), last.bytes, last.version, DictionaryVersion)
	}
}

func TestTokenCodes(t *testing.T) {
	for text, code := range map[string]Token{
		"iq": 0x01, "message": 0x02, "presence": 0x03, "type": 0x09, "contact": 0xC6,
		"rate_limited": 0xD800, "bad-request": 0xD81A, "not-in-network": 0xD914, "zstd": 0xD97D,
	} {
		if got, ok := LookupToken(text); !ok || got != code {
			t.Errorf("%q has code %#x, want %#x", text, uint16(got), uint16(code))
		}
	}
	for _, code := range []Token{0, 0xC7, 0xD7, 0xD8, 0xFF, 0x100, 0xD7FF, 0xD97E, 0xDFFF, 0xFFFF} {
		if text := code.String(); text != "" {
			t.Errorf("code %#x is %q, want none", uint16(code), text)
		}
	}
	for text, code := range dictionary.codes {
		if code.String() != text {
			t.Errorf("%q has code %#x, which is %q", text, uint16(code), code.String())
		}
		if strings.TrimFunc(text, func(r rune) bool { return r > ' ' && r < 0x7F }) != "" {
			t.Errorf("%q has bytes that are no visible ASCII", text)
		}
	}
}

// The names of the error codes of version 1 are tokens. Those that came later end a connection before any node, or are told as numbers: a new
// version of the dictionary would make their names malformed from a client that knows the old one.
func TestEveryErrorCodeNameIsAToken(t *testing.T) {
	later := []ErrorCode{CodeNone, CodeBusy, CodeNotRegistered, CodeTokenRefused, CodeTicket, CodeSessionLimit,
		CodeEpochStale, CodeDevicesStale, CodeRefused, CodeNotAllowed, CodeInvalid, CodeNotFound, CodeDeviceRemoved}
	for code := range ErrorCode(128) {
		if name := code.String(); name != "" && !slices.Contains(later, code) {
			if _, ok := LookupToken(name); !ok {
				t.Errorf("%q is no token", name)
			}
		}
	}
}

func TestReadDictionaryRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"a token twice":                         "@version 1\n=single\na\n=double\na\n",
		"a token before the version":            "=single\na\n",
		"a token outside a section":             "@version 1\na\n",
		"an empty line":                         "@version 1\n=single\na\n\nb\n",
		"a version that leaves one out":         "@version 2\n=single\na\n",
		"a token that is too long to look up":   "@version 1\n=single\n" + strings.Repeat("a", tokenBytesMax+1) + "\n",
		"more one-byte tokens than there are":   "@version 1\n=single\n" + numbered(singleTokensMax+1),
		"more two-byte tokens than there are":   "@version 1\n=double\n" + numbered(doubleTokensMax+1),
		"a section that nobody knows":           "@version 1\n=triple\na\n=single\nb\n",
		"a version line with something behind":  "@version 1 \n=single\na\n",
		"a file whose first line is a mistake":  "version 1\n",
		"the second version where it was first": "@version 1\n@version 1\n",
	} {
		if _, err := readDictionary(text); !errors.Is(err, errDictionary) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := readDictionary("@version 1\n=single\n" + numbered(singleTokensMax)); err != nil {
		t.Errorf("a full section: %v", err)
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString("t" + strings.Repeat("x", i%7) + string(rune('0'+i%10)) + hex.EncodeToString([]byte{byte(i >> 8), byte(i)}) + "\n")
	}
	return b.String()
}
