package server

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/internal/mariadb"
	"trunkline/store"
	"trunkline/store/mysql"
)

func TestPlacesOfAccountsShowNoPassword(t *testing.T) {
	const secret = "s3cret"
	for _, row := range []struct {
		name string
		list Places
		want string // "": it can be used
	}{
		{"one", Places{"mysql://u:s3cret@127.0.0.1:1/chat"}, ""},
		{"two", Places{"mysql://u:s3cret@127.0.0.1:1/chat", " mysql://u:s3cret@127.0.0.1:2/chat?tls=on&connections=4"}, ""},
		{"the same twice", Places{"mysql://u:s3cret@127.0.0.1:1/chat", "mysql://v:s3cret@127.0.0.1:1/chat"}, "given twice"},
		{"a password with a slash", Places{"mysql://u:s3cret/x@127.0.0.1:1/chat"}, "number 1 of 1"},
		{"a stray percent sign", Places{"mysql://u:s3cret%zz@127.0.0.1:1/chat"}, "can't be read"},
		{"another scheme", Places{"postgres://u:s3cret@127.0.0.1:1/chat"}, "does not begin"},
		{"no database", Places{"mysql://u:s3cret@127.0.0.1:1"}, "no database"},
		{"no user", Places{"mysql://127.0.0.1:1/s3cret"}, "no user"},
		{"no host", Places{"mysql://u:s3cret@/chat"}, "no host"},
		{"an unknown parameter", Places{"mysql://u:s3cret@127.0.0.1:1/chat?multi=1"}, `no parameter "multi"`},
		{"a wrong value", Places{"mysql://u:s3cret@127.0.0.1:1/chat?tls=maybe"}, "no such value"},
		{"too many connections", Places{"mysql://u:s3cret@127.0.0.1:1/chat?connections=1000"}, "from 1 to 256"},
		{"an empty one", Places{""}, "does not begin"},
	} {
		err := Config{Accounts: row.list}.Validate()
		if (err == nil) != (row.want == "") || err != nil && (!strings.Contains(err.Error(), row.want) || !errors.Is(err, ErrConfig)) {
			t.Errorf("%s: %v, want %q", row.name, err, row.want)
		}
		text, jsonErr := json.Marshal(row.list)
		if all := string(text) + row.list.String(); err != nil && strings.Contains(err.Error(), secret) || strings.Contains(all, secret) && row.name != "no user" || jsonErr != nil {
			t.Errorf("%s: the password shows: %v, %s", row.name, err, all)
		}
	}
}

func TestPlacesOfAccountsInTheFile(t *testing.T) {
	for text, want := range map[string]int{
		`accounts = "mysql://u:p@h/a"`:                      1,
		`accounts = "mysql://u:p@h/a,mysql://u:p@h/b"`:      2,
		`accounts = ["mysql://u:p@h/a", "mysql://u:p@h/b"]`: 2,
		`accounts = ""`: 0,
		`accounts = []`: 0,
	} {
		path := filepath.Join(t.TempDir(), "x.toml")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		cfg := DefaultConfig()
		if err := cfg.LoadFile(path); err != nil || len(cfg.Accounts) != want || cfg.ValidateGiven() != nil {
			t.Errorf("%s: %d places, %v, %v", text, len(cfg.Accounts), err, cfg.ValidateGiven())
		}
	}
}

func TestAServerWithoutItsDatabaseDoesNotStart(t *testing.T) {
	noLeaks(t)
	_, err := New(plainConfig(Config{Listen: "127.0.0.1:0", Admin: AdminOff, Accounts: Places{"mysql://root:s3cret@127.0.0.1:1/chat"}}))
	if !errors.Is(err, mysql.ErrSetUp) || !strings.Contains(err.Error(), "127.0.0.1:1/chat") || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "root") {
		t.Errorf("got %v", err)
	}
}

