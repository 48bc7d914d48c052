package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// testSeed is the seed of a random test: OFFLINE_SEED, or another one each time. It is printed when the test fails.
func testSeed(t testing.TB) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if s, err := strconv.ParseUint(os.Getenv("OFFLINE_SEED"), 10, 64); err == nil {
		seed = s
	}
	t.Logf("OFFLINE_SEED=%d", seed)
	return seed
}

// testFragment spreads neighbours.
func testFragment(user uint64) uint16 { return uint16(user * 0x9e37) }

func offlineTestOptions(fs vfs.FS) OfflineOptions {
	return OfflineOptions{Dir: "mailboxes", FS: fs, Fragment: testFragment, Log: slog.New(slog.DiscardHandler), Ballast: testBallastBytes}
}

func openOffline(t testing.TB, fs vfs.FS) *Offline {
	t.Helper()
	o, err := OpenOffline(offlineTestOptions(fs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = o.Close() })
	return o
}

// table is mailboxes as maps: what an Offline must show.
type table struct {
	heads   map[boxKey]Head
	entries map[boxKey]map[uint64]tableEntry
}

type tableEntry struct {
	entry   Entry
	payload string
}

func newTable() *table {
	return &table{heads: map[boxKey]Head{}, entries: map[boxKey]map[uint64]tableEntry{}}
}

func (p *table) keys() []boxKey {
	seen := map[boxKey]bool{}
	for k := range p.heads {
		seen[k] = true
	}
	for k, es := range p.entries {
		if len(es) > 0 {
			seen[k] = true
		}
	}
	return slices.SortedFunc(maps.Keys(seen), compareBoxes)
}

// text is all of it, for comparisons.
func (p *table) text() string {
	var b bytes.Buffer
	for _, k := range p.keys() {
		if h, ok := p.heads[k]; ok {
			fmt.Fprintf(&b, "head %+v\n", h)
		}
		for _, seq := range slices.Sorted(maps.Keys(p.entries[k])) {
			e := p.entries[k][seq]
			fmt.Fprintf(&b, "  %d.%d %+v %d %x\n", k.user, k.device, e.entry, len(e.payload), short(e.payload))
		}
	}
	return b.String()
}

func short(s string) string { return s[:min(len(s), 8)] }

// shown is what an Offline shows of the mailboxes that a test uses.
func shown(o *Offline, users, devices int) (string, error) {
	p := newTable()
	for user := range uint64(users) {
		heads, err := o.Heads(user, nil)
		if err != nil {
			return "", err
		}
		for i, h := range heads {
			if one, ok, err := o.Head(user, h.Device); err != nil || !ok || one != h {
				return "", fmt.Errorf("head %+v is %+v alone: %v, %w", h, one, ok, err)
			}
			if i > 0 && heads[i-1].Device >= h.Device {
				return "", fmt.Errorf("heads of user %d are not in order", user)
			}
			p.heads[boxKey{user, h.Device}] = h
		}
		for device := range uint8(devices) {
			es, last := map[uint64]tableEntry{}, uint64(0)
			err := o.Entries(user, device, 0, func(e *Entry, payload []byte) bool {
				if e.Seq <= last {
					es[0] = tableEntry{}
				}
				last = e.Seq
				es[e.Seq] = tableEntry{*e, string(payload)}
				return true
			})
			if err != nil {
				return "", err
			}
			p.entries[boxKey{user, device}] = es
		}
	}
	return p.text(), nil
}

const (
	modelUsers   = 6
	modelDevices = 3
)

// randomBatch changes some mailboxes in a batch and in the model alike.
func randomBatch(rng *rand.Rand, o *Offline, p *table) *OfflineBatch {
	b := o.NewBatch()
	for range 1 + rng.IntN(6) {
		k := boxKey{rng.Uint64N(modelUsers), uint8(rng.IntN(modelDevices))}
		if p.entries[k] == nil {
			p.entries[k] = map[uint64]tableEntry{}
		}
		switch rng.IntN(4) {
		case 0:
			h := randomHead(rng, k)
			b.PutHead(&h)
			p.heads[k] = h
		case 1:
			after, upTo := rng.Uint64N(40), rng.Uint64N(60)
			if rng.IntN(4) == 0 {
				after, upTo = 0, ^uint64(0)
			}
			b.DropEntries(k.user, k.device, after, upTo)
			maps.DeleteFunc(p.entries[k], func(seq uint64, _ tableEntry) bool { return after < seq && seq <= upTo })
		default:
			for range 1 + rng.IntN(5) {
				e, payload := someEntry(rng, Key{User: k.user, Device: k.device, Seq: 1 + rng.Uint64N(60)})
				b.PutEntry(&e, payload)
				p.entries[k][e.Seq] = tableEntry{e, string(payload)}
			}
		}
	}
	return b
}

