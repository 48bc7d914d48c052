package store

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// faultyWorld is a world on a disk that can refuse.
func faultyWorld(t *testing.T, seed uint64) (*keeperWorld, *faults, *vfs.MemFS) {
	mem, f := vfs.NewCrashableMem(), &faults{}
	return newWorld(t, errorfs.Wrap(mem, f), seed), f, mem
}

// crash ends the keeper as a power cut would, and puts the loops' deeds into p.
func (w *keeperWorld) crash(p *past, mem *vfs.MemFS) {
	w.t.Helper()
	clone := mem.CrashClone(vfs.CrashCloneCfg{})
	p.complete(w)
	must(w.t, ignoreUnclean(w.k.Close(false)))
	w.o.FS = clone
	w.open()
	if err := p.check(onDisk(w.t, w.k.offline)); err != nil {
		w.t.Fatal(err)
	}
}

// logLines collects what was logged.
type logLines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logLines) count(part string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), part)
}

// TestNothingIsWrittenBackBeforeItsCauseIsDurable: the journal hangs, loops write back, and the power goes.
func TestNothingIsWrittenBackBeforeItsCauseIsDurable(t *testing.T) {
	for seed := range uint64(5) {
		w, f, mem := faultyWorld(t, seed)
		w.open()
		w.turns(30)
		w.allDurable()
		p := w.remember(nil)
		set(&f.journal, syscall.EIO)
		w.until("trouble", func() bool {
			w.turns(1)
			return w.k.Stats().Trouble != ""
		})
		w.turns(30)
		for _, l := range w.loops {
			for len(l.dirty) > 0 {
				l.writeBack()
			}
			l.submit()
		}
		for range 3 { // each goes through the writer's whole work
			w.flushed()
		}
		if err := w.k.Settle(10 * time.Millisecond); !errors.Is(err, ErrNotSettled) || !strings.Contains(err.Error(), "input/output error") {
			t.Errorf("seed %d: settled, while the journal refuses: %v", seed, err)
		}
		w.crash(p, mem)
	}
}

func TestAJournalThatRefusesStopsIntakeUntilItDoesNot(t *testing.T) {
	for name, errno := range map[string]error{"no room": syscall.ENOSPC, "broken": syscall.EIO, "read-only": syscall.EROFS} {
		t.Run(name, func(t *testing.T) {
			w, f, mem := faultyWorld(t, 1)
			lines := &logLines{}
			w.o.Log = slog.New(slog.NewTextHandler(lines, nil))
			w.open()
			w.turns(30)
			w.allDurable()
			set(&f.journal, errno)
			w.turns(20)
			w.until("all loops know", func() bool { return w.loops[0].stopped && w.loops[1].stopped && w.loops[2].stopped })
			if s := w.k.Stats(); s.Troubles != 1 || !strings.Contains(s.Trouble, errno.Error()) || !strings.Contains(s.Trouble, "journal") {
				t.Errorf("stats: %q, %d times", s.Trouble, s.Troubles)
			}
			set(&f.journal, nil)
			w.until("it is over", func() bool { return !w.loops[0].stopped && !w.loops[1].stopped && !w.loops[2].stopped })
			w.allDurable()
			if a, b := lines.count("the disk refuses"), lines.count("takes messages again"); a != 1 || b != 1 {
				t.Errorf("%d lines that it begins, %d that it ends", a, b)
			}
			w.turns(20)
			w.allDurable()
			w.crash(w.remember(nil), mem)
		})
	}
}

func TestAnOfflineStoreThatRefusesStopsNothing(t *testing.T) {
	for name, errno := range map[string]error{"no room": syscall.ENOSPC, "broken": syscall.EIO} {
		t.Run(name, func(t *testing.T) {
			w, f, mem := faultyWorld(t, 2)
			lines := &logLines{}
			w.o.Log = slog.New(slog.NewTextHandler(lines, nil))
			w.open()
			w.turns(30)
			set(&f.offline, errno)
			w.until("the writer knows", func() bool {
				w.turns(5)
				w.tick()
				return w.k.Stats().OfflineTrouble != ""
			})
			w.turns(50)
			w.allDurable()
			if s := w.k.Stats(); s.Trouble != "" || !strings.Contains(s.OfflineTrouble, errno.Error()) {
				t.Errorf("trouble %q, of the offline store %q", s.Trouble, s.OfflineTrouble)
			}
			if n := lines.count("memory and the journal hold what is new"); n != 1 {
				t.Errorf("%d lines", n)
			}
			p := w.remember(nil)
			clone := mem.CrashClone(vfs.CrashCloneCfg{})
			set(&f.offline, nil)
			w.writeAll()
			w.until("it is over", func() bool { return w.k.Stats().OfflineTrouble == "" })
			p.complete(w)
			must(t, w.k.Close(true))
			w.o.FS = clone
			w.open()
			must(t, p.check(onDisk(t, w.k.offline)))
			must(t, ignoreUnclean(w.k.Close(false)))
			w.o.FS = mem
			w.open()
			same(t, "clean", w.k.Recovery().Clean, true)
			must(t, p.check(onDisk(t, w.k.offline)))
		})
	}
}

