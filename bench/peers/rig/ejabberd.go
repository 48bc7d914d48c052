package rig

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// Ejabberd is the XMPP server, started as its own script starts it, but for a node name: without one no name daemon is left behind.
type Ejabberd struct {
	Disk bool // messages for those who are away are kept on disk only, as installed; else in memory, as its web page offers for the table
	User func(number int) string
	Host string
	Pass string
}

// Name implements Kind.
func (k Ejabberd) Name() string {
	if k.Disk {
		return "ejabberd-disk"
	}
	return "ejabberd"
}

// Version implements Kind.
func (Ejabberd) Version() (string, error) {
	dir, err := ejabberdDir()
	if err != nil {
		return "", err
	}
	erl, err := versionLine("erl", "+V")
	return filepath.Base(dir) + ", " + erl, err
}

// Settings implements Kind.
func (k Ejabberd) Settings() string {
	table := "table offline_msg as ram_copies"
	if k.Disk {
		table = "table offline_msg as installed (disc_only_copies)"
	}
	return "SASL PLAIN, no TLS, passwords plain in Mnesia, no shaper, queues without limit, " + table + ", " + strings.Join(erlFlags, " ")
}

// erlFlags: kernel polling and processes as ejabberdctl has them; schedulers do not spin while they wait, which would be counted as work.
var erlFlags = []string{"+K", "true", "+P", "250000", "+Q", "65536", "+sbwt", "none", "+sbwtdcpu", "none", "+sbwtdio", "none"}

// ejabberdDir finds the directory of the Erlang application.
func ejabberdDir() (string, error) {
	for _, pattern := range []string{"/usr/lib/*/ejabberd-*", "/usr/lib/ejabberd-*", "/usr/local/lib/ejabberd-*"} {
		if found, _ := filepath.Glob(pattern); len(found) > 0 { // the patterns are well-formed
			return found[len(found)-1], nil
		}
	}
	return "", fmt.Errorf("%w: ejabberd", ErrMissing)
}

const ejabberdConf = `hosts: [%s]
loglevel: error
log_rotate_count: 0
listen:
  -
    port: %d
    ip: "127.0.0.1"
    module: ejabberd_c2s
    max_stanza_size: 262144
    shaper: none
    access: all
    backlog: 1024
auth_method: internal
auth_password_format: plain
default_db: mnesia
default_ram_db: mnesia
max_fsm_queue: 100000
shaper_rules:
  max_user_sessions: 10
  max_user_offline_messages: infinity
modules:
  mod_ping: {}
  mod_offline:
    access_max_user_messages: max_user_offline_messages
    store_empty_body: false
`

func (k Ejabberd) prepare(dir string, o Options) (launch, error) {
	app, err := ejabberdDir()
	if err != nil {
		return launch{}, err
	}
	path, err := program("erl")
	if err != nil {
		return launch{}, err
	}
	addr, port, err := freeAddr()
	if err != nil {
		return launch{}, err
	}
	conf, spool := filepath.Join(dir, "ejabberd.yml"), filepath.Join(dir, "spool")
	if err := os.WriteFile(conf, []byte(fmt.Sprintf(ejabberdConf, k.Host, port)), 0o600); err != nil {
		return launch{}, fmt.Errorf("%w: %w", ErrServer, err)
	}
	args := append(append([]string{}, erlFlags...), "-mnesia", "dir", fmt.Sprintf("%q", spool), "-s", "ejabberd")
	env := []string{"EJABBERD_CONFIG_PATH=" + conf, "EJABBERD_LOG_PATH=" + filepath.Join(dir, "ejabberd.log"), "ERL_LIBS=" + filepath.Dir(app),
		"ERL_CRASH_DUMP_BYTES=0", "ERL_MAX_PORTS=60000", "ERL_MAX_ETS_TABLES=20000", "HOME=" + dir, "TERM=dumb"}
	ready := func(ctx context.Context, s *Server) error { return k.users(ctx, s, dir, o) }
	collect := func(ctx context.Context, s *Server) error {
		return s.shell(ctx, "[erlang:garbage_collect(P) || P <- processes()], ok")
	}
	return launch{program: path, args: args, env: env, addr: addr, input: true, ready: ready, collect: collect}, nil
}

// users registers everybody and chooses where messages wait.
func (k Ejabberd) users(ctx context.Context, s *Server, dir string, o Options) error {
	started := "(fun W() -> case lists:keymember(ejabberd, 1, application:which_applications()) of true -> ok; false -> timer:sleep(50), W() end end)()"
	if err := s.shell(ctx, started); err != nil { // it listens before it is ready
		return err
	}
	var b strings.Builder
	for i := range o.Users {
		fmt.Fprintf(&b, "%q.\n", k.User(i))
	}
	list := filepath.Join(dir, "users")
	if err := os.WriteFile(list, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	add := fmt.Sprintf("{ok, Us} = file:consult(%q), [ok = ejabberd_auth:try_register(list_to_binary(U), <<%q>>, <<%q>>) || U <- Us], ok", list, k.Host, k.Pass)
	if err := s.shell(ctx, add); err != nil {
		return err
	}
	if k.Disk {
		return nil
	}
	return s.shell(ctx, "{atomic, ok} = mnesia:change_table_copy_type(offline_msg, node(), ram_copies), ok")
}

// shell runs one expression in the server's Erlang shell and waits until it has the value ok.
func (s *Server) shell(ctx context.Context, expression string) error {
	s.asked++
	mark := fmt.Sprintf("answer-%d-", s.asked)
	// The mark is put together there, so that an echo of the line is no answer.
	line := fmt.Sprintf("io:format(\"~s~p~n\", [\"answer-\" ++ integer_to_list(%d) ++ \"-\", catch (begin %s end)]), f().\n", s.asked, expression)
	if _, err := io.WriteString(s.in, line); err != nil {
		return fmt.Errorf("%w: %w%s", ErrServer, err, s.tail.said())
	}
	for !s.tail.has(mark) {
		if err := s.pause(ctx, shellAnswerEvery); err != nil {
			return err
		}
	}
	if err := s.pause(ctx, shellAnswerEvery); err != nil { // the rest of the line
		return err
	}
	if !s.tail.has(mark + "ok") {
		return fmt.Errorf("%w: %.80s%s", ErrServer, expression, s.tail.said())
	}
	return nil
}
