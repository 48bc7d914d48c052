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

// serveChild serves in a helper process, which can be killed. settings are lines of a configuration file over those of plainConfig without
// rate limits.
func serveChild(t testing.TB, settings string) (c *child, addr, admin string) {
	t.Helper()
	file := t.TempDir() + "/serve.toml"
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	c = startChild(t, "serve "+file)
	addr, admin, _ = strings.Cut(c.expect("ready"), " ")
	return c, addr, admin
}

// serveJob serves until its input ends, or a line comes, then drains.
func serveJob(job []string, in *bufio.Reader) error {
	cfg := plainConfig(Config{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Loops: 2, Logger: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	withoutLimits(&cfg)
	if err := cfg.LoadFile(job[0]); err != nil {
		return err
	}
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
	return <-done
}
