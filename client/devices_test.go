package client

import (
	"bytes"
	"crypto/rand"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// sends takes n SENDs, and passes over ACKs.
func (p *peer) sends(n int) []sent {
	p.t.Helper()
	var list []sent
	for len(list) < n {
		fr := p.next()
		if fr.Kind == codec.KindAck {
			continue
		}
		v, err := codec.ParseSend(fr)
		if err != nil {
			p.t.Fatalf("expecting a SEND: %v", err)
		}
		s := sent{cseq: v.Cseq, to: v.To, group: v.Flags&codec.FlagGroup != 0, known: -1}
		if version, ok, _ := v.Known(codec.ExtDevices); ok {
			s.known = int64(version)
		}
		for part, rest, ok := v.Parts.Next(); ok; part, rest, ok = rest.Next() {
			s.devices = append(s.devices, part.Device)
			s.kind, s.text = part.Kind, string(part.Blob)
		}
		list = append(list, s)
	}
	return list
}

func TestAMessageFindsTheDevicesThatAreSigned(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		state, _ := openFile(t)
		c, p, _ := f.connect(welcome(0), WithState(state))
		theirs := newPrimary(t, testPeer)
		id := send(t, c, "hello")
		if s := p.anySend(); s.known != 0 || !slices.Equal(s.devices, []uint8{0}) {
			t.Errorf("to somebody unknown: %+v", s)
		}
		p.notice(iq.Notice{Devices: theirs.known(theirs.list(4, 0, 2, 7))})
		p.reject(1, codec.CodeDevicesStale, testPeer, 1, 1)
		if s := p.sends(1)[0]; s.cseq != 2 || s.known != 4 || !slices.Equal(s.devices, []uint8{0, 2, 7}) || s.text != "hello" {
			t.Errorf("sent again: %+v", s)
		}
		p.tick(2)
		want[Tick](t, c)
		want[Tick](t, c)
		levelOf(t, c, id, TickServer)
		closeClient(t, c)

		c, p, _ = f.connect(welcome(2), WithState(state)) // another process knows it too
		p.write(codec.AppendReceipt(nil, &codec.Receipt{Seq: 2, Kind: codec.ReceiptDelivered, Gen: testGen, Peer: testPeer, Device: 7, First: 2, Last: 2}))
		var tick Tick
		for tick.Level != TickDelivered {
			tick = want[Tick](t, c)
		}
		if tick.First != id || tick.Last != id || tick.Device != 7 {
			t.Errorf("tick %+v", tick)
		}
		send(t, c, "again")
		if s := p.sends(1)[0]; s.cseq != 3 || s.known != 4 || !slices.Equal(s.devices, []uint8{0, 2, 7}) {
			t.Errorf("by the known list: %+v", s)
		}
		noEvent(t, c)
		closeClient(t, c)
	})
}

func TestAListThatThePrimaryHasNotSignedIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		theirs, liar := newPrimary(t, testPeer), newPrimary(t, testPeer)
		p.notice(iq.Notice{Devices: theirs.known(theirs.list(2, 0, 1))})
		p.notice(iq.Notice{Devices: liar.list(3, 0, 1, 66)})
		if ev := want[DevicesRefused](t, c); ev.User != testPeer || !errors.Is(ev.Err, ErrDeviceList) {
			t.Errorf("%+v", ev)
		}
		p.notice(iq.Notice{Devices: liar.known(liar.list(3, 0, 1, 66))})
		if ev := want[DevicesRefused](t, c); !errors.Is(ev.Err, ErrDeviceKeyChanged) {
			t.Errorf("%+v", ev)
		}
		p.notice(iq.Notice{Devices: theirs.list(1, 0)}) // an old one: nothing is wrong with it
		noEvent(t, c)
		if list, version := c.known.list(testPeer); version != 2 || !slices.Equal(list, []uint8{0, 1}) {
			t.Errorf("list %d: %v", version, list)
		}
		for _, row := range []struct {
			ask  func() (Devices, error)
			want error
		}{
			{func() (Devices, error) { return c.Devices(t.Context(), testPeer) }, ErrDeviceKeyChanged},
			{func() (Devices, error) { return c.TrustDevices(t.Context(), testPeer) }, nil},
			{func() (Devices, error) { return c.Devices(t.Context(), testPeer) }, nil},
		} {
			type got struct {
				d   Devices
				err error
			}
			result := later(func() got { d, err := row.ask(); return got{d, err} })
			r := p.request(iq.OpDevicesGet)
			p.answer(&r, iq.Answer{Devices: liar.known(liar.list(1, 0, 5))})
			if r := result(); !errors.Is(r.err, row.want) || r.err == nil && (!r.d.Verified || len(r.d.Known) != 1 || r.d.Version != 1) {
				t.Errorf("%+v, %v; want %v", r.d, r.err, row.want)
			}
		}
		if list, version := c.known.list(testPeer); version != 1 || !slices.Equal(list, []uint8{0, 5}) {
			t.Errorf("trusted list %d: %v", version, list)
		}
		closeClient(t, c)
	})
}

