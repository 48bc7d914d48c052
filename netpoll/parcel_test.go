package netpoll

import (
	"net/netip"
	"reflect"
	"testing"
)

func TestParcelGivesBackItsRecordsInOrder(t *testing.T) {
	var p parcel
	for _, m := range []string{"one", "", "three"} {
		p.buf = appendMessage(p.buf, []byte(m))
	}
	for _, want := range []string{"one", "", "three"} {
		kind, body, ok := p.next()
		if !ok || kind != recordMessage || string(body) != want {
			t.Fatalf("got %d %q %v, want %q", kind, body, ok, want)
		}
	}
	if _, _, ok := p.next(); ok {
		t.Error("a fourth record")
	}
}

func TestPassageKeepsEverythingOfAConnection(t *testing.T) {
	for _, remote := range []string{"127.0.0.1:5222", "[2001:db8::1]:65535", ""} {
		want := passage{
			fd: 20000, origin: OriginMoved, flags: flagPaused | flagNotify, listener: -1, tag: 0xFEDCBA98,
			state: []byte("state"), inbound: []byte("in"), outbound: []byte("output"),
		}
		if remote != "" {
			want.remote = netip.MustParseAddrPort(remote)
		}
		b := want.appendHead(nil, len(want.state), len(want.inbound), len(want.outbound))
		b = append(append(append(b, want.state...), want.inbound...), want.outbound...)
		p := parcel{buf: b}
		kind, body, ok := p.next()
		if !ok || kind != recordConn || p.at != len(b) {
			t.Fatalf("record: %d %v, %d of %d bytes", kind, ok, p.at, len(b))
		}
		if got := parsePassage(body); !reflect.DeepEqual(got, want) {
			t.Errorf("got  %+v\nwant %+v", got, want)
		}
	}
}
