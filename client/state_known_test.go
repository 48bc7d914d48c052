package client

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.etcd.io/bbolt"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// oldState is a copy of a file that was written before there were groups: marks, an identity, an outbox, streams, sent messages and an inbox.
func oldState(t testing.TB) string {
	t.Helper()
	f, err := os.Open("testdata/state-before-groups.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "old.state")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAFileFromBeforeGroupsOpensAndGoesOn(t *testing.T) {
	path := oldState(t)
	synctest.Test(t, func(t *testing.T) {
		s, err := OpenState(path)
		if err != nil {
			t.Fatal(err)
		}
		snap, err := s.Load()
		if err != nil {
			t.Fatal(err)
		}
		wantMarks := Marks{User: 1001, Generation: 41, Incarnation: 77, LastSeq: 900, Ticked: 3, NextCseq: 7, Epoch: 64}
		if snap.Marks != wantMarks || snap.Identity.Key[0] != 1 || snap.Identity.Ticket.Expires != 1_700_000_500 {
			t.Errorf("marks %+v", snap.Marks)
		}
		wantOutbox := []Entry{
			{Cseq: 4, Kind: EntrySend, Peer: 1002, Time: time.UnixMilli(1_700_000_000_123), Payload: []byte("four")},
			{Cseq: 5, Kind: EntryReceipt, Peer: 1003, Time: time.UnixMilli(1_700_000_001_000), ReceiptKind: 2, Device: 1, Gen: 7, First: 3, Last: 9},
			{Cseq: 6, Kind: EntrySend, Peer: 1002, Time: time.UnixMilli(1_700_000_002_000), PayloadKind: 0x80, Payload: []byte("six")},
		}
		for i := range snap.Outbox {
			if len(snap.Outbox[i].Payload) == 0 {
				snap.Outbox[i].Payload = nil
			}
		}
		if !reflect.DeepEqual(snap.Outbox, wantOutbox) {
			t.Errorf("outbox %+v", snap.Outbox)
		}
		if len(snap.Streams) != 2 || len(snap.Sent) != 4 || len(snap.Inbox) != 1 || len(snap.Groups)+len(snap.Devices)+len(snap.Again) != 0 {
			t.Errorf("snapshot %+v", snap)
		}
		if err := s.Commit(&Change{Marks: snap.Marks, InboxGone: 1}); err != nil { // taken
			t.Fatal(err)
		}
		f := newFake(t)
		c, p, h := f.connect(welcome(3), WithState(s))
		if h.Gen != 41 || h.Ticked != 3 || h.DownSeq != 900 {
			t.Errorf("HELLO %+v", h)
		}
		if got := p.expectSend(4); got != "four" {
			t.Errorf("outbox begins with %q", got)
		}
		if fr := p.next(); fr.Kind != codec.KindReceipt {
			t.Errorf("then comes %v", fr.Kind)
		}
		p.expectSend(6)
		p.groupEvent(901, 1, testPeer, iq.Event{Op: iq.OpGroupCreate, Epoch: 6, Users: []uint64{testUser}})
		theirs := newPrimary(t, 1002)
		p.notice(iq.Notice{Devices: theirs.known(theirs.list(2, 0, 1))})
		p.reject(902, codec.CodeDevicesStale, 1002, 4, 4)
		if s := p.sends(1)[0]; s.cseq != 7 || s.text != "four" || !slices.Equal(s.devices, []uint8{0, 1}) {
			t.Errorf("sent again %+v", s)
		}
		closeClient(t, c)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = OpenState(path); err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if snap, err = s.Load(); err != nil {
			t.Fatal(err)
		}
		wantAgain := []Again{{ID: 7, Root: 4, Tries: 1}}
		if len(snap.Groups) != 1 || snap.Groups[0].Epoch != 6 || len(snap.Devices) != 1 || !slices.Equal(snap.Devices[0].List, []uint8{0, 1}) ||
			snap.Devices[0].Key != [32]byte(theirs.known(theirs.list(1, 0)).Known[0].Sign) || !reflect.DeepEqual(snap.Again, wantAgain) {
			t.Errorf("kept %+v %+v %+v", snap.Groups, snap.Devices, snap.Again)
		}
		if e := snap.Outbox[len(snap.Outbox)-1]; e.Known != 2 || !slices.Equal(e.Devices, []uint8{0, 1}) || string(e.Payload) != "four" {
			t.Errorf("outbox ends with %+v", e)
		}
	})
}

func TestWhatIsRememberedOfOthersIsBounded(t *testing.T) {
	k := newKnowledge(nil, nil)
	c := &Change{}
	for n := range uint64(GroupsKnownMax + 1) {
		k.setEpoch(codec.GroupBit|n+1, 1, c)
	}
	if len(k.groups) > GroupsKnownMax || k.epoch(codec.GroupBit|1) != 0 || k.epoch(codec.GroupBit|(GroupsKnownMax+1)) != 1 || len(c.GroupsGone) == 0 {
		t.Errorf("%d groups, %d gone", len(k.groups), len(c.GroupsGone))
	}
	for n := range uint64(DevicesKnownMax + 1) {
		k.setDevices(KnownDevices{User: n + 1, Version: 1, List: []uint8{0}}, c)
	}
	if _, version := k.list(1); len(k.devices) > DevicesKnownMax || version != 0 || len(c.DevicesGone) == 0 {
		t.Errorf("%d users, %d gone", len(k.devices), len(c.DevicesGone))
	}
	var again againTable
	for n := range uint64(AgainMax + 5) {
		again.add(Again{ID: 2*n + 2, Root: 2*n + 1, Tries: 1}, c)
	}
	if len(again.rows) != AgainMax || c.AgainGone != 10 || again.newest(9) != 9 || again.newest(11) != 12 {
		t.Errorf("%d rows, gone up to %d", len(again.rows), c.AgainGone)
	}
	for _, size := range []int{1, 10_000} {
		var held heldTable
		for n := range uint64(heldEntriesMax + 9) {
			held.add(&Entry{Cseq: n + 1, Payload: make([]byte, size)})
		}
		if len(held.rows) != min(heldEntriesMax, heldBytesMax/size) || held.bytes != size*len(held.rows) || held.rows[len(held.rows)-1].Cseq != heldEntriesMax+9 {
			t.Errorf("%d rows, %d bytes", len(held.rows), held.bytes)
		}
		held.release(0, 0, 1, 1<<60)
		if len(held.rows) != 0 || held.bytes != 0 {
			t.Errorf("%d rows, %d bytes are left", len(held.rows), held.bytes)
		}
	}
	var who typers
	for n := range uint64(TypersMax + 1) {
		if ok := who.note(Typing{User: n, State: TypingComposing}, time.Unix(0, 0)); ok != (n < TypersMax) {
			t.Errorf("typer %d: %v", n, ok)
		}
	}
}

func TestADamagedRowIsSaidToBeDamaged(t *testing.T) {
	for name, c := range map[string]struct{ bucket, key, value string }{
		"a short key":             {bucketGroups, "x", "123456789012"},
		"a short group":           {bucketGroups, "12345678", "12345678901"},
		"a short list":            {bucketDevices, "12345678", strings.Repeat("x", knownDevicesBytes-1)},
		"a short repetition":      {bucketAgain, "12345678", "123456789"},
		"a part that is a letter": {bucketAgain, "12345678", "123456789x"},
		"devices that end":        {bucketOutbox, "12345678", "\x03" + strings.Repeat("\x00", entryBytes-1+4) + "\x05\x01"},
		"no devices":              {bucketOutbox, "12345678", "\x03" + strings.Repeat("\x00", entryBytes-1+4) + "\x00\x01"},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := openFile(t)
			if err := s.Commit(&Change{Marks: Marks{User: 1, NextCseq: 1}}); err != nil {
				t.Fatal(err)
			}
			putRow(t, s, c.bucket, c.key, c.value)
			if _, err := s.Load(); !errors.Is(err, ErrStateDamaged) {
				t.Errorf("error %v", err)
			}
		})
	}
}

