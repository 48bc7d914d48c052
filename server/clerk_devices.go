package server

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/shard"
	"trunkline/store"
)

// The devices of users, and the end of accounts.

// getDevices answers with the list that the user's primary has signed, and with what is registered.
func (d *clerkDesk) getDevices() error {
	of := d.request.User
	if of == 0 {
		of = d.job.user
	}
	s, err := d.people.Settings(of)
	if err != nil {
		return err
	}
	known, err := d.registered(of)
	if err != nil {
		return err
	}
	list := iq.DeviceList{User: of, Version: s.DevicesVersion, List: s.Devices, Signature: s.Signature}
	for i := range known {
		k := &known[i]
		list.Known = append(list.Known, iq.KnownDevice{
			Device: k.Device, Gen: k.Gen, Static: k.Static, Sign: k.Sign, RegisteredSec: k.RegisteredSec,
		})
	}
	d.answer.Devices = list
	return nil
}

// registered lists a user's devices without those that were removed. With the plain transport nobody registers.
func (d *clerkDesk) registered(user uint64) ([]store.Device, error) {
	list, err := d.people.Devices(user)
	if err != nil || d.registrar == nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(k store.Device) bool { return k.Removed() }), nil
}

// setDevices takes a list that the primary has signed, and has its loop refuse whoever knows an older one.
func (d *clerkDesk) setDevices() error {
	list := &d.request.Devices
	list.User = d.job.user
	switch {
	case d.registrar == nil:
		d.refuse(codec.CodeUnsupported, "devices have no keys on this transport: nothing can be signed")
		return nil
	case d.job.device != 0:
		d.refuse(codec.CodeNotAllowed, "the primary device signs the list")
		return nil
	}
	known, err := d.registered(d.job.user)
	if err != nil {
		return err
	}
	if why := misfit(list, known); why != "" {
		d.refuse(codec.CodeInvalid, why)
		return nil
	}
	list.Signature = slices.Clone(list.Signature)
	s, err := d.change(func(s *store.Settings) error {
		same := s.DevicesVersion == list.Version && slices.Equal(s.Devices, list.List) && slices.Equal(s.Signature, list.Signature)
		if list.Version <= s.DevicesVersion && !same {
			return &oldListError{s.DevicesVersion}
		}
		s.DevicesVersion, s.Devices, s.Signature = list.Version, list.List, list.Signature
		return nil
	})
	if old := (*oldListError)(nil); errors.As(err, &old) {
		d.refuse(codec.CodeInvalid, old.Error())
		return nil
	}
	if err == nil {
		d.handOver(s)
	}
	return err
}

// oldListError refuses a list of devices: the user has a later one.
type oldListError struct{ version uint32 }

// Error says which version would do.
func (e *oldListError) Error() string {
	return fmt.Sprintf("the version must be above %d", e.version)
}

// misfit says what is wrong with a list that a primary has signed; empty: nothing.
func misfit(list *iq.DeviceList, known []store.Device) string {
	if list.Version == 0 {
		return "the version must be above 0"
	}
	if len(list.List) == 0 || list.List[0] != 0 {
		return "device 0, the primary, must be the first of the list"
	}
	for i, device := range list.List {
		if i > 0 && device <= list.List[i-1] {
			return "devices must be ascending"
		}
		if find(known, device) == nil {
			return fmt.Sprintf("device %d is not registered", device)
		}
	}
	primary := find(known, 0)
	if primary == nil || primary.Sign == [32]byte{} {
		return "the primary device has named no key to sign with"
	}
	if !ed25519.Verify(primary.Sign[:], iq.SignedBytes(nil, list), list.Signature) {
		return "the signature is not the primary device's"
	}
	return ""
}

func find(list []store.Device, device uint8) *store.Device {
	for i := range list {
		if list[i].Device == device {
			return &list[i]
		}
	}
	return nil
}

