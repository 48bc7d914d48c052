package store

import (
	"errors"
	"fmt"
)

// Export calls head for each mailbox of a user, or for that of one device, and entry for everything that waits in it, ascending, behind its head.
// e and payload are valid until the call returns. Nothing on the disk changes.
// Errors: ErrNoMailbox before anything was called, those of Survey, those of head and entry.
func (d Directory) Export(user uint64, device *uint8, head func(h *Head) error, entry func(e *Entry, payload []byte) error) (err error) {
	v, err := d.openView()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	heads, err := v.Heads(user, nil)
	if err != nil {
		return err
	}
	known := false
	for i := range heads {
		if device != nil && heads[i].Device != *device {
			continue
		}
		known = true
		if err := head(&heads[i]); err != nil {
			return err
		}
		var failed error
		err := v.Entries(user, heads[i].Device, 0, func(e *Entry, payload []byte) bool {
			failed = entry(e, payload)
			return failed == nil
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	if known {
		return nil
	}
	if device != nil {
		return fmt.Errorf("%w: user %d, device %d", ErrNoMailbox, user, *device)
	}
	return fmt.Errorf("%w: user %d", ErrNoMailbox, user)
}
