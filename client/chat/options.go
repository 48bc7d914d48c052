package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"trunkline/client"
	"trunkline/codec"
	"trunkline/codec/secure"
)

const help = `Usage: trunkline-chat --user ME [flags]

Conversations of one user, on the whole terminal. /help lists keys and commands.
State and history of the device are files that only you can read, below --state; trunkline's other commands use the same state.
To keep a token out of the list of processes, use --token-file or the environment's TRUNKLINE_TOKEN.

`

const (
	defaultServer = "127.0.0.1:5222"
	tokenVariable = "TRUNKLINE_TOKEN"
	// deviceMax is the highest device number that a client can be.
	deviceMax = 253
)

// errHelp: the user asked for help, and has it.
var errHelp = errors.New("help")

// options are the flags. Their names are those of `trunkline chat` and `trunkline register`.
type options struct {
	user      number
	device    number
	server    string
	key       *secure.ServerKey
	trust     bool
	plain     bool
	state     string
	token     []byte // nil: none
	plainLook bool
}

// number is a number on the command line.
type number uint64

// parse reads the flags. Errors: errHelp, or one line for the user.
func (o *options) parse(args []string, stdout io.Writer) error {
	var user, device, key, token, tokenFile string
	fs := flag.NewFlagSet("trunkline-chat", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&user, "user", "", "be this `user` (a number of up to 18 digits)")
	fs.StringVar(&device, "device", "0", "`number` of this device, 0 to 253; one device is one process at a time")
	fs.StringVar(&o.server, "server", defaultServer, "`address` of the server")
	fs.StringVar(&key, "server-key", "", "the `key` that the server must have, as serve prints it; needed once, the state remembers it")
	fs.BoolVar(&o.trust, "trust-first", false, "take the key that the server shows the first time")
	fs.BoolVar(&o.plain, "plain", false, "no encryption, for a server with --transport=plain")
	fs.BoolVar(&o.plain, "plaintext", false, "the same as --plain")
	fs.StringVar(&o.state, "state", "", "`folder` for state and history; the default is in your home directory")
	fs.StringVar(&token, "token", "", "the registration `token` of a new device")
	fs.StringVar(&tokenFile, "token-file", "", "`file` that holds the token")
	fs.BoolVar(&o.plainLook, "no-color", false, "no colours; so does the environment's NO_COLOR")
	err := fs.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(stdout, help)
		printFlags(stdout, fs)
		return errHelp
	case err != nil:
		return fmt.Errorf("%w; --help lists the flags", err)
	case fs.NArg() > 0:
		return fmt.Errorf("%q is not a flag; --help lists them", fs.Arg(0))
	}
	return errors.Join(o.who(user, device), o.where(key), o.proof(token, tokenFile))
}

// printFlags lists the flags as trunkline's commands do.
func printFlags(w io.Writer, fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) {
		arg, usage := flag.UnquoteUsage(f)
		if f.DefValue != "" && f.DefValue != "false" {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  %-26s %s\n", strings.TrimSpace("--"+f.Name+" "+arg), usage)
	})
}

// who settles user and device.
func (o *options) who(user, device string) error {
	n, err := strconv.ParseUint(user, 10, 64)
	switch {
	case user == "":
		return errors.New("--user says who you are and is required")
	case err != nil || n == 0 || n > codec.UserMax:
		return errors.New("--user: a user is a number of up to 18 digits, not 0")
	}
	d, err := strconv.ParseUint(device, 10, 8)
	if err != nil || d > deviceMax {
		return fmt.Errorf("--device: a device is a number from 0 to %d", deviceMax)
	}
	o.user, o.device = number(n), number(d)
	return nil
}

// where settles the server and how it is known.
func (o *options) where(key string) error {
	_, port, err := net.SplitHostPort(o.server)
	if err != nil {
		return fmt.Errorf("--server %q is not host:port", o.server)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil && n == 0 || errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("--server %q: a port is a number from 1 to 65535", o.server)
	}
	if o.plain && (key != "" || o.trust) {
		return errors.New("--plain proves nothing: it does not go with --server-key and --trust-first")
	}
	if key == "" {
		return nil
	}
	k, err := secure.ParseServerKey(strings.TrimSpace(key))
	if err != nil {
		return fmt.Errorf("--server-key: %s", strings.TrimPrefix(err.Error(), "secure: "))
	}
	o.key = &k
	return nil
}

// proof reads the registration token.
func (o *options) proof(text, file string) error {
	switch {
	case text != "" && file != "":
		return errors.New("--token and --token-file are one too many")
	case o.plain && (text != "" || file != ""):
		return errors.New("--plain proves nothing: it does not go with a token")
	case o.plain:
		return nil
	case file != "":
		b, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("--token-file: %w", err)
		}
		text = string(b)
	case text == "":
		text = os.Getenv(tokenVariable)
	}
	if text = strings.TrimSpace(text); text == "" {
		return nil
	}
	var err error
	if o.token, err = secure.ParseTokenText(text); err != nil {
		return fmt.Errorf("the token: %s", strings.TrimPrefix(err.Error(), "secure: "))
	}
	return nil
}

// client are the options of the SDK.
func (o *options) client(state client.State) []client.Option {
	opts := []client.Option{
		client.WithUser(uint64(o.user)), client.WithDevice(uint8(o.device)), client.WithState(state), client.WithOfflineStart(),
		client.WithBackoff(backoffBase, backoffMax),
	}
	if o.plain {
		opts = append(opts, client.WithPlaintext())
	}
	if o.key != nil {
		opts = append(opts, client.WithServerKey(*o.key))
	}
	if o.trust {
		opts = append(opts, client.WithTrustFirst())
	}
	if o.token != nil {
		opts = append(opts, client.WithRegistrationToken(o.token))
	}
	return opts
}

// folder makes the folder of this server's files (0700), as `trunkline chat` does: both use one state.
func (o *options) folder() (string, error) {
	dir := o.state
	if dir == "" {
		var err error
		if dir, err = client.StateFolder(); err != nil {
			return "", fmt.Errorf("%w; --state names a folder for state and history", err)
		}
	}
	dir = filepath.Join(dir, client.ServerFolder(o.server))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make folder for the state: %w", err)
	}
	return dir, nil
}

// file is a file of this device.
func (o *options) file(folder, kind string) string {
	return filepath.Join(folder, fmt.Sprintf("%d-%d.%s", o.user, o.device, kind))
}
