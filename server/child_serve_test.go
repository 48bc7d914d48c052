package server

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
)

// serveChild serves in a helper process, which can be killed: what its disk keeps then is what counts. settings are lines of a configuration
// file over those of plainConfig without rate limits; faults is what childFS takes, "" for the system's disk.
func serveChild(t testing.TB, settings, faults string) (c *child, addr, admin string) {
	t.Helper()
	file := t.TempDir() + "/serve.toml"
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	c = startChild(t, strings.TrimSpace("serve "+file+" "+faults))
	addr, admin, _ = strings.Cut(c.expect("ready"), " ")
	return c, addr, admin
}

// serveJob serves until its input ends, then drains; the line "stop" does the same and says when it is done.
func serveJob(job []string, in *bufio.Reader) error {
	cfg := plainConfig(Config{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Loops: 2, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	withoutLimits(&cfg)
	if err := cfg.LoadFile(job[0]); err != nil {
		return err
	}
	fs, err := childFS(job[1:])
	if err != nil {
		return err
	}
	cfg.hooks = &hooks{fs: fs}
	s, err := New(cfg)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }() // ended by cancel
	fmt.Println("ready", s.Addr(), s.AdminAddr())
	_, _ = in.ReadString('\n')
	cancel()
	err = <-done
	fmt.Println("stopped")
	return err
}