func TestAListThatNobodyCanCheckHasItsKeyAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.vault = newVault(t)
		c, p, _ := f.connect(welcome(0))
		theirs, liar := newPrimary(t, testPeer), newPrimary(t, testPeer)
		p.notice(iq.Notice{Devices: liar.list(3, 0, 66)})
		r := p.request(iq.OpDevicesGet)
		if list, version := c.known.list(testPeer); r.User != testPeer || version != 3 || !slices.Equal(list, []uint8{0, 66}) {
			t.Errorf("asked for %d, list %d: %v", r.User, version, list)
		}
		p.answer(&r, iq.Answer{Devices: theirs.known(theirs.list(2, 0, 1))})
		p.notice(iq.Notice{Devices: liar.list(4, 0, 66)})
		if ev := want[DevicesRefused](t, c); !errors.Is(ev.Err, ErrDeviceList) {
			t.Errorf("%+v", ev)
		}
		if list, version := c.known.list(testPeer); version != 2 || !slices.Equal(list, []uint8{0, 1}) {
			t.Errorf("list %d: %v", version, list)
		}
		p.quiet(time.Second)
		closeClient(t, c)
	})
}

func TestThePrimarySignsAndRemovesAndCopiesGoToWhomItSigned(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		f.vault = newVault(t)
		c, p, _ := f.connect(welcome(0))
		mine := primary{user: testUser, key: c.identity.signer()}
		signed := later(func() error { _, err := c.SignDevices(t.Context(), 3, 1); return err })
		get := p.request(iq.OpDevicesGet)
		p.answer(&get, iq.Answer{Devices: mine.known(mine.list(8, 0, 1))})
		set := p.request(iq.OpDevicesSet)
		if set.Devices.Version != 9 || !slices.Equal(set.Devices.List, []uint8{0, 1, 3}) || !bytes.Equal(set.Devices.Signature, mine.list(9, 0, 1, 3).Signature) {
			t.Errorf("signed %+v", set.Devices)
		}
		p.answer(&set, iq.Answer{})
		if err := signed(); err != nil {
			t.Fatal(err)
		}
		id := send(t, c, "to you")
		got := p.sends(2)
		inner, err := parseCopy([]byte(got[1].text))
		if got[0].to != testPeer || got[1].to != testUser || got[1].known != 9 || !slices.Equal(got[1].devices, []uint8{1, 3}) || got[1].kind != PayloadCopy ||
			err != nil || inner.to != testPeer || inner.id != id || string(inner.payload) != "to you" {
			t.Errorf("sent %+v, copy %+v %v", got, inner, err)
		}
		removed := later(func() error { return c.RemoveDevice(t.Context(), 3) })
		get = p.request(iq.OpDevicesGet)
		p.answer(&get, iq.Answer{Devices: mine.known(mine.list(9, 0, 1, 3))})
		set = p.request(iq.OpDevicesSet)
		p.answer(&set, iq.Answer{})
		if drop := p.request(iq.OpDeviceRemove); drop.Device != 3 || !slices.Equal(set.Devices.List, []uint8{0, 1}) {
			t.Errorf("removes %d, signs %v", drop.Device, set.Devices.List)
		} else {
			p.answer(&drop, iq.Answer{})
		}
		if err := removed(); err != nil {
			t.Fatal(err)
		}
		p.reject(1, codec.CodeDevicesStale, testUser, 2, 2) // the copy: nobody hears of it
		if s := p.sends(1)[0]; s.to != testUser || !slices.Equal(s.devices, []uint8{1}) || s.known != 10 {
			t.Errorf("the copy is sent again: %+v", s)
		}
		p.tick(2)
		want[Tick](t, c)
		noEvent(t, c)
		closeClient(t, c)
	})
}

