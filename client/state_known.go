package client

import (
	"encoding/binary"
	"fmt"
	"slices"

	"go.etcd.io/bbolt"
)

// The lengths of the rows.
const (
	knownGroupBytes   = 4 + 8
	knownDevicesBytes = 4 + 32 + 8 // before the devices
	againBytes        = 8 + 1 + 1  // before the devices
)

// commitKnown writes what messages are addressed by.
func (s *fileState) commitKnown(tx *bbolt.Tx, c *Change) error {
	groups, devices, again := tx.Bucket([]byte(bucketGroups)), tx.Bucket([]byte(bucketDevices)), tx.Bucket([]byte(bucketAgain))
	for _, group := range c.GroupsGone {
		if err := groups.Delete(s.number(group)); err != nil {
			return err
		}
	}
	for i := range c.Groups {
		if err := groups.Put(s.number(c.Groups[i].Group), appendKnownGroup(nil, &c.Groups[i])); err != nil {
			return err
		}
	}
	for _, user := range c.DevicesGone {
		if err := devices.Delete(s.number(user)); err != nil {
			return err
		}
	}
	for i := range c.Devices {
		if err := devices.Put(s.number(c.Devices[i].User), appendKnownDevices(nil, &c.Devices[i])); err != nil {
			return err
		}
	}
	for i := range c.Again {
		if err := again.Put(s.number(c.Again[i].ID), appendAgain(nil, &c.Again[i])); err != nil {
			return err
		}
	}
	return dropUpTo(again, c.AgainGone)
}

// loadKnown reads it. Files of before have none of it.
func loadKnown(tx *bbolt.Tx, snap *Snapshot) error {
	err := tx.Bucket([]byte(bucketGroups)).ForEach(func(k, v []byte) error {
		r, err := parseKnownGroup(k, v)
		snap.Groups = append(snap.Groups, r)
		return err
	})
	if err != nil {
		return err
	}
	err = tx.Bucket([]byte(bucketDevices)).ForEach(func(k, v []byte) error {
		r, err := parseKnownDevices(k, v)
		snap.Devices = append(snap.Devices, r)
		return err
	})
	if err != nil {
		return err
	}
	return tx.Bucket([]byte(bucketAgain)).ForEach(func(k, v []byte) error {
		r, err := parseAgain(k, v)
		snap.Again = append(snap.Again, r)
		return err
	})
}

// appendKnownGroup adds the value of a row: epoch u32, used u64.
func appendKnownGroup(b []byte, r *KnownGroup) []byte {
	b = binary.BigEndian.AppendUint32(b, r.Epoch)
	return binary.BigEndian.AppendUint64(b, r.Used)
}

// parseKnownGroup undoes appendKnownGroup.
func parseKnownGroup(k, v []byte) (KnownGroup, error) {
	if len(k) != 8 || len(v) != knownGroupBytes {
		return KnownGroup{}, fmt.Errorf("group row of %d and %d bytes", len(k), len(v))
	}
	be := binary.BigEndian
	return KnownGroup{Group: be.Uint64(k), Epoch: be.Uint32(v), Used: be.Uint64(v[4:])}, nil
}

// appendKnownDevices adds the value of a row: version u32, key 32 bytes, used u64, the devices.
func appendKnownDevices(b []byte, r *KnownDevices) []byte {
	b = binary.BigEndian.AppendUint32(b, r.Version)
	b = append(b, r.Key[:]...)
	b = binary.BigEndian.AppendUint64(b, r.Used)
	return append(b, r.List...)
}

// parseKnownDevices undoes appendKnownDevices. The list is copied: v belongs to the transaction.
func parseKnownDevices(k, v []byte) (KnownDevices, error) {
	if len(k) != 8 || len(v) < knownDevicesBytes {
		return KnownDevices{}, fmt.Errorf("devices row of %d and %d bytes", len(k), len(v))
	}
	be := binary.BigEndian
	return KnownDevices{
		User: be.Uint64(k), Version: be.Uint32(v), Key: [32]byte(v[4:36]), Used: be.Uint64(v[36:]), List: clonePart(v[knownDevicesBytes:]),
	}, nil
}

// clonePart copies a part of a row; nothing is nil.
func clonePart(v []byte) []byte {
	if len(v) == 0 {
		return nil
	}
	return slices.Clone(v)
}

// appendAgain adds the value of a row: root u64, tries u8, part u8, the devices.
func appendAgain(b []byte, a *Again) []byte {
	part := byte(0)
	if a.Part {
		part = 1
	}
	b = append(binary.BigEndian.AppendUint64(b, a.Root), a.Tries, part)
	return append(b, a.Devices...)
}

// parseAgain undoes appendAgain. The devices are copied: v belongs to the transaction.
func parseAgain(k, v []byte) (Again, error) {
	if len(k) != 8 || len(v) < againBytes || v[9] > 1 {
		return Again{}, fmt.Errorf("repetition row of %d and %d bytes", len(k), len(v))
	}
	be := binary.BigEndian
	return Again{ID: be.Uint64(k), Root: be.Uint64(v), Tries: v[8], Part: v[9] == 1, Devices: clonePart(v[againBytes:])}, nil
}
