package store

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// A directory of tests: two real processes have been there. What the first left is in the mailboxes, what the second left is in the journal or,
// with clean, in the mailboxes too.

// boxName names a mailbox.
type boxName struct {
	user   uint64
	device uint8
}

// keptMail is what a directory must hold: payloads by seq.
type keptMail map[boxName]map[uint64]string

const sceneDir = "/data"

// sceneFragment places by a seed as good as any.
func sceneFragment(seed, user uint64) uint16 {
	x := (user ^ seed) * 0x9e3779b97f4a7c15
	return uint16(x >> 54)
}

const sceneSeed = 0x1122334455667788

func sceneKeeper(t testing.TB, fs FS, dir string, journals ...string) *Keeper {
	t.Helper()
	seed, err := readSeed(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	k, err := OpenKeeper(KeeperOptions{Dir: dir, Journals: journals, Loops: 1, FS: fs, Fragment: func(u uint64) uint16 { return sceneFragment(seed, u) }})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// makeScene fills a directory.
func makeScene(t testing.TB, fs FS, dir string, users int, clean bool, journals ...string) keptMail {
	t.Helper()
	if err := makeDir(fs, dir); err != nil {
		t.Fatal(err)
	}
	if err := writeSeed(fs, dir, sceneSeed); err != nil {
		t.Fatal(err)
	}
	kept := keptMail{}
	for round := range 2 {
		k := sceneKeeper(t, fs, dir, journals...)
		desk := k.Desk(0, NewMailboxes())
		for u := range users {
			kept.receive(desk, k.OwnerEpoch(), uint64(u+1), round)
			if u%50 == 0 { // a round of its own
				desk.Submit(1)
				if err := k.Settle(time.Minute); err != nil {
					t.Fatal(err)
				}
			}
		}
		desk.Submit(1)
		if err := errors.Join(k.Settle(time.Minute), k.Close(false)); err != nil {
			t.Fatal(err)
		}
		if round == 0 || clean {
			if err := sceneKeeper(t, fs, dir, journals...).Close(true); err != nil { // it applies what the journal has
				t.Fatal(err)
			}
		}
	}
	return kept
}

// receive has a user's devices receive messages, of which the first are acknowledged in the second round.
func (kept keptMail) receive(desk *Desk, owner uint32, user uint64, round int) {
	for device := range uint8(1 + user%2) {
		b := boxName{user, device}
		if kept[b] == nil {
			kept[b] = map[uint64]string{}
		}
		base := uint64(owner) << (64 - ownerEpochBits)
		n := 1 + user%7
		for i := range n {
			e := Entry{Key: Key{User: user, Device: device, Seq: base + i + 1}, Kind: KindMessage, Peer: user + 1, First: i, Last: i, TimeSec: uint32(1_700_000_000 + user)}
			payload := fmt.Appendf(nil, "round %d of %d/%d: message %d %0*d", round, user, device, i, int(user%200), 0)
			desk.Note(&Record{Kind: RecordAppend, Entry: e, Payload: payload})
			kept[b][e.Seq] = string(payload)
		}
		h := Head{User: user, Device: device, Gen: uint16(1 + round), Registered: 7, Token: 9, SeenSec: 1_700_000_100, Owner: owner, Mark: user, Last: base + n}
		if round == 1 {
			first := slices.Min(slices.Collect(maps.Keys(kept[b])))
			delete(kept[b], first)
			desk.Note(&Record{Kind: RecordDrop, Entry: Entry{Key: Key{User: user, Device: device, Seq: first}}})
			h.Acked = first
		}
		desk.Note(&Record{Kind: RecordHead, Head: h})
	}
}

func (kept keptMail) entries() (n int) {
	for _, m := range kept {
		n += len(m)
	}
	return n
}

func sceneDirectory(fs FS, dir string) Directory {
	return Directory{Path: dir, FS: fs, Fragment: sceneFragment, Now: func() time.Time { return time.Unix(1_800_000_000, 0) }}
}

// mailHeld is what the tools read of a directory, in the form of keptMail, with the heads.
func mailHeld(t testing.TB, d Directory) (keptMail, map[boxName]Head) {
	t.Helper()
	v, err := d.openView()
	if err != nil {
		t.Fatal(err)
	}
	mail, heads := heldBy(t, v.Offline)
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	return mail, heads
}

func heldBy(t testing.TB, o *Offline) (keptMail, map[boxName]Head) {
	t.Helper()
	mail, heads := keptMail{}, map[boxName]Head{}
	err := o.each(func(h *Head) error {
		b := boxName{h.User, h.Device}
		mail[b], heads[b] = map[uint64]string{}, *h
		var counts Counts
		err := o.Entries(h.User, h.Device, 0, func(e *Entry, payload []byte) bool {
			mail[b][e.Seq] = string(payload)
			counts.Add(e.Kind, len(payload))
			if e.Seq <= h.Acked || e.Seq > h.Last {
				t.Errorf("%v: entry %x with a head of %x to %x", b, e.Seq, h.Acked, h.Last)
			}
			return true
		})
		if counts != h.Counts {
			t.Errorf("%v: the head counts %+v, there are %+v", b, h.Counts, counts)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return mail, heads
}

// sameMail fails unless a directory holds what it must.
func sameMail(t testing.TB, when string, got, want keptMail) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: %d mailboxes, want %d", when, len(got), len(want))
	}
	for b, m := range want {
		if !maps.Equal(got[b], m) {
			t.Fatalf("%s: mailbox %v has %d entries, want %d", when, b, len(got[b]), len(m))
		}
	}
}

// opens has a real start open the directory, and compares what it finds.
func opens(t testing.TB, when string, fs FS, dir string, want keptMail, journals ...string) *Keeper {
	t.Helper()
	k := sceneKeeper(t, fs, dir, journals...)
	mail, _ := heldBy(t, k.offline)
	sameMail(t, when, mail, want)
	if err := k.Close(true); err != nil {
		t.Fatalf("%s: close: %v", when, err)
	}
	return k
}

func someSeed(t testing.TB) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 1))
}

