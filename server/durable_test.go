package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/internal/faultfs"
)

// kept runs a server on a data directory.
func kept(t testing.TB, dir string, set func(*Config)) *running {
	t.Helper()
	return start(t, func(c *Config) {
		if c.Data = dir; set != nil {
			set(c)
		}
	})
}

// dialTo connects to a server of another process.
func dialTo(t testing.TB, addr string) *wire {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() }) // mostly closed before
	return &wire{t: t, conn: conn}
}

// says has user 1 send so many messages to user 2, who is away, and waits for the ticks.
func says(w *wire, n int) {
	w.t.Helper()
	last := uint64(0)
	for i := range n {
		last = w.send(2, fmt.Sprintf("number %d", i))
	}
	w.expectTick(last)
}

// hears has user 2 log in and take so many messages, from a cseq on, and user 1 the receipt for them.
func hears(t testing.TB, two, one *wire, from, n int) {
	t.Helper()
	two.hello(codec.Hello{Version: 1, User: 2})
	for want := uint64(from); want < uint64(from+n); want++ {
		if d := two.take(); d.ID != want || d.From != 1 {
			t.Fatalf("got message %d of %d, want %d of 1", d.ID, d.From, want)
		}
	}
	for last := uint64(0); last != uint64(from+n-1); {
		last = one.takeReceipt().Last
	}
}

// back is the HELLO with which a device comes back.
func (w *wire) back() codec.Hello {
	return codec.Hello{Version: 1, User: w.user, Gen: w.gen, Incarnation: w.inc, DownSeq: w.seen, Ticked: w.cseq}
}

func TestARestartKeepsWhatWaitsAndWhatWasSent(t *testing.T) {
	for _, ack := range []string{AckDisk, AckMemory} {
		t.Run(ack, func(t *testing.T) {
			noLeaks(t)
			dir := t.TempDir()
			r := kept(t, dir, func(c *Config) { c.Ack = ack })
			one := r.login(t, 1, 0)
			says(one, 300)
			before := r.Durability()
			r.drain(t)

			again := kept(t, dir, func(c *Config) { c.Ack, c.Loops = ack, 3 }) // and another number of loops
			after := again.Durability()
			if after.Incarnation != before.Incarnation || after.OwnerEpoch != before.OwnerEpoch || !after.CleanStart || after.Recovery.Records != 0 {
				t.Errorf("after a clean stop %+v became %+v", before, after)
			}
			w := again.dial(t)
			s := w.hello(one.back())
			if s.Incarnation != one.inc || s.Gen != one.gen || s.UpHigh != 300 {
				t.Errorf("generation %d, incarnation %x and mark 300 came back as %+v", one.gen, one.inc, s)
			}
			hears(t, again.dial(t), w, 1, 300)
			again.eventually(t, "nothing waits", func(s Status) bool { return s.QueueEntries == 0 })
		})
	}
}

func TestAKilledServerLosesNothingOnDiskAndSaysSoInMemory(t *testing.T) {
	for _, ack := range []string{AckDisk, AckMemory} {
		t.Run(ack, func(t *testing.T) {
			noLeaks(t)
			dir := t.TempDir()
			c, addr, _ := serveChild(t, fmt.Sprintf("data = %q\nack = %q\n", dir, ack))
			one := dialTo(t, addr)
			one.hello(codec.Hello{Version: 1, User: 1})
			says(one, 100)
			c.kill()

			r := kept(t, dir, func(c *Config) { c.Ack = ack })
			d := r.Durability()
			w := r.dial(t)
			s := w.hello(one.back())
			if ack == AckDisk {
				if s.Incarnation != one.inc || s.UpHigh != 100 || d.CleanStart || d.OwnerEpoch != 2 || d.Recovery.Records < 100 || d.Recovery.DataLost {
					t.Errorf("after a kill: %+v, %+v", s, d)
				}
				if log := r.log.String(); !strings.Contains(log, "did not stop cleanly: the journal was replayed") || !strings.Contains(log, "owner_epoch=2") {
					t.Errorf("the log does not tell:\n%s", log)
				}
				hears(t, r.dial(t), w, 1, 100)
				return
			}
			if s.Incarnation == one.inc || s.Incarnation == 0 || s.UpHigh != 100 || d.CleanStart || !d.Recovery.DataLost || d.OwnerEpoch != 2 {
				t.Errorf("after a kill in memory mode: %+v, %+v", s, d)
			}
			if log := r.log.String(); !strings.Contains(log, "level=ERROR") || !strings.Contains(log, "is lost, the incarnation is a new one") {
				t.Errorf("the log is not loud:\n%s", log)
			}
			says(w, 3)
			hears(t, r.dial(t), w, 101, 3)
		})
	}
}

