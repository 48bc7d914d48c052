package tuning

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"
)

// File is a small text file and who may do what with it.
type File struct {
	Text     []byte
	Mode     fs.FileMode // permissions only
	UID, GID int         // negative: of who runs this
}

// Disk is what Apply needs of a file system. Names are slash-separated and relative to the root of the system that is set up.
type Disk interface {
	// Read returns a regular file. Errors: fs.ErrNotExist, ErrNotRegular, ErrFileTooLarge, or what the system said.
	Read(name string) (File, error)
	// Create writes a new file and syncs it. What a failed Create leaves behind, Remove takes away.
	Create(name string, f File) error
	// Rename puts one file in the place of another, at once, and syncs the directory. Both are in one directory.
	Rename(from, to string) error
	// Remove takes a file away and syncs the directory; no file is no error.
	Remove(name string) error
	// HasDir says whether there is a directory of that name.
	HasDir(name string) (bool, error)
	// MakeDir makes a directory and those above it, readable by all.
	MakeDir(name string) error
}

// RootDisk is the Disk of a directory: "/" for this machine, another for an image that is mounted there.
// It follows no symbolic link out of the directory. Close ends it.
type RootDisk struct{ root *os.Root }

// OpenRootDisk opens the directory.
func OpenRootDisk(dir string) (*RootDisk, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, plainPathError(err)
	}
	return &RootDisk{root}, nil
}

// Close lets go of the directory.
func (d *RootDisk) Close() error { return d.root.Close() }

// Read implements Disk.
func (d *RootDisk) Read(name string) (File, error) {
	stat, err := d.root.Lstat(name)
	if err != nil {
		return File{}, plainPathError(err)
	}
	if !stat.Mode().IsRegular() {
		return File{}, fmt.Errorf("%w: it is a %s", ErrNotRegular, modeName(stat.Mode()))
	}
	f, err := d.root.Open(name)
	if err != nil {
		return File{}, plainPathError(err)
	}
	defer func() { _ = f.Close() }() // only read
	text, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err != nil {
		return File{}, plainPathError(err)
	}
	if len(text) > fileBytesMax {
		return File{}, fmt.Errorf("%w: at most %d bytes", ErrFileTooLarge, fileBytesMax)
	}
	out := File{Text: text, Mode: stat.Mode().Perm(), UID: -1, GID: -1}
	if sys, ok := stat.Sys().(*syscall.Stat_t); ok {
		out.UID, out.GID = int(sys.Uid), int(sys.Gid)
	}
	return out, nil
}

func modeName(m fs.FileMode) string {
	switch {
	case m&fs.ModeSymlink != 0:
		return "symbolic link"
	case m.IsDir():
		return "directory"
	}
	return "device, pipe or socket"
}

// Create implements Disk: open(2) with O_EXCL, fsync(2). Owner and permissions are set before anything is written.
func (d *RootDisk) Create(name string, f File) (err error) {
	w, err := d.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return plainPathError(err)
	}
	defer func() {
		if closeErr := w.Close(); err == nil && closeErr != nil {
			err = plainPathError(closeErr)
		}
	}()
	if err := giveOwner(w, f); err != nil {
		return plainPathError(err)
	}
	if err := w.Chmod(f.Mode); err != nil {
		return plainPathError(err)
	}
	if _, err := w.Write(f.Text); err != nil {
		return plainPathError(err)
	}
	return plainPathError(w.Sync())
}

// giveOwner keeps a file's owner; where it is the right one already nothing needs to be allowed.
func giveOwner(w *os.File, f File) error {
	stat, err := w.Stat()
	if err != nil {
		return err
	}
	sys, ok := stat.Sys().(*syscall.Stat_t)
	if !ok || f.UID < 0 || (int(sys.Uid) == f.UID && int(sys.Gid) == f.GID) {
		return nil
	}
	return w.Chown(f.UID, f.GID)
}

// Rename implements Disk: rename(2), then fsync(2) of the directory.
func (d *RootDisk) Rename(from, to string) error {
	if err := d.root.Rename(from, to); err != nil {
		return plainPathError(err)
	}
	return d.syncDir(path.Dir(to))
}

// Remove implements Disk.
func (d *RootDisk) Remove(name string) error {
	err := d.root.Remove(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return plainPathError(err)
	}
	return d.syncDir(path.Dir(name))
}

func (d *RootDisk) syncDir(name string) error {
	dir, err := d.root.Open(name)
	if err != nil {
		return plainPathError(err)
	}
	return plainPathError(errors.Join(dir.Sync(), dir.Close()))
}

// HasDir implements Disk. A symbolic link to a directory below the root is one.
func (d *RootDisk) HasDir(name string) (bool, error) {
	stat, err := d.root.Stat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, plainPathError(err)
	}
	return stat.IsDir(), nil
}

// MakeDir implements Disk.
func (d *RootDisk) MakeDir(name string) error { return plainPathError(d.root.MkdirAll(name, 0o755)) }

// plainPathError leaves of an error what the system said: names are added where they are known as the reader knows them.
func plainPathError(err error) error {
	var inPath *fs.PathError
	if errors.As(err, &inPath) {
		return inPath.Err
	}
	var inLink *os.LinkError
	if errors.As(err, &inLink) {
		return inLink.Err
	}
	return err
}
