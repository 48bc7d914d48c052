package store

import (
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// indexOf is who is in the index, sorted.
func indexOf(t *testing.T, o *Offline) []uint64 {
	t.Helper()
	list := []uint64{}
	must(t, o.EachPending(nil, func(user uint64) bool { list = append(list, user); return true }))
	slices.Sort(list)
	return list
}

// rightIndex compares the index with the heads, and reads it in pieces of one too.
func rightIndex(t *testing.T, o *Offline) {
	t.Helper()
	want := []uint64{}
	must(t, o.Each(nil, func(h *Head) bool {
		if h.Device == DevicePending && h.Waiting() > 0 {
			want = append(want, h.User)
		}
		return true
	}))
	slices.Sort(want)
	same(t, "index", indexOf(t, o), want)
	pieces := []uint64{}
	for after, more := (*uint64)(nil), true; more; {
		more = false
		must(t, o.EachPending(after, func(user uint64) bool {
			pieces, after, more = append(pieces, user), &user, true
			return false
		}))
	}
	slices.Sort(pieces)
	same(t, "index in pieces", pieces, want)
}

// pending leaves something to go on with for some users, and lets others have had something.
func (w *keeperWorld) pending() (users []uint64) {
	for user := range uint64(12) {
		l := w.loops[user%3]
		b := l.box(user, DevicePending)
		l.append(b, 10)
		l.append(l.box(user, 0), 10)
		l.append(l.box(user, DeviceState), 10)
		switch user % 4 {
		case 0:
			l.drop(b, b.head.Last)
		case 1:
			l.append(b, 30) // a rejection
			l.drop(b, b.head.Last-1)
			fallthrough
		default:
			users = append(users, user)
		}
	}
	for _, l := range w.loops {
		l.submit()
	}
	return users
}

// told waits until the start has told of that many users, and says who they are, sorted. Each must be told to its home.
func (w *keeperWorld) told(n int) (users []uint64) {
	w.t.Helper()
	count := func() (n int) {
		for _, l := range w.loops {
			for i := range l.news {
				if l.news[i].Kind == NewsPending {
					n++
				}
			}
		}
		return n
	}
	w.until("news of what is to be gone on with", func() bool { return count() >= n })
	for _, l := range w.loops {
		for i := range l.news {
			if u := l.news[i].User; l.news[i].Kind == NewsPending {
				users = append(users, u)
				same(w.t, "told loop", l.loop, w.o.Home(u))
			}
		}
	}
	slices.Sort(users)
	return users
}

// TestAStartTellsWhoHasSomethingToGoOnWith: after a crash and after a clean stop, and again when nothing came of it; not when it is done.
func TestAStartTellsWhoHasSomethingToGoOnWith(t *testing.T) {
	mem := vfs.NewCrashableMem()
	w := newWorld(t, mem, 51).open()
	want := w.pending()
	w.allDurable()
	for _, end := range []string{"crash", "crash", "clean", "clean", "crash"} { // nobody does anything meanwhile
		clone := mem.CrashClone(vfs.CrashCloneCfg{})
		must(t, w.k.Close(end == "clean"))
		if end == "crash" {
			mem = clone
			w.o.FS = mem
		}
		w.open()
		same(t, "told after a "+end, w.told(len(want)), want)
	}
	base := onDisk(t, w.k.offline)
	w.continueFrom([]modelState{base.of(0), base.of(1), base.of(2)})
	for _, user := range want[1:] {
		l := w.loops[user%3]
		l.drop(l.box(user, DevicePending), l.box(user, DevicePending).head.Last)
	}
	w.writeAll()
	rightIndex(t, w.k.offline)
	must(t, w.k.Close(true))
	w.open()
	same(t, "told when all but one are done", w.told(1), want[:1])
}

// TestAStartThatIsCutOffIsFollowedByOneThatTells: whatever the power cut leaves of the first start, the second tells everybody.
func TestAStartThatIsCutOffIsFollowedByOneThatTells(t *testing.T) {
	for _, ack := range []Ack{AckDisk, AckMemory} {
		mem := vfs.NewCrashableMem()
		w := newWorld(t, mem, 52)
		w.o.Ack = ack
		w.open()
		want := w.pending()
		w.allDurable()
		if ack == AckMemory {
			w.writeAll()
			must(t, w.k.Close(true))
		}
		disk := mem.CrashClone(vfs.CrashCloneCfg{})
		crashes := crashesOf(disk, func(fs vfs.FS) {
			first := newWorld(t, fs, 53)
			first.o.Ack = AckDisk
			first.open()
			same(t, "told", first.told(len(want)), want)
			must(t, first.k.Close(false))
		})
		if len(crashes) < 10 {
			t.Fatalf("%d crashes only", len(crashes))
		}
		for i, fs := range crashes {
			second := newWorld(t, fs, 54)
			second.open()
			if got := second.told(len(want)); !slices.Equal(got, want) {
				t.Errorf("%v, crash %d of %d: told %v, want %v", ack, i, len(crashes), got, want)
			}
			must(t, second.k.Close(false))
		}
	}
}

func TestAfterALossNobodyIsTold(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 55)
	w.o.Ack = AckMemory
	w.open()
	w.pending()
	w.writeAll()
	same(t, "on the disk", len(indexOf(t, w.k.offline)), 9)
	must(t, w.k.Close(false))
	w.open()
	same(t, "index", indexOf(t, w.k.offline), []uint64{})
}

