package rig

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Kind is one kind of server with its settings.
type Kind interface {
	Name() string
	// Version is what the program says of itself; ErrMissing when it is not installed.
	Version() (string, error)
	// Settings is a line for people: what differs from the defaults.
	Settings() string
	prepare(dir string, o Options) (launch, error)
}

// Trunkline is our server. Args are further flags of serve; the last one counts.
type Trunkline struct {
	Program string // path of bin/trunkline
	Title   string
	Args    []string
}

// Name implements Kind.
func (k Trunkline) Name() string { return k.Title }

// Version implements Kind.
func (k Trunkline) Version() (string, error) { return versionLine(k.Program, "version") }

// Settings implements Kind.
func (k Trunkline) Settings() string {
	return "--transport plain --registration open, rate limits off, " + strings.Join(k.Args, " ")
}

func (k Trunkline) prepare(dir string, o Options) (launch, error) {
	path, err := program(k.Program)
	if err != nil {
		return launch{}, err
	}
	addr, _, err := freeAddr()
	if err != nil {
		return launch{}, err
	}
	admin, _, err := freeAddr()
	if err != nil {
		return launch{}, err
	}
	args := []string{"serve", "--listen", addr, "--admin", admin, "--log-level", "warn", "--transport", "plain", "--registration", "open",
		"--data", filepath.Join(dir, "data"), "--address-connections", "-1",
		"--mailbox-entries", strconv.Itoa(max(2*o.Queue, 1000)), "--mailbox-bytes", strconv.Itoa(max(1024*o.Queue, 1<<20))}
	for _, rate := range []string{"address-accepts", "address-handshakes", "accepts", "messages", "controls", "conversations"} {
		args = append(args, "--"+rate, "none")
	}
	collect := func(ctx context.Context, _ *Server) error { return post(ctx, "http://"+admin+"/collect") }
	return launch{program: path, args: append(args, k.Args...), addr: addr, collect: collect}, nil
}

// post sends an empty request to our server's admin listener.
func post(ctx context.Context, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	req.Header.Set("X-Trunkline-Admin", "1")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%w: %s: %s", ErrServer, url, resp.Status)
	}
	return nil
}

// Mosquitto is the MQTT broker without persistence.
type Mosquitto struct{}

// Name implements Kind.
func (Mosquitto) Name() string { return "mosquitto" }

// Version implements Kind.
func (Mosquitto) Version() (string, error) { return versionLine("mosquitto", "-h") }

// Settings implements Kind.
func (Mosquitto) Settings() string { return strings.Join(mosquittoSettings, "; ") }

// mosquittoSettings follow mosquitto.conf(5): nothing is written to disk or logged, queues have no limit, and segments leave at once.
var mosquittoSettings = []string{"allow_anonymous true", "persistence false", "max_queued_messages 0", "max_queued_bytes 0", "max_inflight_messages 64",
	"set_tcp_nodelay true", "log_type error", "log_dest stderr", "sys_interval 0"}

func (Mosquitto) prepare(dir string, _ Options) (launch, error) {
	path, err := program("mosquitto")
	if err != nil {
		return launch{}, err
	}
	addr, port, err := freeAddr()
	if err != nil {
		return launch{}, err
	}
	text := fmt.Sprintf("listener %d 127.0.0.1\n%s\n", port, strings.Join(mosquittoSettings, "\n"))
	if os.Getuid() == 0 {
		text += "user root\n" // else it would give up the directory that is root's
	}
	conf := filepath.Join(dir, "mosquitto.conf")
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return launch{}, fmt.Errorf("%w: %w", ErrServer, err)
	}
	return launch{program: path, args: []string{"-c", conf}, addr: addr}, nil
}

// NATS is nats-server without JetStream.
type NATS struct{}

// Name implements Kind.
func (NATS) Name() string { return "nats" }

// Version implements Kind.
func (NATS) Version() (string, error) { return versionLine("nats-server", "--version") }

// Settings implements Kind.
func (NATS) Settings() string { return strings.ReplaceAll(strings.TrimSpace(natsConf), "\n", "; ") }

// natsConf raises what would cut a crowd off.
const natsConf = `max_connections: 200000
write_deadline: "30s"
ping_interval: "1h"
logtime: false
`

func (NATS) prepare(dir string, _ Options) (launch, error) {
	path, err := program("nats-server")
	if err != nil {
		return launch{}, err
	}
	addr, port, err := freeAddr()
	if err != nil {
		return launch{}, err
	}
	conf := filepath.Join(dir, "nats.conf")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf("listen: \"127.0.0.1:%d\"\n%s", port, natsConf)), 0o600); err != nil {
		return launch{}, fmt.Errorf("%w: %w", ErrServer, err)
	}
	return launch{program: path, args: []string{"-c", conf}, addr: addr}, nil
}

// shellAnswerEvery is how often an answer of the Erlang shell is looked for.
const shellAnswerEvery = 20 * time.Millisecond
