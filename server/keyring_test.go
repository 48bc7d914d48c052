package server

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"trunkline/codec/secure"
)

// newKeysDir is a directory of fresh keys.
func newKeysDir(t *testing.T) (string, *Keyring) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "keys")
	k, err := InitKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir, k
}

func openKeys(t *testing.T, dir string) *Keyring {
	t.Helper()
	k, err := OpenKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// sameKeys compares all that a keyring hands out.
func sameKeys(a, b *Keyring) bool {
	return a.ServerKey() == b.ServerKey() && a.Static() == b.Static() && a.Certificate() == b.Certificate() && a.Tickets() == b.Tickets()
}

func TestKeysComeBackAsTheyWereMadeAndArePrivate(t *testing.T) {
	dir, k := newKeysDir(t)
	if again := openKeys(t, dir); !sameKeys(k, again) || !again.CanSign() || again.Dir() != dir {
		t.Errorf("made %v, read %v", k.ServerKey(), again.ServerKey())
	}
	if k.Static() == (secure.PrivateKey{}) || k.Tickets().Current.ID == 0 || k.Tickets().Previous.ID != 0 {
		t.Error("there are no keys")
	}
	if err := k.Check(time.Now()); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]fs.FileMode{"": 0o700, operatorFile: 0o600, serverFile: 0o600, ticketsFile: 0o600, lockFile: 0o600} {
		stat, err := os.Stat(filepath.Join(dir, name))
		if err != nil || stat.Mode().Perm() != want {
			t.Errorf("%q: %v, %v; want mode %o", name, stat, err, want)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.new")); left != nil {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestKeysAreNeverMadeOverOthers(t *testing.T) {
	for _, name := range []string{operatorFile, serverFile, ticketsFile} {
		dir := filepath.Join(t.TempDir(), "keys")
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := InitKeys(dir); !errors.Is(err, ErrKeysThere) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want ErrKeysThere", name, err)
		}
		if b, err := os.ReadFile(path); err != nil || string(b) != "precious" {
			t.Errorf("%s is %q now, %v", name, b, err)
		}
	}
}

func TestOpenOrInitMakesKeysOnceOnly(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "keys")
	if _, err := OpenKeys(dir); !errors.Is(err, ErrKeysMissing) {
		t.Fatalf("got %v, want ErrKeysMissing", err)
	}
	const together = 4
	made := make(chan *Keyring, together)
	for range together {
		go func() { // ends when it has keys
			k, err := OpenOrInitKeys(dir)
			for errors.Is(err, ErrDataLocked) { // another one makes them just now
				k, err = OpenOrInitKeys(dir)
			}
			if err != nil {
				t.Error(err)
			}
			made <- k
		}()
	}
	first := <-made
	for range together - 1 {
		if k := <-made; first == nil || k == nil || k.ServerKey() != first.ServerKey() {
			t.Error("two that began together have different keys")
		}
	}
}

func TestKeysInMemoryAreOfNoOtherProcess(t *testing.T) {
	a, errA := NewKeys()
	b, errB := NewKeys()
	if errA != nil || errB != nil || a.ServerKey() == b.ServerKey() || a.Dir() != "" {
		t.Errorf("%v, %v", errA, errB)
	}
	if c := a.Certificate(); c.Verify(a.Operator(), uint64(time.Now().Unix())) != nil || c.Static != a.ServerKey().Static {
		t.Error("the certificate is not of this server")
	}
	for _, row := range []struct{ data, keys, want string }{{"", "", ""}, {"/d", "", "/d/keys"}, {"", "/k", "/k"}, {"/d", "/k", "/k"}} {
		cfg := Config{Data: row.data, Keys: row.keys}
		if got := cfg.KeysDir(); got != row.want {
			t.Errorf("data %q, keys %q: %q, want %q", cfg.Data, cfg.Keys, got, row.want)
		}
	}
}

// replaceIn rewrites part of a key file.
func replaceIn(t *testing.T, path string, change func(string) string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(change(string(b))), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestKeysThatOthersCanGetAtAreRefusedWithWhatMendsIt(t *testing.T) {
	for _, row := range []struct {
		name, file string
		mode       fs.FileMode
		mend       string
	}{
		{"an operator key that the group reads", operatorFile, 0o640, "chmod 600 "},
		{"a server key that everybody reads", serverFile, 0o604, "chmod 600 "},
		{"ticket keys that the group writes", ticketsFile, 0o620, "chmod 600 "},
		{"a key that can be run", serverFile, 0o700, "chmod 600 "},
		{"a folder that others look into", "", 0o755, "chmod 700 "},
		{"a folder that others pass through", "", 0o711, "chmod 700 "},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir, _ := newKeysDir(t)
			path := filepath.Join(dir, row.file)
			if err := os.Chmod(path, row.mode); err != nil {
				t.Fatal(err)
			}
			for what, open := range map[string]func() error{
				"open":         func() error { _, err := OpenKeys(dir); return err },
				"open or make": func() error { _, err := OpenOrInitKeys(dir); return err },
			} {
				err := open()
				if !errors.Is(err, ErrKeysExposed) || !strings.HasSuffix(err.Error(), row.mend+path) || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: got %v, want one line that ends with %q", what, err, row.mend+path)
				}
			}
		})
	}
	dir, _ := newKeysDir(t)
	if err := os.Chmod(filepath.Join(dir, serverFile), 0o400); err != nil {
		t.Fatal(err)
	}
	openKeys(t, dir) // narrower is as good
}

