package iq

import (
	"unicode/utf8"

	"trunkline/codec"
)

// attributes reads those of a node. What a key must not hold makes bad true, and the value nothing; a key that is not there is zero.
type attributes struct {
	node codec.Value
	bad  bool
}

// is says whether that key is there.
func (a *attributes) is(key string) bool { return a.node.Attr(key).Kind() != codec.ValueNone }

// number reads an integer of at most highest.
func (a *attributes) number(key string, highest uint64) uint64 {
	v := a.node.Attr(key)
	if v.Kind() == codec.ValueNone {
		return 0
	}
	n, ok := v.Uint()
	if !ok || n > highest {
		a.bad = true
		return 0
	}
	return n
}

// id reads a user's or a group's, as valid says.
func (a *attributes) id(key string, valid func(uint64) bool) uint64 {
	v := a.node.Attr(key)
	if v.Kind() == codec.ValueNone {
		return 0
	}
	id, ok := v.User()
	if !ok || !valid(id) {
		a.bad = true
		return 0
	}
	return id
}

// bytes reads at most longest bytes: nil when the key is not there. They alias the tape, but for those that are a token's text.
func (a *attributes) bytes(key string, longest int) []byte {
	v := a.node.Attr(key)
	b, ok := v.Bytes()
	switch v.Kind() {
	case codec.ValueNone:
		return nil
	case codec.ValueToken:
		b, ok = []byte(v.Text()), true
	}
	if !ok || len(b) > longest {
		a.bad = true
		return nil
	}
	return b
}

// text reads UTF-8 of at most longest bytes.
func (a *attributes) text(key string, longest int) string {
	v := a.node.Attr(key)
	if v.Kind() == codec.ValueToken {
		if text := v.Text(); len(text) <= longest {
			return text
		}
		a.bad = true
		return ""
	}
	b := a.bytes(key, longest)
	if !utf8.Valid(b) {
		a.bad = true
		return ""
	}
	return string(b)
}

// key reads 32 bytes; not there: zeros.
func (a *attributes) key(key string) (out [32]byte) {
	b := a.bytes(key, len(out))
	if b != nil && copy(out[:], b) != len(out) {
		a.bad = true
	}
	return out
}

// rule reads a Rule; it has to be there.
func (a *attributes) rule(key string) Rule {
	v := a.node.Attr(key)
	for rule, name := range ruleNames {
		if v.Is(name) {
			return Rule(rule)
		}
	}
	a.bad = true
	return RuleEveryone
}
