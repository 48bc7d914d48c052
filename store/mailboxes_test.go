package store

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"
)

// seedOf is the seed of a randomised test: STORE_SEED when set, else a fresh one. It is printed, so that a failure can
// be had again.
func seedOf(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("STORE_SEED"); v != "" {
		n, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("STORE_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("seed: STORE_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 2))
}

// box names a device in the plain model.
type box struct {
	user   uint64
	device uint8
}

// kept is an entry with its payload, in order, in the plain model.
type kept struct {
	e       Entry
	payload []byte
}

// plain is Mailboxes as anybody would write it first.
type plain struct {
	boxes map[box][]kept
	bytes int64
	count int
}

func (p *plain) append(e Entry, payload []byte) {
	b := box{e.User, e.Device}
	p.boxes[b] = append(p.boxes[b], kept{e, slices.Clone(payload)})
	p.bytes += int64(len(payload))
	p.count++
}

func (p *plain) drop(b box, upTo uint64) (gone []kept) {
	l := p.boxes[b]
	i := 0
	for i < len(l) && l[i].e.Seq <= upTo {
		p.bytes -= int64(len(l[i].payload))
		p.count--
		i++
	}
	p.boxes[b] = l[i:]
	return l[:i]
}

// users are few, with the ends of the range among them.
var users = []uint64{0, 1, 2, 77, 999_999_999_999_999_999, UserMax - 1, UserMax}

func randomBox(r *rand.Rand) box {
	return box{users[r.IntN(len(users))], []uint8{0, 1, 16, 255}[r.IntN(4)]}
}

func randomEntry(r *rand.Rand, b box, seq uint64) Entry {
	return Entry{
		Key: Key{User: b.user, Device: b.device, Seq: seq}, Kind: EntryKind(r.Uint32()), Flags: uint8(r.Uint32()),
		Code: uint8(r.Uint32()), PeerDevice: uint8(r.Uint32()), PayloadTag: uint8(r.Uint32()), Gen: uint16(r.Uint32()),
		TimeSec: r.Uint32(), Peer: r.Uint64(), First: r.Uint64(), Last: r.Uint64(),
	}
}

func randomPayload(r *rand.Rand) []byte {
	n := r.IntN(300)
	if r.IntN(50) == 0 {
		n = r.IntN(PayloadBytesMax + 1)
	}
	p := make([]byte, n)
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}

// last is the seq of the newest entry; 0 when there is none.
func (p *plain) last(b box) uint64 {
	if l := p.boxes[b]; len(l) > 0 {
		return l[len(l)-1].e.Seq
	}
	return 0
}

// pair is a Mailboxes with its plain twin.
type pair struct {
	*testing.T
	r *rand.Rand
	m *Mailboxes
	p plain
}

func (x *pair) appendOne() {
	b := randomBox(x.r)
	seq := x.p.last(b) + 1 + uint64(x.r.IntN(3))
	if x.r.IntN(40) == 0 {
		seq = uint64(x.r.IntN(2)+1)<<40 | seq // a new owner epoch
	}
	wrong := x.r.IntN(10) == 0 && len(x.p.boxes[b]) > 0
	if wrong {
		seq = x.p.last(b) - uint64(x.r.IntN(2))
	}
	e, payload := randomEntry(x.r, b, seq), randomPayload(x.r)
	err := x.m.Append(&e, payload)
	if wrong && !errors.Is(err, ErrOrder) || !wrong && err != nil {
		x.Fatalf("append of %+v after seq %d: %v", e.Key, x.p.last(b), err)
	}
	if err == nil {
		x.p.append(e, payload)
	}
}

func (x *pair) share() {
	from, to := randomBox(x.r), randomBox(x.r)
	e := randomEntry(x.r, to, x.p.last(to)+1)
	l := x.p.boxes[from]
	if len(l) == 0 {
		if err := x.m.AppendShared(&e, Key{User: from.user, Device: from.device, Seq: 5}, 0); !errors.Is(err, ErrNoEntry) {
			x.Fatalf("shared the payload of no entry: %v", err)
		}
		return
	}
	of := l[x.r.IntN(len(l))]
	if err := x.m.AppendShared(&e, of.e.Key, 0); err != nil {
		x.Fatalf("append of %+v shared with %+v: %v", e.Key, of.e.Key, err)
	}
	x.p.append(e, of.payload)
}

func (x *pair) replace() {
	b := randomBox(x.r)
	l := x.p.boxes[b]
	if len(l) == 0 {
		e := randomEntry(x.r, b, math.MaxUint64)
		if err := x.m.Replace(&e); !errors.Is(err, ErrNoEntry) {
			x.Fatalf("replaced no entry: %v", err)
		}
		return
	}
	k := x.r.IntN(len(l))
	e := randomEntry(x.r, b, l[k].e.Seq)
	if err := x.m.Replace(&e); err != nil {
		x.Fatalf("replace of %+v: %v", e.Key, err)
	}
	l[k].e = e
}

