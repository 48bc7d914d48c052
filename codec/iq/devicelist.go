package iq

import (
	"bytes"
	"encoding/binary"

	"trunkline/codec"
)

// DeviceList is the devices of a user as its primary has signed them, beside those that the server knows.
type DeviceList struct {
	User    uint64
	Version uint32 // rises by one or more with each list; 0: none was signed
	List    []uint8
	// Signature is the primary's Ed25519 signature over SignedBytes; 64 bytes, empty with version 0.
	Signature []byte
	// Known is what is registered, in answers: the server says so, nobody has signed it.
	Known []KnownDevice
}

// signatureBytes is the length of an Ed25519 signature.
const signatureBytes = 64

// SignedBytes adds what a primary signs for a list: "trunkline devices 1", user u64, version u32, count u8, the devices ascending.
func SignedBytes(dst []byte, l *DeviceList) []byte {
	dst = append(dst, "trunkline devices 1"...)
	dst = binary.BigEndian.AppendUint64(dst, l.User)
	dst = binary.BigEndian.AppendUint32(dst, l.Version)
	dst = append(dst, byte(len(l.List)))
	return append(dst, l.List...)
}

// write adds the list as attributes and content of the open node.
func (l *DeviceList) write(b *codec.Builder) {
	b.AttrUser("user", l.User)
	attrUint(b, "version", uint64(l.Version))
	attrBytes(b, "signature", l.Signature)
	if len(l.List)+len(l.Known) == 0 {
		return
	}
	b.OpenList()
	for _, device := range l.List {
		b.Uint(uint64(device))
	}
	for i := range l.Known {
		l.Known[i].write(b)
	}
	b.Close()
}

// read takes the list over, without what is registered.
func (l *DeviceList) read(a *attributes) {
	l.User = a.id("user", validUser)
	l.Version = uint32(a.number("version", 1<<32-1))
	l.Signature = a.bytes("signature", signatureBytes)
	for v := a.list(a.node); v.Kind() != codec.ValueNone; v = v.Next() {
		if v.Kind() == codec.ValueNode {
			continue
		}
		device, ok := v.Uint()
		if !ok || device > codec.DeviceMax || len(l.List) == DevicesMax {
			a.bad = true
			return
		}
		l.List = append(l.List, uint8(device))
	}
}

// readPart takes over the list of an answer or a notice.
func (l *DeviceList) readPart(node codec.Value) (ok bool) {
	a := attributes{node: node}
	l.read(&a)
	l.Signature = bytes.Clone(l.Signature)
	for v := node.First(); v.Kind() != codec.ValueNone && !a.bad; v = v.Next() {
		if !v.Name().Is("device") {
			continue
		}
		var known KnownDevice
		if !known.read(v) {
			return false
		}
		l.Known = append(l.Known, known) // valid bounds them: they ascend to DeviceMax
	}
	return !a.bad && l.valid()
}

// valid says whether this can be a list: both ascending, and signed when it has a version, only then.
func (l *DeviceList) valid() bool {
	signature := signatureBytes
	if l.Version == 0 {
		signature = 0
	}
	if !validUser(l.User) || len(l.Signature) != signature || len(l.List) > DevicesMax || l.Version == 0 && len(l.List) > 0 {
		return false
	}
	for i, device := range l.List {
		if device > codec.DeviceMax || i > 0 && device <= l.List[i-1] {
			return false
		}
	}
	for i := range l.Known {
		if l.Known[i].Device > codec.DeviceMax || i > 0 && l.Known[i].Device <= l.Known[i-1].Device {
			return false
		}
	}
	return true
}

// writePart adds the list to an answer or a notice.
func (l *DeviceList) writePart(b *codec.Builder) {
	b.Open("devices")
	l.write(b)
	b.Close()
}
