package tuning

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// Lock keeps others from applying below the same root, by flock(2) on the directory of the record, until the result is closed.
// The directory is made where it is not there. Errors: ErrLocked, or what the file system said.
func (d *RootDisk) Lock(system OS) (io.Closer, error) {
	name := StateDir(system)
	if err := d.MakeDir(name); err != nil {
		return nil, fmt.Errorf("make /%s: %w", name, err)
	}
	dir, err := d.root.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open /%s: %w", name, plainPathError(err))
	}
	err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == nil {
		return dir, nil
	}
	if errors.Is(err, unix.EWOULDBLOCK) {
		err = ErrLocked
	} else {
		err = fmt.Errorf("lock /%s: %w", name, err)
	}
	return nil, errors.Join(err, dir.Close())
}