func (x *pair) scan() {
	b := randomBox(x.r)
	after := uint64(0)
	if l := x.p.boxes[b]; len(l) > 0 {
		after = l[x.r.IntN(len(l))].e.Seq - uint64(x.r.IntN(2))
	}
	var want []kept
	for _, k := range x.p.boxes[b] {
		if k.e.Seq > after {
			want = append(want, k)
		}
	}
	stop := len(want) + 1
	if x.r.IntN(3) == 0 {
		stop = x.r.IntN(len(want) + 1)
	}
	i := 0
	x.m.Scan(b.user, b.device, after, func(e *Entry, payload []byte) bool {
		if i >= len(want) || *e != want[i].e || !bytes.Equal(payload, want[i].payload) {
			x.Fatalf("scan of %v after %d: entry %d is %+v with %d bytes", b, after, i, *e, len(payload))
		}
		i++
		return i != stop
	})
	if i != min(stop, len(want)) && stop != 0 {
		x.Fatalf("scan of %v after %d showed %d of %d entries, stop at %d", b, after, i, len(want), stop)
	}
}

func (x *pair) drop() {
	b := randomBox(x.r)
	upTo := x.p.last(b)
	if l := x.p.boxes[b]; len(l) > 0 && x.r.IntN(2) == 0 {
		upTo = l[x.r.IntN(len(l))].e.Seq
	}
	want := x.p.drop(b, upTo)
	i := 0
	n := x.m.Drop(b.user, b.device, upTo, func(e *Entry, payloadBytes int) {
		if i >= len(want) || *e != want[i].e || payloadBytes != len(want[i].payload) {
			x.Fatalf("drop of %v up to %d: entry %d is %+v", b, upTo, i, *e)
		}
		i++
	})
	if n != len(want) || i != n {
		x.Fatalf("drop of %v up to %d: %d entries, want %d", b, upTo, n, len(want))
	}
}

func (x *pair) compare() {
	b := randomBox(x.r)
	e, ok := x.m.Last(b.user, b.device)
	if l := x.p.boxes[b]; ok != (len(l) > 0) || ok && e != l[len(l)-1].e {
		x.Fatalf("last of %v is %+v %v, want one of %d", b, e, ok, len(l))
	}
	s := x.m.Stats()
	if s.Entries != x.p.count || s.PayloadBytes != x.p.bytes {
		x.Fatalf("stats %+v, want %d entries of %d bytes", s, x.p.count, x.p.bytes)
	}
}

// mailboxes is how many the table knows.
func (m *Mailboxes) mailboxes() (n int) {
	for i := range m.table.parts {
		n += int(m.table.parts[i].used)
	}
	return n
}

// restore gives back an entry anywhere, or one that is there.
func (x *pair) restore() {
	b := randomBox(x.r)
	l := x.p.boxes[b]
	seq := 1 + x.r.Uint64N(x.p.last(b)&(1<<20)+3)
	if x.r.IntN(4) == 0 {
		seq |= 1 << 40
	}
	e, payload := randomEntry(x.r, b, seq), randomPayload(x.r)
	if err := x.m.Restore(&e, payload); err != nil {
		x.Fatalf("restore of %+v: %v", e.Key, err)
	}
	i, held := slices.BinarySearchFunc(l, seq, func(k kept, seq uint64) int { return cmp.Compare(k.e.Seq, seq) })
	if held {
		return
	}
	x.p.boxes[b] = slices.Insert(l, i, kept{e, slices.Clone(payload)})
	x.p.bytes += int64(len(payload))
	x.p.count++
}

func TestMailboxesAgainstAMap(t *testing.T) {
	x := &pair{T: t, r: seedOf(t), m: NewMailboxes(), p: plain{boxes: map[box][]kept{}}}
	for op := range 60_000 {
		busy := op/6_000%2 == 0 // filling and emptying by turns
		switch n := x.r.IntN(20); {
		case n < 9 && (busy || n < 3):
			x.appendOne()
		case n < 11:
			x.share()
		case n < 13:
			x.replace()
		case n < 14:
			x.scan()
		case n < 15 && busy:
			x.restore()
		case n < 16 || !busy:
			x.drop()
		default:
			x.compare()
		}
	}
	for b := range x.p.boxes {
		x.p.drop(b, math.MaxUint64)
		x.m.Drop(b.user, b.device, math.MaxUint64, nil)
	}
	x.compare()
	if s := x.m.Stats(); s.Entries != 0 || s.PayloadBytes != 0 || x.m.payloads.InUse() != 0 || x.m.tree.Len() != 1 || x.m.mailboxes() != 0 {
		t.Fatalf("after the last drop: %+v, %d bytes in blocks, %d keys, %d mailboxes", s, x.m.payloads.InUse(), x.m.tree.Len(), x.m.mailboxes())
	}
}

