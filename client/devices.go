package client

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"slices"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/codec/secure"
)

// Devices is what is known of a user's devices: which of them the primary has signed, and which the server has registered.
type Devices struct {
	User     uint64
	Version  uint32  // of the signed list, rising; 0: there is none, and messages go to the primary device
	List     []uint8 // signed, ascending
	Verified bool    // the signature was checked against the primary's key as this client knows it
	Known    []Device
}

// Device is a device that is registered, as the server says.
type Device struct {
	Device     uint8
	Gen        uint16
	Key        secure.PublicKey // that proves it to the server; zero on a server without encryption
	SignKey    [32]byte         // Ed25519
	Registered time.Time
}

// Devices asks for a user's devices; user 0 are the own ones. The key of its primary is pinned the first time; later lists must be signed with it.
// Errors: ErrReceiver, ErrDeviceList, ErrDeviceKeyChanged, those of every request.
func (c *Client) Devices(ctx context.Context, user uint64) (Devices, error) {
	return c.fetchDevices(ctx, user, pinFirst)
}

// TrustDevices is Devices for a user whose primary has another key than before: after a person has made sure of it, the new one is pinned.
// Errors: as Devices, without ErrDeviceKeyChanged.
func (c *Client) TrustDevices(ctx context.Context, user uint64) (Devices, error) {
	return c.fetchDevices(ctx, user, pinAnew)
}

func (c *Client) fetchDevices(ctx context.Context, user uint64, pin pinning) (Devices, error) {
	if user > codec.UserMax {
		return Devices{}, fmt.Errorf("%w: %d", ErrReceiver, user)
	}
	if user == 0 {
		user = c.cfg.user
	}
	a, err := c.ask(ctx, &iq.Request{Op: iq.OpDevicesGet, User: user})
	if err != nil {
		return Devices{}, err
	}
	if a.Devices.User != user {
		return Devices{}, fmt.Errorf("%w: devices of user %d were asked for, of %d came", ErrProtocol, user, a.Devices.User)
	}
	c.mu.Lock()
	verified, err := c.learnDevices(&a.Devices, pin)
	c.mu.Unlock()
	if err != nil {
		return Devices{}, err
	}
	return devicesOf(&a.Devices, verified), nil
}

// SignDevices has the primary device sign which devices the user has; the primary itself is always among them. Messages to the user go to these from
// now on, and what this device sends is copied to them. Errors: ErrNotPrimary, ErrNoSignKey, ErrDeviceList, those of every request.
func (c *Client) SignDevices(ctx context.Context, devices ...uint8) (Devices, error) {
	switch {
	case c.cfg.device != 0:
		return Devices{}, ErrNotPrimary
	case c.cfg.transport == transportPlain:
		return Devices{}, ErrNoSignKey
	}
	list := slices.Clone(devices)
	if !slices.Contains(list, 0) {
		list = append(list, 0)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > iq.DevicesMax || list[len(list)-1] > codec.DeviceMax {
		return Devices{}, fmt.Errorf("%w: at most %d devices from 0 to %d", ErrDeviceList, iq.DevicesMax, codec.DeviceMax)
	}
	now, err := c.Devices(ctx, 0)
	if err != nil {
		return Devices{}, err
	}
	return c.signDevices(ctx, &now, list)
}

// signDevices signs the list that follows now.
func (c *Client) signDevices(ctx context.Context, now *Devices, list []uint8) (Devices, error) {
	c.mu.Lock()
	key := c.identity.signer()
	_, version := c.known.list(c.cfg.user) // a server that has lost its lists must not make an old number come again
	c.mu.Unlock()
	l := iq.DeviceList{User: c.cfg.user, Version: max(now.Version, version) + 1, List: list}
	l.Signature = ed25519.Sign(key, iq.SignedBytes(nil, &l))
	if _, err := c.ask(ctx, &iq.Request{Op: iq.OpDevicesSet, Devices: l}); err != nil {
		return Devices{}, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	verified, err := c.learnDevices(&l, pinFirst)
	d := devicesOf(&l, verified)
	d.Known = now.Known
	return d, err
}

// RemoveDevice ends a device of this user: the primary removes a companion, and signs a list without it when it is in the signed one; a companion
// removes itself, and its client ends. Errors: ErrNotPrimary, ErrDeviceList (device 0: see DeleteAccount), those of every request.
func (c *Client) RemoveDevice(ctx context.Context, device uint8) error {
	switch {
	case device == 0:
		return fmt.Errorf("%w: the primary device goes with the account only", ErrDeviceList)
	case c.cfg.device != 0 && device != c.cfg.device:
		return ErrNotPrimary
	}
	if c.cfg.device == 0 && c.cfg.transport != transportPlain {
		now, err := c.Devices(ctx, 0)
		if err != nil {
			return err
		}
		if i := slices.Index(now.List, device); i >= 0 {
			if _, err := c.signDevices(ctx, &now, slices.Delete(slices.Clone(now.List), i, i+1)); err != nil {
				return err
			}
		}
	}
	_, err := c.ask(ctx, &iq.Request{Op: iq.OpDeviceRemove, Device: device})
	return err
}

// devicesOf is a list as the application sees it.
func devicesOf(l *iq.DeviceList, verified bool) Devices {
	d := Devices{User: l.User, Version: l.Version, List: slices.Clone(l.List), Verified: verified}
	for i := range l.Known {
		k := &l.Known[i]
		row := Device{Device: k.Device, Gen: k.Gen, Key: k.Static, SignKey: k.Sign}
		if k.RegisteredSec != 0 {
			row.Registered = time.Unix(int64(k.RegisteredSec), 0)
		}
		d.Known = append(d.Known, row)
	}
	return d
}
