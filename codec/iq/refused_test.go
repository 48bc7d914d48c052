package iq_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

func TestAReplyThatIsNotQuiteOneIsRefused(t *testing.T) {
	answer := func(fill fill) fill {
		return func(b *codec.Builder) {
			b.Attr("query", "group")
			b.Attr("type", "get")
			fill(b)
		}
	}
	part := func(name string, fill fill) fill {
		return answer(func(b *codec.Builder) { b.Open(name); fill(b); b.Close() })
	}
	group := func(fill fill) fill {
		return part("group", func(b *codec.Builder) { b.AttrUser("id", groupID); fill(b) })
	}
	lists := func(lists ...any) fill { // name, ids or numbers, ...
		return func(b *codec.Builder) {
			for i := 0; i < len(lists); i += 2 {
				b.Open(lists[i].(string))
				switch values := lists[i+1].(type) {
				case []uint64:
					list(values...)(b)
				case []int:
					b.OpenList()
					for _, n := range values {
						b.Uint(uint64(n))
					}
					b.Close()
				}
				b.Close()
			}
		}
	}
	type ids = []uint64
	type numbers = []int
	for _, row := range []struct {
		name, root string
		ref        uint32
		fill       fill
		want       error
	}{
		{"the smallest answer", "result", 1, answer(func(*codec.Builder) {}), nil},
		{"parts of later versions", "result", 1, part("weather", list(4)), nil},
		{"a page of 1,024", "result", 1, group(lists("members", many(1024), "admins", ids{1, 1024})), nil},
		{"an error without an operation", "error", 1, func(b *codec.Builder) { b.AttrUint("code", 63) }, nil},

		{"an answer of a later version", "redirect", 1, answer(func(*codec.Builder) {}), iq.ErrUnknown},
		{"an answer to nobody's operation", "result", 1, func(b *codec.Builder) { b.Attr("query", "weather") }, iq.ErrUnknown},
		{"a result under ref 0", "result", 0, answer(func(*codec.Builder) {}), iq.ErrUnknown},
		{"an error under ref 0", "error", 0, func(b *codec.Builder) { b.AttrUint("code", 18) }, iq.ErrUnknown},
		{"a notice under a ref", "notification", 1, part("group", func(*codec.Builder) {}), iq.ErrUnknown},
		{"a notice of a later version", "notification", 0, func(b *codec.Builder) { b.Open("weather"); b.Close() }, iq.ErrUnknown},

		{"an error without a code", "error", 1, answer(func(*codec.Builder) {}), iq.ErrForm},
		{"an error with code 0", "error", 1, answer(func(b *codec.Builder) { b.AttrUint("code", 0) }), iq.ErrForm},
		{"an error that closes", "error", 1, answer(func(b *codec.Builder) { b.AttrUint("code", 64) }), iq.ErrForm},
		{"an error with a text above the limit", "error", 1,
			answer(func(b *codec.Builder) { b.AttrUint("code", 18); b.Attr("text", strings.Repeat("t", 201)) }), iq.ErrForm},
		{"an error with a text that is no UTF-8", "error", 1,
			answer(func(b *codec.Builder) { b.AttrUint("code", 18); b.Attr("text", "\xff") }), iq.ErrForm},
		{"a retry-after of 33 bits", "error", 1,
			answer(func(b *codec.Builder) { b.AttrUint("code", 1); b.AttrUint("retry-after", 1<<32) }), iq.ErrForm},
		{"a cursor that is a text", "result", 1, answer(func(b *codec.Builder) { b.Attr("next", "x") }), iq.ErrForm},
		{"a group without an id", "result", 1, part("group", func(*codec.Builder) {}), iq.ErrForm},
		{"a group that is a user", "result", 1, part("group", func(b *codec.Builder) { b.AttrUser("id", 5) }), iq.ErrForm},
		{"an epoch of 33 bits", "result", 1, group(func(b *codec.Builder) { b.AttrUint("epoch", 1<<32) }), iq.ErrForm},
		{"a count of 32 bits", "result", 1, group(func(b *codec.Builder) { b.AttrUint("count", 1<<31) }), iq.ErrForm},
		{"a group as creator", "result", 1, group(func(b *codec.Builder) { b.AttrUser("owner", groupID) }), iq.ErrForm},
		{"a short invite code", "result", 1, group(func(b *codec.Builder) { b.Attr("invite", "ccc") }), iq.ErrForm},
		{"1,025 members", "result", 1, group(lists("members", many(1025))), iq.ErrForm},
		{"an admin who is no member", "result", 1, group(lists("members", ids{4, 6}, "admins", ids{5})), iq.ErrForm},
		{"admins in another order", "result", 1, group(lists("members", ids{4, 6}, "admins", ids{6, 4})), iq.ErrForm},
		{"a group among the members", "result", 1, group(lists("members", ids{4, groupID})), iq.ErrForm},
		{"outcomes without codes", "result", 1, answer(lists("rejected", ids{4, 6})), iq.ErrForm},
		{"a code too much", "result", 1, answer(lists("rejected", ids{4}, "code", numbers{16, 16})), iq.ErrForm},
		{"an outcome that closes", "result", 1, answer(lists("rejected", ids{4}, "code", numbers{64})), iq.ErrForm},
		{"marks for nobody beside a good group", "result", 1, answer(func(b *codec.Builder) {
			b.Open("group")
			b.AttrUser("id", groupID)
			b.Close()
			lists("delivered", numbers{4})(b)
		}), iq.ErrForm},
		{"a member who is 0 above the one before", "result", 1, group(func(b *codec.Builder) {
			b.Open("members")
			b.OpenList()
			b.User(4)
			b.Uint(0)
			b.Close()
			b.Close()
		}), iq.ErrForm},
		{"257 outcomes", "result", 1, answer(lists("rejected", many(257), "code", make(numbers, 257))), iq.ErrForm},
		{"marks for nobody", "result", 1, answer(lists("delivered", numbers{4}, "read", numbers{4})), iq.ErrForm},
		{"a mark too few", "result", 1, answer(lists("members", ids{4}, "delivered", numbers{4})), iq.ErrForm},
		{"users as marks", "result", 1, answer(lists("members", ids{4}, "delivered", ids{4}, "read", numbers{4})), iq.ErrForm},
		{"users among the groups", "result", 1, answer(lists("group-list", ids{4})), iq.ErrForm},
		{"groups among the users", "result", 1, answer(lists("user", ids{groupID})), iq.ErrForm},
		{"a profile of nobody", "result", 1, part("profile", func(*codec.Builder) {}), iq.ErrForm},
		{"rules that are missing", "result", 1, part("privacy", func(*codec.Builder) {}), iq.ErrForm},
		{"devices of nobody", "result", 1, part("devices", func(*codec.Builder) {}), iq.ErrForm},
		{"a list that nobody signed", "result", 1, part("devices", func(b *codec.Builder) {
			b.AttrUser("user", 5)
			b.OpenList()
			b.Uint(0)
			b.Close()
		}), iq.ErrForm},
		{"a device without a number", "result", 1, part("devices", func(b *codec.Builder) {
			b.AttrUser("user", 5)
			b.Open("device")
			b.Close()
		}), iq.ErrForm},
		{"a device with a key of 31 bytes", "result", 1, part("devices", func(b *codec.Builder) {
			b.AttrUser("user", 5)
			b.Open("device")
			b.AttrUint("id", 0)
			b.AttrBytes("ed25519", make([]byte, 31))
			b.Close()
		}), iq.ErrForm},
		{"registered devices that fall", "result", 1, part("devices", func(b *codec.Builder) {
			b.AttrUser("user", 5)
			for id := range uint64(2) {
				b.Open("device")
				b.AttrUint("id", 1-id)
				b.Close()
			}
		}), iq.ErrForm},
		{"a notice with a damaged part", "notification", 0, func(b *codec.Builder) { b.Open("group"); b.Close() }, iq.ErrForm},
		{"a notice with a damaged cursor", "notification", 0, func(b *codec.Builder) { b.Attr("next", "x") }, iq.ErrForm},
	} {
		body := built(t, func(b *codec.Builder) { b.Open(row.root); row.fill(b); b.Close() })
		var tape codec.Tape
		var a iq.Answer
		var n iq.Notice
		if _, err := iq.ParseReply(&tape, asFrame(t, row.ref, body), &a, &n); !errors.Is(err, row.want) || a.Ref != row.ref {
			t.Errorf("%s: %v, ref %d; want %v", row.name, err, a.Ref, row.want)
		}
	}
}