// removeDevice ends a companion: its registration and tickets first, then what the user's loop has of it. The loop writes the answer.
func (d *clerkDesk) removeDevice() error {
	device := d.request.Device
	switch {
	case device == 0:
		d.refuse(codec.CodeNotAllowed, "the primary device ends with its account")
		return nil
	case d.job.device != 0 && d.job.device != device:
		d.refuse(codec.CodeNotAllowed, "the primary device removes others")
		return nil
	}
	gen, err := d.unregister(d.job.user, device)
	if errors.Is(err, store.ErrNoDevice) {
		d.refuse(codec.CodeNotFound, "the device is not registered")
		return nil
	}
	if err == nil {
		d.meters.removed.Add(1)
		d.send(d.home(d.job.user), appendClerkRemove(nil, d.job.user, device, gen, d.reply()))
	}
	return err
}

// unregister ends a registration and returns the generation that the account has reached; 0: nobody counts them. One that was removed before is
// removed once more: the loop may not have heard of it. Errors: store.ErrNoDevice, the registrar's.
func (c *clerk) unregister(user uint64, device uint8) (gen uint16, err error) {
	if c.registrar == nil {
		return 0, nil
	}
	if err = c.registrar.removeDevice(user, device); err != nil && !errors.Is(err, store.ErrNoDevice) {
		return 0, err
	}
	known, err := c.registrar.device(user, device)
	switch {
	case err != nil:
		return 0, err
	case known == nil:
		return 0, store.ErrNoDevice
	}
	return known.Gen, nil
}

// removal is an operator's removal of a device.
type removal struct {
	user   uint64
	device uint8
	done   chan error // takes the outcome; has room for it
}

// removeByOperator has a device removed by the user's worker, and returns when the user's loop was told.
// Errors: ErrRegistrarFull, ErrRegistrarClosed, store.ErrNoDevice, or the accounts'.
func (c *clerk) removeByOperator(user uint64, device uint8) error {
	r := &removal{user: user, device: device, done: make(chan error, 1)}
	if !c.take(clerkJob{user: user, device: device, remove: r}) {
		return ErrRegistrarFull
	}
	select {
	case err := <-r.done:
		return err
	case <-c.quit:
		return ErrRegistrarClosed
	}
}

// removeForOperator is removeByOperator on the worker. The primary may go too: what other devices there are stay.
func (d *clerkDesk) removeForOperator(r *removal) {
	gen, err := d.unregister(r.user, r.device)
	if err == nil && !d.send(d.home(r.user), appendClerkRemove(nil, r.user, r.device, gen, shard.Reply{})) {
		err = errLoopFull
	}
	if err == nil {
		d.meters.removed.Add(1)
	}
	r.done <- err
}

// deleteAccount has the user's loop begin: it ends the devices, notes durably what is to be done, and asks for the rest (finishDeletion).
func (d *clerkDesk) deleteAccount() error {
	if d.job.device != 0 {
		d.refuse(codec.CodeNotAllowed, "the primary device ends the account")
		return nil
	}
	if _, err := d.people.Devices(d.job.user); err != nil {
		return err // nothing is begun that can't be ended
	}
	d.send(d.home(d.job.user), appendClerkForget(nil, d.job.user, d.reply()))
	return nil
}

// finishDeletion has the accounts forget a user whose loop has noted that durably. Without an answer the loop asks again.
func (d *clerkDesk) finishDeletion() {
	gens, err := d.forgetUser(d.job.user)
	if err != nil {
		d.fault(err)
		return
	}
	d.meters.deleted.Add(1)
	d.send(d.job.loop, appendClerkForgotten(nil, d.job.user, gens))
}

// forgetUser removes a user from the accounts and says which generations its devices had reached.
func (d *clerkDesk) forgetUser(user uint64) (gens []shard.DeviceGen, err error) {
	if d.registrar == nil {
		return nil, d.people.Forget(user, nil)
	}
	if err := d.registrar.forget(d.people, user); err != nil {
		return nil, err
	}
	for device := range codec.DeviceMax + 1 { // of an earlier try too, which may have ended with its process
		if gen, known := d.registrar.lastGen(user, uint8(device)); known {
			gens = append(gens, shard.DeviceGen{Device: uint8(device), Gen: gen})
		}
	}
	return gens, nil
}
