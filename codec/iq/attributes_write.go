package iq

import "trunkline/codec"

// attrUser adds an id, attrUint a number, attrText a text, attrBytes bytes; zero and empty ones are left away.
func attrUser(b *codec.Builder, key string, id uint64) {
	if id != 0 {
		b.AttrUser(key, id)
	}
}

func attrUint(b *codec.Builder, key string, n uint64) {
	if n != 0 {
		b.AttrUint(key, n)
	}
}

func attrText(b *codec.Builder, key, text string) {
	if text != "" {
		b.Attr(key, text)
	}
}

func attrBytes(b *codec.Builder, key string, raw []byte) {
	if len(raw) != 0 {
		b.AttrBytes(key, raw)
	}
}
