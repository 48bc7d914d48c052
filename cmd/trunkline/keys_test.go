package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"trunkline/codec/secure"
	"trunkline/server"
)

// newKeys makes a directory of keys with the program.
func newKeys(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	if r := runBinary(t, "keys", "init", "--keys", dir); r.code != exitOK || r.stderr != "" {
		t.Fatalf("%+v", r)
	}
	return dir
}

// shownKey is the server key that `keys show --key-only` prints.
func shownKey(t *testing.T, dir string) secure.ServerKey {
	t.Helper()
	r := runBinary(t, "keys", "show", "--key-only", "--keys", dir)
	key, err := secure.ParseServerKey(strings.TrimSuffix(r.stdout, "\n"))
	if r.code != exitOK || r.stderr != "" || err != nil {
		t.Fatalf("%+v, %v", r, err)
	}
	return key
}

func TestKeysAreMadeOnceAndShownWithoutTheirSecrets(t *testing.T) {
	dir := newKeys(t)
	r := runBinary(t, "keys", "show", "--keys", dir)
	key := shownKey(t, dir).String()
	for _, want := range []string{"server key   " + key, "certificate  valid from ", "its private key is here", "tickets      current key 1, less than a minute old", "directory    " + dir} {
		if r.code != exitOK || !strings.Contains(r.stdout, want) {
			t.Errorf("lacks %q: %+v", want, r)
		}
	}
	secret := regexp.MustCompile(`[0-9a-f]{64}`)
	operator, err := os.ReadFile(filepath.Join(dir, "operator"))
	if err != nil {
		t.Fatal(err)
	}
	seed := secret.FindString(string(operator))
	serverFile, err := os.ReadFile(filepath.Join(dir, "server"))
	if err != nil {
		t.Fatal(err)
	}
	static := secret.FindString(string(serverFile))
	tickets, err := os.ReadFile(filepath.Join(dir, "tickets"))
	if err != nil {
		t.Fatal(err)
	}
	for _, private := range []string{seed, static, secret.FindString(string(tickets))} {
		if len(private) != 64 || strings.Contains(r.stdout, private) {
			t.Errorf("%q is shown, or is no key", private)
		}
	}
	if r := runBinary(t, "keys", "init", "--keys", dir); r.code != exitFailed || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "there are keys already") {
		t.Errorf("keys over keys: %+v", r)
	}
	if again := shownKey(t, dir).String(); again != key {
		t.Error("the keys have changed")
	}
}

func TestRotatingSaysWhatItMeansForClients(t *testing.T) {
	dir := newKeys(t)
	first := shownKey(t, dir)
	for _, row := range []struct {
		args             []string
		want             string
		static, operator bool // changes
	}{
		{[]string{"tickets"}, "every device does one full handshake", false, false},
		{[]string{"certificate"}, "certified anew", false, false},
		{[]string{"server"}, "Clients with the old pin are shown the certificate", true, false},
		{[]string{"operator", "--force"}, "NEW OPERATOR AND SERVER KEY", true, true},
	} {
		r := runBinary(t, append(append([]string{"keys", "rotate"}, row.args...), "--keys", dir)...)
		next := shownKey(t, dir)
		if r.code != exitOK || !strings.Contains(r.stdout, row.want) || !strings.Contains(r.stdout, next.String()) {
			t.Errorf("%v: %+v", row.args, r)
		}
		if (next.Static != first.Static) != row.static || (next.Operator != first.Operator) != row.operator {
			t.Errorf("%v: from %v to %v", row.args, first, next)
		}
		first = next
	}
}

func TestWrongUseOfKeysIsOneLineAndExitStatus2(t *testing.T) {
	dir := newKeys(t)
	before := shownKey(t, dir)
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"nothing to do", []string{"keys"}, "say what to do: init, show or rotate"},
		{"something that is not there", []string{"keys", "burn"}, `"burn" is none of init, show, rotate`},
		{"a rotation of nothing", []string{"keys", "rotate"}, "rotate what?"},
		{"a rotation of something unknown", []string{"keys", "rotate", "everything"}, `rotate "everything": it is none of`},
		{"a new operator without --force", []string{"keys", "rotate", "operator", "--keys", dir}, "every client must then pin the new server key by hand"},
		{"force where none is needed", []string{"keys", "rotate", "server", "--force", "--keys", dir}, "--force is for rotate operator"},
		{"force for what only looks", []string{"keys", "show", "--force"}, "unknown flag --force"},
		{"words behind the words", []string{"keys", "show", "me"}, `"me" is not a flag`},
		{"a token for nobody", []string{"token"}, "--user says for whom and is required"},
		{"a token for a user that is none", []string{"token", "--user", "bob"}, "a user is a number"},
		{"a token for two devices", []string{"token", "--user", "1", "--device", "0", "--any-device"}, "--device and --any-device are one too many"},
		{"a token that ended", []string{"token", "--user", "1", "--valid", "-1h"}, "--valid: -1h is not between 1s and 8784h"},
		{"a token for ever", []string{"token", "--user", "1", "--valid", "100000h"}, "--valid: 100000h is not between"},
		{"no tokens", []string{"token", "--user", "1", "--count", "0"}, "--count: 0 is not between 1 and 10000"},
		{"too many tokens", []string{"token", "--user", "1", "--count", "10001"}, "--count: 10001 is not between 1 and 10000"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := runBinary(t, row.args...)
			if r.code != exitUsage || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, row.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want 2 and one line with %q", r.code, r.stdout, r.stderr, row.want)
			}
		})
	}
	if shownKey(t, dir) != before {
		t.Error("wrong use has changed keys")
	}
}

