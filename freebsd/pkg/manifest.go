package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// oldestFreeBSD is the oldest release that the server supports, as __FreeBSD_version: 13.0. On an older one pkg(8) asks before it installs.
const oldestFreeBSD = "1300139"

// manifest is +MANIFEST, with the names of libpkg. +COMPACT_MANIFEST is the same without what is below the line.
type manifest struct {
	Name         string            `json:"name"`
	Origin       string            `json:"origin"`
	Version      string            `json:"version"`
	Comment      string            `json:"comment"`
	Maintainer   string            `json:"maintainer"`
	WWW          string            `json:"www"`
	ABI          string            `json:"abi"`
	Arch         string            `json:"arch"` // the older name of the same
	Prefix       string            `json:"prefix"`
	Flatsize     int64             `json:"flatsize"` // bytes of the files
	LicenseLogic string            `json:"licenselogic"`
	Licenses     []string          `json:"licenses"`
	Desc         string            `json:"desc"`
	Categories   []string          `json:"categories"`
	Users        []string          `json:"users,omitempty"`
	Groups       []string          `json:"groups,omitempty"`
	Annotations  map[string]string `json:"annotations"`
	Messages     []message         `json:"messages"`
	// Only in +MANIFEST:
	Files   map[string]fileRow `json:"files,omitempty"`
	Config  []string           `json:"config,omitempty"`
	Scripts map[string]string  `json:"scripts,omitempty"`
}

type fileRow struct {
	Sum   string `json:"sum"`
	Uname string `json:"uname"`
	Gname string `json:"gname"`
	Perm  string `json:"perm"`
}

func newManifest(p *port, items []item, o options) (*manifest, error) {
	version, err := pkgVersion(o.version)
	if err != nil {
		return nil, err
	}
	m := &manifest{
		Name: p.name, Origin: p.origin, Version: version, Comment: p.comment, Maintainer: p.maintainer, WWW: p.www, Prefix: prefix,
		LicenseLogic: "single", Licenses: []string{p.license}, Desc: encoded(p.desc), Categories: p.categories,
		Users: []string{p.name}, Groups: []string{p.name},
		Annotations: map[string]string{"FreeBSD_version": oldestFreeBSD, "version": encoded(o.version)},
		Messages:    p.messages, Files: map[string]fileRow{}, Scripts: map[string]string{"pre-install": encoded(p.preInstall)},
	}
	// A static program runs on each release from the oldest on, so the release is a star, which pkg(8) takes as a pattern.
	m.ABI, m.Arch = "FreeBSD:*:amd64", "freebsd:*:x86:64"
	if o.arch == "arm64" {
		m.ABI, m.Arch = "FreeBSD:*:aarch64", "freebsd:*:aarch64:64"
	}
	for i := range items {
		it := &items[i]
		m.Flatsize += int64(len(it.text))
		m.Files[encoded(it.path)] = fileRow{Sum: it.sum(), Uname: "root", Gname: "wheel", Perm: fmt.Sprintf("%#04o", it.mode)}
		if it.config {
			m.Config = append(m.Config, encoded(it.path))
		}
	}
	return m, nil
}

// compact leaves out what pkg(8) does not need to list a package.
func (m *manifest) compact() *manifest {
	c := *m
	c.Files, c.Config, c.Scripts = nil, nil, nil
	return &c
}

func (m *manifest) text() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(b.Bytes()), nil
}

// encoded is a text as a manifest has it: libpkg decodes %xx in descriptions, scripts and paths, so a percent sign must be written so.
func encoded(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c == '%' || c >= 0x80 {
			fmt.Fprintf(&b, "%%%02x", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// projectVersion is a version of the project: numbers, what it leads to, and the commit, which a package does not carry.
var projectVersion = regexp.MustCompile(`^v?(\d+\.\d+\.\d+)(?:-(dev|rc\d+))?(?:\+[0-9a-f]+)?$`)

// pkgVersion is a version as pkg-version(8) orders it: pre and rc come before the release, and a minus sign would end the version.
func pkgVersion(version string) (string, error) {
	m := projectVersion.FindStringSubmatch(version)
	if m == nil {
		return "", fmt.Errorf("%w, not %q", errVersion, version)
	}
	switch m[2] {
	case "":
		return m[1], nil
	case "dev":
		return m[1] + ".pre1", nil
	}
	return m[1] + "." + m[2], nil
}
