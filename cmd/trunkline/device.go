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
	"syscall"

	"trunkline/client"
	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/server"
)

// deviceOptions say which device of which user a command is, where its server is, how it is known, and where the device's
// state lives.
type deviceOptions struct {
	server     string
	serverKey  serverKeyFlag
	trustFirst bool
	plain      bool
	state      string
	user       userFlag
	device     deviceFlag
}

// add declares the flags of every command that logs in.
func (o *deviceOptions) add(fs *flag.FlagSet) {
	o.addState(fs)
	fs.Var(&o.device, "device", "`number` of this device, 0 to 253; one device is one process at a time")
	fs.Var(&o.serverKey, "server-key", "the `key` that the server must have, as serve prints it; needed once, the state remembers it")
	fs.BoolVar(&o.trustFirst, "trust-first", false, "take the key that the server shows the first time")
	fs.BoolVar(&o.plain, "plain", false, "no encryption, for a server with --transport=plain")
}

// addState declares the flags that say whose state a command works on.
func (o *deviceOptions) addState(fs *flag.FlagSet) {
	fs.Var(&o.user, "user", "be this `user` (a number of up to 18 digits)")
	fs.StringVar(&o.server, "server", server.DefaultConfig().Listen, "`address` of the server")
	fs.StringVar(&o.state, "state", "", "`folder` for keys, outbox, inbox and marks; the default is in your home directory")
}

// check is for what flag parsing alone does not see.
func (o *deviceOptions) check() error {
	if o.user == 0 {
		return errors.New("--user says who you are and is required")
	}
	_, port, err := net.SplitHostPort(o.server)
	if err != nil {
		return fmt.Errorf("--server %q is not host:port", o.server)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err == nil && n == 0 || errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("--server %q: a port is a number from 1 to 65535", o.server)
	}
	if o.device > codec.DeviceMax {
		return fmt.Errorf("--device %d: a device is a number from 0 to %d", o.device, codec.DeviceMax)
	}
	if o.plain && (o.serverKey.given || o.trustFirst) {
		return errors.New("--plain proves nothing: it does not go with --server-key and --trust-first")
	}
	return nil
}

// open opens the state of this device at this server, making its folder (0700) and file (0600).
func (o *deviceOptions) open() (client.State, error) {
	folder := o.state
	if folder == "" {
		var err error
		if folder, err = client.StateFolder(); err != nil {
			return nil, fmt.Errorf("%w; --state names a folder for the state", err)
		}
	}
	folder = filepath.Join(folder, client.ServerFolder(o.server))
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make folder for the state: %w", err)
	}
	return client.OpenState(filepath.Join(folder, fmt.Sprintf("%d-%d.state", o.user, o.device)))
}

// options are what Dial needs.
func (o *deviceOptions) options(state client.State) []client.Option {
	opts := []client.Option{client.WithUser(uint64(o.user)), client.WithDevice(uint8(o.device)), client.WithState(state)}
	if o.plain {
		opts = append(opts, client.WithPlaintext())
	}
	if o.serverKey.given {
		opts = append(opts, client.WithServerKey(o.serverKey.key))
	}
	if o.trustFirst {
		opts = append(opts, client.WithTrustFirst())
	}
	return opts
}

// serverKeyFlag is a server's key on the command line.
type serverKeyFlag struct {
	key   secure.ServerKey
	given bool
}

// String is the key's text, empty for none.
func (k *serverKeyFlag) String() string {
	if !k.given {
		return ""
	}
	return k.key.String()
}

// Set takes the text that serve and keys show print.
func (k *serverKeyFlag) Set(s string) (err error) {
	if k.key, err = secure.ParseServerKey(strings.TrimSpace(s)); err != nil {
		return errors.New(withoutPackage(err))
	}
	k.given = true
	return nil
}

// withoutPackage is an error's text as it stands behind a flag's name.
func withoutPackage(err error) string { return strings.TrimPrefix(err.Error(), "secure: ") }

// userFlag is a user id on the command line; 0 is none.
type userFlag uint64

// String is the id in decimal, empty for none.
func (u *userFlag) String() string {
	if *u == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(*u), 10)
}

// Set takes 1 to 18 digits.
func (u *userFlag) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil || n == 0 || n > codec.UserMax {
		return errors.New("a user is a number of up to 18 digits, not 0")
	}
	*u = userFlag(n)
	return nil
}

// deviceFlag is a device number on the command line.
type deviceFlag uint8

// String is the number in decimal.
func (d *deviceFlag) String() string { return strconv.Itoa(int(*d)) }

// Set takes 0 to 255.
func (d *deviceFlag) Set(s string) error {
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil {
		return errors.New("a device is a number from 0 to 255")
	}
	*d = deviceFlag(n)
	return nil
}

// talkError prints one line for a wrong flag, or the help that was asked for, and answers the exit code.
func talkError(name, help string, fs *flag.FlagSet, err error, stdout, stderr io.Writer) int {
	if !errors.Is(err, flag.ErrHelp) {
		return usageError(name, fs, err, stdout, stderr)
	}
	fmt.Fprint(stdout, help, "\n")
	printFlagList(stdout, fs)
	return exitOK
}

// failed prints the one line of a command that could not do its work.
func failed(name string, err error, stderr io.Writer) int {
	hint := ""
	switch {
	case errors.Is(err, client.ErrServerKeyMissing):
		fmt.Fprintf(stderr, "trunkline %s: the server's key is not known; --server-key names it (trunkline serve prints it), --trust-first takes the one that the server shows\n", name)
		return exitFailed
	case errors.Is(err, client.ErrServerKeyChanged):
		hint = "; ask its operator for the key (trunkline keys show) before you trust it with --server-key"
	case errors.Is(err, client.ErrNotRegistered):
		hint = "; `trunkline register --token` enrols it, `trunkline token` on the server makes the token"
	case errors.Is(err, client.ErrTokenRefused):
		hint = "; a token is for one user, for a time, and for one device's key: ask for a new one"
	case errors.Is(err, io.EOF), errors.Is(err, secure.ErrMagic):
		hint = "; do server and client speak the same? --plain is for a server with --transport=plain"
	case errors.Is(err, client.ErrStateInUse):
		hint = "; one device is one process, --device names another"
	case errors.Is(err, client.ErrGenerationStale), errors.Is(err, client.ErrStateBehind), errors.Is(err, client.ErrStateDamaged):
		hint = "; remove its file below --state to register anew, or use another --device"
	case errors.Is(err, syscall.ECONNREFUSED):
		hint = "; is a server running there? `trunkline serve` starts one"
	}
	fmt.Fprintf(stderr, "trunkline %s: %s%s\n", name, oneLine(err), hint)
	return exitFailed
}
