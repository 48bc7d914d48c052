package store

import (
	"bytes"
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func someState() state {
	return state{
		Incarnation: 0xfedcba9876543210, Owner: OwnerEpochMax, Ack: AckMemory, Replayed: true,
		Journals: []journalPlace{{ID: "0001", Path: "journal"}, {ID: "ff02", Path: "/mnt/two words\n\"x\""}},
	}
}

func TestAStateFileIsReadBack(t *testing.T) {
	fs := vfs.NewMem()
	must(t, fs.MkdirAll("data", 0o700))
	if _, ok, err := readState(fs, "data"); ok || err != nil {
		t.Fatalf("without a file: %v, %v", ok, err)
	}
	for _, want := range []state{someState(), {Incarnation: 7, Clean: true, Backup: true}} {
		must(t, writeState(fs, "data", &want))
		got, ok, err := readState(fs, "data")
		if must(t, err); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("read %+v, want %+v", got, want)
		}
	}
}

func TestAStateFileSurvivesAnyCrashWholeOrAsItWas(t *testing.T) {
	fs := vfs.NewCrashableMem()
	must(t, makeDir(fs, "data"))
	one, two := state{Incarnation: 1}, someState()
	must(t, writeState(fs, "data", &one))
	if got, ok, err := readState(fs.CrashClone(vfs.CrashCloneCfg{}), "data"); err != nil || !ok || got.Incarnation != 1 {
		t.Fatalf("it was not durable: %+v, %v, %v", got, ok, err)
	}
	must(t, writeState(fs, "data", &two))
	if got, _, err := readState(fs.CrashClone(vfs.CrashCloneCfg{}), "data"); err != nil || !reflect.DeepEqual(got, two) {
		t.Fatalf("the second was not durable: %+v, %v", got, err)
	}
}

func TestEveryDamagedByteOfAStateFileIsNamed(t *testing.T) {
	s := someState()
	whole := s.bytes()
	try := func(what string, at int, b []byte) {
		t.Helper()
		fs := vfs.NewMem()
		must(t, fs.MkdirAll("data", 0o700))
		f, err := fs.Create("data/state", vfs.WriteCategoryUnspecified)
		must(t, err)
		_, err = f.Write(b)
		must(t, errors.Join(err, f.Close()))
		_, ok, err := readState(fs, "data")
		var damage *DamageError
		switch {
		case ok:
			t.Errorf("%s at byte %d: it was read", what, at)
		case errors.Is(err, ErrStoreVersion): // a digit of the version
		case !errors.Is(err, ErrStateDamaged) || !errors.As(err, &damage) || damage.Path != "data/state" || damage.Offset < 0:
			t.Errorf("%s at byte %d: %v", what, at, err)
		}
	}
	for i := range whole {
		for _, flip := range []byte{0x01, 0x20, 0x80} {
			b := bytes.Clone(whole)
			b[i] ^= flip
			try("a flipped bit", i, b)
		}
		try("a file that ends", i, whole[:i])
	}
	try("more at the end", len(whole), append(bytes.Clone(whole), '\n'))
	try("a long file", 0, bytes.Repeat([]byte("#\n"), StateBytesMax))
}

func TestAStateFileOfALaterVersionIsNotDamaged(t *testing.T) {
	s := someState()
	b := bytes.Replace(s.bytes(), []byte("version: 1\n"), []byte("version: 2\nsomething: new\n"), 1)
	_, _, err := parseState(b)
	if !errors.Is(err, ErrStoreVersion) || !strings.Contains(err.Error(), "version 2") {
		t.Errorf("%v", err)
	}
}

func TestAStateFileThatCannotBeReadIsNotDamaged(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Mkdir(dir+"/state", 0o700))
	if _, _, err := readState(vfs.Default, dir); err == nil || errors.Is(err, ErrStateDamaged) {
		t.Errorf("a directory in its place: %v", err)
	}
}

func FuzzState(f *testing.F) {
	s := someState()
	f.Add(s.bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		s, _, err := parseState(b)
		if err != nil {
			return
		}
		again, _, err := parseState(s.bytes())
		if must(t, err); !reflect.DeepEqual(again, s) {
			t.Errorf("%+v became %+v", s, again)
		}
	})
}
