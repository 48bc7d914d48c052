package codec

import (
	_ "embed"
	"errors"
	"fmt"
	"strings"
)

// Token is the code of a dictionary entry: its one byte, or its two bytes big-endian. Zero is no token.
type Token uint16

// DictionaryVersion is the newest version of the dictionary here. Protocol version 1 uses dictionary version 1.
const DictionaryVersion = 1

const (
	singleTokensMax = tagTokenMax
	doubleTokensMax = (tagPageMax - tagPageMin + 1) << 8
	// tokenBytesMax bounds a token's text, so that longer values need no look-up.
	tokenBytesMax = 32
)

//go:embed dict/tokens.txt
var tokensText string

// dictionary never changes after start.
var dictionary = mustDictionary(tokensText)

type tokenTable struct {
	version int
	singles []string // code-1 of a one-byte token
	doubles []string // code-0xD800 of a two-byte token
	codes   map[string]Token
}

// LookupToken finds the token with that text.
func LookupToken(text string) (Token, bool) {
	t, ok := dictionary.codes[text]
	return t, ok
}

// String is the token's text; empty for a code that the dictionary does not have.
func (t Token) String() string {
	switch {
	case !t.known():
		return ""
	case t >= tagPageMin<<8:
		return dictionary.doubles[int(t)-tagPageMin<<8]
	}
	return dictionary.singles[t-1]
}

// known says whether the dictionary has the code.
func (t Token) known() bool {
	if t >= tagPageMin<<8 {
		return int(t)-tagPageMin<<8 < len(dictionary.doubles)
	}
	return t > 0 && int(t) <= len(dictionary.singles)
}

func appendToken(dst []byte, t Token) []byte {
	if t > 0xFF {
		dst = append(dst, byte(t>>8))
	}
	return append(dst, byte(t))
}

// mustDictionary reads the embedded file. A damaged one is a bug of ours that the first test finds.
func mustDictionary(text string) tokenTable {
	d, err := readDictionary(text)
	if err != nil {
		panic(err)
	}
	return d
}

var errDictionary = errors.New("codec: token dictionary")

func readDictionary(text string) (tokenTable, error) {
	d := tokenTable{codes: make(map[string]Token)}
	section := ""
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		var err error
		switch {
		case strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "@"):
			err = d.readVersion(line)
		case line == "=single" || line == "=double":
			section = line
		default:
			err = d.add(section, line)
		}
		if err != nil {
			return d, fmt.Errorf("%w: line %d: %w", errDictionary, i+1, err)
		}
	}
	return d, nil
}

func (d *tokenTable) readVersion(line string) error {
	d.version++
	if want := fmt.Sprintf("@version %d", d.version); line != want {
		return fmt.Errorf("%q where %q has to stand", line, want)
	}
	return nil
}

func (d *tokenTable) add(section, text string) error {
	if text == "" || len(text) > tokenBytesMax {
		return fmt.Errorf("a token of %d bytes", len(text))
	}
	if _, ok := d.codes[text]; ok {
		return fmt.Errorf("%q stands twice", text)
	}
	switch {
	case d.version == 0 || section == "":
		return fmt.Errorf("%q before version and section", text)
	case section == "=single" && len(d.singles) < singleTokensMax:
		d.singles = append(d.singles, text)
		d.codes[text] = Token(len(d.singles))
	case section == "=double" && len(d.doubles) < doubleTokensMax:
		d.codes[text] = Token(tagPageMin<<8 + len(d.doubles))
		d.doubles = append(d.doubles, text)
	default:
		return fmt.Errorf("%s is full", section)
	}
	return nil
}