func TestATokenIsOneLineThatTheOperatorSigned(t *testing.T) {
	dir := newKeys(t)
	key := shownKey(t, dir)
	for _, row := range []struct {
		name   string
		args   []string
		device uint8
		any    bool
		valid  time.Duration
		count  int
	}{
		{"a first device, for a day", nil, 0, false, 24 * time.Hour, 1},
		{"another device, for a minute", []string{"--device", "3", "--valid", "1m"}, 3, false, time.Minute, 1},
		{"three tokens for any device", []string{"--any-device", "--count", "3"}, 0, true, 24 * time.Hour, 3},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := runBinary(t, append([]string{"token", "--user", "1001", "--keys", dir}, row.args...)...)
			lines := strings.Split(strings.TrimSuffix(r.stdout, "\n"), "\n")
			if r.code != exitOK || r.stderr != "" || len(lines) != row.count {
				t.Fatalf("%+v", r)
			}
			ids := map[[8]byte]bool{}
			for _, line := range lines {
				b, err := secure.ParseTokenText(line)
				if err != nil {
					t.Fatal(err)
				}
				now := time.Now()
				token, err := secure.VerifyToken(b, key.Operator[:], uint64(now.Unix()))
				left := time.Unix(int64(token.NotAfter), 0).Sub(now)
				if err != nil || token.User != 1001 || token.Device != row.device || token.AnyDevice != row.any || left > row.valid || left < row.valid-patience {
					t.Errorf("got %+v, %v; %s are left", token, err, left)
				}
				ids[token.ID] = true
			}
			if len(ids) != row.count {
				t.Errorf("%d tokens have %d ids", row.count, len(ids))
			}
		})
	}
}

func TestKeysThatAreNotThereOrNotPrivateAreOneLineAndExitStatus1(t *testing.T) {
	none := filepath.Join(t.TempDir(), "none")
	wide, away := newKeys(t), newKeys(t)
	if err := os.Chmod(filepath.Join(wide, "operator"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(away, "operator")); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name string
		args []string
		want string
	}{
		{"a token without keys", []string{"token", "--user", "1", "--keys", none}, "no private key of the operator in " + none + "; --keys names the directory that has it"},
		{"a token where the operator's key is elsewhere", []string{"token", "--user", "1", "--keys", away}, "no private key of the operator in " + away},
		{"a token with a key that others read", []string{"token", "--user", "1", "--keys", wide}, "mend it with: chmod 600 " + wide + "/operator"},
		{"keys that are not there", []string{"keys", "show", "--keys", none}, "there are no keys in " + none + "; `trunkline keys init` makes some"},
		{"keys that others read", []string{"keys", "show", "--keys", wide}, "mend it with: chmod 600 " + wide + "/operator"},
		{"a rotation of keys that are not there", []string{"keys", "rotate", "server", "--keys", none}, "there are no keys in " + none},
		{"a rotation without the operator's key", []string{"keys", "rotate", "server", "--keys", away}, "no private key of the operator in " + away},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := runBinary(t, row.args...)
			if r.code != exitFailed || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, row.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want 1 and one line with %q", r.code, r.stdout, r.stderr, row.want)
			}
		})
	}
	if r := runBinary(t, "keys", "show", "--keys", away); r.code != exitOK || !strings.Contains(r.stdout, "its private key is kept elsewhere") {
		t.Errorf("%+v", r)
	}
}

func TestWithoutAFlagKeysAreThoseOfAServerThatWasToldNothing(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	cfg, err := parseServe(nil)
	if err != nil {
		t.Fatal(err)
	}
	dir, err := keysDir("")
	if err != nil || dir != cfg.KeysDir() || dir != filepath.Join(os.Getenv("XDG_STATE_HOME"), "trunkline", "server", "keys") {
		t.Fatalf("keys in %q, %v; serve has them in %q", dir, err, cfg.KeysDir())
	}
	if r := runBinary(t, "keys", "init"); r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	if r := runBinary(t, "token", "--user", "1001"); r.code != exitOK || !strings.HasPrefix(r.stdout, "tlt1") {
		t.Errorf("%+v", r)
	}
	if off, err := parseServe([]string{"--data=off", "--registration=" + server.RegistrationOpen}); err != nil || off.KeysDir() != "" {
		t.Errorf("--data off keeps keys in %q, %v", off.KeysDir(), err)
	}
	t.Setenv("XDG_STATE_HOME", "")
	t.Setenv("HOME", "")
	if r := runBinary(t, "serve", "--listen", "127.0.0.1:0"); r.code != exitUsage || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, `--data: no home directory`) || !strings.Contains(r.stderr, `name a directory, or "off" to keep nothing`) {
		t.Errorf("a server without a home: %+v", r)
	}
	if r := runBinary(t, "token", "--user", "1"); r.code != exitFailed || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "--keys names a directory") {
		t.Errorf("a token without a home: %+v", r)
	}
}

func TestHelpForKeysAndToken(t *testing.T) {
	for name, want := range map[string]string{"keys": "--keys directory", "token": "--any-device"} {
		for _, args := range [][]string{{name, "--help"}, {"help", name}} {
			if r := runBinary(t, args...); r.code != exitOK || r.stderr != "" || !strings.HasPrefix(r.stdout, "Usage: trunkline "+name) || !strings.Contains(r.stdout, want) {
				t.Errorf("%v: %+v", args, r)
			}
		}
	}
}

func TestATokenThatCanNotBeWrittenIsNoSuccess(t *testing.T) {
	dir := newKeys(t)
	var errs strings.Builder
	if code := run([]string{"token", "--user", "1", "--keys", dir}, nil, fullDisk{}, &errs); code != exitFailed || !strings.Contains(errs.String(), "no space left") {
		t.Errorf("exit %d, %q", code, &errs)
	}
}
