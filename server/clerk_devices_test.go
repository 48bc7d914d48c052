package server

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// sendTo writes the next SEND, to one device of a user.
func (w *wire) sendTo(to uint64, device uint8, text string) (cseq uint64) {
	w.t.Helper()
	w.cseq++
	parts := codec.Parts(nil).Append(codec.Part{Device: device, Blob: []byte(text)})
	w.write(must(codec.AppendSend(nil, &codec.Send{Cseq: w.cseq, To: to, N: 1, Parts: parts})))
	return w.cseq
}

// rejection waits for a rejection and acknowledges it.
func (w *wire) rejection() codec.Receipt {
	w.t.Helper()
	for {
		if r := w.takeReceipt(); r.Kind == codec.ReceiptRejected {
			return r
		}
	}
}

// presence waits for a state of a user.
func (w *wire) presence(peer uint64, state uint8) {
	w.t.Helper()
	for {
		p, err := codec.ParsePresence(w.expect(codec.KindPresence))
		if err != nil {
			w.t.Fatal(err)
		}
		if p.Peer == peer && p.State == state {
			return
		}
	}
}

func TestARemovedDeviceIsSentAwayAndItsQueueIsGone(t *testing.T) {
	bothTransports(t, func(t *testing.T, login func(uint64, uint8) *wire, r *running) {
		alice, companion, bob := login(1001, 0), login(1001, 1), login(1002, 0)
		bob.expectTick(bob.sendTo(1001, 1, "never acknowledged"))
		companion.expect(codec.KindDeliver)
		alice.must(iq.Request{Op: iq.OpDeviceRemove, Device: 1})
		companion.expectError(codec.CodeDeviceRemoved)
		companion.expectClosed()
		cseq := bob.sendTo(1001, 1, "to nobody")
		if rc := bob.rejection(); rc.First != cseq || rc.Code != uint8(codec.CodeNoSuchDevice) && rc.Code != uint8(codec.CodeNoSuchUser) || rc.Device != 1 {
			t.Errorf("bob hears %+v", rc)
		}
		r.eventually(t, "nothing waits", func(s Status) bool { return s.QueueEntries == 0 && s.Requests.Removed == 1 })
		p := login(1001, 1)
		p.expectTick(p.send(1002, "I am new"))
		if d := bob.take(); string(d.Blob) != "I am new" || d.Gen == companion.gen {
			t.Errorf("bob got %q of generation %d; before it was %d", d.Blob, d.Gen, companion.gen)
		}
		p.ping()
		bob.expectTick(bob.sendTo(1001, 1, "welcome"))
		if d := p.take(); string(d.Blob) != "welcome" {
			t.Errorf("the new device got %q first", d.Blob)
		}
	})
}

func TestACompanionRemovesItself(t *testing.T) {
	bothTransports(t, func(t *testing.T, login func(uint64, uint8) *wire, r *running) {
		companion := login(1001, 1)
		companion.must(iq.Request{Op: iq.OpDeviceRemove, Device: 1})
		companion.expectError(codec.CodeDeviceRemoved)
		companion.expectClosed()
	})
}

func TestARemovedDeviceStaysAwayWithItsOldKeys(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, func(c *Config) { c.Data = t.TempDir() })
	primary, companion := r.phone(t, 1001, 0), r.phone(t, 1001, 1)
	w := primary.contact()
	companion.linkedBy(primary)
	companion.contact()
	w.must(iq.Request{Op: iq.OpDeviceRemove, Device: 1})
	if known := w.must(iq.Request{Op: iq.OpDevicesGet}).Devices.Known; len(known) != 1 || known[0].Device != 0 {
		t.Errorf("known %+v", known)
	}
	again, _ := companion.knock()
	again.write(must(codec.AppendHello(nil, ptr(companion.hello()))))
	again.expectError(codec.CodeNotRegistered)
	w.must(iq.Request{Op: iq.OpDeviceRemove, Device: 1}) // asked for twice: the first answer may have been lost
	w.refused(codec.CodeNotFound, iq.Request{Op: iq.OpDeviceRemove, Device: 9})
}

func TestThePrimarySignsTheListOfDevices(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, nil)
	primary := r.phone(t, 1001, 0)
	w := primary.contact()
	companion := r.phone(t, 1001, 3).linkedBy(primary).contact()
	bob := r.phone(t, 1002, 0).contact()
	signed := func(version uint32, by ed25519.PrivateKey, devices ...uint8) iq.Request {
		l := iq.DeviceList{User: 1001, Version: version, List: devices}
		l.Signature = ed25519.Sign(by, iq.SignedBytes(nil, &l))
		return iq.Request{Op: iq.OpDevicesSet, Devices: l}
	}
	_, stranger, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	companion.refused(codec.CodeNotAllowed, signed(1, primary.sign, 0, 3))
	w.refused(codec.CodeInvalid, signed(1, stranger, 0, 3))
	w.refused(codec.CodeInvalid, signed(1, primary.sign, 0, 4))
	w.refused(codec.CodeInvalid, signed(1, primary.sign, 3)) // a list without the primary
	good := signed(5, primary.sign, 0, 3)
	w.must(good)
	w.must(good) // the answer was lost
	w.refused(codec.CodeInvalid, signed(5, primary.sign, 0))
	w.refused(codec.CodeInvalid, signed(4, primary.sign, 0))
	got := bob.must(iq.Request{Op: iq.OpDevicesGet, User: 1001}).Devices
	if got.Version != 5 || !slices.Equal(got.List, []uint8{0, 3}) || !bytes.Equal(got.Signature, good.Devices.Signature) ||
		len(got.Known) != 2 || got.Known[0].Static != primary.static.Public() || got.Known[1].Device != 3 {
		t.Errorf("bob sees %+v", got)
	}
	parts := codec.Parts(nil).Append(codec.Part{Blob: []byte("x")})
	old := codec.Send{Cseq: 1, To: 1001, N: 1, Parts: parts}
	old.Ext = old.Ext.Append(codec.ExtItem{Type: codec.ExtDevices, Value: []byte{0, 0, 0, 4}})
	bob.write(must(codec.AppendSend(nil, &old)))
	if rc := bob.rejection(); rc.Code != uint8(codec.CodeDevicesStale) {
		t.Errorf("who knows an old list hears %+v", rc)
	}
}

