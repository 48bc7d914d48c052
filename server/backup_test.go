package server

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/store"
)

// askBackup posts to /backup.
func askBackup(t *testing.T, r *running, query url.Values, header string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, "http://"+r.AdminAddr().String()+"/backup?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if header != "" {
		req.Header.Set(header, "1")
	}
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestABackupIsMadeForWhoMayAsk(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	full, to := filepath.Join(dir, "full"), filepath.Join(dir, "to")
	if err := os.MkdirAll(filepath.Join(full, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := start(t, func(c *Config) { c.Data = filepath.Join(dir, "data") })
	for _, row := range []struct {
		name   string
		query  url.Values
		header string
		code   int
		want   string
	}{
		{"no header", url.Values{"dir": {to}}, "", 403, "set the header"},
		{"no directory", nil, AdminHeader, 400, "absolute path"},
		{"a relative directory", url.Values{"dir": {"to"}}, AdminHeader, 400, "absolute path"},
		{"half keys", url.Values{"dir": {to}, "keys": {"some"}}, AdminHeader, 400, "keys yes or nothing"},
		{"a directory that is not empty", url.Values{"dir": {full}}, AdminHeader, 409, "not empty"},
	} {
		code, body := askBackup(t, r, row.query, row.header)
		if code != row.code || !strings.Contains(body, row.want) {
			t.Errorf("%s: %d %q, want %d with %q", row.name, code, body, row.code, row.want)
		}
	}
	if _, err := os.Stat(filepath.Join(full, "x")); err != nil {
		t.Errorf("what was there is gone: %v", err)
	}
	code, body := askBackup(t, r, url.Values{"dir": {to}}, AdminHeader)
	var c store.Copied
	if err := json.Unmarshal([]byte(body), &c); err != nil || code != 200 || c.Dir != to || c.Files < 3 || c.Keys {
		t.Fatalf("%d %q: %+v, %v", code, body, c, err)
	}
	if checked, err := store.CheckBackup(nil, to); err != nil || checked != c {
		t.Errorf("checked: %+v, %v; answered %+v", checked, err, c)
	}
}

func TestAServerThatKeepsNothingHasNoBackup(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.Data = "" })
	to := filepath.Join(t.TempDir(), "to")
	if code, body := askBackup(t, r, url.Values{"dir": {to}}, AdminHeader); code != 409 || !strings.Contains(body, "keeps nothing") {
		t.Errorf("%d %q", code, body)
	}
	if _, err := os.Stat(to); err == nil {
		t.Error("something was made")
	}
}

func TestAStartEndsWhatAToolHasBegun(t *testing.T) {
	dir := t.TempDir()
	for path, text := range map[string]string{"seed": "0000000000000001\n", "next/seed": "0000000000000002\n", "switch": "trunkline switch 1\naside \"old-1\" false\npart \"seed\"\nend\n"} {
		path = filepath.Join(dir, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	d, err := openDataDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d.seed != 2 {
		t.Errorf("the seed is %d", d.seed)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "switch"), []byte("?"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openDataDir(dir); err == nil || !strings.Contains(err.Error(), "switch") {
		t.Errorf("a switch that can't be read: %v", err)
	}
}
