package main

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
)

const root = "../.."

// freebsdProgram is the head of an ELF file as the linker writes it for FreeBSD; nothing else of a program is looked at.
func freebsdProgram(machine, abi byte) []byte {
	head := make([]byte, 64)
	copy(head, "\x7fELF")
	head[4], head[5], head[6], head[7] = 2, 1, 1, abi // 64 bits, little endian, version 1
	head[16], head[18], head[20] = 2, machine, 1      // executable
	head[52], head[54], head[58] = 64, 56, 64         // sizes of the heads
	return append(head, bytes.Repeat([]byte("code"), 50_000)...)
}

func binary(t *testing.T, text []byte) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "trunkline")
	if err := os.WriteFile(name, text, 0o755); err != nil {
		t.Fatal(err)
	}
	return name
}

// entry is one file of an archive as it was read back.
type entry struct {
	head *tar.Header
	text []byte
}

func unpack(t *testing.T, name string) []entry {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // only read
	z, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var all []entry
	for r := tar.NewReader(z); ; {
		head, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{head, text})
	}
}

func made(t *testing.T, arch string, machine byte) (string, options) {
	t.Helper()
	o := options{root: root, binary: binary(t, freebsdProgram(machine, 9)), arch: arch, version: "0.1.0-dev+0123456789ab", out: t.TempDir(), epoch: 1_700_000_000}
	path, err := build(o)
	if err != nil {
		t.Fatal(err)
	}
	return path, o
}

func TestThePackageIsWhatPkgReads(t *testing.T) {
	path, o := made(t, "amd64", 62)
	if filepath.Base(path) != "trunkline-0.1.0.pre1.pkg" {
		t.Errorf("the package is %s", path)
	}
	all := unpack(t, path)
	if all[0].head.Name != "+COMPACT_MANIFEST" || all[1].head.Name != "+MANIFEST" {
		t.Fatalf("%s and %s come first", all[0].head.Name, all[1].head.Name)
	}
	var compact, whole manifest
	strict(t, all[0].text, &compact)
	strict(t, all[1].text, &whole)
	checkNames(t, &whole)
	if compact.Files != nil || compact.Scripts != nil || compact.Config != nil || compact.Name != whole.Name || compact.Flatsize != whole.Flatsize {
		t.Errorf("the compact manifest is %s", all[0].text)
	}
	checkFiles(t, &whole, all[2:], o)
}

func strict(t *testing.T, text []byte, m *manifest) {
	t.Helper()
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(m); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}

func checkNames(t *testing.T, m *manifest) {
	t.Helper()
	for what, got := range map[string][2]string{
		"name": {m.Name, "trunkline"}, "origin": {m.Origin, "net-im/trunkline"}, "version": {m.Version, "0.1.0.pre1"}, "abi": {m.ABI, "FreeBSD:*:amd64"},
		"arch": {m.Arch, "freebsd:*:x86:64"}, "prefix": {m.Prefix, "/usr/local"}, "licenses": {strings.Join(m.Licenses, ","), "APACHE20"},
		"licenselogic": {m.LicenseLogic, "single"}, "oldest": {m.Annotations["FreeBSD_version"], "1300139"},
		"messages": {fmt.Sprint(len(m.Messages), m.Messages[0].Type, m.Messages[1].Type), "2installremove"},
	} {
		if got[0] != got[1] {
			t.Errorf("%s is %q, want %q", what, got[0], got[1])
		}
	}
	for what, text := range map[string]string{"comment": m.Comment, "maintainer": m.Maintainer, "www": m.WWW, "desc": m.Desc, "pre-install": m.Scripts["pre-install"]} {
		if text == "" || strings.Contains(text, "${") && what != "pre-install" {
			t.Errorf("%s is %q", what, text)
		}
	}
}

