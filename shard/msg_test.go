package shard

import (
	"reflect"
	"testing"

	"trunkline/codec"
)

func parts(blobs ...string) codec.Parts {
	var p codec.Parts
	for i, b := range blobs {
		p = p.Append(codec.Part{Device: uint8(i), Kind: 1, Blob: []byte(b)})
	}
	return p
}

// wholeMessage has a value in every field.
func wholeMessage() message {
	return message{
		kind: msgRoute, device: 1, peerDevice: 2, flags: codec.FlagUrgent, code: 3, parts: 2, gen: 4, peerGen: 5, hint: 6,
		timeSec: 7, user: 8, peer: 9, conn: 10, first: 11, last: 12, seq: 13, payload: parts("hello", ""),
	}
}

func TestMessageSurvivesTheWayBetweenLoops(t *testing.T) {
	want := wholeMessage()
	if v := reflect.ValueOf(want); v.NumField() != 19 {
		t.Errorf("message has %d fields: does the codec carry all of them?", v.NumField())
	}
	for kind := msgAttach; kind < msgKindEnd; kind++ {
		m := want
		m.kind = kind
		if !kind.hasParts() {
			m.parts = 0
		}
		if !kind.hasPayload() {
			m.payload = nil
		}
		b := appendMessage(nil, &m)
		if len(b) != messageBytes+len(m.payload) {
			t.Errorf("kind %d takes %d bytes", kind, len(b))
		}
		var got message
		if err := parseMessage(&got, b); err != nil || !reflect.DeepEqual(got, m) {
			t.Errorf("kind %d came back as %+v, %v", kind, got, err)
		}
	}
}

func TestDamagedMessagesAreRefused(t *testing.T) {
	m := wholeMessage()
	good := appendMessage(nil, &m)
	change := func(at int, to byte) []byte {
		b := append([]byte(nil), good...)
		b[at] = to
		return b
	}
	for name, b := range map[string][]byte{
		"empty":                         nil,
		"cut in its header":             good[:messageBytes-1],
		"of kind zero":                  change(0, 0),
		"of a kind that is not known":   change(0, byte(msgKindEnd)),
		"with another count of parts":   change(5, 3),
		"with a part that is cut":       good[:len(good)-1],
		"with bytes behind its parts":   append(append([]byte(nil), good...), 1),
		"with bytes that it has no use": change(0, byte(msgAck)),
	} {
		var got message
		if err := parseMessage(&got, b); err == nil {
			t.Errorf("a message %s was taken", name)
		}
	}
}

func FuzzMessage(f *testing.F) {
	m := wholeMessage()
	f.Add(appendMessage(nil, &m))
	m = message{kind: msgPush, payload: []byte{3, 1, 0}}
	f.Add(appendMessage(nil, &m))
	m = message{kind: msgTicked}
	f.Add(appendMessage(nil, &m))
	f.Fuzz(func(t *testing.T, b []byte) {
		var m message
		if parseMessage(&m, b) != nil {
			return
		}
		again := appendMessage(nil, &m)
		if string(again) != string(b) {
			t.Errorf("%x came back as %x", b, again)
		}
	})
}
