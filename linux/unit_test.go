// Package linux_test checks what an operator of Linux installs: the unit of systemd with its hardening, the settings that the service starts with,
// the rendered sysctl files against package tuning, and the Debian package.
// There is no Go program here; the folder holds files.
// It refuses to touch the machine: the unit is read, not started, and the server that is started has nothing but its own temporary folder.
package linux_test

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"trunkline/tuning"
)

const unitFile = "trunkline.service"

var update = flag.Bool("update", false, "write the rendered settings anew; read the difference")

// unit reads the settings of a unit: section and key to values, in their order.
func unit(t *testing.T, name string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	settings := map[string][]string{}
	section := ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "["):
			section = strings.Trim(line, "[]")
		default:
			key, value, ok := strings.Cut(line, "=")
			if !ok || section == "" {
				t.Fatalf("%s: %q is no setting", name, line)
			}
			settings[section+"."+key] = append(settings[section+"."+key], value)
		}
	}
	return settings
}

func TestTheUnitStartsWhatThePackageInstalls(t *testing.T) {
	have := unit(t, unitFile)
	for key, want := range map[string]string{
		"Service.Type": "exec", "Service.User": "trunkline", "Service.ExecStart": "/usr/bin/trunkline serve --config /etc/trunkline/trunkline.toml",
		"Service.StandardInput": "null", "Service.KillSignal": "SIGTERM", "Service.Restart": "on-failure", "Service.RestartPreventExitStatus": "2",
		"Service.StateDirectory": "trunkline", "Service.StateDirectoryMode": "0700", "Service.LimitNOFILE": "1048576", "Install.WantedBy": "multi-user.target",
	} {
		if got := have[key]; !slices.Equal(got, []string{want}) {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	for _, key := range []string{
		"NoNewPrivileges", "ProtectHome", "PrivateTmp", "PrivateDevices", "PrivateUsers", "ProtectClock", "ProtectHostname", "ProtectKernelLogs", "ProtectKernelModules",
		"ProtectKernelTunables", "ProtectControlGroups", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "MemoryDenyWriteExecute",
	} {
		if got := have["Service."+key]; !slices.Equal(got, []string{"yes"}) {
			t.Errorf("%s is %q", key, got)
		}
	}
	if !slices.Equal(have["Service.CapabilityBoundingSet"], []string{""}) || !slices.Equal(have["Service.ProtectSystem"], []string{"strict"}) {
		t.Error("capabilities or files of the system are left to it")
	}
}

// The unit must not promise what the server can't do: readiness, inherited listeners, a reload.
func TestTheUnitPromisesNothingThatTheServerCanNotDo(t *testing.T) {
	notifies, inherits := false, false
	for _, dir := range []string{"../server", "../netpoll", "../cmd/trunkline"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", dir, len(files), err)
		}
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			if !strings.HasSuffix(name, "_test.go") {
				notifies = notifies || bytes.Contains(text, []byte("NOTIFY_SOCKET"))
				inherits = inherits || bytes.Contains(text, []byte("LISTEN_FDS"))
			}
		}
	}
	have := unit(t, unitFile)
	if is := have["Service.Type"][0] == "notify"; is != notifies {
		t.Errorf("Type=%s, and the server tells systemd that it is ready: %v", have["Service.Type"][0], notifies)
	}
	if sockets, _ := filepath.Glob("*.socket"); (len(sockets) > 0) != inherits {
		t.Errorf("%d socket units, and the server takes listeners: %v", len(sockets), inherits)
	}
	if len(have["Service.ExecReload"]) != 0 {
		t.Error("the server has no reload")
	}
}

func TestSystemdFindsTheUnitGoodAndTight(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("no systemd-analyze here")
	}
	text, err := os.ReadFile(unitFile)
	if err != nil {
		t.Fatal(err)
	}
	// The program is not installed here; any that is takes its place.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "trunkline-test.service")
	if err := os.WriteFile(name, bytes.Replace(text, []byte("/usr/bin/trunkline"), []byte(self), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "--recursive-errors=no", name).CombinedOutput()
	if err != nil || len(bytes.TrimSpace(out)) != 0 {
		t.Errorf("verify: %v\n%s", err, out)
	}
	// 1.4 of 10 is what is left to a service that speaks to the network.
	if out, err := exec.CommandContext(t.Context(), "systemd-analyze", "security", "--offline=true", "--threshold=15", name).CombinedOutput(); err != nil {
		t.Errorf("security: %v\n%s", err, out)
	}
}

func TestTheServerStartsWithTheShippedSettings(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile("trunkline.toml")
	if err != nil {
		t.Fatal(err)
	}
	settings := filepath.Join(dir, "trunkline.toml")
	moved := strings.ReplaceAll(string(text), "/var/lib/trunkline", filepath.Join(dir, "db"))
	if moved == string(text) {
		t.Fatal("the settings name another directory than the unit")
	}
	if err := os.WriteFile(settings, []byte(moved), 0o600); err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(dir, "trunkline")
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "trunkline/cmd/trunkline").CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("no go command to build the server with")
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	// Only the ports are others, so that the test can run beside a server.
	cmd := exec.CommandContext(t.Context(), program, "serve", "--config", settings, "--listen", "127.0.0.1:0", "--admin", "off", "--loops", "1")
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stdout)
	started, drained := false, false
	for lines.Scan() {
		if strings.Contains(lines.Text(), "  chat    127.0.0.1:") {
			started = true
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
		drained = drained || lines.Text() == "drained, goodbye"
	}
	if err := cmd.Wait(); err != nil || !started || !drained {
		t.Errorf("%v, started: %v, drained: %v", err, started, drained)
	}
	if _, err := os.Stat(filepath.Join(dir, "db")); err != nil {
		t.Errorf("the data is elsewhere: %v", err)
	}
}

