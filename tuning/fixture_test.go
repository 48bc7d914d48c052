package tuning

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func TestAFixtureComesBackFromItsFile(t *testing.T) {
	for _, name := range boxes {
		f := box(t, name)
		f.Refusals["kern.maxfiles"] = ErrPermission
		path := filepath.Join(t.TempDir(), "box.json")
		if err := WriteFixture(path, f); err != nil {
			t.Fatal(err)
		}
		back, err := ReadFixture(path)
		if err != nil || !reflect.DeepEqual(back, f) {
			t.Errorf("%s: %v\n%+v\n%+v", name, err, back, f)
		}
	}
}

func TestAFileThatIsNoFixtureIsAnErrorThatNamesIt(t *testing.T) {
	for name, text := range map[string]string{
		"nothing":           "",
		"no JSON":           "kern.maxfiles=1",
		"another schema":    `{"schema": 2, "machine": {"os": "linux"}, "limits": {}}`,
		"no machine":        `{"schema": 1, "limits": {}}`,
		"another system":    `{"schema": 1, "machine": {"os": "plan9"}, "limits": {}}`,
		"a typing error":    `{"schema": 1, "machine": {"os": "linux"}, "limit": {}}`,
		"half a number":     `{"schema": 1, "machine": {"os": "linux"}, "limits": {"fs.nr_open": 1.5}}`,
		"a strange refusal": `{"schema": 1, "machine": {"os": "linux"}, "limits": {}, "refusals": {"fs.nr_open": "maybe"}}`,
	} {
		path := filepath.Join(t.TempDir(), "box.json")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadFixture(path); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if _, err := ReadFixture(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestAFixtureIsWrittenAsARunningSystemIs(t *testing.T) {
	f := box(t, "freebsd14")
	f.Refusals["net.inet.tcp.msl"] = ErrPermission
	for _, row := range []struct {
		name string
		want error
	}{
		{"kern.maxfiles", nil},
		{"net.inet.tcp.tcbhashsize", ErrReboot},
		{"RLIMIT_NOFILE", ErrUnsupported},
		{"openfiles", ErrUnsupported},
		{"net.inet.tcp.msl", ErrPermission},
		{"net.pf.states_hashsize", ErrUnknown},
		{"SO_REUSEPORT_LB", ErrUnsupported},
	} {
		if err := f.Write(find(t, FreeBSD, row.name), Number(5)); !errors.Is(err, row.want) {
			t.Errorf("%s: got %v, want %v", row.name, err, row.want)
		}
	}
	if len(f.Writes) != 1 || f.Writes[0] != (Written{"kern.maxfiles", Number(5)}) || f.Values["kern.maxfiles"] != Number(5) {
		t.Errorf("got %+v", f.Writes)
	}
}

func TestARecordOfASystemAnswersAsTheSystemDoes(t *testing.T) {
	f := box(t, "freebsd14")
	f.Refusals["kern.maxfiles"] = ErrPermission
	delete(f.Values, "kern.maxfiles")
	f.Values["a limit that nobody knows"] = Number(1)
	copied, err := Record(f)
	if err != nil {
		t.Fatal(err)
	}
	delete(f.Values, "a limit that nobody knows")
	if copied.Box != f.Box || !maps.Equal(copied.Values, f.Values) || !errors.Is(copied.Refusals["kern.maxfiles"], ErrPermission) {
		t.Errorf("got %+v", copied)
	}
	load := Load{Connections: 2_400_000}
	if got, want := asJSON(t, check(t, copied, load)), asJSON(t, check(t, f, load)); got != want {
		t.Errorf("the record is judged differently: %s, want %s", got, want)
	}
	if _, err := Record(&Fixture{}); !errors.Is(err, ErrMachine) {
		t.Errorf("got %v", err)
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestThisMachineCanBeRecorded(t *testing.T) {
	f, err := Record(liveSystem(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "box.json")
	if err := WriteFixture(path, f); err != nil {
		t.Fatal(err)
	}
	back, err := ReadFixture(path)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(back.Values, f.Values) || len(back.Values) < 10 || !reflect.DeepEqual(back.Counted, f.Counted) {
		t.Errorf("got %+v, want %+v", back, f)
	}
}
