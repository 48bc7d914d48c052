package iq

import (
	"bytes"

	"trunkline/codec"
)

// Profile is what a user says of itself. Texts are UTF-8.
type Profile struct {
	User       uint64
	Name       string // at most NameBytesMax
	About      string // at most AboutBytesMax
	Picture    []byte // an opaque reference, at most PictureBytesMax
	ChangedSec uint64 // in answers
}

func (p *Profile) write(b *codec.Builder) {
	attrText(b, "name", p.Name)
	attrText(b, "about", p.About)
	attrBytes(b, "picture", p.Picture)
}

func (p *Profile) read(a *attributes) {
	p.Name = a.text("name", NameBytesMax)
	p.About = a.text("about", AboutBytesMax)
	p.Picture = a.bytes("picture", PictureBytesMax)
}

func (p *Profile) valid() bool {
	return validText(p.Name, NameBytesMax) && validText(p.About, AboutBytesMax) && len(p.Picture) <= PictureBytesMax
}

// writePart adds a profile to an answer.
func (p *Profile) writePart(b *codec.Builder) {
	b.Open("profile")
	b.AttrUser("user", p.User)
	p.write(b)
	attrUint(b, "ts", p.ChangedSec)
	b.Close()
}

func (p *Profile) readPart(node codec.Value) (ok bool) {
	a := attributes{node: node}
	p.User = a.id("user", validUser)
	p.read(&a)
	p.Picture = bytes.Clone(p.Picture)
	p.ChangedSec = a.number("ts", ^uint64(0))
	return !a.bad && p.User != 0
}
