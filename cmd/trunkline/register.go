package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"trunkline/client"
	"trunkline/codec/secure"
)

const registerHelp = `Usage: trunkline register --user ME --server ADDR --server-key KEY --token TOKEN [flags]

Enrols this device at the server: draws its keys, keeps them below --state, and shows the token. After that chat, send and
recv need only --user, --server and --state. The token comes from the operator (trunkline token) or from the user's
first device (trunkline link); a server with --registration=open takes a new device without one. To keep the token out of the
list of processes, use --token-file, or --token - for standard input, or the environment's TRUNKLINE_TOKEN.
Prints one line of JSON: user, device, generation, new (false: it was enrolled already) and server_key (the key that is pinned).
Exit status: 0 enrolled, 1 refused or another error, 2 wrong flags, 3 nobody answered in time.
`

const (
	// registerTimeout is the default of register --timeout.
	registerTimeout = 30 * time.Second
	// secretBytesMax bounds what is read as a token or a request. Over it: refused.
	secretBytesMax = 1 << 10
)

type registerOptions struct {
	deviceOptions
	token     string
	tokenFile string
	timeout   time.Duration
	proof     []byte // the token's bytes; nil: none
}

// errSecret: what stands in for a flag could not be read.
var errSecret = errors.New("read the token")

// runRegister enrols a device.
func runRegister(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var o registerOptions
	fs := o.flags()
	if err := o.parse(fs, args, stdin); err != nil {
		if errors.Is(err, errSecret) {
			return failed("register", err, stderr)
		}
		return talkError("register", registerHelp, fs, err, stdout, stderr)
	}
	ctx, stop := waitContext(o.timeout)
	defer stop()
	state, err := o.open()
	if err != nil {
		return failed("register", err, stderr)
	}
	code := o.run(ctx, state, stdout, stderr)
	if err := state.Close(); err != nil && code == exitOK {
		return failed("register", err, stderr)
	}
	return code
}

func (o *registerOptions) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("register", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.add(fs)
	fs.StringVar(&o.token, "token", "", "the registration `token`; - reads it from standard input")
	fs.StringVar(&o.tokenFile, "token-file", "", "`file` that holds the token")
	fs.DurationVar(&o.timeout, "timeout", registerTimeout, "give up after this `time`; 0 waits for ever")
	return fs
}

// parse settles the flags and reads the token.
func (o *registerOptions) parse(fs *flag.FlagSet, args []string, stdin io.Reader) error {
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	switch {
	case o.timeout < 0:
		return fmt.Errorf("--timeout %v is negative", o.timeout)
	case o.token != "" && o.tokenFile != "":
		return errors.New("--token and --token-file are one too many")
	case o.plain && (o.token != "" || o.tokenFile != ""):
		return errors.New("--plain proves nothing: it does not go with a token")
	case o.plain:
		return nil
	}
	text, from, err := o.readToken(stdin)
	if err != nil || text == "" && from == "" {
		return err
	}
	if o.proof, err = secure.ParseTokenText(text); err != nil {
		return fmt.Errorf("%s: %s", from, withoutPackage(err))
	}
	return nil
}

// readToken finds the token's text and says where it comes from.
func (o *registerOptions) readToken(stdin io.Reader) (text, from string, err error) {
	switch {
	case o.tokenFile != "":
		f, err := os.Open(o.tokenFile)
		if err != nil {
			return "", "", fmt.Errorf("%w: %w", errSecret, err)
		}
		defer f.Close()
		text, err = readLine(f)
		return text, "--token-file " + o.tokenFile, err
	case o.token == "-":
		text, err = readLine(stdin)
		return text, "standard input", err
	case o.token != "":
		return strings.TrimSpace(o.token), "--token", nil
	}
	if text = strings.TrimSpace(os.Getenv("TRUNKLINE_TOKEN")); text != "" {
		from = "TRUNKLINE_TOKEN"
	}
	return text, from, nil
}

// readLine reads all of r, a short text.
func readLine(r io.Reader) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, secretBytesMax+1))
	if err != nil {
		return "", fmt.Errorf("%w: %w", errSecret, err)
	}
	if len(b) > secretBytesMax {
		return "", fmt.Errorf("%w: more than %d bytes", errSecret, secretBytesMax)
	}
	return strings.TrimSpace(string(b)), nil
}

// run logs in once.
func (o *registerOptions) run(ctx context.Context, state client.State, stdout, stderr io.Writer) int {
	opts := append(o.options(state), client.WithInbox(), client.WithoutReconnect())
	if o.proof != nil {
		opts = append(opts, client.WithRegistrationToken(o.proof))
	}
	c, err := client.Dial(ctx, o.server, opts...)
	if err != nil {
		if code := interrupted(ctx, "register", fmt.Sprintf("no login at %s within %v", o.server, o.timeout), stderr); code != exitOK {
			return code
		}
		return failed("register", err, stderr)
	}
	var hello client.Connected
	for ev := range c.Events() { // Connected comes first, but for messages of an earlier run
		var ok bool
		if hello, ok = ev.(client.Connected); ok {
			break
		}
	}
	err = c.Close()
	if err == nil {
		err = o.print(stdout, state, &hello)
	}
	if err != nil {
		return failed("register", err, stderr)
	}
	return exitOK
}

// print writes the line of JSON.
func (o *registerOptions) print(w io.Writer, state client.State, hello *client.Connected) error {
	snap, err := state.Load()
	if err != nil {
		return err
	}
	line := struct {
		User       uint64 `json:"user"`
		Device     uint8  `json:"device"`
		Generation uint16 `json:"generation"`
		New        bool   `json:"new"`
		ServerKey  string `json:"server_key,omitempty"`
	}{User: uint64(o.user), Device: uint8(o.device), Generation: hello.Generation, New: !hello.Resumed && !hello.ServerLost}
	if !o.plain {
		line.ServerKey = snap.Identity.Server.String()
	}
	return printJSON(w, line)
}
