package main

import (
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"
)

const (
	modeProgram = 0o755
	modeFile    = 0o644
)

// item is one file of the package.
type item struct {
	path   string
	mode   int64
	config bool
	text   []byte
}

// sum is the file's checksum as pkg(8) writes it: 1 stands for SHA-256 in hex.
func (i *item) sum() string {
	sum := sha256.Sum256(i.text)
	return "1$" + hex.EncodeToString(sum[:])
}

// sources says from where in the project the files of a folder of the package come. The longest prefix wins; behind it names are the same.
var sources = []struct{ installed, project string }{
	{"/etc/rc.d/", "freebsd/rc.d/"},
	{"/etc/newsyslog.conf.d/", "freebsd/newsyslog.conf.d/"},
	{"/etc/periodic/daily/", "freebsd/periodic/daily/"},
	{"/libexec/trunkline/", "freebsd/capacity/"},
	{"/share/examples/trunkline/loader-", "freebsd/loader.conf.d/loader-"},
	{"/share/examples/trunkline/sysctl-", "freebsd/sysctl.conf.d/sysctl-"},
	{"/share/examples/trunkline/login", "freebsd/login"},
	{"/share/doc/trunkline/", "docs/"},
}

// source is the file that is installed as a path; "" for none. The server itself is given by a flag.
func source(installed string, o options) string {
	rel, ok := strings.CutPrefix(installed, prefix)
	if !ok {
		return ""
	}
	if rel == "/bin/trunkline" {
		return o.binary
	}
	for _, s := range sources {
		if rest, ok := strings.CutPrefix(rel, s.installed); ok {
			return filepath.Join(o.root, filepath.FromSlash(s.project+rest))
		}
	}
	return ""
}

// gather reads what the plist names.
func gather(p *port, o options) ([]item, error) {
	if err := checkBinary(o.binary, o.arch); err != nil {
		return nil, err
	}
	var items []item
	for _, row := range p.plist {
		from := source(path.Clean(row.path), o)
		if from == "" {
			return nil, fmt.Errorf("%w: %s", errNoSource, row.path)
		}
		text, err := os.ReadFile(from)
		if err != nil {
			return nil, fmt.Errorf("%w: %s: %w", errNoSource, row.path, err)
		}
		mode := row.mode
		if mode == 0 {
			mode = modeFile
			if strings.HasPrefix(row.path, prefix+"/bin/") {
				mode = modeProgram
			}
		}
		items = append(items, item{path: row.path, mode: mode, config: row.config, text: text})
	}
	return items, nil
}

// checkBinary refuses a program of another system: a package that installs and does not run is worse than none.
func checkBinary(name, arch string) error {
	want, ok := map[string]elf.Machine{"amd64": elf.EM_X86_64, "arm64": elf.EM_AARCH64}[arch]
	if !ok {
		return fmt.Errorf("%w %q: amd64 or arm64", errArch, arch)
	}
	f, err := elf.Open(name)
	if err != nil {
		return fmt.Errorf("%w: %w", errNotBuilt, err)
	}
	defer func() { _ = f.Close() }() // only read
	if f.Machine != want || f.OSABI != elf.ELFOSABI_FREEBSD {
		return fmt.Errorf("%w: %s is for %s, %s", errNotBuilt, name, f.OSABI, f.Machine)
	}
	return nil
}
