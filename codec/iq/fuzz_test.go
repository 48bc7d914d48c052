package iq_test

import (
	"reflect"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

func FuzzRequest(f *testing.F) {
	for i, r := range requests() {
		r.Ref = uint32(i + 1)
		out, err := iq.AppendRequest(nil, &r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil || used == 0 {
			return
		}
		var tape codec.Tape
		var r, again iq.Request
		if iq.ParseRequest(&tape, frame, &r) != nil {
			return
		}
		out, err := iq.AppendRequest(nil, &r)
		if err != nil {
			t.Fatalf("%+v was read and can't be said: %v", r, err)
		}
		var other codec.Tape
		if err := iq.ParseRequest(&other, split(t, out), &again); err != nil || !reflect.DeepEqual(plain(r), plain(again)) {
			t.Fatalf("%+v comes back as %+v, %v", r, again, err)
		}
	})
}

func FuzzReply(f *testing.F) {
	for i, a := range answers() {
		a.Ref = uint32(i + 1)
		out, err := iq.AppendAnswer(nil, &a)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out)
	}
	for _, n := range []iq.Notice{{Devices: devices()}, {Group: group(3), More: 4}} {
		out, err := iq.AppendNotice(nil, &n)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil || used == 0 {
			return
		}
		var tape codec.Tape
		var a, sameA iq.Answer
		var n, sameN iq.Notice
		notice, err := iq.ParseReply(&tape, frame, &a, &n)
		if err != nil {
			return
		}
		var out []byte
		if notice {
			out, err = iq.AppendNotice(nil, &n)
		} else {
			out, err = iq.AppendAnswer(nil, &a)
		}
		if err != nil {
			t.Fatalf("%+v %+v was read and can't be said: %v", a, n, err)
		}
		again, err := iq.ParseReply(&tape, split(t, out), &sameA, &sameN)
		if err != nil || again != notice || !reflect.DeepEqual(a, sameA) || !reflect.DeepEqual(n, sameN) {
			t.Fatalf("%+v %+v comes back as %+v %+v, %v", a, n, sameA, sameN, err)
		}
	})
}

func FuzzEvent(f *testing.F) {
	for op := iq.OpGroupCreate; op <= iq.OpGroupJoin; op++ {
		out, err := iq.AppendEvent(nil, &iq.Event{Op: op, Epoch: 5, Users: []uint64{1002, 1003}, Text: "Sunday"})
		if err != nil {
			f.Fatal(err)
		}
		f.Add(out)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var tape codec.Tape
		var e, again iq.Event
		if iq.ParseEvent(&tape, b, &e) != nil {
			return
		}
		out, err := iq.AppendEvent(nil, &e)
		if err != nil {
			t.Fatalf("%+v was read and can't be said: %v", e, err)
		}
		if err := iq.ParseEvent(&tape, out, &again); err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v comes back as %+v, %v", e, again, err)
		}
	})
}