// snapshotOf is every file below a directory, by path.
func snapshotOf(t testing.TB, fs FS, dir string) map[string]string {
	t.Helper()
	files, err := filesBelow(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, name := range files {
		all[fs.PathJoin(dir, name)] = textOf(fs, fs.PathJoin(dir, name))
	}
	return all
}

// unpackTo writes a snapshot, durably.
func unpackTo(t testing.TB, fs FS, files map[string]string) {
	t.Helper()
	for path, text := range files {
		putFile(t, fs, path, text)
	}
}

// meteredFS takes so many more bytes, then none: a full disk. What is removed makes no room.
type meteredFS struct {
	FS
	mu   sync.Mutex
	room int64
}

func (m *meteredFS) Unwrap() vfs.FS { return m.FS }

// Create implements vfs.FS.
func (m *meteredFS) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.Create(name, c)
	if err != nil {
		return nil, err
	}
	return &meteredFile{File: f, fs: m}, nil
}

// ReuseForWrite implements vfs.FS.
func (m *meteredFS) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f, err := m.FS.ReuseForWrite(from, to, c)
	if err != nil {
		return nil, err
	}
	return &meteredFile{File: f, fs: m}, nil
}

type meteredFile struct {
	vfs.File
	fs *meteredFS
}

// Write implements vfs.File.
func (f *meteredFile) Write(p []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.room < int64(len(p)) {
		return 0, syscall.ENOSPC
	}
	f.fs.room -= int64(len(p))
	return f.File.Write(p)
}

// everyMoment runs a tool and gives the disk as it would be if the process had been killed, or the power cut, before each of its changes.
// Of the writes into one file only some are moments.
func everyMoment(fs *vfs.MemFS, rng *rand.Rand, run func(fs FS)) (moments []*vfs.MemFS) {
	var mu sync.Mutex
	run(errorfs.Wrap(fs, errorfs.InjectorFunc(func(op errorfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if op.Kind.ReadOrWrite() == errorfs.OpIsRead || op.Kind == errorfs.OpFileWrite && rng.IntN(10) > 0 || testing.Short() && rng.IntN(3) > 0 {
			return nil
		}
		cfg := vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng} // killed: what was written is there
		if rng.IntN(2) == 0 {
			cfg = vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(2) * 50, RNG: rng}
		}
		moments = append(moments, fs.CrashClone(cfg))
		return nil
	})))
	return moments
}