// TestALoopThatTakesNoNewsIsToldInPieces: neither the start nor other loops wait for it, and all are told in the end.
func TestALoopThatTakesNoNewsIsToldInPieces(t *testing.T) {
	const users = 6_000
	w := newWorld(t, vfs.NewMem(), 56).open()
	batch := w.k.offline.NewBatch()
	for user := range uint64(users) {
		batch.PutHead(&Head{User: user, Device: DevicePending, Last: 1, Counts: Counts{Messages: 1, Bytes: 3}})
		batch.PutEntry(&Entry{Key: Key{User: user, Device: DevicePending, Seq: 1}, Kind: KindMessage}, []byte("abc"))
	}
	must(t, w.k.offline.Apply(batch))
	must(t, w.k.Close(true))
	w.o.Home = func(user uint64) int { return int(user % 2) }
	w.open()
	full := func(loop int) bool { return w.k.trays[loop].bytes.Load() >= pendingTrayBytes }
	w.loops = w.loops[2:] // 0 and 1 take nothing
	w.until("a tray is full", func() bool { return full(0) || full(1) })
	for loop := range 2 {
		if n := w.k.trays[loop].bytes.Load(); n > pendingTrayBytes+newsBytes {
			t.Errorf("%d bytes in tray %d", n, loop)
		}
	}
	must(t, w.k.Close(true)) // with all that in trays
	w.open()
	got := w.told(users)
	same(t, "told", len(got), users)
	same(t, "different ones", len(slices.Compact(got)), users)
}

// TestAnIndexThatCannotBeReadIsReadLater, and one that is damaged is named and stops nothing.
func TestAnIndexThatCannotBeReadIsReadLater(t *testing.T) {
	w := newWorld(t, vfs.NewMem(), 57)
	lines := &logLines{}
	w.o.Log = slog.New(slog.NewTextHandler(lines, nil))
	w.open()
	want := w.pending()
	w.writeAll()
	tell := func() (ended chan struct{}) {
		ended = make(chan struct{})
		go func() { // ends when all are told, or with the keeper
			defer close(ended)
			w.k.tellPending(w.k.stop)
		}()
		return ended
	}
	w.k.offline.lost.Store(true) // nothing is served
	ended := tell()
	w.until("a line", func() bool { return lines.count("can't be read now") == 1 })
	w.k.offline.lost.Store(false)
	// The keeper's own telling at its start may have seen some of it.
	w.until("all are told", func() bool { return slices.Equal(slices.Compact(w.told(0)), want) })
	<-ended
	putRaw(t, w.k.offline, pendingKey(nil, worldFragment(1), 1), []byte{9})
	<-tell()
	same(t, "lines about damage", lines.count("store check"), 1)
	w.k.offline.lost.Store(true)
	ended = tell()
	w.until("another line", func() bool { return lines.count("can't be read now") == 2 })
	_ = w.k.Close(false) // it can't flush
	<-ended
}

