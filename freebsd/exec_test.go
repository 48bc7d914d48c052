package freebsd_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// runScript copies run.sh to a checkout that has nothing beside it and runs it there.
func runScript(t *testing.T, settings ...string) (out string, err error) {
	t.Helper()
	if runtime.GOOS == "freebsd" {
		t.Skip("here the script runs everything")
	}
	dir := filepath.Join(t.TempDir(), "checkout", "freebsd")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("run.sh")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "run.sh")
	if err := os.WriteFile(path, text, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "sh", path)
	cmd.Env = append(os.Environ(), "FBSDRUN=", "TRUNKLINE_FREEBSD_REQUIRED=")
	cmd.Env = append(cmd.Env, settings...)
	b, err := cmd.CombinedOutput()
	return string(b), err
}

func TestARunWithoutFreeBSDIsSkippedWithAReason(t *testing.T) {
	out, err := runScript(t)
	if err != nil || !strings.Contains(out, "freebsd-run: skipped: this is ") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestARunThatIsRequiredIsNotSkipped(t *testing.T) {
	out, err := runScript(t, "TRUNKLINE_FREEBSD_REQUIRED=1")
	if err == nil || strings.Contains(out, "skipped") || !strings.Contains(out, "required") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestARunWithATranslatorThatIsNotThereFails(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("there is no translator for this system")
	}
	out, err := runScript(t, "FBSDRUN="+filepath.Join(t.TempDir(), "none"))
	if err == nil || !strings.Contains(out, "no such program or folder") {
		t.Errorf("%v: %s", err, out)
	}
}

// A translator that knows nothing of a call says so on its standard error; the run must not pass over it.
func TestARunWithATranslatorThatKnowsTooLittleFails(t *testing.T) {
	if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
		t.Skip("there is no translator for this system")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"fbsdrun": "#!/bin/sh\necho 'fbsdrun: system call 999 is not translated' >&2\n",
		"go":      "#!/bin/sh\necho 'fbsdrun: system call 999 is not translated'\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	out, err := runScript(t, "FBSDRUN="+filepath.Join(dir, "fbsdrun"), "GO="+filepath.Join(dir, "go"))
	if err == nil || !strings.Contains(out, "does not know calls") || !strings.Contains(out, "1 fbsdrun: system call 999") {
		t.Errorf("%v: %s", err, out)
	}
}
