package store

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// sealFile ends a backup: it lists every file with its length and SHA-256. It is written last: a backup without it did not come to its end.
const sealFile = "BACKUP"

const (
	sealTitle = "# Backup of trunkline's data: `trunkline store restore --from` this directory"
	sealForm  = "version: 1\nmade: %d\n"
	// sealBytesMax bounds the file: a hundred bytes for each file of a store of terabytes.
	sealBytesMax = 64 << 20
)

// copyTree copies the files below a folder, private and durable. skip leaves out files by their name below it; nil: none.
func copyTree(fs FS, from, to string, skip func(name string) bool) error {
	files, err := filesBelow(fs, from)
	if err != nil {
		return err
	}
	if err := fs.MkdirAll(to, 0o700); err != nil {
		return err
	}
	for _, name := range files {
		if skip != nil && skip(name) {
			continue
		}
		if err := copyWhole(fs, fs.PathJoin(from, name), fs.PathJoin(to, name)); err != nil {
			return err
		}
	}
	return syncTree(fs, to)
}

// copyWhole copies one file and makes its content durable, but not its name.
func copyWhole(fs FS, from, to string) (err error) {
	if err := fs.MkdirAll(fs.PathDir(to), 0o700); err != nil {
		return err
	}
	src, err := fs.Open(from)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	dst, err := fs.Create(to, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dst.Close()) }()
	return inOrder(
		func() error { return makePrivate(fs, to) },
		func() error { _, err := io.Copy(dst, src); return err },
		dst.Sync,
	)
}

// syncTree makes the names of a folder and of all folders below it durable.
func syncTree(fs FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return err
	}
	for _, name := range names {
		path := fs.PathJoin(dir, name)
		info, err := fs.Stat(path)
		if err == nil && info.IsDir() {
			err = syncTree(fs, path)
		}
		if err != nil {
			return err
		}
	}
	return syncFolder(fs, dir)
}

// fileSum is the length and the SHA-256 of a file.
func fileSum(fs FS, path string) (size int64, sum string, err error) {
	f, err := fs.Open(path)
	if err != nil {
		return 0, "", err
	}
	h := sha256.New()
	size, err = io.Copy(h, f)
	return size, hex.EncodeToString(h.Sum(nil)), errors.Join(err, f.Close())
}

// SealBackup ends a backup: everything below dir becomes durable and is listed in its seal. made is in unix seconds.
func SealBackup(fs FS, dir string, made int64) (Copied, error) {
	if fs == nil {
		fs = vfs.Default
	}
	files, err := filesBelow(fs, dir)
	if err != nil {
		return Copied{}, err
	}
	c := Copied{Dir: dir, MadeUnix: made}
	b := fmt.Appendf(nil, "%s\n"+sealForm, sealTitle, made)
	for _, name := range files {
		if name == sealFile {
			return Copied{}, fmt.Errorf("%w: %s is sealed already", ErrBackup, dir)
		}
		size, sum, err := fileSum(fs, fs.PathJoin(dir, name))
		if err != nil {
			return Copied{}, err
		}
		b = fmt.Appendf(b, "file: %s %d %q\n", sum, size, name)
		c.Files++
		c.Bytes += size
	}
	b = fmt.Appendf(b, "%s: %08x\n", stateSumName, stateSum(b))
	return c, inOrder(
		func() error { return syncTree(fs, dir) },
		func() error { return writePrivate(fs, dir, sealFile, b) },
	)
}

// Copied says what a backup or a restore has copied.
type Copied struct {
	Dir      string `json:"dir"`
	MadeUnix int64  `json:"made_unix"` // when the backup was made
	Files    int    `json:"files"`
	Bytes    int64  `json:"bytes"`
	Keys     bool   `json:"keys"` // private keys are among them
}

// CheckBackup compares a backup with its seal: every file must be there as it was, and no other.
// Errors: ErrBackup with the file, or the system's.
func CheckBackup(fs FS, dir string) (Copied, error) {
	if fs == nil {
		fs = vfs.Default
	}
	b, err := readSeal(fs, dir)
	if err != nil {
		return Copied{}, err
	}
	c := Copied{Dir: dir}
	listed := map[string]bool{sealFile: true}
	lines := bufio.NewScanner(bytes.NewReader(b))
	for lines.Scan() {
		var sum, name string
		var size int64
		if n, _ := fmt.Sscanf(lines.Text(), "made: %d", &c.MadeUnix); n == 1 {
			continue
		}
		if !strings.HasPrefix(lines.Text(), "file: ") {
			continue
		}
		if n, err := fmt.Sscanf(lines.Text(), "file: %s %d %q", &sum, &size, &name); n != 3 || err != nil {
			return c, fmt.Errorf("%w: line %q of %s", ErrBackup, lines.Text(), sealFile)
		}
		if err := sameFile(fs, dir, name, size, sum); err != nil {
			return c, err
		}
		listed[name] = true
		c.Files++
		c.Bytes += size
		c.Keys = c.Keys || strings.HasPrefix(name, keysFolder+"/")
	}
	files, err := filesBelow(fs, dir)
	for _, name := range files {
		if !listed[name] && name != lockFile { // whoever looks at a backup locks it
			return c, fmt.Errorf("%w: %s does not belong to it", ErrBackup, fs.PathJoin(dir, name))
		}
	}
	return c, errors.Join(err, lines.Err())
}

func sameFile(fs FS, dir, name string, size int64, sum string) error {
	path := fs.PathJoin(dir, name)
	gotSize, gotSum, err := fileSum(fs, path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return fmt.Errorf("%w: %s is missing", ErrBackup, path)
	case err != nil:
		return err
	case gotSize != size:
		return fmt.Errorf("%w: %s has %d bytes, it had %d", ErrBackup, path, gotSize, size)
	case gotSum != sum:
		return fmt.Errorf("%w: %s is not what it was (SHA-256)", ErrBackup, path)
	}
	return nil
}

// readSeal reads the seal and checks its sum.
func readSeal(fs FS, dir string) ([]byte, error) {
	path := fs.PathJoin(dir, sealFile)
	f, err := fs.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%w: %s is missing: it is no backup, or one that did not come to its end", ErrBackup, path)
	}
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, sealBytesMax))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	at := bytes.LastIndex(b, []byte("\n"+stateSumName+": ")) + 1
	if at == 0 || string(b[at:]) != fmt.Sprintf("%s: %08x\n", stateSumName, stateSum(b[:at])) {
		return nil, fmt.Errorf("%w: %s is damaged", ErrBackup, path)
	}
	if !bytes.Contains(b[:at], []byte("\nversion: 1\n")) {
		return nil, fmt.Errorf("%w: %s is of a later version", ErrStoreVersion, path)
	}
	return b[:at], nil
}

// noRoom names a full disk as such.
func noRoom(err error) error {
	if vfs.IsNoSpaceError(err) && !errors.Is(err, ErrDiskFull) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}
