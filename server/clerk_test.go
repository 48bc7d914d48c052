package server

import (
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

func TestWhoIsBlockedGetsATickAndNothingElse(t *testing.T) {
	bothTransports(t, func(t *testing.T, login func(uint64, uint8) *wire, r *running) {
		alice, bob := login(1001, 0), login(1002, 0)
		alice.must(iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{1002, 5}})
		alice.must(iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{1002}})
		if got := alice.must(iq.Request{Op: iq.OpBlocksGet}).Users; !slices.Equal(got, []uint64{5, 1002}) {
			t.Fatalf("blocks %v", got)
		}
		bob.expectTick(bob.send(1001, "hidden"))
		alice.must(iq.Request{Op: iq.OpBlocksDrop, Users: []uint64{1002}})
		cseq := bob.send(1001, "seen")
		bob.expectTick(cseq)
		if d := alice.take(); d.ID != cseq || string(d.Blob) != "seen" {
			t.Errorf("alice got %d %q", d.ID, d.Blob)
		}
		if rc := bob.takeReceipt(); rc.First != cseq || rc.Last != cseq {
			t.Errorf("the second tick is of %d to %d, want %d", rc.First, rc.Last, cseq)
		}
	})
}

func TestAProfileIsSeenByWhomItsUserLets(t *testing.T) {
	bothTransports(t, func(t *testing.T, login func(uint64, uint8) *wire, r *running) {
		alice, bob := login(1001, 0), login(1002, 0)
		want := iq.Profile{User: 1001, Name: "Alice", About: "here", Picture: []byte{1, 2}}
		sees := func(what string, w *wire, visible bool) {
			t.Helper()
			p := w.must(iq.Request{Op: iq.OpProfileGet, User: 1001}).Profile
			if visible != (p.Name == want.Name && p.About == want.About && slices.Equal(p.Picture, want.Picture) && p.ChangedSec != 0) ||
				!visible && (p.Name != "" || p.ChangedSec != 0) || p.User != 1001 {
				t.Errorf("%s: %+v", what, p)
			}
		}
		sees("before there is one", bob, false)
		alice.must(iq.Request{Op: iq.OpProfileSet, Profile: iq.Profile{Name: want.Name, About: want.About, Picture: want.Picture}})
		sees("by everybody", bob, true)
		alice.must(iq.Request{Op: iq.OpPrivacySet, Privacy: iq.Privacy{Profile: iq.RuleContacts}})
		sees("by contacts", bob, false)
		sees("by oneself", alice, true)
		alice.must(iq.Request{Op: iq.OpContactsAdd, Users: []uint64{1002}})
		sees("by a contact", bob, true)
		alice.must(iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{1002}})
		sees("by a contact who is blocked", bob, false)
		alice.must(iq.Request{Op: iq.OpBlocksDrop, Users: []uint64{1002}})
		alice.must(iq.Request{Op: iq.OpPrivacySet, Privacy: iq.Privacy{Profile: iq.RuleNobody}})
		sees("by nobody", bob, false)
		if got := alice.must(iq.Request{Op: iq.OpPrivacyGet}).Privacy; got.Profile != iq.RuleNobody {
			t.Errorf("privacy %+v", got)
		}
	})
}

func TestContactsComeInPages(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	w := r.login(t, 7, 0)
	var all []uint64
	for i := range uint64(iq.PageMax + 100) {
		all = append(all, 1000+3*i)
	}
	for users := range slices.Chunk(all, iq.UsersMax) {
		w.must(iq.Request{Op: iq.OpContactsAdd, Users: users})
	}
	first := w.must(iq.Request{Op: iq.OpContactsGet})
	rest := w.must(iq.Request{Op: iq.OpContactsGet, Cursor: first.More})
	if len(first.Users) != iq.PageMax || rest.More != 0 || !slices.Equal(slices.Concat(first.Users, rest.Users), all) {
		t.Errorf("pages of %d and %d, cursors %d and %d", len(first.Users), len(rest.Users), first.More, rest.More)
	}
	w.must(iq.Request{Op: iq.OpContactsDrop, Users: all[:200]})
	if got := w.must(iq.Request{Op: iq.OpContactsGet}); !slices.Equal(got.Users, all[200:]) {
		t.Errorf("%d are left", len(got.Users))
	}
}

func TestRequestsThatCantBeAreRefused(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	w := r.login(t, 7, 1)
	for _, row := range []struct {
		code codec.ErrorCode
		r    iq.Request
	}{
		{codec.CodeInvalid, iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{7}}},
		{codec.CodeInvalid, iq.Request{Op: iq.OpReport, User: 7, Text: "myself"}},
		{codec.CodeNotAllowed, iq.Request{Op: iq.OpAccountDelete}},
		{codec.CodeNotAllowed, iq.Request{Op: iq.OpDeviceRemove, Device: 0}},
		{codec.CodeNotAllowed, iq.Request{Op: iq.OpDeviceRemove, Device: 2}},
		{codec.CodeUnsupported, iq.Request{Op: iq.OpDevicesSet, Devices: iq.DeviceList{User: 7, Version: 1, List: []uint8{0}, Signature: make([]byte, 64)}}},
	} {
		w.refused(row.code, row.r)
	}
	if st := r.Status().Requests; st.Asked != 6 || st.Refused["not_allowed"] != 3 || st.Faults != 0 {
		t.Errorf("counted %+v", st)
	}
}