// TestACheckComparesTheIndexWithTheHeads, and a repair makes it right without calling anything lost.
func TestACheckComparesTheIndexWithTheHeads(t *testing.T) {
	for name, spoil := range map[string]func(o *Offline){
		"one too many": func(o *Offline) { putRaw(t, o, pendingKey(nil, o.opts.Fragment(77), 77), []byte{1}) },
		"one too few":  func(o *Offline) { must(t, o.engine.db.Delete(pendingKey(nil, o.opts.Fragment(3), 3), nosync)) },
		"the last":     func(o *Offline) { must(t, o.engine.db.Delete(pendingKey(nil, o.opts.Fragment(9), 9), nosync)) },
		"a stale one":  func(o *Offline) { putRaw(t, o, pendingKey(nil, o.opts.Fragment(6), 6), []byte{1}) },
	} {
		t.Run(name, func(t *testing.T) {
			fs := vfs.NewMem()
			kept := makeScene(t, fs, sceneDir, 30, true)
			k := sceneKeeper(t, fs, sceneDir)
			batch := k.offline.NewBatch()
			for user := uint64(3); user < 12; user += 3 {
				h := Head{User: user, Device: DevicePending, Last: 5}
				if user != 6 {
					h.Add(KindMessage, 1)
					batch.PutEntry(&Entry{Key: Key{User: user, Device: DevicePending, Seq: 5}, Kind: KindMessage}, []byte("x"))
					kept[boxName{user, DevicePending}] = map[uint64]string{5: "x"}
				} else {
					kept[boxName{user, DevicePending}] = map[uint64]string{}
				}
				batch.PutHead(&h)
			}
			must(t, k.offline.Apply(batch))
			same(t, "index", indexOf(t, k.offline), []uint64{3, 9})
			spoil(k.offline)
			must(t, k.Close(true))
			d := sceneDirectory(fs, sceneDir)
			check, err := d.Check()
			must(t, err)
			if len(check.Problems) != 1 || check.Lost || check.Mailboxes != len(kept) {
				t.Errorf("%+v, want one problem and %d mailboxes", check, len(kept))
			}
			r, err := d.Repair(false)
			must(t, err)
			if !r.Done || r.Lost || r.NewIncarnation {
				t.Errorf("%+v", r)
			}
			mail, _ := mailHeld(t, d)
			sameMail(t, "repaired", mail, kept)
			if check, err = d.Check(); err != nil || len(check.Problems) > 0 {
				t.Errorf("after the repair: %+v, %v", check, err)
			}
			k = sceneKeeper(t, fs, sceneDir)
			same(t, "index", indexOf(t, k.offline), []uint64{3, 9})
			must(t, k.Close(true))
			if _, err := d.Reseed(otherSeed); err != nil {
				t.Fatal(err)
			}
			k = sceneKeeper(t, fs, sceneDir)
			same(t, "index by another seed", indexOf(t, k.offline), []uint64{3, 9})
			_, problems := checkAll(t, k.offline)
			same(t, "problems", len(problems), 0)
			must(t, k.Close(true))
		})
	}
}

