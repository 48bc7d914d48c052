package secure

import (
	"errors"
	"strings"
	"testing"
)

func TestTheTextsOfKeysAndRequestsComeBack(t *testing.T) {
	for _, k := range []ServerKey{
		{Static: PublicKey{1}}, {Static: PublicKey{1}, Operator: [32]byte{2}},
	} {
		if back, err := ParseServerKey(k.String()); err != nil || back != k || len(k.String()) != 96 {
			t.Errorf("%s: %+v, %v", k, back, err)
		}
	}
	r := LinkRequest{User: 999_999_999_999_999_999, Device: 255, Static: PublicKey{1}}
	if back, err := ParseLinkRequest(r.String()); err != nil || back != r || len(r.String()) != 64 {
		t.Errorf("%s: %+v, %v", r, back, err)
	}
}

// Whoever types a key wrong must be told so, not connect to nobody.
func TestEveryTypingErrorIsFound(t *testing.T) {
	key := ServerKey{Static: PublicKey{1, 2, 3}, Operator: [32]byte{4, 5, 6}}.String()
	request := LinkRequest{User: 1001, Device: 3, Static: PublicKey{1, 2, 3}}.String()
	for _, c := range []struct {
		text     string
		parse    func(string) error
		sentinel error
	}{
		{key, func(s string) error { _, err := ParseServerKey(s); return err }, ErrServerKey},
		{request, func(s string) error { _, err := ParseLinkRequest(s); return err }, ErrLinkRequest},
	} {
		for i := range c.text {
			for _, s := range []string{
				c.text[:i] + typo(c.text[i]) + c.text[i+1:], // another letter
				c.text[:i] + c.text[i+1:],                   // left out
				c.text[:i] + "\n" + c.text[i:],              // broken over two lines
				c.text[:i] + c.text[i:i+1] + c.text[i:],     // twice
				c.text[:i],                                  // cut
			} {
				if err := c.parse(s); !errors.Is(err, c.sentinel) {
					t.Fatalf("%s: %v", s, err)
				}
			}
		}
		wantErr(t, "far too long", c.parse(c.text+strings.Repeat("A", 4_000)), c.sentinel)
	}
}

func typo(c byte) string {
	if c == 'x' {
		return "y"
	}
	return "x"
}

func TestTextsSayWhatIsWrongWithThem(t *testing.T) {
	good := ServerKey{Static: PublicKey{1}, Operator: [32]byte{2}}.String()
	later := make([]byte, serverKeyBytes)
	later[0], later[1] = 2, 1
	for _, c := range []struct{ text, want string }{
		{"tlt1" + good[4:], "does not begin with tlk1"},
		{good[:40] + "!" + good[41:], "a letter that does not belong there"},
		{good[:95] + typo(good[95]), "typing error"},
		{good[:92], "too short"},
		{good + "AAAA", "too long"},
		{textOf(serverKeyPrefix, appendChecksum(later)), "version 2"},
		{ServerKey{Operator: [32]byte{2}}.String(), "names no key"},
	} {
		_, err := ParseServerKey(c.text)
		if !errors.Is(err, ErrServerKey) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.text, err, c.want)
		}
	}
	_, err := ParseLinkRequest(LinkRequest{User: 1}.String())
	wantErr(t, "a request without a key", err, ErrLinkRequest)
}
