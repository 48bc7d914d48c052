package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDefaultsAreValidAndLoopbackOnly(t *testing.T) {
	c := DefaultConfig()
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.Listen, "127.0.0.1:") || !strings.HasPrefix(c.Admin, "127.0.0.1:") {
		t.Errorf("a first start listens on %s and %s", c.Listen, c.Admin)
	}
	if err := (Config{}).Validate(); err != nil {
		t.Errorf("the zero Config means the defaults, but: %v", err)
	}
}

func TestEachWrongSettingIsNamedInOneLine(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(*Config)
		want string
	}{
		{"an address without a port", func(c *Config) { c.Listen = "127.0.0.1" }, "--listen: \"127.0.0.1\" is not an address and port like 127.0.0.1:5222"},
		{"a port that is no number", func(c *Config) { c.Listen = "127.0.0.1:chat" }, "--listen: \"127.0.0.1:chat\" is not an address"},
		{"a port above 65535", func(c *Config) { c.Listen = "127.0.0.1:65536" }, "--listen: "},
		{"an admin address that others can reach", func(c *Config) { c.Admin = "0.0.0.0:5280" }, "--admin: 0.0.0.0:5280 is not a loopback address; anybody who reaches it can read profiles: give --admin-public"},
		{"an admin address without a host is every address", func(c *Config) { c.Admin = ":5280" }, "--admin: :5280 is not a loopback"},
		{"fewer than one loop", func(c *Config) { c.Loops = -1 }, "--loops: -1 is not between 1 and 256"},
		{"more loops than a connection's name can hold", func(c *Config) { c.Loops = 257 }, "--loops: 257 is not between 1 and 256"},
		{"an unknown poller", func(c *Config) { c.Poller = "select" }, "--poller: \"select\" is not one of native, gnet"},
		{"an unknown place", func(c *Config) { c.Place = "away" }, "--place: \"away\" is not one of home, accept"},
		{"a negative number of connections", func(c *Config) { c.MaxConnections = -5 }, "--max-connections: -5 is not between 0 and"},
		{"an unknown registration", func(c *Config) { c.Registration = "friends" }, "--registration: \"friends\" is not one of token, open"},
		{"an unknown transport", func(c *Config) { c.Transport = "tls" }, "--transport: \"tls\" is not one of noise, plain"},
		{"tokens where nobody proves who they are", func(c *Config) { c.Registration, c.Transport = "token", "plain" }, "--registration: token needs --transport=noise: the plain transport proves no identity, so --registration=open is all it can have"},
		{"a keepalive below a second", func(c *Config) { c.Keepalive = Duration(time.Millisecond) }, "--keepalive: 1ms is not between 1s and 12h"},
		{"a login timeout of days", func(c *Config) { c.LoginTimeout = Duration(48 * time.Hour) }, "--login-timeout: 48h is not between 1ms and 24h"},
		{"an acknowledgement timeout of days", func(c *Config) { c.AckTimeout = Duration(48 * time.Hour) }, "--ack-timeout: "},
		{"a drain that takes days", func(c *Config) { c.DrainTimeout = Duration(48 * time.Hour) }, "--drain-timeout: "},
		{"a negative mailbox", func(c *Config) { c.MailboxEntries = -1 }, "--mailbox-entries: "},
		{"a mailbox smaller than a message", func(c *Config) { c.MailboxBytes = 10 }, "--mailbox-bytes: "},
		{"a negative number of users", func(c *Config) { c.Users = -1 }, "--users: "},
		{"a store smaller than a message", func(c *Config) { c.StoreBytes = 10 }, "--store-bytes: "},
		{"a negative number of subscriptions", func(c *Config) { c.Subscriptions = -1 }, "--subscriptions: "},
		{"a presence rate without a burst", func(c *Config) { c.PresenceRate = Rate{PerSecond: 5} }, "--presence-rate: "},
		{"a presence window of nothing", func(c *Config) { c.PresenceWindow = Duration(time.Millisecond) }, "--presence-window: "},
		{"a presence window of a day", func(c *Config) { c.PresenceWindow = Duration(24 * time.Hour) }, "--presence-window: "},
		{"an unknown log level", func(c *Config) { c.LogLevel = "loud" }, "--log-level: \"loud\" is not one of debug, info, warn, error"},
		{"an unknown log format", func(c *Config) { c.LogFormat = "xml" }, "--log-format: \"xml\" is not one of text, json"},
		{"an unknown promise", func(c *Config) { c.Ack = "paper" }, "--ack: \"paper\" is not one of disk, memory"},
		{"a promise of a disk that is not there", func(c *Config) { c.Ack = AckDisk }, "--ack: disk needs a data directory, and there is none: give --data DIR, or --ack=memory"},
		{"a journal of nothing", func(c *Config) { c.Journal = Paths{"/j"} }, "--journal: /j has no use without a data directory"},
		{"a journal without a name", func(c *Config) { c.Data, c.Journal = "/d", Paths{"/j", ""} }, "--journal: an empty name is no directory"},
		{"a journal twice", func(c *Config) { c.Data, c.Journal = "/d", Paths{"/j", "/k/../j"} }, "--journal: /k/../j is named twice"},
		{"a journal in the data directory itself", func(c *Config) { c.Data, c.Journal = "/d", Paths{"/d/"} }, "--journal: /d/ is used by the server for something else"},
		{"a journal among the accounts", func(c *Config) { c.Data, c.Journal = "/d", Paths{"/d/accounts/x"} }, "--journal: /d/accounts/x is used by"},
		{"a journal among the mailboxes", func(c *Config) { c.Data, c.Journal = "/d", Paths{"/d/mailboxes"} }, "--journal: /d/mailboxes is used by"},
		{"more journals than writers", func(c *Config) { c.Data, c.Journal = "/d", manyPaths(JournalsMax+1) }, "--journal: 17 directories are more than 16"},
		{"a linger of minutes", func(c *Config) { c.JournalLinger = Duration(time.Minute) }, "--journal-linger: 1m is not between 1µs and 1s"},
		{"a journal without room", func(c *Config) { c.JournalBytes = 1 << 10 }, "--journal-bytes: "},
		{"a write-back all the time", func(c *Config) { c.WriteBack = Duration(time.Millisecond) }, "--write-back: 1ms is not between 10ms and 1h"},
		{"a retention of a moment", func(c *Config) { c.Retention = Duration(time.Millisecond) }, "--retention: 1ms is not between 1s and "},
		{"a collector that never rests", func(c *Config) { c.GCPercent = 1 }, "--gc-percent: "},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := DefaultConfig()
			row.set(&c)
			err := c.Validate()
			if !errors.Is(err, ErrConfig) {
				t.Fatalf("got %v, want an ErrConfig", err)
			}
			if !strings.HasPrefix(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want %q in one line", err, row.want)
			}
		})
	}
}