func TestKeysOfSomebodyElseAreRefused(t *testing.T) {
	if err := checkOwner("/some keys/server", 7, 7); err != nil {
		t.Error(err)
	}
	err := checkOwner("/some keys/server", 7, 1001)
	if !errors.Is(err, ErrKeysExposed) || !strings.HasSuffix(err.Error(), "belongs to user 7, and this process runs as user 1001; run it as the owner, or: chown 1001 '/some keys/server'") {
		t.Errorf("got %v", err)
	}
	if os.Geteuid() != 0 {
		return // only root can give a file away
	}
	dir, _ := newKeysDir(t)
	if err := os.Chown(filepath.Join(dir, serverFile), 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(dir); !errors.Is(err, ErrKeysExposed) || !strings.Contains(err.Error(), "belongs to user 12345") {
		t.Errorf("got %v", err)
	}
}

func TestDamagedKeysAreRefusedByNameInOneLine(t *testing.T) {
	swap := func(from, to string) func(string) string {
		return func(s string) string { return strings.Replace(s, from, to, 1) }
	}
	for _, row := range []struct {
		name, file string
		change     func(string) string
		want       string
	}{
		{"an empty server key", serverFile, func(string) string { return "" }, "64 hexadecimal digits is missing"},
		{"a server key cut in half", serverFile, func(s string) string { return s[:len(s)/2] }, "missing or cut off"},
		{"letters that are no digits", serverFile, func(s string) string { return swap("static ", "static zz")(s) }, "cut off"},
		{"a line of another version", serverFile, func(s string) string { return s + "post-quantum 00\n" }, `a line begins with "post-quantum"`},
		{"a line that stands there twice", ticketsFile, func(s string) string { return s + s }, `"current" stands there twice`},
		{"a certificate with another date", serverFile, swap("certificate 1", "certificate 2"), "did not sign"},
		{"a certificate without its date", serverFile, swap("certificate 1", "certificate -1"), "a time is not a number"},
		{"an operator key cut off", operatorFile, func(s string) string { return s[:len(s)-3] }, "64 hexadecimal digits"},
		{"no ticket key", ticketsFile, func(string) string { return "# nothing\n" }, "a key is missing; without the file new ones are made"},
		{"a ticket key with the id 0", ticketsFile, swap("current 1 ", "current 0 "), "a number from 1 to 255"},
		{"a ticket key with the id 256", ticketsFile, swap("current 1 ", "current 256 "), "a number from 1 to 255"},
		{"two ticket keys with one id", ticketsFile, func(s string) string {
			return s + strings.Replace(strings.SplitAfter(s, "\n")[1], "current", "previous", 1)
		}, "both keys have one id"},
		{"a file that is larger than any key", serverFile, func(s string) string { return s + strings.Repeat("#", KeyFileBytesMax) }, "has more than 4096 bytes"},
	} {
		t.Run(row.name, func(t *testing.T) {
			dir, _ := newKeysDir(t)
			path := filepath.Join(dir, row.file)
			replaceIn(t, path, row.change)
			_, err := OpenKeys(dir)
			if !errors.Is(err, ErrKeysBroken) || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want an ErrKeysBroken with %q and %q", err, path, row.want)
			}
			if _, err := OpenOrInitKeys(dir); !errors.Is(err, ErrKeysBroken) {
				t.Errorf("a damaged key was taken for none: %v", err)
			}
		})
	}
}

func TestAKeyFileThatIsNoFileIsRefused(t *testing.T) {
	dir, _ := newKeysDir(t)
	path := filepath.Join(dir, serverFile)
	if err := errors.Join(os.Remove(path), os.Mkdir(path, 0o700)); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(dir); !errors.Is(err, ErrKeysBroken) || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("got %v", err)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenKeys(file); !errors.Is(err, ErrKeysBroken) || !strings.Contains(err.Error(), "is not a directory") {
		t.Errorf("got %v", err)
	}
}

