package freebsd_test

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"trunkline/tuning"
)

var update = flag.Bool("update", false, "write the rendered settings anew; read the difference")

// boxes are machines as somebody would buy them for so many connections. docs/freebsd.md has the arithmetic.
var boxes = []struct {
	name        string
	connections int64
	cores       int
	memoryGiB   int64
}{
	{"100k", 100_000, 8, 16}, {"1M", 1_000_000, 16, 64}, {"2.4M", 2_400_000, 24, 128},
}

func TestShippedSettingsAreWhatTuneRenders(t *testing.T) {
	for _, b := range boxes {
		m := tuning.Machine{OS: tuning.FreeBSD, Release: tuning.Release{Major: 14, Minor: 1}, Arch: "amd64", Cores: b.cores, MemoryBytes: b.memoryGiB << 30, PageBytes: 4096}
		for format, name := range map[string]string{"loader.conf": "loader.conf.d/loader-" + b.name + ".conf", "sysctl.conf": "sysctl.conf.d/sysctl-" + b.name + ".conf"} {
			f, err := tuning.ParseFormat(format)
			if err != nil {
				t.Fatal(err)
			}
			want, err := tuning.Render(f, tuning.Load{Connections: b.connections}, m)
			if err != nil {
				t.Fatal(err)
			}
			if *update {
				if err := os.WriteFile(name, want, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got, err := os.ReadFile(name)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s is not what tune renders (%v): go test ./freebsd -run Shipped -update writes it anew", name, err)
			}
		}
	}
}

// The settings in the login class of the package and those that tune renders must not contradict each other.
func TestTheLoginClassIsAsGenerousAsTuneWants(t *testing.T) {
	text, err := os.ReadFile("login.conf")
	if err != nil {
		t.Fatal(err)
	}
	f, err := tuning.ParseFormat("login.conf")
	if err != nil {
		t.Fatal(err)
	}
	b := boxes[len(boxes)-1]
	m := tuning.Machine{OS: tuning.FreeBSD, Release: tuning.Release{Major: 14, Minor: 1}, Arch: "amd64", Cores: b.cores, MemoryBytes: b.memoryGiB << 30, PageBytes: 4096}
	rendered, err := tuning.Render(f, tuning.Load{Connections: b.connections}, m)
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for line := range strings.Lines(string(rendered)) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, ":") {
			found++
			if !strings.Contains(string(text), line) {
				t.Errorf("login.conf lacks %q, which tune renders", line)
			}
		}
	}
	if found == 0 {
		t.Error("tune renders nothing for login.conf: the comparison is broken")
	}
}