func checkFiles(t *testing.T, m *manifest, files []entry, o options) {
	t.Helper()
	var size int64
	modes := map[string]string{}
	for _, e := range files {
		row, ok := m.Files[e.head.Name]
		sum := sha256.Sum256(e.text)
		if !ok || row.Sum != "1$"+hex.EncodeToString(sum[:]) || row.Uname != "root" || row.Gname != "wheel" {
			t.Errorf("%s is %+v in the manifest", e.head.Name, row)
		}
		if row.Perm != fmt.Sprintf("%#04o", e.head.Mode) || e.head.Uname != "root" || e.head.Gname != "wheel" || e.head.ModTime.Unix() != o.epoch {
			t.Errorf("%s is %+v in the archive, %s in the manifest", e.head.Name, e.head, row.Perm)
		}
		if !strings.HasPrefix(e.head.Name, "/usr/local/") || e.head.Typeflag != tar.TypeReg {
			t.Errorf("%s, type %c, is not a file below the prefix", e.head.Name, e.head.Typeflag)
		}
		size += int64(len(e.text))
		modes[e.head.Name] = row.Perm
	}
	if size != m.Flatsize || len(files) != len(m.Files) {
		t.Errorf("%d bytes in %d files, the manifest says %d in %d", size, len(files), m.Flatsize, len(m.Files))
	}
	for name, perm := range map[string]string{
		"/usr/local/bin/trunkline": "0755", "/usr/local/etc/rc.d/trunkline": "0555", "/usr/local/etc/periodic/daily/520.trunkline": "0555",
		"/usr/local/etc/newsyslog.conf.d/trunkline.conf": "0644", "/usr/local/libexec/trunkline/measure.sh": "0555",
		"/usr/local/share/examples/trunkline/sysctl-1M.conf": "0644", "/usr/local/share/doc/trunkline/freebsd.md": "0644",
	} {
		if modes[name] != perm {
			t.Errorf("%s has mode %q, want %s", name, modes[name], perm)
		}
	}
	if want := []string{"/usr/local/etc/newsyslog.conf.d/trunkline.conf"}; !slices.Equal(m.Config, want) {
		t.Errorf("configuration files are %q", m.Config)
	}
}

func TestTheSameSourceGivesTheSamePackage(t *testing.T) {
	first, _ := made(t, "arm64", 183)
	second, _ := made(t, "arm64", 183)
	a, errA := os.ReadFile(first)
	b, errB := os.ReadFile(second)
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("two runs differ: %v %v, %d and %d bytes", errA, errB, len(a), len(b))
	}
	if m := unpack(t, first); !bytes.Contains(m[1].text, []byte(`"FreeBSD:*:aarch64"`)) {
		t.Errorf("an arm64 package is for %s", m[0].text)
	}
}

