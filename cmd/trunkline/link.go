package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"trunkline/client"
	"trunkline/codec/secure"
)

const linkHelp = `Usage: trunkline link request --user ME --device N --server ADDR [flags]      (on the new device)
       trunkline link approve --user ME --server ADDR --request REQUEST [flags]   (on the first device)

Links a second device of a user, without its operator. The new device prints a request: its key, drawn now. The first device,
number 0, signs it and prints a token. The new device shows the token:
  trunkline register --user ME --device N --server ADDR --server-key KEY --token TOKEN
Compare the requests on both screens: who gets another one signed gets in. Nothing is sent anywhere. The first device must be
registered, and neither may run meanwhile.
Exit status: 0 printed, 1 an error, 2 wrong flags.
`

const (
	// linkValid is the default of link approve --valid: long enough to carry a text from one screen to another.
	linkValid = 10 * time.Minute
	// linkValidMax bounds it: a link is made while both devices are at hand. Over it: refused.
	linkValidMax = 7 * 24 * time.Hour
)

type linkOptions struct {
	deviceOptions
	request string
	valid   time.Duration
}

// runLink runs one of its two halves.
func runLink(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var o linkOptions
	half, rest := "", args
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		half, rest = args[0], args[1:]
	}
	fs := o.flags(half)
	text, err := "", o.parse(fs, half, rest, stdin)
	if err != nil {
		if errors.Is(err, errSecret) {
			return failed("link", err, stderr)
		}
		return talkError("link", linkHelp, fs, err, stdout, stderr)
	}
	state, err := o.open()
	if err != nil {
		return failed("link", err, stderr)
	}
	if half == "request" {
		text, err = o.ask(state)
	} else {
		text, err = o.approve(state)
	}
	if cerr := state.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		_, err = fmt.Fprintln(stdout, text)
	}
	if err != nil {
		return failed("link", err, stderr)
	}
	return exitOK
}

func (o *linkOptions) flags(half string) *flag.FlagSet {
	fs := flag.NewFlagSet("link", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.addState(fs)
	if half != "approve" {
		fs.Var(&o.device, "device", "`number` of the new device, 1 to 253")
	}
	if half != "request" {
		fs.StringVar(&o.request, "request", "", "the `request` that the new device printed; - reads it from standard input")
		fs.DurationVar(&o.valid, "valid", linkValid, "how long the token is good")
	}
	return fs
}

func (o *linkOptions) parse(fs *flag.FlagSet, half string, args []string, stdin io.Reader) error {
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	if half != "request" && half != "approve" {
		return errors.New("say `link request` on the new device or `link approve` on the first one")
	}
	if err := o.check(); err != nil {
		return err
	}
	switch {
	case half == "request" && o.device == 0:
		return errors.New("--device numbers the new device, from 1 on; 0 is the first one")
	case half == "request":
		return nil
	case o.valid < time.Second || o.valid > linkValidMax:
		return fmt.Errorf("--valid %v is not between 1s and %v", o.valid, linkValidMax)
	case o.request == "":
		return errors.New("--request is what the new device printed and is required")
	case o.request == "-":
		var err error
		o.request, err = readLine(stdin)
		return err
	}
	return nil
}

// ask makes the new device's request.
func (o *linkOptions) ask(state client.State) (string, error) {
	r, err := client.RequestLink(state, uint64(o.user), uint8(o.device))
	if err != nil {
		return "", err
	}
	return r.String(), nil
}

// approve signs a request.
func (o *linkOptions) approve(state client.State) (string, error) {
	r, err := secure.ParseLinkRequest(strings.TrimSpace(o.request))
	if err != nil {
		return "", fmt.Errorf("--request: %s", withoutPackage(err))
	}
	if r.User != uint64(o.user) {
		return "", fmt.Errorf("--request is of user %d, not of %d", r.User, o.user)
	}
	token, err := client.ApproveLink(state, r, time.Now().Add(o.valid))
	if err != nil {
		return "", err
	}
	return secure.TokenText(token), nil
}
