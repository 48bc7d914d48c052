package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"trunkline/server"
)

func TestJournalFlagsAddUpAndWinOverTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "x.toml")
	if err := os.WriteFile(file, []byte("journal = [\"/a\", \"/b\"]\ndata = \"/srv\"\nack = \"memory\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args []string
		want server.Paths
		ack  string
	}{
		{[]string{"--config", file}, server.Paths{"/a", "/b"}, server.AckMemory},
		{[]string{"--config", file, "--journal", "/c", "--journal=/d", "--ack", "disk"}, server.Paths{"/c", "/d"}, server.AckDisk},
		{[]string{"--data", "/srv", "--journal", "/c"}, server.Paths{"/c"}, ""},
		{[]string{"--data", "/srv"}, nil, ""},
	} {
		cfg, err := parseServe(row.args)
		if err != nil || !slices.Equal(cfg.Journal, row.want) || cfg.Ack != row.ack {
			t.Errorf("%q: %q, %q, %v", row.args, cfg.Journal, cfg.Ack, err)
		}
	}
}

func TestWrongDurableFlagsAreUsageErrors(t *testing.T) {
	for _, row := range []struct {
		args []string
		want string
	}{
		{[]string{"--data", "off", "--ack", "disk"}, "--ack: disk needs a data directory, and there is none"},
		{[]string{"--data", "off", "--journal", "/j"}, "--journal: /j has no use without a data directory"},
		{[]string{"--data", "/srv", "--journal", "/srv"}, "--journal: /srv is used by the server for something else"},
		{[]string{"--data", "/srv", "--journal", ""}, "--journal: \"\": an empty name is no directory"},
		{[]string{"--data", "/srv", "--retention", "0s"}, "--retention: 0s is not between 1s and"},
		{[]string{"--data", "/srv", "--journal-linger", "0s"}, "--journal-linger: 0s is not between"},
		{[]string{"--data", "/srv", "--write-back", "soon"}, "--write-back: \"soon\" is not a"},
		{[]string{"--data", "/srv", "--ack", "both"}, "--ack: \"both\" is not one of disk, memory"},
	} {
		r := runBinary(t, append([]string{"serve", "--transport", "plain"}, row.args...)...)
		if r.code != exitUsage || !strings.Contains(r.stderr, row.want) || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%q: %+v, want %q", row.args, r, row.want)
		}
	}
}

func TestTheBannerSaysWhatATickPromisesAndWhatTheStartFound(t *testing.T) {
	for _, row := range []struct {
		name  string
		set   func(*banner)
		wants []string
		not   []string
	}{
		{"disk", func(b *banner) { b.durable.Ack = server.AckDisk },
			[]string{"  ack     disk: a message with a first tick is synced to the disk and survives a crash and a power cut\n"}, []string{"cleanly", "LOST", "  journal "}},
		{"memory", func(b *banner) { b.durable.Ack = server.AckMemory },
			[]string{"  ack     memory: a message with a first tick survives a clean stop; a crash loses what waits (--ack=disk keeps it)\n"}, []string{"cleanly:", "LOST"}},
		{"nothing kept", func(b *banner) {
			b.durable = server.Durability{Ack: server.AckMemory, CleanStart: true}
			b.cfg.Data, b.cfg.Registration = "", server.RegistrationOpen
		}, []string{"  data    none kept", "lost when this process ends"}, []string{"synced"}},
		{"several journals", func(b *banner) {
			b.cfg.Journal, b.durable.Journal.Directories = server.Paths{"x", "y"}, []string{"/d/x", "/d/y"}
		}, []string{"  journal /d/x, /d/y\n"}, nil},
		{"after a crash", func(b *banner) {
			b.durable.CleanStart, b.durable.OwnerEpoch = false, 7
			b.durable.Recovery = server.RecoveryStatus{Records: 1234, Seconds: 0.012,
				Cut: []server.CutEnd{{Path: "/d/journal/3", Offset: 4096, Bytes: 17, Why: "torn"}}}
		}, []string{
			"the last server did not stop cleanly: 1,234 records of the journal replayed in 12 ms, owner epoch 7\n",
			"an end of the journal was never whole and is ignored: /d/journal/3, 17 bytes from byte 4096 on (torn)\n",
		}, []string{"LOST"}},
		{"messages lost", func(b *banner) {
			b.durable.CleanStart, b.durable.Ack, b.durable.Incarnation = false, server.AckMemory, "00000000000000ab"
			b.durable.Recovery.DataLost = true
		}, []string{"WARNING: MESSAGES ARE LOST. The last server ran with --ack=memory", "(incarnation 00000000000000ab)"}, []string{"replayed"}},
		{"a backup", func(b *banner) { b.durable.CleanStart, b.durable.Recovery.Restored = false, true },
			[]string{"the mailboxes are a backup"}, []string{"replayed", "LOST"}},
	} {
		t.Run(row.name, func(t *testing.T) {
			_, text := testBanner(t, func(b *banner) {
				b.durable = server.Durability{Ack: server.AckDisk, Kept: true, CleanStart: true, OwnerEpoch: 1}
				row.set(b)
			})
			for _, want := range row.wants {
				if !strings.Contains(text, want) {
					t.Errorf("lacks %q:\n%s", want, text)
				}
			}
			for _, not := range row.not {
				if strings.Contains(text, not) {
					t.Errorf("has %q:\n%s", not, text)
				}
			}
		})
	}
}