func randomHead(rng *rand.Rand, k boxKey) Head {
	return Head{
		User: k.user, Device: k.device, Flags: uint8(rng.Uint32()), Gen: uint16(rng.Uint32()), Registered: uint16(rng.Uint32()),
		Token: rng.Uint32(), Epoch: rng.Uint32(), SeenSec: rng.Uint32(), Owner: rng.Uint32(),
		Mark: rng.Uint64(), Last: rng.Uint64(), Acked: rng.Uint64(),
		Counts: Counts{Messages: rng.Uint32(), Notices: rng.Uint32(), Rejections: rng.Uint32(), Bytes: rng.Uint64()},
	}
}

func someEntry(rng *rand.Rand, k Key) (Entry, []byte) {
	e := Entry{
		Key: k, Kind: KindMessage, Flags: uint8(rng.Uint32()), Code: uint8(rng.Uint32()), PeerDevice: uint8(rng.Uint32()), PayloadTag: uint8(rng.Uint32()),
		Gen: uint16(rng.Uint32()), TimeSec: rng.Uint32(), Peer: rng.Uint64(), First: rng.Uint64(), Last: rng.Uint64(),
	}
	payload := make([]byte, rng.IntN(300))
	if rng.IntN(200) == 0 {
		payload = make([]byte, PayloadBytesMax)
	}
	for i := range payload {
		payload[i] = byte(rng.Uint32())
	}
	return e, payload
}

func TestAnOfflineShowsWhatAMapWouldShow(t *testing.T) {
	for _, keysMax := range []int{0, 3, offlineDropKeysMax} {
		t.Run(fmt.Sprintf("up to %d keys of a drop one by one", keysMax), func(t *testing.T) {
			rng := rand.New(rand.NewPCG(testSeed(t), 1))
			fs, p := vfs.NewMem(), newTable()
			o := openOffline(t, fs)
			for i := range 400 {
				o.dropKeys = keysMax
				must(t, o.Apply(randomBatch(rng, o, p)))
				switch rng.IntN(20) {
				case 0:
					must(t, o.Flush())
				case 1:
					must(t, o.Close())
					o = openOffline(t, fs)
				case 2:
					must(t, o.Flush())
					must(t, o.engine.db.Compact(t.Context(), []byte{0}, []byte{0xff}, false))
				}
				if i%10 == 0 || i > 390 {
					got, err := shown(o, modelUsers, modelDevices)
					must(t, err)
					if want := p.text(); got != want {
						t.Fatalf("after batch %d:\n%s\nwant\n%s", i, got, want)
					}
				}
			}
			checkEach(t, o, p)
		})
	}
}

// checkEach walks all heads, from each one on.
func checkEach(t *testing.T, o *Offline, p *table) {
	t.Helper()
	var all []Head
	must(t, o.Each(nil, func(h *Head) bool { all = append(all, *h); return true }))
	if len(all) != len(p.heads) {
		t.Fatalf("%d heads, want %d", len(all), len(p.heads))
	}
	for i, h := range all {
		if h != p.heads[boxKey{h.User, h.Device}] {
			t.Errorf("head %+v", h)
		}
		var next []Head
		must(t, o.Each(&Key{User: h.User, Device: h.Device}, func(h *Head) bool { next = append(next, *h); return false }))
		if i+1 < len(all) && (len(next) != 1 || next[0] != all[i+1]) {
			t.Errorf("after head %d: %+v", i, next)
		}
	}
}

