package store

import (
	"errors"
	"io"
	"os"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// errFenced is what an engine meets that was given up.
var errFenced = errors.New("store: this engine was given up")

// fence is the file system of one engine. After sever the engine can touch nothing any more: its goroutines may still run, for an engine that gave up can't be
// closed, while the next one works in the same directory. Locks: mu is held by each operation, and by sever alone; open is taken last.
type fence struct {
	inner vfs.FS
	// beforeTable is called before a table is made, and may wait or refuse.
	beforeTable func(name string) error
	// folder is the engine's own. When it can't be synced, folderFailed is called, which does not return: the engine would panic.
	folder       string
	folderFailed func(err error)
	// pause is called where an operation is refused behind the fence: compactions of a dead engine try again for ever, and at once.
	pause func()

	mu      sync.RWMutex
	severed bool

	open  sync.Mutex
	files map[*fencedFile]struct{}
}

func newFence(inner vfs.FS, beforeTable func(name string) error) *fence {
	return &fence{inner: inner, beforeTable: beforeTable, files: map[*fencedFile]struct{}{}}
}

// sever waits for what is under way, closes the engine's files and refuses all that comes later. Safe to call twice.
func (f *fence) sever() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.severed = true
	f.open.Lock()
	defer f.open.Unlock()
	for file := range f.files {
		_ = file.inner.Close()
	}
	clear(f.files)
}

// enter begins an operation; leave ends it.
func (f *fence) enter() error {
	f.mu.RLock()
	if f.severed {
		f.mu.RUnlock()
		if f.pause != nil {
			f.pause()
		}
		return errFenced
	}
	return nil
}

func (f *fence) leave() { f.mu.RUnlock() }

func (f *fence) do(op func() error) error {
	if err := f.enter(); err != nil {
		return err
	}
	defer f.leave()
	return op()
}

func (f *fence) file(open func() (vfs.File, error)) (vfs.File, error) {
	if err := f.enter(); err != nil {
		return nil, err
	}
	defer f.leave()
	inner, err := open()
	if err != nil {
		return nil, err
	}
	file := &fencedFile{inner: inner, fence: f}
	f.open.Lock()
	f.files[file] = struct{}{}
	f.open.Unlock()
	return file, nil
}

// Create implements vfs.FS.
func (f *fence) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, tableSuffix) {
		if err := f.beforeTable(name); err != nil {
			return nil, err
		}
	}
	return f.file(func() (vfs.File, error) { return f.inner.Create(name, category) })
}

// Link implements vfs.FS.
func (f *fence) Link(oldname, newname string) error {
	return f.do(func() error { return f.inner.Link(oldname, newname) })
}

// Open implements vfs.FS. Its options look at the file of the system.
func (f *fence) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.file(func() (vfs.File, error) { return f.inner.Open(name, opts...) })
}

// OpenReadWrite implements vfs.FS.
func (f *fence) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	return f.file(func() (vfs.File, error) { return f.inner.OpenReadWrite(name, category, opts...) })
}

// OpenDir implements vfs.FS.
func (f *fence) OpenDir(name string) (vfs.File, error) {
	file, err := f.file(func() (vfs.File, error) { return f.inner.OpenDir(name) })
	if err != nil || name != f.folder || f.folderFailed == nil {
		return file, err
	}
	return fencedFolder{file, f}, nil
}

// fencedFolder is the engine's own folder.
type fencedFolder struct {
	vfs.File
	fence *fence
}

// Sync implements vfs.File. It does not return an error.
func (f fencedFolder) Sync() error {
	if err := f.File.Sync(); err != nil {
		f.fence.folderFailed(err)
	}
	return nil
}

// Remove implements vfs.FS.
func (f *fence) Remove(name string) error { return f.do(func() error { return f.inner.Remove(name) }) }

// RemoveAll implements vfs.FS.
func (f *fence) RemoveAll(name string) error {
	return f.do(func() error { return f.inner.RemoveAll(name) })
}

// Rename implements vfs.FS.
func (f *fence) Rename(oldname, newname string) error {
	return f.do(func() error { return f.inner.Rename(oldname, newname) })
}