func TestASharedPayloadIsHeldOnce(t *testing.T) {
	m := NewMailboxes()
	payload := bytes.Repeat([]byte("x"), 1_000)
	first := Entry{Key: Key{User: 1, Seq: 1}}
	if err := m.Append(&first, payload); err != nil {
		t.Fatal(err)
	}
	one := m.payloads.InUse()
	for d := range uint8(10) {
		e := Entry{Key: Key{User: 2, Device: d, Seq: 1}}
		if err := m.AppendShared(&e, first.Key, 0); err != nil {
			t.Fatal(err)
		}
	}
	if m.payloads.InUse() != one || m.Stats().PayloadBytes != 11_000 {
		t.Fatalf("%d bytes in blocks, %d for one; %+v", m.payloads.InUse(), one, m.Stats())
	}
	m.Drop(1, 0, 1, nil)
	for d := range uint8(10) {
		m.Scan(2, d, 0, func(e *Entry, p []byte) bool {
			if !bytes.Equal(p, payload) {
				t.Fatalf("device %d has another payload", d)
			}
			return true
		})
		m.Drop(2, d, 1, nil)
	}
	if m.payloads.InUse() != 0 {
		t.Fatalf("%d bytes in blocks after the last holder", m.payloads.InUse())
	}
}

func TestAFullArenaRefusesAndRecovers(t *testing.T) {
	m := NewMailboxesWithin(1 << 20)
	payload := make([]byte, 1_000)
	n := uint64(0)
	for {
		e := Entry{Key: Key{User: 9, Seq: n + 1}}
		err := m.Append(&e, payload)
		if errors.Is(err, ErrFull) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	if s := m.Stats(); n < 900 || s.Entries != int(n) || s.ArenaBytes > 1<<20 {
		t.Fatalf("%d entries fit, %+v", n, s)
	}
	e := Entry{Key: Key{User: 9, Seq: n + 1}}
	if err := m.Append(&e, nil); err != nil {
		t.Fatalf("an entry without payload needs no arena: %v", err)
	}
	e.Seq++
	if err := m.AppendShared(&e, Key{User: 9, Seq: 1}, 0); err != nil {
		t.Fatalf("a shared payload needs no arena: %v", err)
	}
	m.Drop(9, 0, n, nil)
	e.Seq++
	if err := m.Append(&e, payload); err != nil {
		t.Fatalf("after a drop: %v", err)
	}
	e.Seq++
	if err := m.Append(&e, make([]byte, PayloadBytesMax+1)); !errors.Is(err, ErrTooLarge) {
		t.Fatalf("a payload over the limit: %v", err)
	}
}

func TestScanInsideAScan(t *testing.T) {
	m := NewMailboxes()
	for u := range uint64(3) {
		for seq := range uint64(100) {
			if err := m.Append(&Entry{Key: Key{User: u, Seq: seq + 1}, Peer: u}, []byte{byte(u)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	outer, inner := 0, 0
	m.Scan(1, 0, 0, func(e *Entry, p []byte) bool {
		outer++
		m.Scan(2, 0, 90, func(e *Entry, p []byte) bool {
			inner++
			return e.Peer == 2
		})
		last, ok := m.Last(0, 0)
		return ok && last.Seq == 100 && e.Peer == 1 && e.Seq == uint64(outer) && p[0] == 1
	})
	if outer != 100 || inner != 1_000 {
		t.Fatalf("%d entries outside, %d inside", outer, inner)
	}
}

func TestNothingIsAllocatedInSteadyState(t *testing.T) {
	payload := make([]byte, 200)
	for _, waiting := range []int{0, 1, 20, 1_000} {
		t.Run(fmt.Sprintf("%d entries wait", waiting), func(t *testing.T) {
			m := NewMailboxes()
			seq := uint64(0)
			e := &Entry{}
			add := func() {
				seq++
				*e = Entry{Key: Key{User: 5, Seq: seq}, Kind: 1}
				if err := m.Append(e, payload); err != nil {
					t.Fatal(err)
				}
			}
			for range waiting {
				add()
			}
			seen := 0
			see := func(e *Entry, p []byte) bool { seen += len(p); return true }
			gone := func(e *Entry, n int) { seen -= n }
			n := math.Inf(1)
			for range 5 { // what an engine of an earlier test does while it ends is counted too
				n = min(n, testing.AllocsPerRun(5_000, func() {
					add()
					m.Scan(5, 0, seq-1, see)
					m.Replace(e)
					m.Last(5, 0)
					m.Drop(5, 0, seq-uint64(waiting), gone)
				}))
			}
			if n != 0 {
				t.Fatalf("%v allocations for each message", n)
			}
			if seen != 0 {
				t.Fatalf("%d bytes were seen and not dropped", seen)
			}
		})
	}
}
