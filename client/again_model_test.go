package client

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// repeatWorld is a server for one client: lists of devices and groups change under it, and it refuses what names an old one.
type repeatWorld struct {
	t       *testing.T
	r       *rand.Rand
	state   State
	c       *Client
	l       *link
	mark    uint64             // taken
	told    uint64             // of that the client knows
	seq     uint64             // of the mailbox
	mailbox []codec.Receipt    // not acknowledged
	next    int                // mailbox[next:] has not been sent on this connection
	lists   map[uint64]*listed // users and groups
	sends   map[string]*fate   // by payload
	byID    map[uint64]*fate
	numbers map[uint64]accepted
	crashes int
}

// listed is what a message must name.
type listed struct {
	version uint32
	devices []uint8
}

// fate is what became of a message.
type fate struct {
	id        uint64
	to        uint64
	devices   map[uint8]int // how often the server took it for a device
	taken     int
	delivered bool
	rejected  bool
	long      bool
	level     TickLevel // by events
}

type accepted struct {
	f  *fate
	to uint64
}

func (w *repeatWorld) login() {
	w.c = offlineClient(w.t, w.state)
	hello, err := w.c.hello()
	if err != nil {
		w.t.Fatal(err)
	}
	if hello.Gen != 0 {
		w.mailbox = slices.DeleteFunc(w.mailbox, func(r codec.Receipt) bool { return r.Seq <= hello.DownSeq })
	}
	conn := deadConn{bytes.NewReader(nil)}
	s := welcome(w.mark)
	if w.l, err = w.c.attach(conn, &frameReader{conn: conn}, &hello, &s); err != nil {
		w.t.Fatal(err)
	}
	w.told, w.next = w.mark, 0
	for _, ev := range w.l.greeting {
		w.hear(ev)
	}
}

// hear takes what the application hears.
func (w *repeatWorld) hear(ev Event) {
	switch ev := ev.(type) {
	case Rejected:
		f := w.byID[ev.ID]
		if f == nil || f.rejected && w.crashes == 0 || f.to != ev.Peer|ev.Group {
			w.t.Fatalf("rejected %+v, which is %+v", ev, f)
		}
		f.rejected = true
	case Tick:
		for id, f := range w.byID {
			if id < ev.First || id > ev.Last || ev.Level > TickServer && f.to != ev.Peer|ev.Group {
				continue
			}
			if ev.Level == TickDelivered && !f.delivered {
				w.t.Fatalf("%+v covers message %d, which nobody has", ev, id)
			}
			f.level = max(f.level, ev.Level)
		}
	case DevicesRefused:
		w.t.Fatalf("%+v", ev)
	}
}

// frame has the client take what the server says.
func (w *repeatWorld) frame(b []byte, err error) {
	w.t.Helper()
	if err == nil {
		var f codec.Frame
		if f, _, err = codec.Next(b, codec.FrameBytesMax); err == nil {
			err = w.c.handle(w.l, f)
		}
	}
	if err != nil {
		w.t.Fatal(err)
	}
	for len(w.c.events) > 0 {
		w.hear(<-w.c.events)
	}
}

