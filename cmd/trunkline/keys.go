package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"trunkline/server"
)

const keysHelp = `Usage: trunkline keys init [flags]                 make keys; serve does that by itself at its first start
       trunkline keys show [flags]                 print what clients pin, and how old everything is
       trunkline keys rotate WHAT [flags]          make keys anew

WHAT is one of
  tickets      every resume ticket ends: each device does one full handshake, nothing else is noticed
  certificate  the same server key, certified for another ten years
  server       a new server key; clients with the old pin are shown the certificate and go on
  operator     a new operator: EVERY CLIENT MUST PIN THE NEW SERVER KEY, tokens made before end; needs --force
A running server takes new ticket keys within a minute and the others when it is started again. The private operator
key may be kept elsewhere: without the file "operator" a server runs, but certificate, server and tokens can't be signed.
No private key is ever printed.
Exit status: 0 done, 1 it could not be done, 2 wrong flags.
`

type keysOptions struct {
	what     string // init, show, rotate
	rotation server.Rotation
	keys     string
	keyOnly  bool
	force    bool
}

// runKeys makes, shows or rotates keys.
func runKeys(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	var o keysOptions
	args = o.words(args)
	fs := o.flags()
	if err := o.parse(fs, args); err != nil {
		return talkError("keys", keysHelp, fs, err, stdout, stderr)
	}
	dir, err := keysDir(o.keys)
	if err != nil {
		return failed("keys", err, stderr)
	}
	var k *server.Keyring
	said := ""
	switch o.what {
	case "init":
		k, err = server.InitKeys(dir)
	case "show":
		k, err = server.OpenKeys(dir)
	case "rotate":
		k, err = server.RotateKeys(dir, o.rotation)
		said = rotated(o.rotation)
	}
	if err != nil {
		return failed("keys", err, stderr)
	}
	text := said + describeKeys(k, time.Now())
	if o.keyOnly {
		text = k.ServerKey().String() + "\n"
	}
	return printed("keys", []byte(text), stdout, stderr)
}

// words takes the leading words off the arguments.
func (o *keysOptions) words(args []string) []string {
	word := func() (w string) {
		if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
			w, args = args[0], args[1:]
		}
		return w
	}
	if o.what = word(); o.what == "rotate" {
		o.rotation = server.Rotation(word())
	}
	return args
}

func (o *keysOptions) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("keys", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	addKeys(fs, &o.keys)
	if o.what != "init" && o.what != "rotate" {
		fs.BoolVar(&o.keyOnly, "key-only", false, "show: print the server key and nothing else, for scripts")
	}
	if o.what != "init" && o.what != "show" {
		fs.BoolVar(&o.force, "force", false, "rotate operator: this is meant")
	}
	return fs
}

// addKeys declares the flag that names a directory of keys.
func addKeys(fs *flag.FlagSet, dir *string) {
	fs.StringVar(dir, "keys", "", "`directory` of the keys; the default is the one of a serve without --data")
}

func (o *keysOptions) parse(fs *flag.FlagSet, args []string) error {
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	switch o.what {
	case "init", "show":
		return nil
	case "rotate":
	case "":
		return errors.New("say what to do: init, show or rotate")
	default:
		return fmt.Errorf("%q is none of init, show, rotate", o.what)
	}
	known := false
	for _, r := range server.Rotations() {
		known = known || r == o.rotation
	}
	switch {
	case o.rotation == "":
		return errors.New("rotate what? One of tickets, certificate, server, operator")
	case !known:
		return fmt.Errorf("rotate %q: it is none of tickets, certificate, server, operator", string(o.rotation))
	case o.rotation == server.RotateOperator && !o.force:
		return errors.New("rotate operator: every client must then pin the new server key by hand, and every token of the operator ends; --force says that this is meant")
	case o.rotation != server.RotateOperator && o.force:
		return errors.New("--force is for rotate operator")
	}
	return nil
}

// keysDir is the directory that was named, or the one of a server that was told nothing.
func keysDir(named string) (string, error) {
	if named != "" {
		return named, nil
	}
	data, err := dataFolder()
	if err != nil {
		return "", fmt.Errorf("%w; --keys names a directory", err)
	}
	return server.Config{Data: data}.KeysDir(), nil
}

// rotated says what a rotation means for those who are out there.
func rotated(what server.Rotation) string {
	switch what {
	case server.RotateTickets:
		return "New ticket keys: a running server takes them within a minute; every device does one full handshake.\n\n"
	case server.RotateCertificate:
		return "The server key is certified anew: restart the server.\n\n"
	case server.RotateServer:
		return "New server key: restart the server. Clients with the old pin are shown the certificate; give new ones the key below.\n\n"
	case server.RotateOperator:
		return "NEW OPERATOR AND SERVER KEY: restart the server. Every client refuses it until it pins the key below, and every\n" +
			"token that the operator made before is void.\n\n"
	}
	return ""
}

// describeKeys is what may be known of keys.
func describeKeys(k *server.Keyring, now time.Time) string {
	var b strings.Builder
	c, tickets := k.Certificate(), k.Tickets()
	fmt.Fprintf(&b, "server key   %s\n", k.ServerKey())
	fmt.Fprintf(&b, "certificate  valid from %s to %s%s\n", date(int64(c.NotBefore)), date(int64(c.NotAfter)), judged(k, now))
	operator := "its private key is here"
	if !k.CanSign() {
		operator = "its private key is kept elsewhere"
	}
	fmt.Fprintf(&b, "operator     %x: %s\n", []byte(k.Operator()), operator)
	fmt.Fprintf(&b, "tickets      current key %d, %s old", tickets.Current.ID, age(now, tickets.Current.Created))
	if tickets.Previous.ID != 0 {
		fmt.Fprintf(&b, "; previous key %d, %s old", tickets.Previous.ID, age(now, tickets.Previous.Created))
	}
	fmt.Fprintf(&b, "\ndirectory    %s\n", k.Dir())
	return b.String()
}

// judged says what is wrong with a certificate now.
func judged(k *server.Keyring, now time.Time) string {
	switch err := k.Check(now); {
	case errors.Is(err, server.ErrCertificateExpired):
		return " (EXPIRED: trunkline keys rotate certificate)"
	case errors.Is(err, server.ErrCertificateEarly):
		return " (NOT YET VALID: is the clock right?)"
	case k.Check(now.Add(server.CertificateRenewal)) != nil:
		return " (ends soon: trunkline keys rotate certificate)"
	}
	return ""
}

func date(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02") }

// age is how old something is, by the wall clock.
func age(now time.Time, unix int64) string {
	d := now.Sub(time.Unix(unix, 0))
	if d < time.Minute {
		return "less than a minute"
	}
	return server.Duration(d.Truncate(time.Minute)).String()
}
