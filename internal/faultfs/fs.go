package faultfs

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrCut is what every operation returns after the power was cut, in a process that outlives it (only tests of this package do).
var ErrCut = errors.New("faultfs: the power was cut")

var errDirectory = errors.New("faultfs: is a directory")

// FS is a disk that fails. All methods may be called from any goroutine.
type FS struct {
	inner  vfs.FS // the platter
	die    func()
	faults *faults
	token  uint64       // in the hidden names of this process
	used   atomic.Int64 // bytes
	dead   atomic.Bool

	mu      sync.Mutex // guards what follows; taken before inode.mu
	names   map[string]*inode
	gone    map[string]bool // names that are still on the platter
	staged  []*change
	numbers int
}

// Wrap makes the directories in roots, and what is below them, a disk that fails as spec says; see ParseSpec. What an earlier process had
// created and not synced there is removed. nil for die: the process ends by SIGKILL.
func Wrap(inner vfs.FS, spec string, die func(), roots ...string) (*FS, error) {
	s, err := ParseSpec(spec)
	if err != nil {
		return nil, err
	}
	if die == nil {
		die = killSelf
	}
	f := &FS{inner: inner, die: die, faults: newFaults(s), token: rand.Uint64(), names: map[string]*inode{}, gone: map[string]bool{}}
	for _, root := range roots {
		if err := f.tidy(filepath.Clean(root)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// System is Wrap around the system's disk, in a process that is to be killed.
func System(spec string, roots ...string) (*FS, error) { return Wrap(vfs.Default, spec, nil, roots...) }

// tidy removes the hidden files of earlier processes and counts what is there.
func (f *FS) tidy(dir string) error {
	names, err := f.inner.List(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, name := range names {
		path := filepath.Join(dir, name)
		info, err := f.inner.Stat(path)
		switch {
		case err != nil:
			return err
		case info.IsDir():
			err = f.tidy(path)
		case strings.HasPrefix(name, hiddenPrefix):
			err = f.inner.Remove(path)
		default:
			f.used.Add(info.Size())
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Set replaces the faults. What hangs or stalls goes on.
func (f *FS) Set(spec string) error {
	s, err := ParseSpec(spec)
	if err == nil {
		f.faults.set(s)
	}
	return err
}

// Stats are the counters now.
func (f *FS) Stats() Stats { return f.faults.counted() }

func (f *FS) hiddenName(path string) string {
	f.numbers++
	return filepath.Join(filepath.Dir(path), fmt.Sprintf("%s%x-%d", hiddenPrefix, f.token, f.numbers))
}

// room takes up to want bytes of the disk and returns how many there were.
func (f *FS) room(want int64) int64 {
	limit := f.faults.limit()
	if limit == 0 || want <= 0 {
		f.used.Add(max(want, 0))
		return want
	}
	for {
		used := f.used.Load()
		got := max(0, min(want, limit-used))
		if f.used.CompareAndSwap(used, used+got) {
			return got
		}
	}
}

// Create implements vfs.FS.
func (f *FS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	name = filepath.Clean(name)
	if err := f.enter(OpCreate, name); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.create(name, category)
}

// create makes a new file, which takes the place of one that is there. FS.mu is held.
func (f *FS) create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if limit := f.faults.limit(); limit > 0 && f.used.Load() >= limit {
		return nil, opError(OpCreate, name, syscall.ENOSPC)
	}
	if err := f.removeName(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	hidden := f.hiddenName(name)
	w, err := f.inner.Create(hidden, category)
	if err != nil {
		return nil, err
	}
	n, err := newInode(f, f.numbers, w, w, hidden)
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	f.stage(&change{kind: place, ino: n, to: name})
	return f.handle(n, name, true), nil
}

// handle opens a file that was found. FS.mu is held.
func (f *FS) handle(n *inode, name string, write bool) *file {
	n.refs++
	return &file{fs: f, ino: n, name: name, write: write}
}

// Open implements vfs.FS.
func (f *FS) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	name = filepath.Clean(name)
	if err := f.enter(OpRead, name); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(name)
	if errors.Is(err, errDirectory) {
		return f.inner.Open(name, opts...)
	}
	if err != nil {
		return nil, err
	}
	return f.handle(n, name, false), nil
}

// OpenReadWrite implements vfs.FS.
func (f *FS) OpenReadWrite(name string, category vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	name = filepath.Clean(name)
	op := OpOpenWrite
	if _, err := f.Stat(name); errors.Is(err, fs.ErrNotExist) {
		op = OpCreate
	}
	if err := f.enter(op, name); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(name)
	if errors.Is(err, fs.ErrNotExist) {
		return f.create(name, category)
	}
	if err != nil {
		return nil, err
	}
	if err := f.writable(n, category); err != nil {
		return nil, err
	}
	return f.handle(n, name, true), nil
}

// writable opens a file on the platter for writing. FS.mu is held.
func (f *FS) writable(n *inode, category vfs.DiskWriteCategory) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.w != nil {
		return nil
	}
	w, err := f.inner.OpenReadWrite(n.names[0], category)
	if err == nil {
		n.w = w
	}
	return err
}

// ReuseForWrite implements vfs.FS.
func (f *FS) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Rename(oldname, newname); err != nil {
		return nil, err
	}
	return f.OpenReadWrite(newname, category)
}

// OpenDir implements vfs.FS.
func (f *FS) OpenDir(name string) (vfs.File, error) {
	name = filepath.Clean(name)
	if err := f.enter(OpRead, name); err != nil {
		return nil, err
	}
	d, err := f.inner.OpenDir(name)
	if err != nil {
		return nil, err
	}
	return &directory{File: d, fs: f, name: name}, nil
}

// Link implements vfs.FS.
func (f *FS) Link(oldname, newname string) error {
	oldname, newname = filepath.Clean(oldname), filepath.Clean(newname)
	if err := f.enter(OpLink, newname); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(oldname)
	if err != nil {
		return err
	}
	if _, err := f.lookup(newname); !errors.Is(err, fs.ErrNotExist) {
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: fs.ErrExist}
	}
	f.used.Add(n.length())
	f.stage(&change{kind: link, ino: n, to: newname})
	return nil
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	name = filepath.Clean(name)
	if err := f.enter(OpRemove, name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.removeName(name)
	if !errors.Is(err, errDirectory) {
		return err
	}
	if err := f.commit(func(c *change) bool { return c.in(name) }); err != nil {
		return err
	}
	return f.inner.Remove(name)
}

// removeName takes a file's name away. FS.mu is held.
func (f *FS) removeName(name string) error {
	n, err := f.lookup(name)
	if err != nil {
		return err
	}
	f.used.Add(-n.length())
	f.stage(&change{kind: remove, ino: n, from: name})
	return nil
}

// RemoveAll implements vfs.FS. It is done at once, not at a sync.
func (f *FS) RemoveAll(name string) error {
	name = filepath.Clean(name)
	if err := f.enter(OpRemove, name); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.removeName(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil:
		return f.commit(func(c *change) bool { return c.in(filepath.Dir(name)) })
	case !errors.Is(err, errDirectory):
		return err
	}
	inside := func(path string) bool { return strings.HasPrefix(path, name+"/") }
	if err := f.commit(func(c *change) bool { return inside(c.from) || inside(c.to) }); err != nil {
		return err
	}
	for path, n := range f.names {
		if inside(path) {
			delete(f.names, path)
			n.names = nil
			f.release(n)
		}
	}
	f.used.Add(-f.bytesBelow(name))
	return f.inner.RemoveAll(name)
}

// bytesBelow is what lies in a directory of the platter.
func (f *FS) bytesBelow(dir string) (sum int64) {
	names, err := f.inner.List(dir)
	if err != nil {
		return 0
	}
	for _, name := range names {
		info, err := f.inner.Stat(filepath.Join(dir, name))
		switch {
		case err != nil:
		case info.IsDir():
			sum += f.bytesBelow(filepath.Join(dir, name))
		default:
			sum += info.Size()
		}
	}
	return sum
}

// Rename implements vfs.FS. Directories are renamed at once.
func (f *FS) Rename(oldname, newname string) error {
	oldname, newname = filepath.Clean(oldname), filepath.Clean(newname)
	if err := f.enter(OpRename, newname); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(oldname)
	if errors.Is(err, errDirectory) {
		return f.renameDir(oldname, newname)
	}
	if err != nil {
		return err
	}
	victim, err := f.lookup(newname)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if victim == n {
		return nil
	}
	if victim != nil {
		f.used.Add(-victim.length())
	}
	f.stage(&change{kind: rename, ino: n, victim: victim, from: oldname, to: newname})
	return nil
}

func (f *FS) renameDir(oldname, newname string) error {
	inside := func(path string) bool { return strings.HasPrefix(path, oldname+"/") }
	if err := f.commit(func(c *change) bool { return inside(c.from) || inside(c.to) }); err != nil {
		return err
	}
	if err := f.inner.Rename(oldname, newname); err != nil {
		return err
	}
	for path, n := range f.names {
		if inside(path) {
			delete(f.names, path)
			f.names[newname+strings.TrimPrefix(path, oldname)] = n
			for i, below := range n.names {
				if inside(below) {
					n.names[i] = newname + strings.TrimPrefix(below, oldname)
				}
			}
		}
	}
	return nil
}

// MkdirAll implements vfs.FS. Directories are made at once.
func (f *FS) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.enter(OpMkdir, dir); err != nil {
		return err
	}
	return f.inner.MkdirAll(dir, perm)
}

// Lock implements vfs.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	if err := f.enter(OpOpenWrite, name); err != nil {
		return nil, err
	}
	return f.inner.Lock(name)
}

// List implements vfs.FS.
func (f *FS) List(dir string) ([]string, error) {
	dir = filepath.Clean(dir)
	if err := f.enter(OpRead, dir); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.list(dir)
}

// Stat implements vfs.FS.
func (f *FS) Stat(name string) (vfs.FileInfo, error) {
	name = filepath.Clean(name)
	if err := f.enter(OpRead, name); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.lookup(name)
	if errors.Is(err, errDirectory) {
		return f.inner.Stat(name)
	}
	if err != nil {
		return nil, err
	}
	return n.info(name)
}

// PathBase implements vfs.FS.
func (f *FS) PathBase(path string) string { return f.inner.PathBase(path) }

// PathJoin implements vfs.FS.
func (f *FS) PathJoin(elem ...string) string { return f.inner.PathJoin(elem...) }

// PathDir implements vfs.FS.
func (f *FS) PathDir(path string) string { return f.inner.PathDir(path) }

// GetDiskUsage implements vfs.FS.
func (f *FS) GetDiskUsage(path string) (vfs.DiskUsage, error) {
	limit := f.faults.limit()
	if limit == 0 {
		return f.inner.GetDiskUsage(path)
	}
	used := uint64(max(0, f.used.Load()))
	return vfs.DiskUsage{AvailBytes: uint64(limit) - min(used, uint64(limit)), TotalBytes: uint64(limit), UsedBytes: used}, nil
}

// Unwrap implements vfs.FS.
func (f *FS) Unwrap() vfs.FS { return f.inner }