// ReuseForWrite implements vfs.FS.
func (f *fence) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	return f.file(func() (vfs.File, error) { return f.inner.ReuseForWrite(oldname, newname, category) })
}

// MkdirAll implements vfs.FS.
func (f *fence) MkdirAll(dir string, perm os.FileMode) error {
	return f.do(func() error { return f.inner.MkdirAll(dir, perm) })
}

// Lock implements vfs.FS. The directory is locked by the store, for all its engines.
func (f *fence) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// List implements vfs.FS.
func (f *fence) List(dir string) (names []string, err error) {
	err = f.do(func() error { names, err = f.inner.List(dir); return err })
	return names, err
}

// Stat implements vfs.FS.
func (f *fence) Stat(name string) (info vfs.FileInfo, err error) {
	err = f.do(func() error { info, err = f.inner.Stat(name); return err })
	return info, err
}

// PathBase implements vfs.FS.
func (f *fence) PathBase(path string) string { return f.inner.PathBase(path) }

// PathJoin implements vfs.FS.
func (f *fence) PathJoin(elem ...string) string { return f.inner.PathJoin(elem...) }

// PathDir implements vfs.FS.
func (f *fence) PathDir(path string) string { return f.inner.PathDir(path) }

// GetDiskUsage implements vfs.FS.
func (f *fence) GetDiskUsage(path string) (usage vfs.DiskUsage, err error) {
	err = f.do(func() error { usage, err = f.inner.GetDiskUsage(path); return err })
	return usage, err
}

// Unwrap implements vfs.FS.
func (f *fence) Unwrap() vfs.FS { return f.inner }

// fencedFile is a file of the engine.
type fencedFile struct {
	inner vfs.File
	fence *fence
}

// Close implements vfs.File. What sever has closed is closed.
func (f *fencedFile) Close() error {
	return f.fence.do(func() error {
		f.fence.open.Lock()
		delete(f.fence.files, f)
		f.fence.open.Unlock()
		return f.inner.Close()
	})
}

func (f *fencedFile) count(op func() (int, error)) (n int, err error) {
	err = f.fence.do(func() error { n, err = op(); return err })
	return n, err
}

// Read implements vfs.File.
func (f *fencedFile) Read(p []byte) (int, error) {
	return f.count(func() (int, error) { return f.inner.Read(p) })
}

// ReadAt implements vfs.File.
func (f *fencedFile) ReadAt(p []byte, off int64) (int, error) {
	return f.count(func() (int, error) { return f.inner.ReadAt(p, off) })
}

// Write implements vfs.File.
func (f *fencedFile) Write(p []byte) (int, error) {
	return f.count(func() (int, error) { return f.inner.Write(p) })
}

// WriteAt implements vfs.File.
func (f *fencedFile) WriteAt(p []byte, off int64) (int, error) {
	return f.count(func() (int, error) { return f.inner.WriteAt(p, off) })
}

// Preallocate implements vfs.File.
func (f *fencedFile) Preallocate(offset, length int64) error {
	return f.fence.do(func() error { return f.inner.Preallocate(offset, length) })
}

// Stat implements vfs.File.
func (f *fencedFile) Stat() (info vfs.FileInfo, err error) {
	err = f.fence.do(func() error { info, err = f.inner.Stat(); return err })
	return info, err
}

// Sync implements vfs.File.
func (f *fencedFile) Sync() error { return f.fence.do(f.inner.Sync) }

// SyncTo implements vfs.File.
func (f *fencedFile) SyncTo(length int64) (full bool, err error) {
	err = f.fence.do(func() error { full, err = f.inner.SyncTo(length); return err })
	return full, err
}

// SyncData implements vfs.File.
func (f *fencedFile) SyncData() error { return f.fence.do(f.inner.SyncData) }

// Prefetch implements vfs.File.
func (f *fencedFile) Prefetch(offset, length int64) error {
	return f.fence.do(func() error { return f.inner.Prefetch(offset, length) })
}

// Fd implements vfs.File. Nobody gets past the fence.
func (f *fencedFile) Fd() uintptr { return vfs.InvalidFd }
