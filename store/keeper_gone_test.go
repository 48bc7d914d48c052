package store

import (
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// flagGone is what a shard sets in the head of a mailbox before it has it leave the disk.
const flagGone = 0x80

// gone has a mailbox dropped, marked and written back as one that leaves the disk.
func (l *worldLoop) gone(b *worldBox) {
	if b.head.Acked < b.head.Last {
		l.drop(b, b.head.Last)
	}
	b.head.Flags |= flagGone
	l.note(b, Record{Kind: RecordHead, Head: b.head})
	h := b.head
	h.Gone = true
	l.slices = append(l.slices, worldSlice{l.desk.Turn(), b.since})
	l.desk.WriteBack(&h, b.head.Acked, SeqRange{})
	l.dirty = slices.DeleteFunc(l.dirty, func(o *worldBox) bool { return o == b })
	delete(l.boxes, boxKey{b.head.User, b.head.Device})
}

// anew begins a mailbox that is gone, with seqs above those of its last life.
func (l *worldLoop) anew(old *worldBox) *worldBox {
	b := l.box(old.head.User, old.head.Device)
	b.head.Last, b.head.Acked = old.head.Last, old.head.Last
	b.above, b.handed, b.freed = b.head.Last, b.head.Last, b.head.Last
	return b
}

func TestAMailboxThatIsGoneLeavesNothing(t *testing.T) {
	for _, entries := range []int{0, 1, 3, 200} { // more than are removed one by one
		w := newWorld(t, vfs.NewMem(), 61)
		w.o.JournalBytes = 0
		w.open()
		l := w.loops[0]
		for _, device := range []uint8{0, 1, DevicePending, DeviceState} {
			for range entries {
				l.append(l.box(3, device), 20)
			}
			l.append(l.box(6, device), 20)
			l.append(l.box(0, device), 20)
		}
		w.writeAll()
		before := onDisk(t, w.k.offline)
		for _, device := range []uint8{1, DevicePending, DeviceState} {
			l.gone(l.box(3, device))
		}
		l.submit()
		w.writeAll()
		after := onDisk(t, w.k.offline)
		for _, device := range []uint8{1, DevicePending, DeviceState} {
			if box, ok := after[boxKey{3, device}]; ok {
				t.Errorf("device %d: %+v", device, box.Head)
			}
			must(t, w.k.offline.Entries(3, device, 0, func(e *Entry, _ []byte) bool { t.Errorf("entry %+v", e); return true }))
			delete(before, boxKey{3, device})
		}
		if !after.equal(before) {
			t.Errorf("%d entries: others have changed", entries)
		}
		same(t, "index", indexOf(t, w.k.offline), []uint64{0, 6})
		if _, problems := checkAll(t, w.k.offline); len(problems) > 0 {
			t.Errorf("%s", problems)
		}
	}
}

// TestAMailboxIsBegunAnewInOneSlice: what is before the end goes, what is behind it stays, whatever is applied together.
func TestAMailboxIsBegunAnewInOneSlice(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 62).open()
	for i, flushed := range []bool{false, true} {
		l := w.loops[0]
		b := l.box(uint64(3*i), DevicePending)
		l.append(b, 20)
		if flushed {
			w.writeAll()
		} else {
			l.writeBack()
		}
		l.gone(b)
		fresh := l.anew(b)
		l.append(fresh, 50)
		l.writeBack()
		l.submit()
		w.writeAll()
		box := onDisk(t, w.k.offline)[boxKey{uint64(3 * i), DevicePending}]
		if len(box.Entries) != 1 || box.Entries[0].Seq != fresh.head.Last || box.Head != fresh.head || box.Head.Flags != 0 {
			t.Errorf("flushed %t: %+v", flushed, box)
		}
	}
	same(t, "index", indexOf(t, w.k.offline), []uint64{0, 3})
}

// TestNothingThatWasDroppedComesBackAsAnEntry cuts the power at random moments of lives of mailboxes that end and begin anew. A mailbox that is gone
// may be back, empty and marked, and nothing else; what was begun anew and is durable is there.
func TestNothingThatWasDroppedComesBackAsAnEntry(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			mem := vfs.NewCrashableMem()
			w := newWorld(t, mem, 70+seed)
			if seed%2 == 1 {
				w.o.Journals = []string{"/j/one", "/j/two"}
			}
			w.open()
			l := w.loops[1]
			floor := map[boxKey]uint64{} // seqs up to it are gone for good
			ended := map[boxKey]*worldBox{}
			for range 150 {
				k := boxKey{1 + 3*w.rng.Uint64N(3), []uint8{1, DevicePending, DeviceState}[w.rng.IntN(3)]}
				if l.boxes[k] == nil && ended[k] != nil {
					l.anew(ended[k])
				}
				b := l.box(k.user, k.device)
				switch n := w.rng.IntN(8); {
				case n < 4:
					l.append(b, 40)
				case n < 5 && b.head.Acked < b.head.Last:
					l.drop(b, b.head.Acked+1)
				case n < 7 && b.head.Last > 0:
					l.gone(b)
					ended[k] = b
				default:
					if len(l.dirty) > 0 {
						l.writeBack()
					}
				}
				if w.rng.IntN(3) == 0 {
					l.submit()
					l.takeNews()
				}
				if w.rng.IntN(8) == 0 {
					w.tick()
				}
			}
			l.submit()
			w.allDurable()
			for k, b := range ended {
				floor[k] = b.head.Last
			}
			want := map[boxKey][]uint64{}
			for k, b := range l.boxes {
				floor[k] = max(floor[k], b.head.Acked)
				want[k] = []uint64{}
				l.mail.Scan(k.user, k.device, 0, func(e *Entry, _ []byte) bool { want[k] = append(want[k], e.Seq); return true })
			}
			w.o.FS = mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: w.rng.IntN(101), RNG: w.rng})
			must(t, ignoreUnclean(w.k.Close(false)))
			w.open()
			disk := onDisk(t, w.k.offline)
			for k, box := range disk {
				seqs := []uint64{}
				for _, e := range box.Entries {
					if seqs = append(seqs, e.Seq); e.Seq <= floor[k] {
						t.Errorf("%v: entry %d is back, %d was the last that is gone", k, e.Seq, floor[k])
					}
				}
				if live := want[k]; live != nil && !slices.Equal(seqs, live) {
					t.Errorf("%v: %v, want %v", k, seqs, live)
				} else if live == nil && box.Head.Flags != flagGone {
					t.Errorf("%v is back and not marked: %+v", k, box.Head)
				}
				delete(want, k)
			}
			for k, live := range want {
				if len(live) > 0 {
					t.Errorf("%v is missing, with %v", k, live)
				}
			}
			if _, problems := checkAll(t, w.k.offline); len(problems) > 0 {
				t.Errorf("%s", problems)
			}
		})
	}
}