// boxes are machines as somebody would buy them for so many connections; freebsd/ ships settings for the same.
var boxes = []struct {
	name        string
	connections int64
	cores       int
	memoryGiB   int64
}{
	{"100k", 100_000, 8, 16}, {"1M", 1_000_000, 16, 64}, {"2.4M", 2_400_000, 24, 128},
}

func TestShippedSettingsAreWhatTuneRenders(t *testing.T) {
	f, err := tuning.ParseFormat("linux-sysctl.d")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range boxes {
		m := tuning.Machine{OS: tuning.Linux, Release: tuning.Release{Major: 6, Minor: 12}, Arch: "amd64", Cores: b.cores, MemoryBytes: b.memoryGiB << 30, PageBytes: 4096}
		want, err := tuning.Render(f, tuning.Load{Connections: b.connections}, m)
		if err != nil {
			t.Fatal(err)
		}
		name := "sysctl.d/trunkline-" + b.name + ".conf"
		if *update {
			if err := os.WriteFile(name, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what tune renders (%v): go test ./linux -run WhatTuneRenders -update writes it anew", name, err)
		}
	}
}

// packed is a file of nfpm.yaml: where it comes from, where it goes, and its permissions.
type packed struct{ src, dst, mode string }

var contentLine = regexp.MustCompile(`(?m)^  - src: (\S+)\n    dst: (\S+)\n(?:    (?:type: config\|noreplace|expand: true)\n)?    file_info: \{mode: (0\d+), owner: root, group: root\}$`)

func contents(t *testing.T) ([]packed, string) {
	t.Helper()
	text, err := os.ReadFile("nfpm.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var list []packed
	for _, m := range contentLine.FindAllStringSubmatch(string(text), -1) {
		list = append(list, packed{m[1], m[2], m[3]})
	}
	if n := strings.Count(string(text), "- src:"); n != len(list) || n < 5 {
		t.Fatalf("%d of %d files of nfpm.yaml have the form that is expected here", len(list), n)
	}
	return list, string(text)
}

func TestThePackageHasEveryFile(t *testing.T) {
	list, text := contents(t)
	sources := map[string]string{}
	for _, p := range list {
		sources[p.src] = p.dst
		if p.src == "${BINARY}" {
			continue
		}
		if _, err := os.Stat(filepath.Join("..", filepath.FromSlash(p.src))); err != nil {
			t.Error(err)
		}
	}
	for _, pattern := range []string{"*.service", "*.socket", "sysusers.conf", "*.toml", "sysctl.d/*"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range found {
			if sources["linux/"+filepath.ToSlash(name)] == "" {
				t.Errorf("linux/%s is not in the package", name)
			}
		}
	}
	exec := unit(t, unitFile)["Service.ExecStart"][0]
	if program, config := sources["${BINARY}"], sources["linux/trunkline.toml"]; !strings.HasPrefix(exec, program+" serve ") || !strings.HasSuffix(exec, " "+config) {
		t.Errorf("the unit starts %q, the package installs %s and %s", exec, program, config)
	}
	for _, script := range []string{"postinstall: linux/postinst", "preremove: linux/prerm", "postremove: linux/postrm", "type: config|noreplace"} {
		if !strings.Contains(text, script+"\n") {
			t.Errorf("nfpm.yaml lacks %q", script)
		}
	}
}

// debFile names a package that was built, for the test of what is in it: `make deb` sets it.
const debFile = "TRUNKLINE_DEB"

func TestTheBuiltPackageHasWhatItsPlanSays(t *testing.T) {
	name := os.Getenv(debFile)
	if name == "" {
		t.Skipf("no package: make deb builds one and sets %s", debFile)
	}
	out, err := exec.CommandContext(t.Context(), "dpkg-deb", "-c", name).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	modes := map[string]string{"0755": "-rwxr-xr-x", "0644": "-rw-r--r--"}
	list, _ := contents(t)
	for _, p := range list {
		found := false
		for line := range strings.Lines(string(out)) {
			field := strings.Fields(line)
			found = found || field[0] == modes[p.mode] && field[1] == "root/root" && field[2] != "0" && field[len(field)-1] == "."+p.dst
		}
		if !found {
			t.Errorf("%s with mode %s is not in the package:\n%s", p.dst, p.mode, out)
		}
	}
	fields, err := exec.CommandContext(t.Context(), "dpkg-deb", "-f", name, "Package", "Version", "Architecture").CombinedOutput()
	if err != nil || !strings.Contains(string(fields), "Package: trunkline\n") {
		t.Errorf("%v: %s", err, fields)
	}
}