func TestOneCompanionTooManyIsNotRegistered(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, func(c *Config) { c.Companions = 2 })
	primary := r.phone(t, 1001, 0)
	w := primary.contact()
	for device := range uint8(2) {
		r.phone(t, 1001, 10+device).linkedBy(primary).contact()
	}
	knock := func(device uint8) *wire {
		p := r.phone(t, 1001, device).linkedBy(primary)
		c, _ := p.knock()
		c.write(must(codec.AppendHello(nil, ptr(p.hello()))))
		return c
	}
	knock(12).expectError(codec.CodeNotAuthorized)
	if n := countOf(r.log.String(), "as many as --companions allows"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, r.log.String())
	}
	w.must(iq.Request{Op: iq.OpDeviceRemove, Device: 10})
	r.phone(t, 1001, 12).linkedBy(primary).contact()
}

func TestADeletedAccountReturnsWithNothingLeft(t *testing.T) {
	bothTransports(t, func(t *testing.T, login func(uint64, uint8) *wire, r *running) {
		alice, companion, bob := login(1001, 0), login(1001, 1), login(1002, 0)
		alice.must(iq.Request{Op: iq.OpProfileSet, Profile: iq.Profile{Name: "Alice"}})
		alice.must(iq.Request{Op: iq.OpContactsAdd, Users: []uint64{5}})
		alice.must(iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{1002}})
		alice.must(iq.Request{Op: iq.OpBlocksDrop, Users: []uint64{1002}})
		bob.write(must(codec.AppendSubscribe(nil, &codec.Subscribe{Op: 1, N: 1, Peers: codec.Peers(nil).Append(1001)})))
		bob.presence(1001, 1)
		bob.expectTick(bob.send(1001, "never read"))
		companion.refused(codec.CodeNotAllowed, iq.Request{Op: iq.OpAccountDelete})
		alice.expect(codec.KindDeliver)
		alice.must(iq.Request{Op: iq.OpAccountDelete})
		alice.expectError(codec.CodeDeviceRemoved)
		alice.expectClosed()
		companion.expectError(codec.CodeDeviceRemoved)
		companion.expectClosed()
		bob.presence(1001, 0)
		if p := bob.must(iq.Request{Op: iq.OpProfileGet, User: 1001}).Profile; p.Name != "" {
			t.Errorf("the profile is still %+v", p)
		}
		r.eventually(t, "nothing waits", func(s Status) bool { return s.QueueEntries == 0 && s.Requests.Deleted == 1 })
		back := login(1001, 0)
		if c := back.must(iq.Request{Op: iq.OpContactsGet}).Users; len(c) != 0 || back.gen == alice.gen {
			t.Errorf("contacts %v, generation %d after %d", c, back.gen, alice.gen)
		}
		back.expectTick(back.send(1002, "me again"))
		if d := bob.take(); string(d.Blob) != "me again" {
			t.Errorf("bob got %q", d.Blob)
		}
		back.takeReceipt()
		back.must(iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{7}})
	})
}

func TestReportsAreShownToOperators(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	w := r.login(t, 7, 0)
	for i := range 3 {
		w.must(iq.Request{Op: iq.OpReport, User: uint64(8 + i), Text: fmt.Sprintf("reason %d", i), Seq: 4})
	}
	code, body := r.get(t, "/reports")
	if first, last := strings.Index(body, "reason 2"), strings.Index(body, "reason 0"); code != 200 || first < 0 || last < first {
		t.Errorf("%d, reports:\n%s", code, body)
	}
}

func TestAnOperatorRemovesADevice(t *testing.T) {
	noLeaks(t)
	r := startNoise(t, nil)
	login := r.family(t)
	primary, companion := login(1001, 0), login(1001, 1)
	remove := func(query, header string) int {
		t.Helper()
		req, err := http.NewRequest("POST", "http://"+r.AdminAddr().String()+"/device/remove?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			req.Header.Set(header, "1")
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	defer http.DefaultClient.CloseIdleConnections()
	for _, row := range []struct {
		query, header string
		want          int
	}{
		{"user=1001&device=1", "", 403},
		{"user=1001&device=254", AdminHeader, 400},
		{"user=1001", AdminHeader, 400},
		{"user=0&device=1", AdminHeader, 400},
		{"user=1000000000000000000&device=1", AdminHeader, 400},
		{"user=1001&device=2", AdminHeader, 404},
		{"user=1002&device=0", AdminHeader, 404},
		{"user=1001&device=1", AdminHeader, 204},
		{"user=1001&device=0", AdminHeader, 204},
	} {
		if got := remove(row.query, row.header); got != row.want {
			t.Errorf("%s: %d, want %d", row.query, got, row.want)
		}
	}
	for _, w := range []*wire{companion, primary} {
		w.expectError(codec.CodeDeviceRemoved)
		w.expectClosed()
	}
	if st := r.Status().Requests; st.Removed != 2 {
		t.Errorf("counted %+v", st)
	}
}