func TestNumbersAndTimesForPeople(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 rounds", 1: "1 round", 999: "999 rounds", 1000: "1,000 rounds", 1234567: "1,234,567 rounds"} {
		if got := grouped(n, "round"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
	for s, want := range map[float64]string{0: "0 ms", 0.012: "12 ms", 3.44: "3.4 s"} {
		if got := tookText(s); got != want {
			t.Errorf("%v: %q, want %q", s, got, want)
		}
	}
}

func TestMailboxesThatCantBeOpenedAreExitStatusOneWithWhatToDo(t *testing.T) {
	cfg := server.Config{Data: "/srv/my chat"}
	for _, row := range []struct {
		err  error
		want string
	}{
		{fmt.Errorf("%w: the journal: /srv/my chat/journal/1, byte 77: torn", server.ErrMailboxesDamaged), "byte 77: torn; nothing was changed. Look closer with: "},
		{fmt.Errorf("%w: x", server.ErrMailboxesDamaged), " store check --data '/srv/my chat'\n"},
		{fmt.Errorf("%w: /j/2", server.ErrJournalMissing), "/j/2; give each --journal DIR that the last server had"},
		{errors.New("mailboxes: /srv: input/output error"), "input/output error\n"},
	} {
		var out strings.Builder
		if code := serveFailed(cfg, row.err, &out); code != exitFailed || !strings.Contains(out.String(), row.want) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("%v: %d %q, want %q", row.err, code, out.String(), row.want)
		}
	}
}

func TestStatusShowsTheDiskAndItsTrouble(t *testing.T) {
	var st server.Status
	st.Durability = server.Durability{Ack: server.AckDisk, Kept: true, Trouble: "write /d/journal/1: no space left on device"}
	st.Durability.Journal = server.JournalStatus{DiskBytes: 3 << 20, Errors: 4, FsyncSeconds: server.Quantiles{P50: 0.0004, P99: 0.0031}}
	st.Durability.WriteBack = server.WriteBack{DiskBytes: 5 << 20, Dirty: 12, Trouble: "the engine is away"}
	st.OfflineCache = server.OfflineCache{HitRatio: 0.75, LoadsDamaged: 2, Dropped: map[string]uint64{"expired": 9, "parking_full": 0}}
	show := func() string {
		var out strings.Builder
		printStatus(&out, &st)
		return out.String()
	}
	for _, want := range []string{
		"3.0 MiB on disk", "sync 0.4 ms, 99 % within 3.1 ms", "5.0 MiB on disk", "12 mailboxes to write", "75 % served from memory",
		"DISK TROUBLE, new messages are refused: write /d/journal/1: no space left on device\n", "OFFLINE STORE TROUBLE", "the engine is away\n",
		"journal errors 4", "damaged reads 2", "dropped: expired 9\n",
	} {
		if !strings.Contains(show(), want) {
			t.Errorf("lacks %q:\n%s", want, show())
		}
	}
	st.Durability.Ack, st.Durability.Trouble, st.Durability.WriteBack.Trouble = server.AckMemory, "", ""
	if text := show(); !strings.Contains(text, "none: ack is memory") || strings.Contains(text, "TROUBLE") {
		t.Errorf("memory mode:\n%s", text)
	}
	st.Durability = server.Durability{Ack: server.AckMemory}
	if text := show(); strings.Contains(text, "journal  ") || strings.Contains(text, "offline  ") {
		t.Errorf("nothing kept:\n%s", text)
	}
}