func TestAServerRunsWithoutTheOperatorsPrivateKey(t *testing.T) {
	dir, k := newKeysDir(t)
	away := filepath.Join(t.TempDir(), "away")
	if err := errors.Join(os.Mkdir(away, 0o700), os.Rename(filepath.Join(dir, operatorFile), filepath.Join(away, operatorFile))); err != nil {
		t.Fatal(err)
	}
	here := openKeys(t, dir)
	if !sameKeys(k, here) || here.CanSign() || here.Check(time.Now()) != nil {
		t.Error("the server's keys are not those that were made")
	}
	if _, err := here.SignToken(secure.Token{User: 1}); !errors.Is(err, ErrNoOperator) || !strings.Contains(err.Error(), dir) {
		t.Errorf("a token without the operator's key: %v", err)
	}
	for _, what := range []Rotation{RotateServer, RotateCertificate} {
		if _, err := RotateKeys(dir, what); !errors.Is(err, ErrNoOperator) {
			t.Errorf("rotate %s without the operator's key: %v", what, err)
		}
	}
	operator, err := OpenOperator(away) // what signs tokens needs nothing else
	if err != nil {
		t.Fatal(err)
	}
	now := uint64(time.Now().Unix())
	b, err := operator.SignToken(secure.Token{User: 1001, AnyDevice: true, NotAfter: now + 60})
	if err != nil {
		t.Fatal(err)
	}
	token, err := secure.VerifyToken(b, here.Operator(), now)
	if err != nil || token.Kind != secure.TokenOperator || token.User != 1001 || !token.AnyDevice || token.ID == [8]byte{} {
		t.Errorf("got %+v, %v", token, err)
	}
	if again, err := operator.SignToken(secure.Token{User: 1001, AnyDevice: true, NotAfter: now + 60}); err != nil || bytes.Equal(b, again) {
		t.Errorf("two tokens are one: %v", err)
	}
	if _, err := OpenKeys(away); !errors.Is(err, ErrKeysBroken) || !strings.Contains(err.Error(), "keys rotate server") {
		t.Errorf("an operator's key alone is no server: %v", err)
	}
}

func TestACertificateThatIsNotValidNowIsRefusedWithWhatRenewsIt(t *testing.T) {
	dir, k := newKeysDir(t)
	now := time.Now()
	if err := k.Check(now.Add(CertificateValidity - time.Minute)); err != nil {
		t.Error(err)
	}
	err := k.Check(now.Add(CertificateValidity + time.Minute))
	if !errors.Is(err, ErrCertificateExpired) || !strings.HasSuffix(err.Error(), "renew it with: trunkline keys rotate certificate --keys "+dir) {
		t.Errorf("got %v", err)
	}
	if err := k.Check(now.Add(-CertificateClockSkew + time.Minute)); err != nil {
		t.Errorf("a clock that is a little behind: %v", err)
	}
	if err := k.Check(now.Add(-CertificateClockSkew - time.Minute)); !errors.Is(err, ErrCertificateEarly) || !strings.Contains(err.Error(), "clock") {
		t.Errorf("got %v", err)
	}
	later := now.Add(CertificateValidity)
	if _, err := rotateKeys(dir, RotateCertificate, later); err != nil {
		t.Fatal(err)
	}
	renewed := openKeys(t, dir)
	if renewed.Check(later.Add(time.Hour)) != nil || renewed.ServerKey() != k.ServerKey() || renewed.Tickets() != k.Tickets() {
		t.Error("the certificate was not renewed, or more than it changed")
	}
}

func FuzzAKeyFileIsReadOrRefused(f *testing.F) {
	now := time.Unix(1_700_000_000, 0)
	k, err := newKeys(now)
	if err != nil {
		f.Fatal(err)
	}
	t, err := freshTickets(0, now)
	if err != nil {
		f.Fatal(err)
	}
	twoKeys := *t
	if err := twoKeys.Rotate(now.Unix(), rand.Reader); err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", "current", "current 1 2 3", "static 00\noperator 00\ncertificate 1 2 3", ticketLine("current", &twoKeys.Current).name} {
		f.Add(text)
	}
	f.Add(formatKeyFile("x", ticketLine("current", &twoKeys.Current), ticketLine("previous", &twoKeys.Previous)))
	f.Add(k.serverText())
	f.Fuzz(func(t *testing.T, text string) {
		if keys, err := parseTickets(text); err == nil {
			lines := []keyLine{ticketLine("current", &keys.Current)}
			if keys.Previous.ID != 0 {
				lines = append(lines, ticketLine("previous", &keys.Previous))
			}
			again, err := parseTickets(formatKeyFile("again", lines...))
			if err != nil || *again != *keys {
				t.Errorf("%q was read as %+v and that as %+v, %v", text, keys, again, err)
			}
		}
		got := &Keyring{}
		if err := got.parseServer(text); err == nil {
			again := &Keyring{}
			if err := again.parseServer(got.serverText()); err != nil || again.ServerKey() != got.ServerKey() || again.Certificate() != got.Certificate() {
				t.Errorf("%q is another key when it is written: %v", text, err)
			}
		}
	})
}