func manyPaths(n int) (p Paths) {
	for i := range n {
		p = append(p, fmt.Sprintf("/j%d", i))
	}
	return p
}

func TestWhatATickPromisesFollowsFromTheDataDirectory(t *testing.T) {
	for _, row := range []struct{ data, ack, want string }{
		{"", "", AckMemory}, {"/d", "", AckDisk}, {"/d", AckMemory, AckMemory}, {"/d", AckDisk, AckDisk}, {"", AckMemory, AckMemory},
	} {
		c := Config{Data: row.data, Ack: row.ack}
		if err := c.Validate(); err != nil {
			t.Errorf("data %q, ack %q: %v", row.data, row.ack, err)
		}
		if got := c.withDefaults().Ack; got != row.want {
			t.Errorf("data %q, ack %q: %q, want %q", row.data, row.ack, got, row.want)
		}
	}
	c := DefaultConfig()
	if c.Data = "/d"; c.withDefaults().Ack != AckDisk {
		t.Errorf("the defaults and a data directory make %q", c.withDefaults().Ack)
	}
}

func TestJournalsAreOneStringOrAnArray(t *testing.T) {
	for text, want := range map[string]Paths{
		`journal = "/a/b"`: {"/a/b"}, `journal = ["/a", "b c", "/d"]`: {"/a", "b c", "/d"}, `journal = []`: {}, `journal = ""`: nil, "": nil,
	} {
		c := DefaultConfig()
		if err := c.LoadFile(writeFile(t, text)); err != nil || len(c.Journal) != len(want) || c.Journal.String() != want.String() {
			t.Errorf("%s: got %q, %v", text, c.Journal, err)
		}
	}
	for _, text := range []string{`journal = ["/a", 7]`, `journal = {a = "b"}`} {
		c := DefaultConfig()
		if err := c.LoadFile(writeFile(t, text)); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), ":1: ") {
			t.Errorf("%s: got %v, want an ErrConfig with the line", text, err)
		}
	}
}

func TestJournalsAreTakenFromTheWorkingDirectory(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home)
	got, err := Paths{"j", "./deep/../k", "/abs/"}.absolute("data")
	if want := (Paths{filepath.Join(home, "j"), filepath.Join(home, "k"), "/abs"}); err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
	if got, err := (Paths{"data/journal", "data/other"}).absolute("data"); err != nil || len(got) != 2 {
		t.Errorf("folders of its own in the data directory: %q, %v", got, err)
	}
}

func TestEachTransportHasItsRegistrations(t *testing.T) {
	for _, c := range []Config{
		{Transport: TransportPlain, Registration: RegistrationOpen},
		{Transport: TransportNoise, Registration: RegistrationOpen},
		{Transport: TransportNoise, Registration: RegistrationToken},
	} {
		if err := c.Validate(); err != nil {
			t.Errorf("%s, %s: %v", c.Transport, c.Registration, err)
		}
	}
}

func TestAZeroThatWasGivenIsNoDefault(t *testing.T) {
	given := DefaultConfig()
	if err := given.ValidateGiven(); err != nil {
		t.Errorf("the defaults: %v", err)
	}
	given.MailboxEntries = 0
	if err := given.Validate(); err != nil {
		t.Errorf("in a program's Config a zero is the default, but: %v", err)
	}
	if err := given.ValidateGiven(); !errors.Is(err, ErrConfig) || !strings.HasPrefix(err.Error(), "--mailbox-entries: 0 is not between 1 and ") {
		t.Errorf("got %v", err)
	}
}