// Everything that a shell script, a setting or a page of the folder is must be in the package, and do-install of the port must name it.
func TestNothingIsLeftOut(t *testing.T) {
	p, err := readPort(filepath.Join(root, "freebsd", "port"))
	if err != nil {
		t.Fatal(err)
	}
	makefile, err := os.ReadFile(filepath.Join(root, "freebsd", "port", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	packed := map[string]bool{}
	for _, row := range p.plist {
		from := source(row.path, options{root: root, binary: "bin"})
		packed[filepath.Clean(from)] = true
		if rel := strings.TrimPrefix(filepath.ToSlash(from), root+"/"); !named(string(makefile), rel) {
			t.Errorf("do-install of the port does not install %s", rel)
		}
	}
	for _, pattern := range []string{"rc.d/*", "newsyslog.conf.d/*", "periodic/daily/*", "capacity/*.sh", "loader.conf.d/*", "sysctl.conf.d/*", "login.conf"} {
		found, err := filepath.Glob(filepath.Join(root, "freebsd", pattern))
		if err != nil || len(found) == 0 {
			t.Errorf("%s: %d files, %v", pattern, len(found), err)
		}
		for _, f := range found {
			if !packed[filepath.Clean(f)] {
				t.Errorf("%s is not in pkg-plist", f)
			}
		}
	}
}

// named says whether a Makefile names a file, or all of its folder.
func named(makefile, file string) bool {
	dir, name := filepath.Split(file)
	return strings.Contains(makefile, "/"+file) || strings.Contains(makefile, "/"+dir+"*") && name != "" || file == "bin"
}

func TestWhatCanNotBePackedIsRefused(t *testing.T) {
	good := freebsdProgram(62, 9)
	for _, row := range []struct {
		name string
		o    options
		want error
	}{
		{"a program for Linux", options{binary: binary(t, freebsdProgram(62, 0)), arch: "amd64", version: "1.0.0"}, errNotBuilt},
		{"a program for another processor", options{binary: binary(t, good), arch: "arm64", version: "1.0.0"}, errNotBuilt},
		{"no program", options{binary: binary(t, []byte("#!/bin/sh\n")), arch: "amd64", version: "1.0.0"}, errNotBuilt},
		{"a processor that is none", options{binary: binary(t, good), arch: "vax", version: "1.0.0"}, errArch},
		{"a version that pkg-version(8) does not order", options{binary: binary(t, good), arch: "amd64", version: "1.0-beta"}, errVersion},
		{"a file that is missing", options{root: root, binary: filepath.Join(t.TempDir(), "none"), arch: "amd64", version: "1.0.0"}, errNotBuilt},
	} {
		t.Run(row.name, func(t *testing.T) {
			row.o.root, row.o.out = root, t.TempDir()
			if _, err := build(row.o); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
			if left, _ := os.ReadDir(row.o.out); len(left) != 0 {
				t.Errorf("%s was left behind", left[0].Name())
			}
		})
	}
}

func TestPortFilesThatAreWrongAreRefused(t *testing.T) {
	for _, row := range []struct {
		name, file, text string
		want             error
	}{
		{"a Makefile without a comment", "Makefile", "PORTNAME=\tx\n", errPortVariable},
		{"a keyword that nobody knows", "pkg-plist", "@fonts share/x\n", errPortKeyword},
		{"another owner", "pkg-plist", "@(chat,chat,0600) etc/x\n", errPortKeyword},
		{"a folder that nobody knows", "pkg-plist", "%%DATADIR%%/x\n", errPortKeyword},
		{"a message without an end", "pkg-message", "{ type: install\n  message: <<EOM\nhello\n", errPortMessage},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, name := range []string{"Makefile", "pkg-descr", "pkg-message", "pkg-plist", "pkg-pre-install"} {
				text, err := os.ReadFile(filepath.Join(root, "freebsd", "port", name))
				if err != nil {
					t.Fatal(err)
				}
				if name == row.file {
					text = []byte(row.text)
				}
				if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := readPort(dir); !errors.Is(err, row.want) {
				t.Errorf("got %v, want %v", err, row.want)
			}
		})
	}
}

func TestVersionsAreOrderedAsPkgOrdersThem(t *testing.T) {
	for in, want := range map[string]string{
		"0.1.0": "0.1.0", "0.1.0-dev": "0.1.0.pre1", "0.1.0-dev+0123456789ab": "0.1.0.pre1", "v1.2.3-rc2": "1.2.3.rc2", "1.0": "", "1.0.0-beta": "", "": "",
	} {
		got, err := pkgVersion(in)
		if got != want || (err != nil) != (want == "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
}

func TestTextsAreEncodedAsLibpkgDecodesThem(t *testing.T) {
	if got := encoded("100 % é ${x%y}"); got != "100 %25 %c3%a9 ${x%25y}" {
		t.Errorf("got %q", got)
	}
}

func TestTheCommandSaysWhatItMadeAndWhatIsWrong(t *testing.T) {
	var out, errs bytes.Buffer
	args := []string{"-root", root, "-binary", binary(t, freebsdProgram(62, 9)), "-version", "0.1.0", "-out", t.TempDir()}
	if code := run(args, &out, &errs); code != 0 || !strings.HasSuffix(out.String(), "trunkline-0.1.0.pkg\n") {
		t.Errorf("exit %d, %q %q", code, out.String(), errs.String())
	}
	for _, row := range []struct {
		args []string
		code int
		want string
	}{
		{nil, 2, "-binary and -version are needed"}, {[]string{"-nonsense"}, 2, "nonsense"}, {[]string{"-h"}, 0, "-binary"},
		{[]string{"-binary", "/nonexistent", "-version", "1.0.0", "-root", root}, 1, "not a FreeBSD program"},
	} {
		errs.Reset()
		if code := run(row.args, &out, &errs); code != row.code || !strings.Contains(errs.String(), row.want) {
			t.Errorf("%q: exit %d, %q", row.args, code, errs.String())
		}
	}
}