func TestAFullDiskRefusesAndLosesNothing(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	disk, err := faultfs.System("seed=1", dir)
	if err != nil {
		t.Fatal(err)
	}
	r := kept(t, dir, func(c *Config) { c.hooks = &hooks{fs: disk} })
	one, two := r.login(t, 1, 0), r.login(t, 2, 0)
	_ = two.conn.Close()
	says(one, 10)
	if err := disk.Set("fail=write+create+sync:enospc@journal"); err != nil {
		t.Fatal(err)
	}
	unsaid := one.send(2, "the first that the disk can't take")
	r.eventually(t, "there is trouble", func(s Status) bool { return s.Durability.Trouble != "" })
	if tr := r.Durability().Trouble; !strings.Contains(tr, "journal") || !strings.Contains(tr, "no space left") {
		t.Errorf("the trouble is %q: neither where nor why", tr)
	}
	if code, body := r.get(t, "/healthz"); code != 200 || !strings.Contains(body, "no space left") {
		t.Errorf("/healthz: %d %q", code, body)
	}
	if _, body := r.get(t, "/metrics"); !strings.Contains(body, "\ntrunkline_disk_trouble 1\n") {
		t.Error("the metrics do not tell")
	}
	refused := one.send(2, "refused")
	e := one.expectError(codec.CodeServerFull)
	if e.Ref != refused || e.RetryAfterMs == 0 {
		t.Errorf("refused with %+v, want %d and a time to come back", e, refused)
	}
	known := two.back()
	two = r.dial(t)
	two.hello(known)
	for want := uint64(1); want <= 10; want++ { // what waited is delivered
		if d := two.take(); d.ID != want {
			t.Fatalf("got %d, want %d", d.ID, want)
		}
	}
	if err := disk.Set("seed=1"); err != nil {
		t.Fatal(err)
	}
	one.expectTick(unsaid)
	r.eventually(t, "the trouble is over", func(s Status) bool { return s.Durability.Trouble == "" && s.Durability.Troubles == 1 })
	one.cseq = refused - 1
	one.expectTick(one.send(2, "said again"))
	for _, want := range []uint64{unsaid, refused} {
		if d := two.take(); d.ID != want {
			t.Fatalf("got %d, want %d", d.ID, want)
		}
	}
	r.reportRefusals(3)
}

func TestRefusalsNameTheirReason(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	disk, err := faultfs.System("", dir)
	if err != nil {
		t.Fatal(err)
	}
	r := kept(t, dir, func(c *Config) { c.hooks = &hooks{fs: disk} })
	one := r.login(t, 1, 0)
	r.reportRefusals(7)
	if log := r.log.String(); !strings.Contains(log, "the memory for what waits is used up") || !strings.Contains(log, "times=7") || !strings.Contains(log, "store_bytes=") {
		t.Errorf("memory:\n%s", log)
	}
	if err := disk.Set("fail=write:erofs@journal"); err != nil {
		t.Fatal(err)
	}
	one.send(2, "to a disk that has become read-only")
	r.eventually(t, "there is trouble", func(s Status) bool { return s.Durability.Trouble != "" })
	r.reportRefusals(8)
	if log := r.log.String(); !strings.Contains(log, "the disk can't keep them") || !strings.Contains(log, "read-only") || !strings.Contains(log, dir) {
		t.Errorf("disk:\n%s", log)
	}
	if err := disk.Set(""); err != nil {
		t.Fatal(err)
	}
}

