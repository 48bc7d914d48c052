package store

import (
	"errors"
	"io"
	"os"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// overlay is a file system over another one, which it only reads: whatever is written goes to memory and is gone with the overlay. Tools that
// must not change a directory open the engine on it, which writes when it opens, too. Its locks are its own.
// What is written takes as much memory: a journal's tail, no more.
//
// Locks: mu guards what is hidden; it is held while nothing else is waited for but the file systems.
type overlay struct {
	vfs.FS            // of paths and disk usage: the base
	upper  *vfs.MemFS // has the paths of the base
	mu     sync.Mutex
	hidden map[string]bool // paths of the base that were removed or replaced; with all below them
}

func newOverlay(base FS) *overlay {
	return &overlay{FS: base, upper: vfs.NewMem(), hidden: map[string]bool{}}
}

// shown says whether the base's file of that name can be seen.
func (o *overlay) shown(path string) bool {
	for {
		if o.hidden[path] {
			return false
		}
		above := o.FS.PathDir(path)
		if above == path {
			return true
		}
		path = above
	}
}

// inUpper says whether the name was written.
func (o *overlay) inUpper(path string) bool {
	_, err := o.upper.Stat(path)
	return err == nil
}

// room makes the folder of a path above, when there is one below.
func (o *overlay) room(path string) error {
	dir := o.FS.PathDir(path)
	if o.inUpper(dir) {
		return nil
	}
	if _, err := o.stat(dir); err != nil {
		return err
	}
	return o.upper.MkdirAll(dir, 0o700)
}

// lift copies a file of the base up, once.
func (o *overlay) lift(path string) error {
	if o.inUpper(path) {
		return nil
	}
	if !o.shown(path) {
		return &os.PathError{Op: "open", Path: path, Err: os.ErrNotExist}
	}
	if err := o.room(path); err != nil {
		return err
	}
	return vfs.CopyAcrossFS(o.FS, path, o.upper, path)
}

// Create implements vfs.FS.
func (o *overlay) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.room(name); err != nil {
		return nil, err
	}
	o.hidden[name] = true
	return o.upper.Create(name, category)
}

// Link implements vfs.FS by a copy.
func (o *overlay) Link(oldname, newname string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.stat(newname); err == nil {
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: os.ErrExist}
	}
	if err := errors.Join(o.lift(oldname), o.room(newname)); err != nil {
		return err
	}
	o.hidden[newname] = true
	return o.upper.Link(oldname, newname)
}

// Open implements vfs.FS.
func (o *overlay) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.inUpper(name) || !o.shown(name) {
		return o.upper.Open(name, opts...)
	}
	return o.FS.Open(name, opts...)
}

// OpenReadWrite implements vfs.FS.
func (o *overlay) OpenReadWrite(name string, category vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.lift(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if err := o.room(name); err != nil {
		return nil, err
	}
	return o.upper.OpenReadWrite(name, category, opts...)
}

// OpenDir implements vfs.FS.
func (o *overlay) OpenDir(name string) (vfs.File, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.room(o.FS.PathJoin(name, "x")); err != nil {
		return nil, err
	}
	return o.upper.OpenDir(name)
}

// Remove implements vfs.FS.
func (o *overlay) Remove(name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if _, err := o.stat(name); err != nil {
		return err
	}
	if o.inUpper(name) {
		if err := o.upper.Remove(name); err != nil {
			return err
		}
	}
	o.hidden[name] = true
	return nil
}

// RemoveAll implements vfs.FS.
func (o *overlay) RemoveAll(name string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.hidden[name] = true
	return o.upper.RemoveAll(name)
}

// Rename implements vfs.FS, for files.
func (o *overlay) Rename(oldname, newname string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := errors.Join(o.lift(oldname), o.room(newname)); err != nil {
		return err
	}
	o.hidden[oldname], o.hidden[newname] = true, true
	return o.upper.Rename(oldname, newname)
}

// ReuseForWrite implements vfs.FS.
func (o *overlay) ReuseForWrite(oldname, newname string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := o.Rename(oldname, newname); err != nil {
		return nil, err
	}
	return o.OpenReadWrite(newname, category)
}

// MkdirAll implements vfs.FS.
func (o *overlay) MkdirAll(dir string, perm os.FileMode) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.upper.MkdirAll(dir, perm)
}

// Lock implements vfs.FS.
func (o *overlay) Lock(name string) (io.Closer, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.room(name); err != nil {
		return nil, err
	}
	return o.upper.Lock(name)
}

// List implements vfs.FS.
func (o *overlay) List(dir string) ([]string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	var all []string
	var errBase error = &os.PathError{Op: "list", Path: dir, Err: os.ErrNotExist}
	if o.shown(dir) {
		var names []string
		names, errBase = o.FS.List(dir)
		for _, name := range names {
			if o.shown(o.FS.PathJoin(dir, name)) {
				all = append(all, name)
			}
		}
	}
	if !o.inUpper(dir) {
		return all, errBase
	}
	names, err := o.upper.List(dir)
	all = append(all, names...)
	slices.Sort(all)
	return slices.Compact(all), err
}

// Stat implements vfs.FS.
func (o *overlay) Stat(name string) (vfs.FileInfo, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stat(name)
}

func (o *overlay) stat(name string) (vfs.FileInfo, error) {
	if o.inUpper(name) || !o.shown(name) {
		return o.upper.Stat(name)
	}
	return o.FS.Stat(name)
}

// Unwrap implements vfs.FS: nothing may reach the base around the overlay.
func (o *overlay) Unwrap() vfs.FS { return nil }