func TestACompanionShowsWhatOtherDevicesSentAndTellsThem(t *testing.T) {
	overBoth(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0), WithDevice(2), WithInbox())
		own := appendCopy(nil, &copied{to: 77, id: 12, payload: []byte("mine")})
		deliver := func(seq, from uint64, blob []byte) {
			t.Helper()
			p.write(codec.AppendDeliver(nil, &codec.Deliver{Seq: seq, From: from, Kind: PayloadCopy, Gen: 3, ID: seq + 50, Blob: blob}))
		}
		deliver(1, testUser, own)
		if m := want[Message](t, c); !m.Own || m.To != 77 || m.ID != 12 || m.From != testUser || string(m.Payload) != "mine" || m.Kind != 0 {
			t.Errorf("own message %+v", m)
		} else if err := c.Read(t.Context(), m); err != nil || c.Outstanding() != 0 {
			t.Errorf("read: %v, %d receipts", err, c.Outstanding())
		}
		deliver(2, testPeer, own) // somebody else says that this user has said so
		if m := want[Message](t, c); m.Own || m.To != 0 || m.Kind != PayloadCopy || m.From != testPeer {
			t.Errorf("forged message %+v", m)
		}
		deliver(3, testUser, own[:copyHeadBytes-1])
		if m := want[Message](t, c); m.Own {
			t.Errorf("cut message %+v", m)
		}
		p.write(codec.AppendDeliver(nil, &codec.Deliver{Seq: 4, From: testUser, Gen: 3, ID: 60, Flags: codec.FlagGroup, Group: testGroup, GroupSeq: 2, Blob: []byte("g")}))
		if m := want[Message](t, c); !m.Own || m.Group != testGroup || m.ID != 60 {
			t.Errorf("own group message %+v", m)
		}
		send(t, c, "from here") // it knows no list, but that there is a primary
		got := p.sends(2)
		if got[0].to != testPeer || got[1].to != testUser || got[1].known != 0 || !slices.Equal(got[1].devices, []uint8{0}) {
			t.Errorf("sent %+v", got)
		}
		mine := newPrimary(t, testUser)
		p.notice(iq.Notice{Devices: mine.known(mine.list(1, 0, 1, 2))})
		p.reject(5, codec.CodeDevicesStale, testUser, 2, 2)
		if s := p.sends(1)[0]; !slices.Equal(s.devices, []uint8{0, 1}) || s.known != 1 {
			t.Errorf("the copy is sent again: %+v", s)
		}
		closeClient(t, c)
	})
}

func TestALongMessageGoesToManyDevicesInParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		theirs := newPrimary(t, testPeer)
		p.notice(iq.Notice{Devices: theirs.known(theirs.list(1, 0, 1, 2, 3, 4))})
		synctest.Wait()
		payload := make([]byte, 30_000) // two of them fit a frame
		_, _ = rand.Read(payload)
		id, err := c.Send(t.Context(), testPeer, payload)
		if err != nil {
			t.Fatal(err)
		}
		s := welcome(0)
		got := p.sends(3)
		for i, devices := range [][]uint8{{0, 1}, {2, 3}, {4}} {
			if got[i].cseq != id+uint64(i) || !slices.Equal(got[i].devices, devices) || got[i].text != string(payload) || got[i].known != 1 {
				t.Errorf("part %d: cseq %d, devices %v", i, got[i].cseq, got[i].devices)
			}
		}
		p.receipt(1, codec.ReceiptDelivered, testPeer, 3, 3) // device 4 was first
		if tick := want[Tick](t, c); tick.Level != TickDelivered || tick.First != id || tick.Last != id {
			if tick = want[Tick](t, c); tick.First != id {
				t.Errorf("tick %+v", tick)
			}
		}
		levelOf(t, c, id, TickDelivered)
		// Device 3 leaves, 9 comes: everybody else gets it once more, nobody twice.
		p.notice(iq.Notice{Devices: theirs.list(2, 0, 1, 2, 4, 9)})
		p.reject(2, codec.CodeDevicesStale, testPeer, 1, 2)
		var devices []uint8
		for len(devices) < 4 {
			for _, s := range p.sends(1) {
				devices = append(devices, s.devices...)
			}
		}
		slices.Sort(devices)
		if !slices.Equal(devices, []uint8{0, 1, 2, 9}) {
			t.Errorf("sent again to %v; device 4 has it", devices)
		}
		p.quiet(time.Second)
		_ = s
		closeClient(t, c)
	})
}

func TestTheLongestPayloadFitsACopyToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0), WithDevice(1))
		payload := make([]byte, PayloadBytesMax)
		_, _ = rand.Read(payload)
		if _, err := c.Send(t.Context(), testPeer, payload); err != nil {
			t.Fatal(err)
		}
		if got := p.sends(2); got[0].text != string(payload) || len(got[1].text) != codec.BlobBytesMax {
			t.Errorf("%d and %d bytes", len(got[0].text), len(got[1].text))
		}
		closeClient(t, c)
	})
}

func FuzzCopy(f *testing.F) {
	f.Add(appendCopy(nil, &copied{to: 5, id: 7, kind: 0x80, payload: []byte("x")}))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := ownMessage(Message{From: testUser, Kind: PayloadCopy, Payload: b}, testUser)
		v, err := parseCopy(b)
		if m.Own != (err == nil) || m.Own && (m.To == 0 || m.To > codec.UserMax || m.ID == 0 || len(m.Payload) > ExpandedBytesMax && len(m.Payload) > len(b)) {
			t.Errorf("%+v, %v", m, err)
		}
		if err == nil && !bytes.Equal(appendCopy(nil, &v), b) {
			t.Errorf("%x reads as %+v", b, v)
		}
	})
}
