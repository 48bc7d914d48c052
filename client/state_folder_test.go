package client

import (
	"path/filepath"
	"testing"
)

// TestAServerHasOneFolder: whatever this machine's loopback is called. Nothing in an address leaves the folder.
func TestAServerHasOneFolder(t *testing.T) {
	for addr, want := range map[string]string{
		"127.0.0.1:5222": "127.0.0.1_5222", "localhost:5222": "127.0.0.1_5222", "LOCALHOST.:5222": "127.0.0.1_5222", "[::1]:5222": "127.0.0.1_5222",
		":5222": "127.0.0.1_5222", "0.0.0.0:5223": "127.0.0.1_5223", "Chat.Example:5222": "chat.example_5222", "../../etc:1": ".._.._etc_1",
		"[2001:db8::1]:5222": "_2001_db8__1__5222", "no port": "no_port",
	} {
		if got := ServerFolder(addr); got != want || filepath.Base(got) != got {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

func TestStateIsBelowTheNamedFolder(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	if got, err := StateFolder(); err != nil || got != filepath.Join(dir, "trunkline") {
		t.Errorf("%s, %v", got, err)
	}
	t.Setenv("XDG_STATE_HOME", "relative")
	t.Setenv("HOME", dir)
	if got, err := StateFolder(); err != nil || got == "relative" || !filepath.IsAbs(got) {
		t.Errorf("%s, %v", got, err)
	}
}
