package codec

import "encoding/binary"

// Ext is an encoded extension block without its u16 total: checked by the parser, walked with Next.
// Each item is t u8, len u8, value; t >= 0x80 is critical. Version 1 defines two, for HELLO: ExtToken and ExtSignKey.
type Ext []byte

// ExtItem is one item of an extension block. Value has at most 255 bytes and aliases the block.
type ExtItem struct {
	Type  uint8
	Value []byte
}

// extCritical is the bit of an item's type that forbids to ignore it.
const extCritical = 0x80

// Next walks the items; ok is false at the end. A block that no parser has checked ends at its first damaged item.
func (e Ext) Next() (item ExtItem, rest Ext, ok bool) {
	if len(e) < 2 || len(e) < 2+int(e[1]) {
		return ExtItem{}, nil, false
	}
	end := 2 + int(e[1])
	return ExtItem{Type: e[0], Value: e[2:end:end]}, e[end:], true
}

// Find gives the value of the first item of a type, which aliases the block.
func (e Ext) Find(t uint8) (value []byte, ok bool) {
	for item, rest, ok := e.Next(); ok; item, rest, ok = rest.Next() {
		if item.Type == t {
			return item.Value, true
		}
	}
	return nil, false
}

// Append adds one item. A value above 255 bytes can't be said: the block is returned unchanged.
func (e Ext) Append(item ExtItem) Ext {
	if len(item.Value) > 255 {
		return e
	}
	e = append(e, item.Type, byte(len(item.Value)))
	return append(e, item.Value...)
}

// checkExt holds a block without its total against the rules. An empty one is no block and valid.
func checkExt(e []byte) error {
	if len(e) > ExtBytesMax {
		return ErrExt
	}
	critical := false
	for len(e) > 0 {
		if len(e) < 2 || len(e) < 2+int(e[1]) {
			return ErrExt
		}
		critical = critical || e[0] >= extCritical
		e = e[2+int(e[1]):]
	}
	if critical {
		return ErrExtCritical
	}
	return nil
}

// splitTail cuts what follows the fixed fields into the extension block and the rest.
func splitTail(flags Flags, body []byte, fixed int) (ext Ext, tail []byte, err error) {
	if len(body) < fixed {
		return nil, nil, ErrBodyLength
	}
	if flags&FlagExt != 0 {
		return splitExt(body[fixed:])
	}
	return nil, body[fixed:], nil
}

func splitExt(b []byte) (ext Ext, tail []byte, err error) {
	if len(b) < 2 {
		return nil, nil, ErrExt
	}
	total := int(binary.BigEndian.Uint16(b))
	b = b[2:]
	if total == 0 || total > len(b) {
		return nil, nil, ErrExt
	}
	ext = Ext(b[:total:total])
	return ext, b[total:], checkExt(ext)
}

// splitExact is splitTail for stanzas that end with their extension block.
func splitExact(flags Flags, body []byte, fixed int) (Ext, error) {
	if flags&FlagExt == 0 {
		if len(body) != fixed {
			return nil, ErrBodyLength
		}
		return nil, nil
	}
	ext, tail, err := splitTail(flags, body, fixed)
	if len(tail) != 0 && (err == nil || err == ErrExtCritical) {
		err = ErrBodyLength
	}
	return ext, err
}

// extSize is how many bytes the block takes in a frame and the flag that announces it.
func extSize(e Ext) (bytes int, flag Flags) {
	if len(e) == 0 {
		return 0, 0
	}
	return 2 + len(e), FlagExt
}

func appendExt(dst []byte, e Ext) []byte {
	if len(e) == 0 {
		return dst
	}
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(e)))
	return append(dst, e...)
}