func TestSeveralJournalsShareTheLoadAndAreAllNeeded(t *testing.T) {
	noLeaks(t)
	dir, other := t.TempDir(), t.TempDir()
	journals := Paths{filepath.Join(other, "a"), filepath.Join(other, "b"), filepath.Join(other, "c")}
	settings := fmt.Sprintf("data = %q\njournal = [%q, %q, %q]\n", dir, journals[0], journals[1], journals[2])
	c, addr, _ := serveChild(t, settings)
	senders := make([]*wire, 0, 40)
	for user := range uint64(40) {
		w := dialTo(t, addr)
		w.hello(codec.Hello{Version: 1, User: 100 + user})
		w.expectTick(w.send(2, "from one of many"))
		senders = append(senders, w)
	}
	c.kill()
	for _, j := range journals {
		if size := sizeBelow(t, j); size < 500 {
			t.Errorf("%s has %d bytes: the load is not shared", j, size)
		}
	}
	away := filepath.Join(other, "elsewhere")
	if err := os.Rename(journals[1], away); err != nil {
		t.Fatal(err)
	}
	cfg := plainConfig(Config{Listen: "127.0.0.1:0", Admin: AdminOff, Loops: 2, Data: dir, Journal: journals})
	if _, err := New(cfg); !errors.Is(err, ErrJournalMissing) || !strings.Contains(err.Error(), journals[1]) {
		t.Fatalf("without one of the journals: %v", err)
	}
	cfg.Journal = nil
	if _, err := New(cfg); !errors.Is(err, ErrJournalMissing) {
		t.Fatalf("with the default journal instead of three: %v", err)
	}
	if err := os.Remove(journals[1]); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Rename(away, journals[1]); err != nil {
		t.Fatal(err)
	}
	r := kept(t, dir, func(c *Config) { c.Journal = journals })
	if d := r.Durability(); d.Recovery.Records < 40 || len(d.Journal.Directories) != 3 {
		t.Errorf("recovered %+v", d)
	}
	two := r.login(t, 2, 0)
	got := map[uint64]bool{}
	for range senders {
		got[two.take().From] = true
	}
	if len(got) != len(senders) {
		t.Errorf("%d of %d senders' messages came", len(got), len(senders))
	}
}

// sizeBelow is the size of all files in a directory.
func sizeBelow(t testing.TB, dir string) (size int64) {
	t.Helper()
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func TestADamagedJournalIsNamedAndNothingIsServed(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	c, addr, _ := serveChild(t, fmt.Sprintf("data = %q\n", dir))
	one := dialTo(t, addr)
	one.hello(codec.Hello{Version: 1, User: 1})
	for range 50 { // rounds, one after the other
		says(one, 1)
	}
	c.kill()
	segment := largestFile(t, filepath.Join(dir, journalFolder))
	b, err := os.ReadFile(segment)
	if err != nil {
		t.Fatal(err)
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // and the first attempt has changed nothing
		_, err = New(plainConfig(Config{Listen: "127.0.0.1:0", Admin: AdminOff, Loops: 2, Data: dir}))
		if !errors.Is(err, ErrMailboxesDamaged) || !strings.Contains(err.Error(), segment) || !strings.Contains(err.Error(), "byte ") {
			t.Fatalf("got %v", err)
		}
	}
	b[len(b)/2] ^= 1
	if err := os.WriteFile(segment, b, 0o600); err != nil {
		t.Fatal(err)
	}
	r := kept(t, dir, nil)
	w := r.dial(t)
	w.hello(one.back())
	hears(t, r.dial(t), w, 1, 50)
}

func largestFile(t testing.TB, dir string) (path string) {
	t.Helper()
	size := int64(0)
	err := filepath.Walk(dir, func(p string, info os.FileInfo, err error) error {
		if err == nil && info.Mode().IsRegular() && info.Size() > size {
			path, size = p, info.Size()
		}
		return err
	})
	if err != nil || path == "" {
		t.Fatal(dir, err)
	}
	return path
}

func TestASecondServerOnTheSameMailboxesIsRefused(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	r := kept(t, dir, nil)
	one := r.login(t, 1, 0)
	says(one, 3)
	if _, err := New(plainConfig(Config{Listen: "127.0.0.1:0", Admin: AdminOff, Data: dir})); !errors.Is(err, ErrDataLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("got %v", err)
	}
	hears(t, r.dial(t), one, 1, 3) // nothing has happened to the first
}

func TestAStopThatTheDiskDoesNotLetIsNoCleanOne(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	disk, err := faultfs.System("", dir)
	if err != nil {
		t.Fatal(err)
	}
	r := kept(t, dir, func(c *Config) { c.hooks = &hooks{fs: disk} })
	one := r.login(t, 1, 0)
	says(one, 20)
	if err := disk.Set("fail=change:enospc@" + mailboxesFolder); err != nil {
		t.Fatal(err)
	}
	r.durable.stopWithin = 100 * time.Millisecond
	r.stop()
	<-r.done
	if r.err == nil || !errors.Is(r.err, errNotSettled) {
		t.Errorf("Run: %v", r.err)
	}
	r.err = nil // as it should be
	if log := r.log.String(); !strings.Contains(log, "were not closed cleanly") || !strings.Contains(log, "replays the journal") {
		t.Errorf("the log does not say what the next start does:\n%s", log)
	}
	again := kept(t, dir, nil)
	if d := again.Durability(); d.CleanStart || d.OwnerEpoch != 2 || d.Recovery.Records < 20 {
		t.Errorf("the next start: %+v", d)
	}
	w := again.dial(t)
	w.hello(one.back())
	hears(t, again.dial(t), w, 1, 20)
}