func TestAnAdminAddressThatOthersReachCanBeAskedFor(t *testing.T) {
	c := Config{Admin: "0.0.0.0:5280", AdminPublic: true}
	if err := c.Validate(); err != nil {
		t.Error(err)
	}
	for _, addr := range []string{"127.0.0.1:0", "[::1]:5280", "localhost:5280", "127.9.9.9:1", AdminOff} {
		if err := (Config{Admin: addr}).Validate(); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
}

func TestAFileSetsWhatItNamesAndNothingElse(t *testing.T) {
	path := writeFile(t, `
# a comment
listen = "127.0.0.1:7000"
loops = 3
reuseport = true
keepalive = "30s"
mailbox-bytes = "2MiB"
store-bytes = 1048576
`)
	got := DefaultConfig()
	if err := got.LoadFile(path); err != nil {
		t.Fatal(err)
	}
	want := DefaultConfig()
	want.Listen, want.Loops, want.ReusePort = "127.0.0.1:7000", 3, true
	want.Keepalive, want.MailboxBytes, want.StoreBytes = Duration(30*time.Second), 2<<20, 1<<20
	got.Logger, want.Logger = nil, nil
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestAWrongFileIsOneLineWithFileLineAndKey(t *testing.T) {
	for _, row := range []struct {
		name, text, want string
	}{
		{"an unknown key", "loops = 1\nlisen = \"x\"\n", `:2: unknown key "lisen"`},
		{"an unknown table", "loops = 1\n\n[limits]\nusers = 3\n", `:3: unknown key "limits"`},
		{"a word where a number belongs", "loops = \"two\"\n", `:1: `},
		{"a duration that is none", "keepalive = \"soon\"\n", `:1: `},
		{"a size that is none", "\n\nmailbox-bytes = \"2 elephants\"\n", `:3: `},
		{"a line that is not TOML", "loops = 1\nwhat is this\n", `:2: `},
		{"a key given twice", "loops = 1\nloops = 2\n", `:2: `},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := writeFile(t, row.text)
			c := DefaultConfig()
			err := c.LoadFile(path)
			if !errors.Is(err, ErrConfig) {
				t.Fatalf("got %v, want an ErrConfig", err)
			}
			if want := "--config: " + path + row.want; !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %q, want %q in one line", err, want)
			}
		})
	}
}

func TestAFileThatIsMissingOrTooLargeIsRefused(t *testing.T) {
	c := DefaultConfig()
	if err := c.LoadFile(filepath.Join(t.TempDir(), "none.toml")); !errors.Is(err, ErrConfig) {
		t.Errorf("missing: got %v", err)
	}
	if err := c.LoadFile(writeFile(t, "# "+strings.Repeat("x", ConfigFileBytesMax))); !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), "1MiB") {
		t.Errorf("too large: got %v", err)
	}
}

func TestADurationWithoutAUnitIsRefused(t *testing.T) {
	c := DefaultConfig()
	if err := c.LoadFile(writeFile(t, "keepalive = 30\n")); err != nil {
		t.Fatal(err)
	}
	if err := c.Validate(); err == nil || err.Error() != "--keepalive: 30 has no unit: write \"30s\"" {
		t.Errorf("got %v", err)
	}
}

func TestEverySettingHasAKey(t *testing.T) {
	typ := reflect.TypeFor[Config]()
	seen := map[string]bool{}
	for i := range typ.NumField() {
		if !typ.Field(i).IsExported() {
			continue
		}
		key := typ.Field(i).Tag.Get("toml")
		if key == "" || seen[key] {
			t.Errorf("%s has the key %q: every setting needs one of its own", typ.Field(i).Name, key)
		}
		seen[key] = key != "-"
	}
}

func TestUnitsComeBackAsTheyWereWritten(t *testing.T) {
	for text, want := range map[string]Bytes{"0": 0, "4096": 4096 / 1, "64KiB": 64 << 10, "16MiB": 16 << 20, "3GiB": 3 << 30, "1537": 1537} {
		var n Bytes
		if err := n.UnmarshalText([]byte(text)); err != nil || n != want {
			t.Errorf("%s: got %d, %v", text, n, err)
		}
		var again Bytes
		if err := again.UnmarshalText([]byte(n.String())); err != nil || again != n {
			t.Errorf("%s was written as %s, which reads as %d, %v", text, n, again, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5MiB", "9999999999GiB", "MiB", "1MB"} {
		var n Bytes
		if err := n.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as %d", text, n)
		}
	}
	for text, want := range map[string]string{"10s": "10s", "4m": "4m", "240s": "4m", "1h": "1h", "90s": "1m30s", "10m": "10m"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || d.String() != want {
			t.Errorf("%s: got %s, %v; want %s", text, d, err, want)
		}
	}
	for _, text := range []string{"", "10", "-1s", "soon"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as %s", text, d)
		}
	}
}

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trunkline.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
