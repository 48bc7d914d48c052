package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// journalFaultFS asks before it changes anything. n is how many of a write's bytes are written before err.
type journalFaultFS struct {
	vfs.FS
	ask func(op, path string, size int) (n int, err error)
}

type journalFaultFile struct {
	vfs.File
	fs   *journalFaultFS
	path string
}

func (f *journalFaultFS) wrap(file vfs.File, path string, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &journalFaultFile{file, f, path}, nil
}

func (f *journalFaultFS) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	if _, err := f.ask("create", name, 0); err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	file, err := f.FS.OpenReadWrite(name, c, opts...)
	return f.wrap(file, name, err)
}

func (f *journalFaultFS) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.wrap(file, name, err)
}

func (f *journalFaultFS) Remove(name string) error {
	if _, err := f.ask("remove", name, 0); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

func (f *journalFaultFile) WriteAt(b []byte, off int64) (int, error) {
	n, err := f.fs.ask("write", f.path, len(b))
	if err == nil && n == 0 {
		return f.File.WriteAt(b, off)
	}
	if n > 0 {
		if _, err := f.File.WriteAt(b[:n], off); err != nil {
			return 0, err
		}
	}
	return n, err
}

func (f *journalFaultFile) SyncData() error {
	if _, err := f.fs.ask("sync", f.path, 0); err != nil {
		return err
	}
	return f.File.SyncData()
}

func (f *journalFaultFile) Sync() error {
	if _, err := f.fs.ask("sync", f.path, 0); err != nil {
		return err
	}
	return f.File.Sync()
}

// journalTestClock stands still until it is advanced.
type journalTestClock struct {
	mu     sync.Mutex
	at     time.Time
	alarms []*journalTestAlarm
}

type journalTestAlarm struct {
	clock *journalTestClock
	f     func()
	due   time.Time // zero: off
}

func newJournalTestClock() *journalTestClock { return &journalTestClock{at: time.Unix(1_000_000, 0)} }

func (c *journalTestClock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *journalTestClock) alarm(f func()) journalAlarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	a := &journalTestAlarm{clock: c, f: f}
	c.alarms = append(c.alarms, a)
	return a
}

func (a *journalTestAlarm) Reset(d time.Duration) bool {
	a.clock.mu.Lock()
	defer a.clock.mu.Unlock()
	was := !a.due.IsZero()
	a.due = a.clock.at.Add(max(d, 1))
	if d == 0 {
		a.due = time.Time{}
		go a.f() // ends by itself
	}
	return was
}

func (a *journalTestAlarm) Stop() bool {
	a.clock.mu.Lock()
	defer a.clock.mu.Unlock()
	was := !a.due.IsZero()
	a.due = time.Time{}
	return was
}

func (c *journalTestClock) advance(d time.Duration) {
	c.mu.Lock()
	c.at = c.at.Add(d)
	var ring []func()
	for _, a := range c.alarms {
		if !a.due.IsZero() && !a.due.After(c.at) {
			a.due = time.Time{}
			ring = append(ring, a.f)
		}
	}
	c.mu.Unlock()
	for _, f := range ring {
		f()
	}
}

// journalTroubles records what is told.
type journalTroubles struct {
	mu   sync.Mutex
	told []error
}

func (r *journalTroubles) tell(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, err)
}

func (r *journalTroubles) list() []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]error(nil), r.told...)
}

// last is what holds now.
func (r *journalTroubles) last() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.told) == 0 {
		return nil
	}
	return r.told[len(r.told)-1]
}

// journalUntil waits for a condition, a minute at most.
func journalUntil(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// journalReadFile and journalWriteFile are for tests that damage files.
func journalReadFile(t testing.TB, fs vfs.FS, path string) []byte {
	t.Helper()
	f, err := fs.Open(path)
	journalMust(t, err)
	b, err := io.ReadAll(f)
	journalMust(t, errors.Join(err, f.Close()))
	return bytes.Clone(b)
}

func journalWriteFile(t testing.TB, fs vfs.FS, path string, b []byte) {
	t.Helper()
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	journalMust(t, err)
	_, err = f.Write(bytes.Clone(b)) // Write may change what it is given
	journalMust(t, errors.Join(err, f.Sync(), f.Close()))
}

func journalMust(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
