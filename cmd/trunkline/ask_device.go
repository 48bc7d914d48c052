package main

import (
	"context"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"trunkline/client"
)

// deviceVerbs is `trunkline device`, beside `trunkline device link`.
func deviceVerbs() []verb {
	return []verb{
		{"list", "", "list a user's devices: which are registered, which its primary has signed", ofFlag, nil, deviceList, false},
		{"sign", "[DEVICE...]", "sign which devices this user has; messages go to these. The primary does, and is always among them", nil, someDevices, deviceSign, false},
		{"remove", "DEVICE", "end a device of this user: the primary ends a companion, a companion itself", nil, oneDevice, deviceRemove, false},
		{"link", "request|approve", "let a second device register: the same as trunkline link", nil, nil, nil, false}, // runDevice
		{"trust", "", "take the new key of a user's primary, after you have made sure of that user", ofFlag, ofSomebody, deviceTrust, false},
	}
}

// runDevice is `trunkline device`; link is a command of its own under two names.
func runDevice(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) > 0 && args[0] == "link" {
		return runLink(args[1:], stdin, stdout, stderr)
	}
	return askCommand("device", deviceVerbs)(args, stdin, stdout, stderr)
}

// deviceLine is one device as JSON.
type deviceLine struct {
	User       uint64 `json:"user"`
	Device     uint8  `json:"device"`
	Registered bool   `json:"registered"` // the server knows it
	Signed     bool   `json:"signed"`     // the primary has signed it
	Generation uint16 `json:"generation,omitempty"`
	Since      int64  `json:"since,omitempty"`
	Key        string `json:"key,omitempty"`
	Version    uint32 `json:"list_version"`
	Verified   bool   `json:"verified"` // the list's signature was checked
}

func ofFlag(a *asking, fs *flag.FlagSet) {
	fs.Var(&a.of, "of", "the `user` whose devices; the own one")
}

func ofSomebody(a *asking) error {
	switch {
	case a.of == 0:
		return errors.New("--of says which user and is required")
	case len(a.words) > 0:
		return fmt.Errorf("%q is not a flag", a.words[0])
	}
	return nil
}

// devices are the words behind the flags.
func (a *asking) devices() ([]uint8, error) {
	var list []uint8
	for _, w := range a.words {
		var d deviceFlag
		if err := d.Set(w); err != nil {
			return nil, fmt.Errorf("%q: %w", w, err)
		}
		list = append(list, uint8(d))
	}
	return list, nil
}

func someDevices(a *asking) error {
	_, err := a.devices()
	return err
}

func oneDevice(a *asking) error {
	switch list, err := a.devices(); {
	case err != nil:
		return err
	case len(list) != 1:
		return errors.New("name one device behind the flags")
	case list[0] == 0:
		return errors.New("device 0 is the primary: it goes with the account, `trunkline account delete`")
	}
	return nil
}

func deviceList(ctx context.Context, a *asking) error {
	d, err := a.c.Devices(ctx, uint64(a.of))
	if err != nil {
		return err
	}
	return a.putDevices(&d)
}

func deviceTrust(ctx context.Context, a *asking) error {
	d, err := a.c.TrustDevices(ctx, uint64(a.of))
	if err != nil {
		return err
	}
	return a.putDevices(&d)
}

func deviceSign(ctx context.Context, a *asking) error {
	list, _ := a.devices() // checked before
	d, err := a.c.SignDevices(ctx, list...)
	if err != nil {
		return err
	}
	return a.putDevices(&d)
}

func deviceRemove(ctx context.Context, a *asking) error {
	list, _ := a.devices() // checked before
	if err := a.c.RemoveDevice(ctx, list[0]); err != nil {
		return err
	}
	line := struct {
		User    uint64 `json:"user"`
		Device  uint8  `json:"device"`
		Removed bool   `json:"removed"`
	}{uint64(a.user), list[0], true}
	return a.put(line, "device %d of %d is removed", list[0], a.user)
}

// putDevices prints every device that is registered or signed.
func (a *asking) putDevices(d *client.Devices) error {
	lines := map[uint8]*deviceLine{}
	row := func(device uint8) *deviceLine {
		if lines[device] == nil {
			lines[device] = &deviceLine{User: d.User, Device: device, Version: d.Version, Verified: d.Verified}
		}
		return lines[device]
	}
	for _, device := range d.List {
		row(device).Signed = true
	}
	for i := range d.Known {
		k := &d.Known[i]
		l := row(k.Device)
		l.Registered, l.Generation, l.Since = true, k.Gen, unix(k.Registered)
		if k.Key != [32]byte{} {
			l.Key = hex.EncodeToString(k.Key[:])
		}
	}
	for _, device := range slices.Sorted(maps.Keys(lines)) {
		l := lines[device]
		if err := a.put(l, "%s", deviceText(l)); err != nil {
			return err
		}
	}
	return nil
}

// deviceText is a device in words.
func deviceText(l *deviceLine) string {
	words := []string{fmt.Sprintf("device %d:", l.Device)}
	if l.Registered {
		words = append(words, fmt.Sprintf("registered, generation %d", l.Generation))
	} else {
		words = append(words, "not registered")
	}
	switch {
	case l.Signed && l.Verified:
		words = append(words, fmt.Sprintf("in the signed list %d", l.Version))
	case l.Signed:
		words = append(words, fmt.Sprintf("in list %d, whose signature nobody here can check", l.Version))
	case l.Version != 0:
		words = append(words, fmt.Sprintf("not in the signed list %d", l.Version))
	}
	return words[0] + " " + strings.Join(words[1:], ", ")
}
