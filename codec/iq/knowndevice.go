package iq

import "trunkline/codec"

// KnownDevice is a registered device.
type KnownDevice struct {
	Device        uint8
	Gen           uint16
	Static        [32]byte
	Sign          [32]byte
	RegisteredSec uint64
}

func (d *KnownDevice) write(b *codec.Builder) {
	b.Open("device")
	b.AttrUint("id", uint64(d.Device))
	b.AttrUint("gen", uint64(d.Gen))
	if d.Static != [32]byte{} {
		b.AttrBytes("curve25519", d.Static[:])
	}
	if d.Sign != [32]byte{} {
		b.AttrBytes("ed25519", d.Sign[:])
	}
	attrUint(b, "ts", d.RegisteredSec)
	b.Close()
}

func (d *KnownDevice) read(node codec.Value) (ok bool) {
	a := attributes{node: node}
	ok = a.is("id")
	d.Device = uint8(a.number("id", codec.DeviceMax))
	d.Gen = uint16(a.number("gen", 1<<16-1))
	d.Static = a.key("curve25519")
	d.Sign = a.key("ed25519")
	d.RegisteredSec = a.number("ts", ^uint64(0))
	return ok && !a.bad
}
