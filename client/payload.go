package client

import "trunkline/codec"

// packPayload copies payload as it goes on the wire: compressed when it is long enough and that saves bytes.
func packPayload(payload []byte) (blob []byte, kind uint8) {
	blob, compressed := codec.CompressPayload(make([]byte, 0, len(payload)), payload)
	if compressed {
		return blob, codec.PayloadCompressed
	}
	return blob, 0
}

// unpackPayload is the application's own copy of a received payload, expanded. What does not expand within
// ExpandedBytesMax is handed over as it came with the bit left in kind.
func unpackPayload(blob []byte, kind uint8) ([]byte, uint8) {
	if kind&codec.PayloadCompressed != 0 {
		if out, err := codec.ExpandPayload(nil, blob, ExpandedBytesMax); err == nil {
			return out, kind &^ codec.PayloadCompressed
		}
	}
	return append([]byte(nil), blob...), kind
}