func TestEntriesAboveASeqAndUpToAStop(t *testing.T) {
	o := openOffline(t, vfs.NewMem())
	b := o.NewBatch()
	for seq := uint64(1); seq <= 5; seq++ {
		b.PutEntry(&Entry{Key: Key{User: 7, Device: 1, Seq: seq}}, nil)
		b.PutEntry(&Entry{Key: Key{User: 7, Device: 2, Seq: seq}}, nil)
	}
	b.PutEntry(&Entry{Key: Key{User: 7, Device: 1, Seq: ^uint64(0)}}, nil)
	must(t, o.Apply(b))
	for _, row := range []struct {
		after uint64
		stop  int
		want  string
	}{
		{0, 9, "1 2 3 4 5 18446744073709551615 "}, {3, 9, "4 5 18446744073709551615 "}, {0, 2, "1 2 "},
		{5, 9, "18446744073709551615 "}, {^uint64(0), 9, ""}, {^uint64(0) - 1, 9, "18446744073709551615 "},
	} {
		got, n := "", 0
		must(t, o.Entries(7, 1, row.after, func(e *Entry, _ []byte) bool { got += fmt.Sprint(e.Seq, " "); n++; return n < row.stop }))
		if got != row.want {
			t.Errorf("after %d, %d at most: %s, want %s", row.after, row.stop, got, row.want)
		}
	}
	b.Reset()
	b.DropEntries(7, 1, 0, ^uint64(0))
	must(t, o.Apply(b))
	must(t, o.Entries(7, 1, 0, func(e *Entry, _ []byte) bool { t.Errorf("%d is still there", e.Seq); return true }))
}

func TestABatchAppliesAgain(t *testing.T) {
	rng := rand.New(rand.NewPCG(testSeed(t), 2))
	one, two, p := openOffline(t, vfs.NewMem()), openOffline(t, vfs.NewMem()), newTable()
	for range 50 {
		b := randomBatch(rng, one, p)
		must(t, one.Apply(b))
		must(t, two.Apply(b))
		must(t, two.Apply(b))
	}
	a, err := shown(one, modelUsers, modelDevices)
	must(t, err)
	b, err := shown(two, modelUsers, modelDevices)
	must(t, err)
	if a != b || a != p.text() {
		t.Errorf("once:\n%s\ntwice:\n%s\nwant:\n%s", a, b, p.text())
	}
}

func TestClearLeavesNothing(t *testing.T) {
	fs, p := vfs.NewMem(), newTable()
	o := openOffline(t, fs)
	rng := rand.New(rand.NewPCG(testSeed(t), 3))
	for range 20 {
		must(t, o.Apply(randomBatch(rng, o, p)))
	}
	must(t, o.Clear())
	for range 2 {
		got, err := shown(o, modelUsers, modelDevices)
		must(t, err)
		if got != "" {
			t.Errorf("left: %s", got)
		}
		must(t, o.Close())
		o = openOffline(t, fs)
	}
}

func TestACopyHasWhatIsDurable(t *testing.T) {
	fs, p := vfs.NewMem(), newTable()
	o := openOffline(t, fs)
	rng := rand.New(rand.NewPCG(testSeed(t), 4))
	for range 20 {
		must(t, o.Apply(randomBatch(rng, o, p)))
	}
	must(t, o.Flush())
	want := p.text()
	must(t, o.Apply(randomBatch(rng, o, p)))
	must(t, o.Checkpoint("copy"))
	for range 20 {
		must(t, o.Apply(randomBatch(rng, o, p)))
	}
	must(t, o.Flush())
	options := offlineTestOptions(fs)
	options.Dir = "copy"
	c, err := OpenOffline(options)
	must(t, err)
	got, err := shown(c, modelUsers, modelDevices)
	must(t, err)
	if got != want {
		t.Errorf("the copy has\n%s\nwant\n%s", got, want)
	}
	if !c.place.old || c.place.noted == 0 {
		t.Error("the copy has no note")
	}
	must(t, c.Close())
	if err := o.Checkpoint("copy"); err == nil {
		t.Error("a copy over a copy")
	}
	must(t, o.Apply(randomBatch(rng, o, p)))
}

func TestOneProcessAtATimeHasTheMailboxes(t *testing.T) {
	options := offlineTestOptions(vfs.Default)
	options.Dir = t.TempDir()
	o, err := OpenOffline(options)
	must(t, err)
	if _, err := OpenOffline(options); !errors.Is(err, ErrStoreLocked) || !strings.Contains(err.Error(), options.Dir) {
		t.Errorf("a second one: %v", err)
	}
	must(t, o.Close())
	must(t, o.Close())
	if err := o.Apply(o.NewBatch()); !errors.Is(err, ErrOfflineClosed) {
		t.Errorf("Apply after Close: %v", err)
	}
	if _, err := o.Heads(1, nil); !errors.Is(err, ErrOfflineClosed) {
		t.Errorf("Heads after Close: %v", err)
	}
}
