package tuning

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testBox is a machine of a test: limits in a map, files below a temporary directory.
type testBox struct {
	machine Machine
	values  map[string]Value
	writes  []string
	refuse  map[string]error // by name: what Write answers
}

func (b *testBox) Machine() (Machine, error) { return b.machine, nil }

func (b *testBox) Read(l *Limit) (Value, error) {
	v, ok := b.values[l.Name]
	if !ok {
		return Value{}, ErrUnknown
	}
	return v, nil
}

func (b *testBox) Write(l *Limit, v Value) error {
	if err := b.refuse[l.Name]; err != nil {
		return err
	}
	if l.Kind != Sysctl {
		return ErrReboot
	}
	b.writes = append(b.writes, l.Name+"="+v.String())
	b.values[l.Name] = v
	return nil
}

func (b *testBox) Counters() (Counters, error) { return nil, nil }

const testConnections = 100_000

// bigBox has every limit as needed by testConnections, but for those that the test changes.
func bigBox(t *testing.T, system OS) *testBox {
	t.Helper()
	m := Machine{OS: system, Release: Release{14, 1}, Arch: "amd64", Cores: 8, MemoryBytes: 32 << 30, PageBytes: 4096}
	if system == Linux {
		m.Release = Release{6, 12}
	}
	load, err := Load{Connections: testConnections}.Complete(m)
	if err != nil {
		t.Fatal(err)
	}
	b := &testBox{machine: m, values: map[string]Value{}, refuse: map[string]error{}}
	for _, line := range needs(load, m) {
		b.values[line.limit.Name] = line.value
	}
	return b
}

// image makes the directories and files of a system below a temporary directory.
func image(t *testing.T, system OS, files map[string]string) (dir string, disk *RootDisk) {
	t.Helper()
	dir = t.TempDir()
	dirs := []string{"etc", "boot", "var/db"}
	if system == Linux {
		dirs = []string{"etc/systemd/system", "etc/sysctl.d", "var/lib"}
	}
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	disk, err := OpenRootDisk(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = disk.Close() })
	return dir, disk
}

// tree is every file below dir with its text; directories are left out.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		rel, _ := filepath.Rel(dir, name)
		files[filepath.ToSlash(rel)] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func sameTree(t *testing.T, what string, got, want map[string]string) {
	t.Helper()
	for name, text := range want {
		if got[name] != text {
			t.Errorf("%s: %s is %q, want %q", what, name, got[name], text)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s should not be there", what, name)
		}
	}
}

// memory is a Disk whose files are a map. Directories are there when files below them are, or when they were made.
type memory struct {
	files map[string]File
	dirs  map[string]bool
}

func memoryImage(files map[string]string) *memory {
	m := &memory{map[string]File{}, map[string]bool{"etc": true, "boot": true}}
	for name, text := range files {
		m.files[name] = File{Text: []byte(text), Mode: 0o644}
	}
	return m
}

func (m *memory) tree() map[string]string {
	files := map[string]string{}
	for name, f := range m.files {
		files[name] = string(f.Text)
	}
	return files
}

func (m *memory) Read(name string) (File, error) {
	f, ok := m.files[name]
	if !ok {
		return f, fs.ErrNotExist
	}
	return f, nil
}

func (m *memory) Create(name string, f File) error {
	if _, ok := m.files[name]; ok {
		return fs.ErrExist
	}
	m.files[name] = f
	return nil
}

func (m *memory) Rename(from, to string) error {
	f, ok := m.files[from]
	if !ok {
		return fs.ErrNotExist
	}
	delete(m.files, from)
	m.files[to] = f
	return nil
}

func (m *memory) Remove(name string) error {
	delete(m.files, name)
	return nil
}

func (m *memory) HasDir(name string) (bool, error) { return m.dirs[name], nil }

func (m *memory) MakeDir(name string) error {
	m.dirs[name] = true
	return nil
}

// failingDisk fails its call number at, counted from 1, with err; a Create that fails has written half.
// With stays it fails every later call too: a machine that lost its disk, or its power.
type failingDisk struct {
	Disk
	at    int
	err   error
	stays bool
	calls int
}

func (d *failingDisk) fails() bool {
	d.calls++
	return d.calls == d.at || d.stays && d.at > 0 && d.calls > d.at
}

func (d *failingDisk) Read(name string) (File, error) {
	if d.fails() {
		return File{}, d.err
	}
	return d.Disk.Read(name)
}

func (d *failingDisk) Create(name string, f File) error {
	if !d.fails() {
		return d.Disk.Create(name, f)
	}
	if d.calls == d.at {
		f.Text = f.Text[:len(f.Text)/2]
		if err := d.Disk.Create(name, f); err != nil {
			return err
		}
	}
	return d.err
}

func (d *failingDisk) Rename(from, to string) error {
	if d.fails() {
		return d.err
	}
	return d.Disk.Rename(from, to)
}

func (d *failingDisk) Remove(name string) error {
	if d.fails() {
		return d.err
	}
	return d.Disk.Remove(name)
}

func (d *failingDisk) HasDir(name string) (bool, error) {
	if d.fails() {
		return false, d.err
	}
	return d.Disk.HasDir(name)
}

func (d *failingDisk) MakeDir(name string) error {
	if d.fails() {
		return d.err
	}
	return d.Disk.MakeDir(name)
}

// applied proposes and applies.
func applied(t *testing.T, s Setup, m Machine, lower bool) (*Proposal, error) {
	t.Helper()
	p, err := s.Propose(Load{Connections: testConnections}, m, lower)
	if err != nil {
		return nil, errors.Join(ErrNothing, err)
	}
	return p, s.Apply(p)
}

func undone(t *testing.T, s Setup, m Machine) (*Proposal, error) {
	t.Helper()
	p, err := s.ProposeUndo(m)
	if err != nil {
		return nil, err
	}
	return p, s.Undo(p)
}

// lineOf is the line of text that begins with head.
func lineOf(text, head string) string {
	for _, line := range strings.Split(text, "\n") {
		if strings.HasPrefix(line, head) {
			return line
		}
	}
	return ""
}