// post sends something to somebody.
func (w *repeatWorld) post() {
	f := &fate{to: uint64(1+w.r.IntN(2)) + testPeer, devices: map[uint8]int{}}
	text := fmt.Sprintf("m%d", len(w.sends))
	payload := []byte(text)
	if w.r.IntN(8) == 0 {
		f.long = true
		payload = make([]byte, 30_000)
		for i := range payload {
			payload[i] = byte(w.r.Uint32())
		}
		text = string(payload)
	}
	var err error
	if w.r.IntN(3) == 0 {
		f.to = codec.GroupBit | uint64(1+w.r.IntN(2))
		f.id, err = w.c.SendGroup(w.t.Context(), f.to, payload)
	} else {
		f.id, err = w.c.Send(w.t.Context(), f.to, payload)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.sends[text], w.byID[f.id] = f, f
}

// take has the server read what the client may send now.
func (w *repeatWorld) take() {
	c := w.c
	c.mu.Lock()
	if err := c.commit(); err != nil {
		w.t.Fatal(err)
	}
	wr := writer{c: c}
	wr.appendOutbox(w.l, time.Now())
	c.mu.Unlock()
	for b := wr.buf; len(b) > 0; {
		f, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil {
			w.t.Fatal(err)
		}
		b = b[used:]
		v, err := codec.ParseSend(f)
		if err != nil {
			w.t.Fatal(err)
		}
		if v.Cseq > w.mark {
			w.mark = v.Cseq
			w.judge(&v)
		}
	}
}

// judge takes a SEND or refuses it.
func (w *repeatWorld) judge(v *codec.Send) {
	ext := uint8(codec.ExtDevices)
	if v.Flags&codec.FlagGroup != 0 {
		ext = codec.ExtEpoch
	}
	version, named, _ := v.Known(ext)
	now := w.lists[v.To]
	if named && version < now.version {
		if w.r.IntN(10) > 0 { // a notice can get lost
			w.notice(v.To, now)
		}
		code := codec.CodeDevicesStale
		r := codec.Receipt{Kind: codec.ReceiptRejected, Peer: v.To, First: v.Cseq, Last: v.Cseq, Gen: testGen}
		if ext == codec.ExtEpoch {
			code = codec.CodeEpochStale
			r.Peer, r.Group, r.Flags = 0, v.To, codec.FlagGroup
		}
		r.Code = uint8(code)
		w.put(r)
		return
	}
	var f *fate
	for part, rest, ok := v.Parts.Next(); ok; part, rest, ok = rest.Next() {
		if f = w.sends[string(part.Blob)]; f == nil {
			w.t.Fatalf("SEND %d carries what nobody has sent", v.Cseq)
		}
		f.devices[part.Device]++
	}
	f.taken++
	w.numbers[v.Cseq] = accepted{f, v.To}
}

func (w *repeatWorld) notice(to uint64, now *listed) {
	n := iq.Notice{}
	if to&codec.GroupBit != 0 {
		n.Group = iq.GroupInfo{Group: to, Epoch: now.version, Creator: 1, Count: 1}
	} else {
		n.Devices = iq.DeviceList{User: to, Version: now.version, List: now.devices, Signature: make([]byte, 64)}
	}
	w.frame(iq.AppendNotice(nil, &n))
}

// put adds an entry to the mailbox.
func (w *repeatWorld) put(r codec.Receipt) {
	w.seq++
	r.Seq = w.seq
	w.mailbox = append(w.mailbox, r)
}

// push sends the next entry of the mailbox.
func (w *repeatWorld) push() {
	if w.next < len(w.mailbox) {
		w.next++
		w.frame(codec.AppendReceipt(nil, &w.mailbox[w.next-1]))
	}
}

func (w *repeatWorld) tick() {
	if w.mark > w.told {
		w.told += w.r.Uint64N(w.mark-w.told) + 1
		w.frame(codec.AppendTick(nil, &codec.Tick{UpHigh: w.told}))
	}
}

// deliver has a receiver get something that the server took.
func (w *repeatWorld) deliver() {
	for _, cseq := range slices.Sorted(maps.Keys(w.numbers)) {
		if w.r.IntN(3) == 0 {
			continue
		}
		a := w.numbers[cseq]
		a.f.delivered = true
		r := codec.Receipt{Kind: codec.ReceiptDelivered, Peer: a.to, First: cseq, Last: cseq, Gen: testGen}
		for next, ok := w.numbers[r.Last+1]; ok && next.to == a.to && w.r.IntN(2) == 0; next, ok = w.numbers[r.Last+1] {
			next.f.delivered = true
			r.Last++
		}
		if a.to&codec.GroupBit != 0 {
			r.Peer, r.Group, r.Flags = 0, a.to, codec.FlagGroup
		}
		for n := r.First; n <= r.Last; n++ {
			delete(w.numbers, n)
		}
		w.put(r)
		return
	}
}

// change gives somebody another list of devices, or a group another epoch.
func (w *repeatWorld) change() {
	for _, key := range slices.Sorted(maps.Keys(w.lists)) {
		l := w.lists[key]
		if w.r.IntN(3) == 0 {
			continue
		}
		l.version++
		l.devices = nil
		for d := range uint8(6) {
			if w.r.IntN(2) == 0 {
				l.devices = append(l.devices, d)
			}
		}
		if len(l.devices) == 0 {
			l.devices = []uint8{0}
		}
		return
	}
}

// check holds the end against what was sent.
func (w *repeatWorld) check(seed uint64) {
	for _, f := range w.byID {
		s, known := w.c.Sent(f.id)
		if !known {
			w.t.Fatalf("seed %d: message %d is forgotten", seed, f.id)
		}
		if f.rejected {
			if f.taken > 0 && !f.long || s.Rejected == 0 {
				w.t.Errorf("seed %d: message %d was said to be rejected, and taken %d times: %+v", seed, f.id, f.taken, s)
			}
			continue
		}
		if f.taken == 0 || f.taken > 1 && !f.long {
			w.t.Errorf("seed %d: message %d was taken %d times", seed, f.id, f.taken)
		}
		for d, n := range f.devices {
			if n > 1 {
				w.t.Errorf("seed %d: device %d of %d got message %d %d times", seed, d, f.to, f.id, n)
			}
		}
		if f.delivered != (s.Level == TickDelivered) || s.Level < TickServer {
			w.t.Errorf("seed %d: message %d is delivered: %v, and its level %v", seed, f.id, f.delivered, s.Level)
		}
		if w.crashes == 0 && f.level != s.Level {
			w.t.Errorf("seed %d: message %d has level %v, events said %v", seed, f.id, s.Level, f.level)
		}
	}
}

func TestMessagesThatAreSentAgainStayOneMessageWhateverHappens(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for run := range uint64(60) {
		repeatRun(t, seed+run)
	}
}

func repeatRun(t *testing.T, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 7))
	w := &repeatWorld{
		t: t, r: r, state: NewMemoryState(), lists: map[uint64]*listed{}, sends: map[string]*fate{}, byID: map[uint64]*fate{}, numbers: map[uint64]accepted{},
	}
	for n := range uint64(2) {
		w.lists[testPeer+1+n] = &listed{}
		w.lists[codec.GroupBit|(1+n)] = &listed{version: 1}
	}
	w.login()
	for range 400 {
		switch r.IntN(9) {
		case 0, 1:
			if len(w.sends) < 60 {
				w.post()
			}
		case 2, 3:
			w.take()
		case 4:
			w.tick()
		case 5:
			w.push()
		case 6:
			w.deliver()
		case 7:
			if r.IntN(4) == 0 {
				w.change()
			}
		case 8:
			if seed%2 == 0 && r.IntN(12) == 0 { // every other run has crashes: what was not committed is lost
				w.crashes++
				w.login()
			}
		}
	}
	for w.c.Outstanding() > 0 || w.next < len(w.mailbox) || w.told < w.mark || len(w.numbers) > 0 {
		w.take()
		w.push()
		w.tick()
		w.deliver()
	}
	w.check(seed)
}
