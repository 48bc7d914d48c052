package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

func TestWrongUseOfStoreIsOneLineAndExitStatus2(t *testing.T) {
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing to do", []string{"store"}, "say what to do: stats, check, repair, export, backup, restore, reseed"},
		{"something that is not there", []string{"store", "burn"}, `"burn" is none of stats, check`},
		{"words behind the word", []string{"store", "stats", "me"}, `"me" is not a flag`},
		{"a flag of another verb", []string{"store", "stats", "--user", "1"}, "unknown flag --user"},
		{"an export of nobody", []string{"store", "export"}, "--user says whose mailboxes and is required"},
		{"an export of a name", []string{"store", "export", "--user", "bob"}, "a user is a number"},
		{"an export of a device that is none", []string{"store", "export", "--user", "1", "--device", "256"}, "--device"},
		{"a backup to nowhere", []string{"store", "backup"}, "say where to"},
		{"a backup of two servers", []string{"store", "backup", "x", "--data", "y", "--admin", "127.0.0.1:1"}, "--data is for a stopped server and --admin for a running one"},
		{"a backup of an address that is none", []string{"store", "backup", "x", "--admin", "here"}, `--admin: "here" is not an address`},
		{"keys of a running server", []string{"store", "backup", "x", "--keys", "y", "--with-keys"}, "--keys is for --data"},
		{"a restore of nothing", []string{"store", "restore", "--data", "x"}, "--from names the backup and is required"},
		{"a restore to nowhere", []string{"store", "restore", "--from", "x"}, "--data names the directory that is made and is required"},
		{"no name of a journal", []string{"store", "check", "--journal", ""}, "--journal"},
	} {
		r := runBinary(t, row.args...)
		if r.code != exitUsage || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, row.want) {
			t.Errorf("%s: %+v, want %q", row.name, r, row.want)
		}
	}
}

func TestHelpOfEachVerbNamesItsFlagsAndExitStatus(t *testing.T) {
	for _, v := range append(storeVerbs(), storeVerb{name: ""}) {
		args := []string{"store"}
		if v.name != "" {
			args = append(args, v.name)
		}
		r := runBinary(t, append(args, "--help")...)
		if r.code != exitOK || r.stderr != "" || !strings.Contains(r.stdout, "Exit status: 0") || !strings.Contains(r.stdout, "--data") {
			t.Errorf("%v: %+v", args, r)
		}
	}
}

func TestAStoreThatIsNotThereIsOneLine(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"store", "stats", "--data", filepath.Join(dir, "none")}, "there is no data directory"},
		{[]string{"store", "stats", "--data", dir}, "there are no mailboxes"},
		{[]string{"store", "check", "--data", dir}, "there are no mailboxes"},
		{[]string{"store", "stats", "--data", file}, "is not a directory"},
		{[]string{"store", "restore", "--from", filepath.Join(dir, "none"), "--data", filepath.Join(dir, "new")}, "it is no backup, or one that did not come to its end"},
		{[]string{"store", "restore", "--from", dir, "--data", dir}, "the directory is not empty"},
		{[]string{"store", "backup", filepath.Join(dir, "b"), "--admin", "127.0.0.1:1"}, "nobody listens on 127.0.0.1:1"},
	} {
		r := runBinary(t, row.args...)
		if r.code != exitFailed || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, row.want) {
			t.Errorf("%v: %+v, want %q", row.args, r, row.want)
		}
	}
}

// document runs a verb with --json and reads what it prints.
func document(t *testing.T, args ...string) map[string]any {
	t.Helper()
	r := runBinary(t, append(args, "--json")...)
	var doc map[string]any
	if err := json.Unmarshal([]byte(r.stdout), &doc); err != nil || r.stderr != "" || r.code != exitOK {
		t.Fatalf("%v: %+v, %v", args, r, err)
	}
	return doc
}

func TestARunningServerIsBackedUpAndItsDirectoryIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	data, copied, back := filepath.Join(dir, "data"), filepath.Join(dir, "copy"), filepath.Join(dir, "back")
	s := serve(t, "--data", data)
	if r := runBinary(t, "send", "--plain", "--server", s.addr, "--user", "1", "--to", "2", "--state", filepath.Join(dir, "one"), "kept"); r.code != exitOK {
		t.Fatalf("send: %+v", r)
	}
	pid := strconv.Itoa(s.cmd.Process.Pid)
	for _, verb := range [][]string{{"stats"}, {"check"}, {"repair"}, {"repair", "--dry-run"}, {"export", "--user", "2"}, {"reseed"}, {"backup", filepath.Join(dir, "x")}} {
		r := runBinary(t, append(append([]string{"store"}, verb...), "--data", data)...)
		if r.code != exitFailed || r.stdout != "" || !strings.Contains(r.stderr, "is locked by process "+pid) || !strings.Contains(r.stderr, "trunkline status") {
			t.Errorf("%v beside a running server: %+v", verb, r)
		}
	}
	doc := document(t, "store", "backup", copied, "--admin", s.admin)
	if doc["files"].(float64) < 3 || doc["keys"] != false || doc["dir"] != copied {
		t.Errorf("%v", doc)
	}
	if r := runBinary(t, "store", "backup", copied, "--admin", s.admin); r.code != exitFailed || !strings.Contains(r.stderr, "is not empty") {
		t.Errorf("over a backup: %+v", r)
	}
	stopServer(s)
	document(t, "store", "restore", "--from", copied, "--data", back)
	for _, d := range []string{data, back} {
		stats := document(t, "store", "stats", "--data", d)
		if stats["messages"] != 1.0 {
			t.Errorf("%s: %v", d, stats)
		}
		r := runBinary(t, "store", "export", "--data", d, "--user", "2")
		if r.code != exitOK || !strings.Contains(r.stdout, `"type":"head"`) || !strings.Contains(r.stdout, `"type":"message"`) {
			t.Errorf("%s: %+v", d, r)
		}
		if r := runBinary(t, "store", "export", "--data", d, "--user", "77"); r.code != exitFailed || !strings.Contains(r.stderr, "no such mailbox: user 77") {
			t.Errorf("%s: %+v", d, r)
		}
		if doc := document(t, "store", "check", "--data", d); len(doc["problems"].([]any)) != 0 {
			t.Errorf("%s: %v", d, doc)
		}
		if doc := document(t, "store", "reseed", "--data", d); doc["before"].(map[string]any)["sum"] != doc["after"].(map[string]any)["sum"] {
			t.Errorf("%s: %v", d, doc)
		}
	}
	s = serve(t, "--data", back)
	r := runBinary(t, "recv", "--plain", "--server", s.addr, "--user", "2", "--state", filepath.Join(dir, "two"), "--count", "1")
	if r.code != exitOK || !strings.Contains(r.stdout, "kept") {
		t.Errorf("from the restored server: %+v", r)
	}
	stopServer(s)
}

// stopServer ends a server as Ctrl-C does.
func stopServer(s *serving) {
	s.t.Helper()
	s.signal(os.Interrupt)
	if code := s.wait(); code != exitOK {
		s.t.Fatalf("the server ended with %d: %s%s", code, s.out, s.errs)
	}
}
