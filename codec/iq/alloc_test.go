package iq_test

import (
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// A loop reads a request without allocating but for texts, once its tape and its request have grown.
func TestReadingARequestAllocatesForTextsOnly(t *testing.T) {
	var tape codec.Tape
	var r iq.Request
	for i, want := range requests() {
		want.Ref = uint32(i + 1)
		out, err := iq.AppendRequest(nil, &want)
		if err != nil {
			t.Fatal(err)
		}
		f := split(t, out)
		texts := 0.0
		for _, text := range []string{want.Text, want.Profile.Name, want.Profile.About, string(want.Profile.Picture), string(want.Bytes)} {
			_, token := codec.LookupToken(text)
			isText := text == want.Text || text == want.Profile.Name || text == want.Profile.About
			if text != "" && token != isText { // bytes alias the frame, but for those that are a token
				texts++
			}
		}
		got := testing.AllocsPerRun(20, func() {
			if err := iq.ParseRequest(&tape, f, &r); err != nil {
				t.Fatal(err)
			}
		})
		if got > texts {
			t.Errorf("%s: %v allocations for %v texts", want.Op, got, texts)
		}
	}
}

func TestWritingAllocatesNothingButRoom(t *testing.T) {
	add := iq.Request{Ref: 1, Op: iq.OpGroupAdd, Group: groupID, Users: []uint64{4, 5, 6}}
	info := iq.Answer{Ref: 1, Op: iq.OpGroupInfo, Group: group(iq.PageMax)}
	stale := iq.Notice{Devices: devices()}
	event := iq.Event{Op: iq.OpGroupAdd, Users: []uint64{4, 5, 6}}
	room := make([]byte, 0, 2*codec.FrameBytesMax)
	if got := testing.AllocsPerRun(20, func() {
		_, err1 := iq.AppendRequest(room, &add)
		_, err2 := iq.AppendAnswer(room, &info)
		_, err3 := iq.AppendNotice(room, &stale)
		_, err4 := iq.AppendEvent(room, &event)
		if err1 != nil || err2 != nil || err3 != nil || err4 != nil {
			t.Fatal(err1, err2, err3, err4)
		}
	}); got != 0 {
		t.Errorf("%v allocations", got)
	}
}
