package iq

import "trunkline/codec"

// Answer is what comes back for a request, under the same ref. Code CodeNone: done, and the fields that its Op names say more.
type Answer struct {
	Ref          uint32
	Op           Op              // of the request
	Code         codec.ErrorCode // below 64
	RetryAfterMs uint32          // with CodeRateLimited and CodeServerFull
	Text         string          // with a code: for people, at most codec.TextBytesMax bytes
	Group        GroupInfo
	Outcomes     []Outcome // of those that were named and did not become what was asked for
	Groups       []uint64
	Users        []uint64
	Members      []Member
	More         uint64 // 0, or the cursor of the next page
	Profile      Profile
	Privacy      Privacy
	Devices      DeviceList
}

// AppendAnswer adds an answer as a NODE frame: with a Code that, RetryAfterMs and Text, else all the parts that are not empty. It is
// compressed where that is worth it: see worthDeflate. An error may have ref 0, for a request that had it: clients pass it over. Errors: ErrForm, the codec's; dst is then returned unchanged.
func AppendAnswer(dst []byte, a *Answer) ([]byte, error) {
	if !a.valid() {
		return dst, ErrForm
	}
	b := codec.NewBuilder(dst)
	if a.Code != codec.CodeNone {
		a.writeError(&b)
	} else {
		a.writeResult(&b)
	}
	return frame(&b, len(dst), a.Ref, worthDeflate(a.Members, a.Group.Members) && len(a.Users)+len(a.Groups) == 0)
}

// worthDeflate says whether a compressor is to try. Not on pages of ids: they are differences already, and of 8 KB (1,024 members) it saves
// 5 % in 15 times the time that writing them takes (bench_test.go), on a loop that others wait for.
func worthDeflate(pages ...[]Member) bool {
	for _, page := range pages {
		if len(page) > 0 {
			return false
		}
	}
	return true
}

func (a *Answer) writeError(b *codec.Builder) {
	b.Open("error")
	a.writeOp(b)
	b.AttrUint("code", uint64(a.Code))
	attrUint(b, "retry-after", uint64(a.RetryAfterMs))
	attrText(b, "text", a.Text)
	b.Close()
}

// writeOp says what the answer is to; a request that nobody could read has no operation.
func (a *Answer) writeOp(b *codec.Builder) {
	if a.Op.known() {
		b.Attr("query", opForms[a.Op].root)
		b.Attr("type", opForms[a.Op].kind)
	}
}

func (a *Answer) writeResult(b *codec.Builder) {
	b.Open("result")
	a.writeOp(b)
	attrUint(b, "next", a.More)
	if a.Group.Group != 0 {
		a.Group.writePart(b)
	}
	writeOutcomes(b, a.Outcomes)
	writeIDsPart(b, "group-list", a.Groups)
	writeIDsPart(b, "user", a.Users)
	writeMarks(b, a.Members)
	if a.Profile.User != 0 {
		a.Profile.writePart(b)
	}
	if a.Op == OpPrivacyGet || a.Privacy != (Privacy{}) {
		a.Privacy.writePart(b)
	}
	if a.Devices.User != 0 {
		a.Devices.writePart(b)
	}
	b.Close()
}

func (a *Answer) readError(root codec.Value) (ok bool) {
	at := attributes{node: root}
	a.Code = codec.ErrorCode(at.number("code", codesEnd-1))
	a.RetryAfterMs = uint32(at.number("retry-after", 1<<32-1))
	a.Text = at.text("text", codec.TextBytesMax)
	return !at.bad && a.Code != codec.CodeNone
}

func (a *Answer) readResult(root codec.Value) (ok bool) {
	at := attributes{node: root}
	a.More = at.number("next", ^uint64(0))
	a.Outcomes = readOutcomes(&at, root)
	a.Groups = at.ids(nil, child(root, "group-list"), PageMax, validGroup)
	a.Users = at.ids(nil, child(root, "user"), PageMax, validUser)
	a.Members = readMarks(&at, root)
	ok = !at.bad
	if part := child(root, "group"); part.Kind() != codec.ValueNone {
		ok = a.Group.readPart(part) && ok
	}
	if part := child(root, "profile"); part.Kind() != codec.ValueNone {
		ok = a.Profile.readPart(part) && ok
	}
	if part := child(root, "privacy"); part.Kind() != codec.ValueNone {
		ok = a.Privacy.readPart(part) && ok
	}
	if part := child(root, "devices"); part.Kind() != codec.ValueNone {
		ok = a.Devices.readPart(part) && ok
	}
	return ok
}

// codesEnd is above all codes that keep a connection, which are those that an answer can have.
const codesEnd = 64

// valid says whether the parts that count can be said.
func (a *Answer) valid() bool {
	if a.Code != codec.CodeNone {
		return a.Code < codesEnd && a.Op < opEnd && validText(a.Text, codec.TextBytesMax)
	}
	return a.Ref != 0 && a.Op.known() && a.Privacy.valid() &&
		(a.Group.Group == 0 || a.Group.valid()) &&
		(a.Profile.User == 0 || validUser(a.Profile.User) && a.Profile.valid()) &&
		(a.Devices.User == 0 || a.Devices.valid()) &&
		validOutcomes(a.Outcomes) && validMembers(a.Members) &&
		validIDs(a.Groups, validGroup) && validIDs(a.Users, validUser)
}

// validIDs says whether a page may hold these.
func validIDs(ids []uint64, valid func(uint64) bool) bool {
	for _, id := range ids {
		if !valid(id) {
			return false
		}
	}
	return len(ids) <= PageMax
}

// writeIDsPart adds a node with ids; nothing when there are none.
func writeIDsPart(b *codec.Builder, name string, ids []uint64) {
	if len(ids) == 0 {
		return
	}
	b.Open(name)
	writeIDs(b, ids)
	b.Close()
}
