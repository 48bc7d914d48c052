package iq_test

import (
	"errors"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// built is a node that was put together by hand.
func built(t testing.TB, make func(b *codec.Builder)) []byte {
	t.Helper()
	b := codec.NewBuilder(nil)
	make(&b)
	out, err := b.Finish()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// node opens a root with a type, lets fill go on, and closes it.
func node(t testing.TB, root, kind string, fill func(b *codec.Builder)) []byte {
	t.Helper()
	return built(t, func(b *codec.Builder) {
		b.Open(root)
		b.Attr("type", kind)
		if fill != nil {
			fill(b)
		}
		b.Close()
	})
}

func asFrame(t testing.TB, ref uint32, body []byte) codec.Frame {
	t.Helper()
	out, err := codec.AppendNode(nil, &codec.Node{Ref: ref, Body: body})
	if err != nil {
		t.Fatal(err)
	}
	return split(t, out)
}

type fill = func(b *codec.Builder)

// list fills in ids as they are, without a check.
func list(ids ...uint64) fill {
	return func(b *codec.Builder) {
		b.OpenList()
		for _, id := range ids {
			b.User(id)
		}
		b.Close()
	}
}

func in(group uint64, more ...fill) fill {
	return func(b *codec.Builder) {
		b.AttrUser("group", group)
		for _, f := range more {
			f(b)
		}
	}
}

func many(n int) []uint64 {
	out := make([]uint64, n)
	for i := range out {
		out[i] = uint64(1 + i)
	}
	return out
}

func TestARequestThatIsNotQuiteOneIsRefusedWithItsRef(t *testing.T) {
	code := strings.Repeat("c", iq.InviteBytes)
	signed := func(change func(b *codec.Builder), devices ...uint64) fill {
		return func(b *codec.Builder) {
			b.AttrUser("user", 1001)
			if change != nil {
				change(b)
			}
			b.OpenList()
			for _, d := range devices {
				b.Uint(d)
			}
			b.Close()
		}
	}
	version := func(b *codec.Builder) { b.AttrUint("version", 1); b.AttrBytes("signature", signature()) }
	rules := func(presence string) fill {
		return func(b *codec.Builder) {
			b.Attr("presence", presence)
			b.Attr("last-seen", "nobody")
			b.Attr("profile", "contacts")
		}
	}
	for _, row := range []struct {
		name       string
		root, kind string
		fill       fill
		want       error
	}{
		{"an add in its smallest form", "group", "add", in(groupID, list(1002)), nil},
		{"a list that goes on with differences", "group", "add", in(groupID, func(b *codec.Builder) {
			b.OpenList()
			b.User(1002)
			b.Uint(1)
			b.User(5)
			b.Close()
		}), nil},
		{"256 users", "group", "add", in(groupID, list(many(256)...)), nil},
		{"attributes and children of later versions", "group", "leave", in(groupID, func(b *codec.Builder) {
			b.Attr("mood", "bright")
			b.Open("reason")
			b.Close()
		}), nil},
		{"devices behind a child of a later version", "devices", "set", func(b *codec.Builder) {
			b.AttrUser("user", 1001)
			version(b)
			b.OpenList()
			b.Uint(0)
			b.Open("device")
			b.Close()
			b.Close()
		}, nil},

		{"the primary to remove: who may is decided elsewhere", "devices", "remove", func(b *codec.Builder) { b.AttrUint("device", 0) }, nil},

		{"a root of a later version", "weather", "get", nil, iq.ErrUnknown},
		{"a type of a later version", "group", "merge", in(groupID), iq.ErrUnknown},
		{"a type of another root", "privacy", "add", nil, iq.ErrUnknown},

		{"no group", "group", "leave", nil, iq.ErrForm},
		{"a group as a number", "group", "leave", func(b *codec.Builder) { b.AttrUint("group", groupID) }, iq.ErrForm},
		{"a user as the group", "group", "leave", in(1002), iq.ErrForm},
		{"group 0", "group", "leave", in(codec.GroupBit), iq.ErrForm},
		{"a group above the highest", "group", "leave", in(topID + 1), iq.ErrForm},
		{"no users", "group", "add", in(groupID), iq.ErrForm},
		{"an empty list of users", "group", "add", in(groupID, list()), iq.ErrForm},
		{"a user that is no list", "group", "add", in(groupID, func(b *codec.Builder) { b.User(1002) }), iq.ErrForm},
		{"a text among the users", "group", "add", in(groupID, func(b *codec.Builder) { b.OpenList(); b.Text("x"); b.Close() }), iq.ErrForm},
		{"257 users", "group", "add", in(groupID, list(many(257)...)), iq.ErrForm},
		{"user 0", "group", "add", in(groupID, list(0)), iq.ErrForm},
		{"a user above the highest", "group", "add", in(groupID, list(codec.UserMax+1)), iq.ErrForm},
		{"a group among the users", "group", "add", in(groupID, list(groupID)), iq.ErrForm},
		{"a user twice in a row", "group", "add", in(groupID, list(5, 5)), iq.ErrForm},
		{"a user twice", "group", "add", in(groupID, list(5, 4, 6, 5)), iq.ErrForm},
		{"a difference at the beginning", "group", "add", in(groupID, func(b *codec.Builder) { b.OpenList(); b.Uint(5); b.Close() }), iq.ErrForm},
		{"a difference of 0", "group", "add", in(groupID, func(b *codec.Builder) { b.OpenList(); b.User(5); b.Uint(0); b.Close() }), iq.ErrForm},
		{"a difference that leads around", "group", "add",
			in(groupID, func(b *codec.Builder) { b.OpenList(); b.User(5); b.Uint(1<<64 - 1); b.Close() }), iq.ErrForm},
		{"a difference that leads above the highest user", "group", "add",
			in(groupID, func(b *codec.Builder) { b.OpenList(); b.User(5); b.Uint(codec.UserMax); b.Close() }), iq.ErrForm},
		{"a user that is no list where none is needed", "group", "create", func(b *codec.Builder) { b.AttrUint("key", 1); b.User(5) }, iq.ErrForm},
		{"no token", "group", "create", nil, iq.ErrForm},
		{"token 0", "group", "create", func(b *codec.Builder) { b.AttrUint("key", 0) }, iq.ErrForm},
		{"no subject", "group", "subject", in(groupID), iq.ErrForm},
		{"a subject above the limit", "group", "subject",
			in(groupID, func(b *codec.Builder) { b.Attr("subject", strings.Repeat("s", 257)) }), iq.ErrForm},
		{"a subject that is no UTF-8", "group", "subject", in(groupID, func(b *codec.Builder) { b.Attr("subject", "\xff") }), iq.ErrForm},
		{"a number as subject", "group", "subject", in(groupID, func(b *codec.Builder) { b.AttrUint("subject", 1) }), iq.ErrForm},
		{"no invite code", "group", "invite", in(groupID), iq.ErrForm},
		{"a short invite code", "group", "invite", in(groupID, func(b *codec.Builder) { b.Attr("invite", code[1:]) }), iq.ErrForm},
		{"a long invite code", "group", "invite", in(groupID, func(b *codec.Builder) { b.Attr("invite", code+"c") }), iq.ErrForm},
		{"a token as a short invite code", "group", "invite", in(groupID, func(b *codec.Builder) { b.Attr("invite", "group") }), iq.ErrForm},
		{"an empty code to join with", "group", "join", in(groupID, func(b *codec.Builder) { b.Attr("invite", "") }), iq.ErrForm},
		{"no gseq", "group", "receipt", in(groupID), iq.ErrForm},
		{"gseq 0", "group", "receipt", in(groupID, func(b *codec.Builder) { b.AttrUint("seq", 0) }), iq.ErrForm},
		{"a user as cursor", "group", "get", in(groupID, func(b *codec.Builder) { b.AttrUser("after", 5) }), iq.ErrForm},
		{"a profile of a group", "profile", "get", func(b *codec.Builder) { b.AttrUser("user", groupID) }, iq.ErrForm},
		{"a name above the limit", "profile", "set", func(b *codec.Builder) { b.Attr("name", strings.Repeat("n", 129)) }, iq.ErrForm},
		{"an about above the limit", "profile", "set", func(b *codec.Builder) { b.Attr("about", strings.Repeat("n", 513)) }, iq.ErrForm},
		{"a picture above the limit", "profile", "set", func(b *codec.Builder) { b.Attr("picture", strings.Repeat("n", 257)) }, iq.ErrForm},
		{"no contacts", "contacts", "add", nil, iq.ErrForm},
		{"no rules", "privacy", "set", nil, iq.ErrForm},
		{"a rule that is none", "privacy", "set", rules("friends"), iq.ErrForm},
		{"a number as a rule", "privacy", "set", func(b *codec.Builder) { b.AttrUint("presence", 0) }, iq.ErrForm},
		{"no version of the devices", "devices", "set", signed(nil, 0), iq.ErrForm},
		{"version 0", "devices", "set", signed(func(b *codec.Builder) { b.AttrUint("version", 0) }, 0), iq.ErrForm},
		{"a version of 33 bits", "devices", "set", signed(func(b *codec.Builder) {
			b.AttrUint("version", 1<<32)
			b.AttrBytes("signature", signature())
		}, 0), iq.ErrForm},
		{"no signature", "devices", "set", signed(func(b *codec.Builder) { b.AttrUint("version", 1) }, 0), iq.ErrForm},
		{"a short signature", "devices", "set", signed(func(b *codec.Builder) {
			b.AttrUint("version", 1)
			b.AttrBytes("signature", signature()[1:])
		}, 0), iq.ErrForm},
		{"devices of nobody", "devices", "set", func(b *codec.Builder) { version(b); b.OpenList(); b.Uint(0); b.Close() }, iq.ErrForm},
		{"no devices", "devices", "set", signed(version), iq.ErrForm},
		{"devices that fall", "devices", "set", signed(version, 3, 0), iq.ErrForm},
		{"a device twice", "devices", "set", signed(version, 0, 3, 3), iq.ErrForm},
		{"device 254", "devices", "set", signed(version, 0, 254), iq.ErrForm},
		{"device 259", "devices", "set", signed(version, 0, 259), iq.ErrForm},
		{"a user among the devices", "devices", "set", func(b *codec.Builder) {
			b.AttrUser("user", 1001)
			version(b)
			b.OpenList()
			b.User(0)
			b.Close()
		}, iq.ErrForm},
		{"33 devices", "devices", "set", signed(version, many(33)...), iq.ErrForm},
		{"no device to remove", "devices", "remove", nil, iq.ErrForm},
		{"the server's own device to remove", "devices", "remove", func(b *codec.Builder) { b.AttrUint("device", 254) }, iq.ErrForm},
		{"a report of nobody", "report", "create", nil, iq.ErrForm},
		{"a report in a user", "report", "create", func(b *codec.Builder) { b.AttrUser("user", 5); b.AttrUser("group", 5) }, iq.ErrForm},
		{"a reason above the limit", "report", "create", func(b *codec.Builder) {
			b.AttrUser("user", 5)
			b.Attr("reason", strings.Repeat("r", 513))
		}, iq.ErrForm},
	} {
		var tape codec.Tape
		var r iq.Request
		err := iq.ParseRequest(&tape, asFrame(t, 77, node(t, row.root, row.kind, row.fill)), &r)
		if !errors.Is(err, row.want) || r.Ref != 77 {
			t.Errorf("%s: %v, ref %d; want %v", row.name, err, r.Ref, row.want)
		}
		if known := r.Op != iq.OpNone; known != (row.want != iq.ErrUnknown) {
			t.Errorf("%s: operation %q", row.name, r.Op)
		}
	}
}

func TestWhatIsNoRequestAtAllIsTheCodecsError(t *testing.T) {
	var tape codec.Tape
	var r iq.Request
	good := node(t, "account", "delete", nil)
	if err := iq.ParseRequest(&tape, asFrame(t, 0, good), &r); err != iq.ErrForm || r.Op != iq.OpAccountDelete {
		t.Errorf("ref 0: %v, %v", err, r.Op)
	}
	if err := iq.ParseRequest(&tape, asFrame(t, 7, good[:len(good)-1]), &r); err != codec.ErrNodeLength || r.Ref != 7 {
		t.Errorf("a cut node: %v, ref %d", err, r.Ref)
	}
	if err := iq.ParseRequest(&tape, codec.Frame{Kind: codec.KindPing}, &r); err != codec.ErrKind {
		t.Errorf("a PING: %v", err)
	}
	out, err := codec.AppendNode(nil, &codec.Node{Ref: 7, Ext: codec.Ext{5, 0}, Body: good})
	if err != nil {
		t.Fatal(err)
	}
	if err := iq.ParseRequest(&tape, split(t, out), &r); err != nil {
		t.Errorf("an extension that nobody knows: %v", err)
	}
	out[9] = 0x85 // critical
	if err := iq.ParseRequest(&tape, split(t, out), &r); err != codec.ErrExtCritical || r.Ref != 7 {
		t.Errorf("a critical extension: %v, ref %d", err, r.Ref)
	}
}

func TestARequestMayBeCompressed(t *testing.T) {
	want := iq.Request{Ref: 5, Op: iq.OpReport, User: 1003, Text: strings.Repeat("again ", 80)}
	out, err := iq.AppendRequest(nil, &want)
	if err != nil {
		t.Fatal(err)
	}
	v, err := codec.ParseNode(split(t, out))
	if err != nil {
		t.Fatal(err)
	}
	v.Body = append([]byte(nil), v.Body...)
	packed, _ := codec.CompressNode(v, nil)
	if packed.Flags&codec.FlagDeflate != 0 {
		t.Fatal("a request below the least length was compressed")
	}
	want.Text = strings.Repeat("again ", 85)
	out, _ = iq.AppendRequest(nil, &want)
	if v, err = codec.ParseNode(split(t, out)); err != nil {
		t.Fatal(err)
	}
	packed, _ = codec.CompressNode(v, nil)
	frame, err := codec.AppendNode(nil, &packed)
	if err != nil || packed.Flags&codec.FlagDeflate == 0 {
		t.Fatal(packed.Flags, err)
	}
	var tape codec.Tape
	var r iq.Request
	if err := iq.ParseRequest(&tape, split(t, frame), &r); err != nil || r.Text != want.Text {
		t.Errorf("%v, %q", err, r.Text)
	}
}
