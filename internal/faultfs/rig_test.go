package faultfs

import (
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const anyCategory = vfs.WriteCategoryUnspecified

// disk is a disk that fails over one in memory.
type disk struct {
	*FS
	t       testing.TB
	platter vfs.FS
	died    int
}

func newDisk(t testing.TB, platter vfs.FS, spec string) *disk {
	t.Helper()
	d := &disk{t: t, platter: platter}
	for _, dir := range []string{"/d", "/e"} {
		must(t, platter.MkdirAll(dir, 0o700))
	}
	f, err := Wrap(platter, spec, func() { d.died++ }, "/")
	must(t, err)
	d.FS = f
	return d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// restarted is the disk that the next process finds.
func (d *disk) restarted() *disk {
	d.t.Helper()
	return newDisk(d.t, d.platter, "")
}

// create makes a file with a content and leaves it open.
func (d *disk) create(name, text string) vfs.File {
	d.t.Helper()
	f, err := d.Create(name, anyCategory)
	must(d.t, err)
	_, err = f.Write([]byte(text))
	must(d.t, err)
	return f
}

func (d *disk) syncDir(name string) {
	d.t.Helper()
	must(d.t, d.trySyncDir(name))
}

func (d *disk) trySyncDir(name string) error {
	h, err := d.OpenDir(name)
	if err != nil {
		return err
	}
	return errors.Join(h.Sync(), h.Close())
}

// keep makes a file that survives.
func (d *disk) keep(name, text string) {
	d.t.Helper()
	f := d.create(name, text)
	must(d.t, f.Sync())
	must(d.t, f.Close())
	d.syncDir(d.PathDir(name))
}

// read is a file's content; "-" when it is not there.
func read(t testing.TB, on vfs.FS, name string) string {
	t.Helper()
	f, err := on.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return "-"
	}
	must(t, err)
	defer func() { must(t, f.Close()) }()
	info, err := f.Stat()
	must(t, err)
	b := make([]byte, info.Size())
	if len(b) > 0 {
		_, err = f.ReadAt(b, 0)
		must(t, err)
	}
	return string(b)
}

// expect holds files against contents: "name=text", "name=-" for none.
func expect(t testing.TB, on vfs.FS, files ...string) {
	t.Helper()
	for _, f := range files {
		name, text, _ := strings.Cut(f, "=")
		if got := read(t, on, name); got != text {
			t.Errorf("%s has %.60q, %d bytes, want %.60q, %d", name, got, len(got), text, len(text))
		}
	}
}
