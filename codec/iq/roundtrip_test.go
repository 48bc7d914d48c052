package iq_test

import (
	"reflect"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

const (
	groupID = codec.GroupBit | 7
	topID   = codec.GroupBit | codec.GroupMax
)

func signature() []byte { return []byte(strings.Repeat("\x9c", 64)) }

// requests holds one request of each operation at least, with its fields at their limits where that says more.
func requests() []iq.Request {
	code := []byte("0123456789abcdef")
	signed := iq.DeviceList{User: 1001, Version: 1<<32 - 1, List: []uint8{0, 3, codec.DeviceMax}, Signature: signature()}
	return []iq.Request{
		{Op: iq.OpGroupCreate, Token: 1},
		{Op: iq.OpGroupCreate, Token: 1<<64 - 1, Text: "Sunday", Users: []uint64{1002, codec.UserMax}},
		{Op: iq.OpGroupAdd, Group: groupID, Users: []uint64{1003, 1002}},
		{Op: iq.OpGroupRemove, Group: topID, Users: []uint64{1}},
		{Op: iq.OpGroupPromote, Group: groupID, Users: []uint64{1002}},
		{Op: iq.OpGroupDemote, Group: groupID, Users: []uint64{1002}},
		{Op: iq.OpGroupLeave, Group: groupID},
		{Op: iq.OpGroupSubject, Group: groupID},
		{Op: iq.OpGroupSubject, Group: groupID, Text: strings.Repeat("ü", iq.SubjectBytesMax/2)},
		{Op: iq.OpGroupSubject, Group: groupID, Text: "subject"},
		{Op: iq.OpGroupInvite, Group: groupID, Bytes: []byte{}},
		{Op: iq.OpGroupInvite, Group: groupID, Bytes: code},
		{Op: iq.OpGroupInvite, Group: groupID, Bytes: []byte("generation_stale")}, // a token has this text
		{Op: iq.OpGroupJoin, Group: groupID, Bytes: code},
		{Op: iq.OpGroupInfo, Group: groupID},
		{Op: iq.OpGroupInfo, Group: groupID, Cursor: 1<<64 - 1},
		{Op: iq.OpGroupList, Cursor: groupID},
		{Op: iq.OpGroupReceipts, Group: groupID, Seq: 1<<64 - 1, Cursor: 1002},
		{Op: iq.OpProfileGet},
		{Op: iq.OpProfileGet, User: 1002},
		{Op: iq.OpProfileSet},
		{Op: iq.OpProfileSet, Profile: iq.Profile{Name: "Ada", About: strings.Repeat("a", iq.AboutBytesMax), Picture: []byte("image")}},
		{Op: iq.OpContactsGet, Cursor: 4},
		{Op: iq.OpContactsAdd, Users: []uint64{5}},
		{Op: iq.OpContactsDrop, Users: []uint64{5, 4}},
		{Op: iq.OpBlocksGet},
		{Op: iq.OpBlocksGet, Cursor: codec.UserMax},
		{Op: iq.OpBlocksAdd, Users: []uint64{5}},
		{Op: iq.OpBlocksDrop, Users: []uint64{5}},
		{Op: iq.OpPrivacyGet},
		{Op: iq.OpPrivacySet, Privacy: iq.Privacy{Presence: iq.RuleContacts, LastSeen: iq.RuleNobody, Profile: iq.RuleEveryone}},
		{Op: iq.OpDevicesGet},
		{Op: iq.OpDevicesGet, User: 1002},
		{Op: iq.OpDevicesSet, Devices: signed},
		{Op: iq.OpDeviceRemove, Device: codec.DeviceMax},
		{Op: iq.OpAccountDelete},
		{Op: iq.OpReport, User: 1003},
		{Op: iq.OpReport, User: 1003, Group: groupID, Seq: 9, Text: "spam"},
	}
}

func TestEachRequestComesBackAsItWas(t *testing.T) {
	var tape codec.Tape
	seen := map[string]bool{}
	got := iq.Request{Users: []uint64{9, 9, 9}, Text: "old", Devices: iq.DeviceList{List: []uint8{1, 2}}}
	for i, r := range requests() {
		r.Ref = uint32(i + 1)
		out, err := iq.AppendRequest([]byte("before"), &r)
		if err != nil {
			t.Errorf("%s: %v", r.Op, err)
			continue
		}
		if err := iq.ParseRequest(&tape, split(t, out[6:]), &got); err != nil {
			t.Errorf("%s: %v: %s", r.Op, err, printed(t, out[6:], codec.ToServer))
			continue
		}
		if !reflect.DeepEqual(plain(r), plain(got)) {
			t.Errorf("%s: got %+v, want %+v", r.Op, got, r)
		}
		seen[r.Op.String()] = true
	}
	for op := iq.OpNone + 1; op <= iq.OpReport; op++ {
		if op.String() == "" || !seen[op.String()] {
			t.Errorf("operation %d, %q, was not tried", op, op)
		}
	}
}

// plain makes nothing of what is empty, so that two requests can be compared.
func plain(r iq.Request) iq.Request {
	if len(r.Users) == 0 {
		r.Users = nil
	}
	if len(r.Bytes) == 0 {
		r.Bytes = nil
	}
	if len(r.Devices.List) == 0 {
		r.Devices.List = nil
	}
	return r
}

func split(t testing.TB, b []byte) codec.Frame {
	t.Helper()
	f, used, err := codec.Next(b, codec.FrameBytesMax)
	if err != nil || used != len(b) {
		t.Fatalf("%d of %d bytes: %v", used, len(b), err)
	}
	return f
}

func printed(t testing.TB, b []byte, dir codec.Direction) string {
	return string(codec.AppendXML(nil, split(t, b), dir))
}

func members(n int, marks bool) []iq.Member {
	out := make([]iq.Member, n)
	for i := range out {
		out[i].User = codec.UserMax - uint64(n-i)
		if marks {
			out[i].Delivered, out[i].Read = uint64(i), 1<<64-1
		} else if i%3 != 1 {
			out[i].Role = iq.RoleAdmin
		}
	}
	return out
}

func devices() iq.DeviceList {
	l := iq.DeviceList{User: 1001, Version: 4, List: []uint8{0, 3}, Signature: signature()}
	for i := range 3 {
		d := iq.KnownDevice{Device: uint8(2 * i), Gen: 1<<16 - 1, RegisteredSec: 1_700_000_000}
		d.Static[31], d.Sign[0] = byte(i), byte(i)
		l.Known = append(l.Known, d)
	}
	return l
}

func group(n int) iq.GroupInfo {
	return iq.GroupInfo{Group: groupID, Epoch: 4, Seq: 99, Creator: 1001, CreatedSec: 1_700_000_000, Subject: "Sunday", Count: 3 * n,
		Invite: []byte("0123456789abcdef"), Members: members(n, false)}
}

func answers() []iq.Answer {
	page := make([]uint64, iq.PageMax)
	groups := make([]uint64, iq.PageMax)
	refused := make([]iq.Outcome, iq.UsersMax)
	for i := range page {
		page[i], groups[i] = codec.UserMax-uint64(i), topID-uint64(i)
	}
	for i := range refused {
		refused[i] = iq.Outcome{User: codec.UserMax - uint64(i), Code: codec.CodeRefused}
	}
	return []iq.Answer{
		{Op: iq.OpGroupCreate, Group: iq.GroupInfo{Group: groupID}},
		{Op: iq.OpGroupAdd, Group: group(3), Outcomes: []iq.Outcome{{User: 1004, Code: codec.CodeRefused}, {User: 1005, Code: 63}}},
		{Op: iq.OpGroupRemove, Outcomes: refused},
		{Op: iq.OpGroupInfo, Group: group(iq.PageMax), More: 1<<64 - 1},
		{Op: iq.OpGroupReceipts, Members: members(iq.PageMax, true), More: 7},
		{Op: iq.OpGroupList, Groups: groups, More: groupID},
		{Op: iq.OpContactsGet, Users: page},
		{Op: iq.OpContactsGet, Users: []uint64{5, 5, 4, 6}},
		{Op: iq.OpBlocksGet},
		{Op: iq.OpProfileGet, Profile: iq.Profile{User: 1002, Name: "Ada", About: "x", Picture: []byte{1}, ChangedSec: 1 << 40}},
		{Op: iq.OpPrivacyGet},
		{Op: iq.OpPrivacyGet, Privacy: iq.Privacy{Presence: iq.RuleNobody, Profile: iq.RuleContacts}},
		{Op: iq.OpDevicesGet, Devices: devices()},
		{Op: iq.OpDevicesGet, Devices: iq.DeviceList{User: 5}},
		{Op: iq.OpAccountDelete},
		{Op: iq.OpGroupAdd, Code: codec.CodeNotAllowed, Text: "admins only"},
		{Op: iq.OpReport, Code: codec.CodeRateLimited, RetryAfterMs: 1<<32 - 1},
		{Code: codec.CodeUnsupported},
	}
}

func TestEachAnswerComesBackAsItWas(t *testing.T) {
	var tape codec.Tape
	for i, a := range answers() {
		a.Ref = uint32(i + 1)
		out, err := iq.AppendAnswer([]byte("before"), &a)
		if err != nil {
			t.Errorf("%s: %v", a.Op, err)
			continue
		}
		var got iq.Answer
		var n iq.Notice
		notice, err := iq.ParseReply(&tape, split(t, out[6:]), &got, &n)
		if err != nil || notice {
			t.Errorf("%s: %v, notice %v: %.300s", a.Op, err, notice, printed(t, out[6:], codec.ToClient))
			continue
		}
		clear(out) // nothing that was read aliases the frame
		if !reflect.DeepEqual(a, got) {
			t.Errorf("%s: got %+v, want %+v", a.Op, got, a)
		}
	}
}

// Rules that are all the default are said all the same; what is registered is nothing that a client says.
func TestWhatIsSaidThoughItIsZeroAndWhatIsNotThoughItIsThere(t *testing.T) {
	out, err := iq.AppendAnswer(nil, &iq.Answer{Ref: 1, Op: iq.OpPrivacyGet})
	if err != nil || !strings.Contains(printed(t, out, codec.ToClient), `<privacy presence="everyone"`) {
		t.Errorf("%v: %s", err, printed(t, out, codec.ToClient))
	}
	if out, err = iq.AppendRequest(nil, &iq.Request{Ref: 1, Op: iq.OpDevicesSet, Devices: devices()}); err != nil {
		t.Fatal(err)
	}
	if shown := printed(t, out, codec.ToServer); strings.Contains(shown, "<device ") {
		t.Error(shown)
	}
}

func TestEachNoticeComesBackAsItWas(t *testing.T) {
	var tape codec.Tape
	for _, n := range []iq.Notice{
		{Devices: devices()},
		{Group: group(iq.PageMax), More: 12},
		{Devices: devices(), Group: group(1)},
	} {
		out, err := iq.AppendNotice(nil, &n)
		if err != nil {
			t.Error(err)
			continue
		}
		var a iq.Answer
		var got iq.Notice
		notice, err := iq.ParseReply(&tape, split(t, out), &a, &got)
		clear(out)
		if err != nil || !notice || !reflect.DeepEqual(n, got) {
			t.Errorf("%v, notice %v: got %+v, want %+v", err, notice, got, n)
		}
	}
}

func TestEachEventComesBackAsItWas(t *testing.T) {
	var tape codec.Tape
	for op := iq.OpGroupCreate; op <= iq.OpGroupJoin; op++ {
		e := iq.Event{Op: op, Epoch: 1<<32 - 1, Users: []uint64{1002, 1001}, Text: "Sunday"}
		out, err := iq.AppendEvent(nil, &e)
		if err != nil {
			t.Error(err)
			continue
		}
		var got iq.Event
		err = iq.ParseEvent(&tape, out, &got)
		clear(out)
		if err != nil || !reflect.DeepEqual(e, got) {
			t.Errorf("%v: got %+v, want %+v", err, got, e)
		}
	}
}
