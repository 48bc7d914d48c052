package faultfs

import (
	"errors"
	"math/rand/v2"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// ErrEmpty: a file without bytes has none to damage.
var ErrEmpty = errors.New("faultfs: the file is empty")

// FlipBit turns one bit of a file at rest, somewhere from byte `from` on, and says in which byte. Errors: ErrEmpty, the disk's.
func FlipBit(disk vfs.FS, path string, from int64, rng *rand.Rand) (offset int64, err error) {
	file, err := disk.OpenReadWrite(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() <= from {
		return 0, ErrEmpty
	}
	offset = from + rng.Int64N(info.Size()-from)
	var b [1]byte
	if _, err := file.ReadAt(b[:], offset); err != nil {
		return offset, err
	}
	b[0] ^= 1 << rng.IntN(8)
	if _, err := file.WriteAt(b[:], offset); err != nil {
		return offset, err
	}
	return offset, file.Sync()
}