// TestWhatTheOfflineStoreLosesIsAppliedAgain: its engine gives up between an apply and the flush, and another one begins from the last flush.
func TestWhatTheOfflineStoreLosesIsAppliedAgain(t *testing.T) {
	for seed := range uint64(4) {
		w, f, mem := faultyWorld(t, seed)
		w.open()
		w.turns(50)
		w.writeAll()
		for round := range 3 {
			w.turns(40)
			handOver := func() {
				for _, l := range w.loops {
					for len(l.dirty) > 0 {
						l.writeBack()
					}
					l.submit()
				}
			}
			handOver()
			w.until("written", func() bool { return len(w.loops[0].slices)+len(w.loops[1].slices)+len(w.loops[2].slices) == 0 })
			set(&f.manifest, syscall.EIO)
			w.until("the engine has given up", func() bool {
				w.turns(1) // or there may be nothing left to flush
				handOver()
				w.tick()
				return w.k.Stats().Offline.Failed
			})
			w.turns(20)
			set(&f.manifest, nil)
			w.until("another engine", func() bool { return w.k.Stats().Offline.Reopened > uint64(round) })
			w.turns(20)
			w.writeAll()
			got := onDisk(t, w.k.offline)
			for _, l := range w.loops {
				if !got.of(l.loop).equal(l.model()) {
					t.Fatalf("seed %d round %d: loop %d: the disk is not what it should be", seed, round, l.loop)
				}
			}
		}
		p := w.remember(nil)
		w.crash(p, mem)
	}
}

func TestAJournalOverItsLimitStopsIntakeUntilItIsCut(t *testing.T) {
	w, _, _ := faultyWorld(t, 3)
	w.open()
	l := w.loops[0]
	b := l.box(0, 0)
	w.until("trouble", func() bool {
		for range 20 {
			l.append(b, 1000)
		}
		l.submit()
		return l.stopped
	})
	if s := w.k.Stats(); !strings.Contains(s.Trouble, fmt.Sprint(w.o.JournalBytes)) {
		t.Errorf("trouble %q", s.Trouble)
	}
	w.allDurable()
	w.writeAll()
	w.until("it is over", func() bool { w.tick(); return !l.stopped })
	if s := w.k.Stats(); s.Journal.DiskBytes > w.o.JournalBytes/4 {
		t.Errorf("the journal has %d bytes when nothing in it is needed", s.Journal.DiskBytes)
	}
}

func TestAnIdleLoopDoesNotHoldTheJournal(t *testing.T) {
	w, _, _ := faultyWorld(t, 4)
	w.open()
	w.turns(30) // all loops have noted something
	w.writeAll()
	l := w.loops[1]
	for range 30 {
		l.turn()
		w.flushed()
	}
	w.writeAll()
	w.until("the journal is cut", func() bool { w.tick(); return w.k.Stats().Journal.Segments <= 1 })
}

func TestACloseThatIsNotCleanSaysSoAndLosesNothing(t *testing.T) {
	w, f, mem := faultyWorld(t, 5)
	w.open()
	w.turns(40)
	w.allDurable()
	p := w.remember(nil)
	p.complete(w)
	err := w.k.Close(true) // loops have not written back
	mustBe(t, "Close", err, ErrNotSettled)
	w.open()
	if r := w.k.Recovery(); r.Clean || r.Journal.Records == 0 {
		t.Errorf("%+v", r)
	}
	must(t, p.check(onDisk(t, w.k.offline)))

	w.turns(10)
	w.writeAll()
	set(&f.state, syscall.EIO)
	mustBe(t, "Close without a state file", w.k.Close(true), syscall.EIO)
	set(&f.state, nil)
	w.open()
	same(t, "clean", w.k.Recovery().Clean, false)
	_ = mem
}
