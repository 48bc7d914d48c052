package iq

import "trunkline/codec"

// Rule says who may see something.
type Rule uint8

// The rules.
const (
	RuleEveryone Rule = iota
	RuleContacts      // whom the user has among its contacts
	RuleNobody
	ruleEnd
)

// Privacy says who sees what of a user.
type Privacy struct {
	Presence Rule // that the user is there, and that it writes
	LastSeen Rule // when it was
	Profile  Rule
}

var ruleNames = [ruleEnd]string{RuleEveryone: "everyone", RuleContacts: "contacts", RuleNobody: "nobody"}

func (p *Privacy) write(b *codec.Builder) {
	b.Attr("presence", ruleNames[p.Presence])
	b.Attr("last-seen", ruleNames[p.LastSeen])
	b.Attr("profile", ruleNames[p.Profile])
}

func (p *Privacy) read(a *attributes) {
	p.Presence = a.rule("presence")
	p.LastSeen = a.rule("last-seen")
	p.Profile = a.rule("profile")
}

func (p *Privacy) valid() bool {
	return p.Presence < ruleEnd && p.LastSeen < ruleEnd && p.Profile < ruleEnd
}

// writePart adds the rules to an answer.
func (p *Privacy) writePart(b *codec.Builder) {
	b.Open("privacy")
	p.write(b)
	b.Close()
}

func (p *Privacy) readPart(node codec.Value) (ok bool) {
	a := attributes{node: node}
	p.read(&a)
	return !a.bad
}