func FuzzRows(f *testing.F) {
	f.Add(uint8(0), []byte("12345678"), appendKnownDevices(nil, &KnownDevices{Version: 3, List: []uint8{0, 4}}))
	f.Add(uint8(1), []byte("12345678"), appendAgain(nil, &Again{Root: 7, Part: true, Devices: []uint8{3}}))
	f.Add(uint8(2), []byte("12345678"), appendKnownGroup(nil, &KnownGroup{Epoch: 7}))
	f.Add(uint8(3), []byte("12345678"), appendEntry(nil, &Entry{Kind: EntrySend, Peer: 9, Known: 4, Devices: []uint8{1, 2}, Payload: []byte("p")}))
	f.Fuzz(func(t *testing.T, which uint8, k, v []byte) {
		var again []byte
		var err error
		switch which % 4 {
		case 0:
			var r KnownDevices
			r, err = parseKnownDevices(k, v)
			again = appendKnownDevices(nil, &r)
		case 1:
			var r Again
			r, err = parseAgain(k, v)
			again = appendAgain(nil, &r)
		case 2:
			var r KnownGroup
			r, err = parseKnownGroup(k, v)
			again = appendKnownGroup(nil, &r)
		case 3:
			var r Entry
			r, err = parseEntry(k, v)
			if r.Time.UnixMilli() < 0 {
				return // no clock was ever there
			}
			again = appendEntry(nil, &r)
		}
		if err == nil && !bytes.Equal(again, v) {
			t.Errorf("%d: %x reads and is written as %x", which%4, v, again)
		}
	})
}

// putRow writes a row behind the state's back.
func putRow(t *testing.T, s State, bucket, key, value string) {
	t.Helper()
	err := s.(*fileState).db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), []byte(value)) })
	if err != nil {
		t.Fatal(err)
	}
}
