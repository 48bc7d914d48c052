package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/server"
)

const tokenHelp = `Usage: trunkline token --user U [flags]

Makes a token with which a device of this user registers, and prints it and nothing else. It is signed with the
operator's private key; the server need not run. A token registers one device, once: the device that used it may show it
again, no other one. The device then runs
  trunkline register --user U --token TOKEN --server ADDR --server-key KEY
A token is a secret until it is used.
Exit status: 0 printed, 1 an error, 2 wrong flags.
`

const (
	// tokenValid is the default of token --valid: a day, to carry it to somebody.
	tokenValid = 24 * time.Hour
	// tokenValidMax bounds it: the server remembers used tokens until they end. Over it: refused.
	tokenValidMax = 366 * 24 * time.Hour
	// tokenCountMax bounds token --count. Over it: refused.
	tokenCountMax = 10_000
)

type tokenOptions struct {
	user   userFlag
	device deviceFlag
	any    bool
	valid  time.Duration
	count  int
	keys   string
}

// runToken prints registration tokens.
func runToken(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	var o tokenOptions
	fs := o.flags()
	if err := o.parse(fs, args); err != nil {
		return talkError("token", tokenHelp, fs, err, stdout, stderr)
	}
	text, err := o.tokens(time.Now())
	if err != nil {
		return failed("token", err, stderr)
	}
	return printed("token", []byte(text), stdout, stderr)
}

func (o *tokenOptions) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("token", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.Var(&o.user, "user", "the `user` (a number of up to 18 digits)")
	fs.Var(&o.device, "device", "`number` of the device, 0 to 253")
	fs.BoolVar(&o.any, "any-device", false, "any device of the user instead of --device")
	fs.DurationVar(&o.valid, "valid", tokenValid, "how long the token can be used")
	fs.IntVar(&o.count, "count", 1, "print this `number` of tokens, one a line")
	addKeys(fs, &o.keys)
	return fs
}

func (o *tokenOptions) parse(fs *flag.FlagSet, args []string) error {
	if err := parseFlags(fs, args); err != nil {
		return err
	}
	deviceGiven := false
	fs.Visit(func(f *flag.Flag) { deviceGiven = deviceGiven || f.Name == "device" })
	switch {
	case o.user == 0:
		return errors.New("--user says for whom and is required")
	case o.any && deviceGiven:
		return errors.New("--device and --any-device are one too many")
	case o.device > codec.DeviceMax:
		return fmt.Errorf("--device: a device is a number from 0 to %d", codec.DeviceMax)
	case o.valid < time.Second || o.valid > tokenValidMax:
		return fmt.Errorf("--valid: %s is not between 1s and %s", server.Duration(o.valid), server.Duration(tokenValidMax))
	case o.count < 1 || o.count > tokenCountMax:
		return fmt.Errorf("--count: %d is not between 1 and %d", o.count, tokenCountMax)
	}
	return nil
}

// tokens signs as many as were asked for, one a line.
func (o *tokenOptions) tokens(now time.Time) (string, error) {
	dir, err := keysDir(o.keys)
	if err != nil {
		return "", err
	}
	operator, err := server.OpenOperator(dir)
	if err != nil {
		return "", err
	}
	var b strings.Builder
	for range o.count {
		t, err := operator.SignToken(secure.Token{User: uint64(o.user), Device: uint8(o.device), AnyDevice: o.any,
			NotAfter: uint64(now.Add(o.valid).Unix())})
		if err != nil {
			return "", err
		}
		b.WriteString(secure.TokenText(t) + "\n")
	}
	return b.String(), nil
}
