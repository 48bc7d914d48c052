package codec

// PayloadCompressed is the bit of Part.Kind and Deliver.Kind that says: compressed by the client.
const PayloadCompressed = 0x80

// CompressPayload appends payload to dst, compressed when it has PayloadDeflateBytesMin bytes or more and that saves
// bytes; compressed says which. ExpandPayload undoes it, refusing more than maxBytes.
func CompressPayload(dst, payload []byte) (out []byte, compressed bool) { panic("contract") }

// ExpandPayload undoes CompressPayload.
func ExpandPayload(dst, payload []byte, maxBytes int) ([]byte, error) { panic("contract") }