func TestProfilesAreKeptOnThePlainTransportToo(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		r := start(t, func(c *Config) { c.Data = dir })
		if st := r.Status().Accounts; st.Kept != AccountsEmbedded || len(st.Shards) != 0 {
			t.Errorf("status: %+v", st)
		}
		s, err := r.people.Settings(7)
		if err != nil {
			t.Fatal(err)
		}
		s.User, s.Blocked, s.Version = 7, []uint64{uint64(s.Version) + 1}, s.Version+1
		if err := r.people.SetSettings(&s); err != nil {
			t.Errorf("settings: %v", err)
		}
		r.drain(t)
	}
	r := start(t, nil)
	if st := r.Status().Accounts; st.Kept != AccountsMemory {
		t.Errorf("status: %+v", st)
	}
}

func TestWhoIsLoggedInNoticesNothingOfAKilledDatabase(t *testing.T) {
	noLeaks(t)
	db := mariadb.Start(t)
	list := Places{db.Database(t), db.Database(t), db.Database(t)}
	dir := t.TempDir()
	set := func(c *Config) { c.Accounts, c.Data = list, dir }
	r := startNoise(t, set)
	a, b := r.phone(t, 1, 0), r.phone(t, 2, 0)
	p := &pair{t: t, a: a.contact(), b: b.contact()}
	p.talk()
	if st := r.Status().Accounts; st.Kept != AccountsMySQL || len(st.Shards) != 3 || !st.Shards[0].Reachable || st.Registered != 2 {
		t.Errorf("status: %+v", st)
	}
	db.Kill(t)
	p.talk() // those who are there
	a.seen = p.a.seen
	p.a.conn.Close()
	p.a, _ = a.resume() // and those who come back with a ticket
	p.talk()
	w, _ := r.phone(t, 3, 0).knock()
	w.write(must(codec.AppendHello(nil, &codec.Hello{Version: 1, User: 3, DownSeq: 5, Epoch: 1})))
	if e := w.expectError(codec.CodeBusy); e.RetryAfterMs == 0 {
		t.Errorf("who is new: %+v", e)
	}
	r.eventually(t, "the shards are known to be away", func(s Status) bool {
		for _, shard := range s.Accounts.Shards {
			if shard.Reachable {
				return false
			}
		}
		return s.Accounts.Faults > 0
	})
	if _, body := r.get(t, "/metrics"); !strings.Contains(body, `trunkline_account_shard_up{shard="3"} 0`) || !strings.Contains(body, `trunkline_account_kept{kept="mysql"} 1`) {
		t.Error("the metrics do not say so")
	}
	if _, body := r.get(t, "/healthz"); !strings.Contains(body, "ok") {
		t.Errorf("a server that serves its sessions is not healthy: %s", body)
	}
	db.Again(t)
	r.eventually(t, "the shards are back", func(s Status) bool {
		return s.Accounts.Shards[0].Reachable && s.Accounts.Shards[1].Reachable && s.Accounts.Shards[2].Reachable
	})
	p.a.ping()
	w = r.phone(t, 3, 0).contact()
	w.ping()
	r.drain(t)

	r = startNoise(t, set) // the same keys and accounts: everybody is known
	b.r = r
	b.seen = p.b.seen
	b.contact()
	if st := r.Status().Accounts; st.Registered != 0 {
		t.Errorf("a device that was known registered again: %+v", st)
	}
	if d, err := r.accounts.Device(3, 0); err != nil || d.Removed() {
		t.Errorf("who registered after the kill: %+v, %v", d, err)
	}
	if _, err := r.accounts.Device(4, 0); !errors.Is(err, store.ErrNoDevice) {
		t.Errorf("nobody: %v", err)
	}
	r.drain(t)
	if log := r.log.String(); strings.Contains(log, db.Password()) || strings.Contains(log, "trunkline:") {
		t.Errorf("the log shows the password:\n%s", log)
	}
}

func TestMetricsOfDatabasesAreInTheManual(t *testing.T) {
	doc, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range newAccountShardMetrics() {
		name := strings.Split(row.desc.String(), `"`)[1]
		if !strings.Contains(string(doc), "| `"+name+"` |") {
			t.Errorf("docs/operations.md lacks %s", name)
		}
	}
	for _, key := range []string{"place", "reachable", "calls", "retries", "refused", "failures", "inside", "connections"} {
		if b, _ := json.Marshal(AccountShard{}); !strings.Contains(string(b), `"`+key+`"`) || !strings.Contains(string(doc), "`"+key+"`") {
			t.Errorf("docs/operations.md lacks the key %s", key)
		}
	}
}