func TestAnEventThatIsNotQuiteOneIsRefused(t *testing.T) {
	epoch := func(b *codec.Builder) { b.AttrUint("epoch", 2) }
	for _, row := range []struct {
		name, root, kind string
		fill             fill
		want             error
	}{
		{"with what a later version says", "group", "add", func(b *codec.Builder) { epoch(b); b.Attr("mood", "bright"); list(5)(b) }, nil},
		{"of another root", "weather", "add", epoch, iq.ErrUnknown},
		{"of a later version", "group", "merge", epoch, iq.ErrUnknown},
		{"of what members are not told", "group", "get", epoch, iq.ErrUnknown},
		{"about a group", "group", "add", list(groupID), iq.ErrForm},
		{"about too many", "group", "add", list(many(iq.PageMax + 1)...), iq.ErrForm},
		{"with an epoch of 33 bits", "group", "add", func(b *codec.Builder) { b.AttrUint("epoch", 1<<32) }, iq.ErrForm},
		{"with a subject that is no UTF-8", "group", "subject", func(b *codec.Builder) { b.Attr("subject", "\xff") }, iq.ErrForm},
		{"with a subject above the limit", "group", "subject", func(b *codec.Builder) { b.Attr("subject", strings.Repeat("s", 257)) }, iq.ErrForm},
	} {
		var tape codec.Tape
		var e iq.Event
		if err := iq.ParseEvent(&tape, node(t, row.root, row.kind, row.fill), &e); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
	if err := iq.ParseEvent(new(codec.Tape), []byte{0xFC}, new(iq.Event)); err != codec.ErrNodeLength {
		t.Errorf("half a node: %v", err)
	}
}

// What can't be read can't be said: dst then stays as it was.
func TestNothingIsSaidThatTheOtherSideWouldRefuse(t *testing.T) {
	add := iq.Request{Ref: 1, Op: iq.OpGroupAdd, Group: groupID, Users: []uint64{4}}
	with := func(change func(r *iq.Request)) *iq.Request { r := add; change(&r); return &r }
	signed := iq.DeviceList{User: 1001, List: []uint8{0}, Signature: signature()}
	reserved := iq.DeviceList{User: 1001, Version: 1, List: []uint8{0, codec.DeviceMax + 1}, Signature: signature()}
	for name, r := range map[string]*iq.Request{
		"no operation":           with(func(r *iq.Request) { r.Op = iq.OpNone }),
		"an unknown operation":   with(func(r *iq.Request) { r.Op = iq.OpReport + 1 }),
		"no ref":                 with(func(r *iq.Request) { r.Ref = 0 }),
		"no group":               with(func(r *iq.Request) { r.Group = 0 }),
		"a group without bit":    with(func(r *iq.Request) { r.Group = 7 }),
		"no users":               with(func(r *iq.Request) { r.Users = nil }),
		"257 users":              with(func(r *iq.Request) { r.Users = many(257) }),
		"a user twice":           with(func(r *iq.Request) { r.Users = []uint64{5, 4, 5} }),
		"a long subject":         with(func(r *iq.Request) { r.Op, r.Text = iq.OpGroupSubject, strings.Repeat("s", 257) }),
		"a subject out of UTF-8": with(func(r *iq.Request) { r.Op, r.Text = iq.OpGroupSubject, "\xff" }),
		"a short code":           with(func(r *iq.Request) { r.Op, r.Bytes = iq.OpGroupJoin, []byte("c") }),
		"a rule above all":       with(func(r *iq.Request) { r.Op, r.Privacy.LastSeen = iq.OpPrivacySet, iq.RuleNobody+1 }),
		"an unsigned list":       with(func(r *iq.Request) { r.Op, r.Devices = iq.OpDevicesSet, signed }),
		"device 254":             with(func(r *iq.Request) { r.Op, r.Device = iq.OpDeviceRemove, 254 }),
		"a group's profile":      with(func(r *iq.Request) { r.Op, r.User = iq.OpProfileGet, groupID }),
		"a report in a user":     with(func(r *iq.Request) { r.Op, r.User, r.Group = iq.OpReport, 5, 5 }),
		"device 254 in a list":   with(func(r *iq.Request) { r.Op, r.Devices = iq.OpDevicesSet, reserved }),
		"a long reason":          with(func(r *iq.Request) { r.Op, r.User, r.Text = iq.OpReport, 5, strings.Repeat("r", 513) }),
	} {
		if out, err := iq.AppendRequest([]byte("before"), r); err != iq.ErrForm || !bytes.Equal(out, []byte("before")) {
			t.Errorf("%s: %v, %q", name, err, out)
		}
	}
	info := iq.Answer{Ref: 1, Op: iq.OpGroupInfo, Group: group(3)}
	but := func(change func(a *iq.Answer)) *iq.Answer { a := info; a.Group = group(3); change(&a); return &a }
	for name, a := range map[string]*iq.Answer{
		"no ref":              but(func(a *iq.Answer) { a.Ref = 0 }),
		"no operation":        but(func(a *iq.Answer) { a.Op = iq.OpNone }),
		"a code that closes":  but(func(a *iq.Answer) { a.Code = codec.CodeMalformed }),
		"a long text":         but(func(a *iq.Answer) { a.Code, a.Text = codec.CodeInvalid, strings.Repeat("t", 201) }),
		"a user as group":     but(func(a *iq.Answer) { a.Group.Group = 5 }),
		"1,025 members":       but(func(a *iq.Answer) { a.Group.Members = members(1025, false) }),
		"a role above all":    but(func(a *iq.Answer) { a.Group.Members[0].Role = iq.RoleAdmin + 1 }),
		"a negative count":    but(func(a *iq.Answer) { a.Group.Count = -1 }),
		"1,025 users":         but(func(a *iq.Answer) { a.Users = many(1025) }),
		"users as groups":     but(func(a *iq.Answer) { a.Groups = many(1) }),
		"257 outcomes":        but(func(a *iq.Answer) { a.Outcomes = make([]iq.Outcome, 257) }),
		"an outcome for 0":    but(func(a *iq.Answer) { a.Outcomes = make([]iq.Outcome, 1) }),
		"a profile's name":    but(func(a *iq.Answer) { a.Profile = iq.Profile{User: 5, Name: strings.Repeat("n", 129)} }),
		"an unsigned list":    but(func(a *iq.Answer) { a.Devices = iq.DeviceList{User: 5, List: []uint8{0}} }),
		"devices that fall":   but(func(a *iq.Answer) { a.Devices = iq.DeviceList{User: 5, Known: make([]iq.KnownDevice, 2)} }),
		"a mark's user below": but(func(a *iq.Answer) { a.Members = make([]iq.Member, 1) }),
	} {
		if out, err := iq.AppendAnswer([]byte("before"), a); err != iq.ErrForm || !bytes.Equal(out, []byte("before")) {
			t.Errorf("%s: %v, %q", name, err, out)
		}
	}
	for name, n := range map[string]*iq.Notice{
		"nothing":           {More: 4},
		"1,025 members":     {Group: iq.GroupInfo{Group: groupID, Members: members(1025, false)}},
		"an unsigned list":  {Devices: iq.DeviceList{User: 5, List: []uint8{0}}},
		"devices of nobody": {Devices: iq.DeviceList{User: codec.UserMax + 1}},
	} {
		if out, err := iq.AppendNotice([]byte("before"), n); err != iq.ErrForm || !bytes.Equal(out, []byte("before")) {
			t.Errorf("%s: %v, %q", name, err, out)
		}
	}
	for name, e := range map[string]*iq.Event{
		"what members are not told": {Op: iq.OpGroupInfo},
		"no operation":              {},
		"an unknown operation":      {Op: 200},
		"too many":                  {Op: iq.OpGroupAdd, Users: many(iq.PageMax + 1)},
		"user 0":                    {Op: iq.OpGroupAdd, Users: []uint64{0}},
		"a long subject":            {Op: iq.OpGroupSubject, Text: strings.Repeat("s", 257)},
	} {
		if out, err := iq.AppendEvent([]byte("before"), e); err != iq.ErrForm || !bytes.Equal(out, []byte("before")) {
			t.Errorf("%s: %v, %q", name, err, out)
		}
	}
}
