package faultfs

import (
	"io/fs"
	"math"
	"math/rand/v2"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// file is a handle.
type file struct {
	fs    *FS
	ino   *inode
	name  string // when it was opened
	write bool

	mu     sync.Mutex // guards what follows; taken before all others
	pos    int64
	closed bool
}

// Read implements vfs.File.
func (f *file) Read(p []byte) (int, error) {
	if err := f.fs.enter(OpRead, f.name); err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.ino.readAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 {
		err = nil // its end is told by the next one
	}
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if err := f.fs.enter(OpRead, f.name); err != nil {
		return 0, err
	}
	return f.ino.readAt(p, off)
}

// Write implements vfs.File.
func (f *file) Write(p []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.WriteAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

// WriteAt implements vfs.File. A write that fails has written some of its bytes, as on a real disk.
func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if !f.write {
		return 0, opError(OpWrite, f.name, syscall.EBADF)
	}
	if err := f.fs.enter(OpWrite, f.name); err != nil {
		part := 0
		f.fs.faults.roll(func(rng *rand.Rand) { part = rng.IntN(len(p) + 1) })
		if f.fs.dead.Load() || len(p) == 0 {
			return 0, err
		}
		n, _ := f.put(p[:part], off) // the error that was injected is the one to tell
		return n, err
	}
	return f.put(p, off)
}

func (f *file) put(p []byte, off int64) (int, error) {
	grow := max(0, off+int64(len(p))-f.ino.length())
	got := f.fs.room(grow)
	fits := p[:max(0, int64(len(p))-(grow-got))]
	if len(fits) > 0 {
		if _, err := f.ino.writeAt(fits, off); err != nil {
			return 0, err
		}
	}
	if len(fits) < len(p) {
		return len(fits), opError(OpWrite, f.name, syscall.ENOSPC)
	}
	return len(p), nil
}

// Sync implements vfs.File.
func (f *file) Sync() error { return f.syncTo(math.MaxInt64) }

// SyncData implements vfs.File.
func (f *file) SyncData() error { return f.syncTo(math.MaxInt64) }

// SyncTo implements vfs.File. It promises nothing, as SyncTo need not, and brings the prefix to the platter all the same.
func (f *file) SyncTo(length int64) (fullSync bool, err error) { return false, f.syncTo(length) }

func (f *file) syncTo(length int64) error {
	if err := f.fs.enter(OpSync, f.name); err != nil {
		if !f.fs.dead.Load() {
			f.fs.faults.roll(f.ino.failSync)
		}
		return err
	}
	if f.fs.faults.lies(OpSync, f.name) {
		return nil
	}
	return f.ino.sync(length)
}

// Preallocate implements vfs.File. It finds out whether there is room and takes none.
func (f *file) Preallocate(offset, length int64) error {
	if err := f.fs.enter(OpWrite, f.name); err != nil {
		return err
	}
	grow := offset + length - f.ino.length()
	if limit := f.fs.faults.limit(); limit > 0 && grow > limit-f.fs.used.Load() {
		return opError(OpWrite, f.name, syscall.ENOSPC)
	}
	return nil
}

// Stat implements vfs.File.
func (f *file) Stat() (vfs.FileInfo, error) {
	if err := f.fs.enter(OpRead, f.name); err != nil {
		return nil, err
	}
	return f.ino.info(f.fs.PathBase(f.name))
}

// Prefetch implements vfs.File.
func (f *file) Prefetch(_, _ int64) error { return nil }

// Fd implements vfs.File: nobody gets past this package.
func (f *file) Fd() uintptr { return vfs.InvalidFd }

// Close implements vfs.File. What was not synced waits on, in memory.
func (f *file) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		return &fs.PathError{Op: "close", Path: f.name, Err: fs.ErrClosed}
	}
	f.closed = true
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	f.ino.refs--
	f.fs.sweep()
	f.fs.release(f.ino)
	return nil
}

// info is what the platter knows of a file, with the name and the length that readers see.
type info struct {
	vfs.FileInfo
	name string
	size int64
}

// Name implements fs.FileInfo.
func (i info) Name() string { return i.name }

// Size implements fs.FileInfo.
func (i info) Size() int64 { return i.size }

func (n *inode) info(name string) (vfs.FileInfo, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	below, err := n.r.Stat()
	if err != nil {
		return nil, err
	}
	return info{FileInfo: below, name: n.fs.PathBase(name), size: n.size}, nil
}

// directory is a handle that can be synced.
type directory struct {
	vfs.File
	fs   *FS
	name string
}

// Sync implements vfs.File: names that wait in the directory reach the platter.
func (d *directory) Sync() error {
	if err := d.fs.enter(OpSyncDir, d.name); err != nil {
		return err
	}
	if d.fs.faults.lies(OpSyncDir, d.name) {
		return nil
	}
	d.fs.mu.Lock()
	defer d.fs.mu.Unlock()
	return d.fs.commit(func(c *change) bool { return c.in(d.name) })
}

// SyncData implements vfs.File.
func (d *directory) SyncData() error { return d.Sync() }