// TestASalvageMakesTheIndexOfTheHeads: of those that are left, and only their newest versions, also of mailboxes that are gone.
func TestASalvageMakesTheIndexOfTheHeads(t *testing.T) {
	rng := rand.New(rand.NewPCG(testSeed(t), 3))
	fs := vfs.NewMem()
	o := openOffline(t, fs)
	waits, gone := map[uint64]bool{}, map[uint64]bool{}
	for range 40 {
		batch := o.NewBatch()
		for range 6 {
			user := rng.Uint64N(12)
			seq := uint64(1)
			switch delete(gone, user); rng.IntN(3) {
			case 0:
				batch.PutHead(&Head{User: user, Device: DevicePending, Last: seq, Counts: Counts{Messages: 1, Bytes: 1}})
				batch.PutEntry(&Entry{Key: Key{User: user, Device: DevicePending, Seq: seq}, Kind: KindMessage}, []byte("x"))
				waits[user] = true
			case 1:
				batch.DropEntries(user, DevicePending, 0, seq)
				batch.PutHead(&Head{User: user, Device: DevicePending, Last: seq, Acked: seq})
				delete(waits, user)
			default:
				batch.DropMailbox(user, DevicePending)
				delete(waits, user)
				gone[user] = true
			}
		}
		must(t, o.Apply(batch))
		if rng.IntN(3) == 0 {
			must(t, o.Flush())
		}
	}
	want := slices.Sorted(maps.Keys(waits))
	same(t, "index", len(indexOf(t, o)), len(want))
	rightIndex(t, o)
	must(t, o.Close())
	to, r, problems := salvaged(t, fs)
	if len(problems) > 0 || r.Made > 0 {
		t.Errorf("%+v: %v", r, problems)
	}
	rightIndex(t, to)
	same(t, "saved", len(indexOf(t, to)), len(want))
	for user := range gone {
		if heads, err := to.Heads(user, nil); err != nil || len(heads) > 0 {
			t.Errorf("user %d is gone, and saved: %+v, %v", user, heads, err)
		}
	}
}

// TestAPlaceOfAGroupIsAUserLikeAnyOther: the largest one goes through everything.
func TestAPlaceOfAGroupIsAUserLikeAnyOther(t *testing.T) {
	if groupPlace >= UserMax {
		t.Fatalf("%d is not below %d", uint64(groupPlace), uint64(UserMax))
	}
	mem := vfs.NewCrashableMem()
	w := newWorld(t, mem, 58).open()
	l := w.loops[w.o.Home(groupPlace)]
	for _, device := range []uint8{0, DevicePending, DeviceState} {
		for range 3 {
			l.append(l.box(groupPlace, device), 100)
		}
	}
	w.writeAll()
	for _, device := range []uint8{0, DevicePending, DeviceState} {
		b := l.box(groupPlace, device)
		l.append(b, 100)
		l.drop(b, b.head.Last-1)
	}
	l.submit()
	w.allDurable()
	w.o.FS = mem.CrashClone(vfs.CrashCloneCfg{})
	must(t, w.k.Close(false))
	w.open()
	same(t, "told", w.told(1), []uint64{groupPlace})
	heads, err := w.k.offline.Heads(groupPlace, nil)
	must(t, err)
	same(t, "mailboxes", len(heads), 3)
	for _, h := range heads {
		same(t, "waiting", h.Waiting(), 1)
	}
	if l.loop != w.o.Home(groupPlace) || heads[2].Device != DeviceState || heads[2].User == math.MaxUint64 {
		t.Errorf("%+v", heads)
	}
}

// TestASalvageOfAllTablesBringsNoMailboxBackThatIsGone: without a manifest old tables are read first, and what is gone is in one of them.
func TestASalvageOfAllTablesBringsNoMailboxBackThatIsGone(t *testing.T) {
	fs := vfs.NewMem()
	o := openOffline(t, fs)
	for _, gone := range []bool{false, true} {
		batch := o.NewBatch()
		for user := range uint64(4) {
			if gone && user%2 == 0 {
				batch.DropMailbox(user, DevicePending)
			} else if !gone {
				batch.PutHead(&Head{User: user, Device: DevicePending, Last: 1, Counts: Counts{Messages: 1, Bytes: 1}})
				batch.PutEntry(&Entry{Key: Key{User: user, Device: DevicePending, Seq: 1}, Kind: KindMessage}, []byte("x"))
			}
		}
		must(t, o.Apply(batch))
		must(t, o.Flush())
	}
	must(t, o.Close())
	names, err := fs.List("mailboxes")
	must(t, err)
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST") {
			putFile(t, fs, "mailboxes/"+name, "")
		}
	}
	to, r, _ := salvaged(t, fs)
	if !r.AllTables || r.Made > 0 || r.Mailboxes != 2 {
		t.Errorf("%+v", r)
	}
	same(t, "index", indexOf(t, to), []uint64{1, 3})
}
