package store

import (
	"errors"
	"fmt"
	"os"
)

// Survey says what a data directory holds: `trunkline store stats`. Its JSON keys are documented in docs/operations.md and never renamed.
type Survey struct {
	Users        int    `json:"users"`
	Mailboxes    int    `json:"mailboxes"` // of devices, as is what follows
	Messages     uint64 `json:"messages"`
	Notices      uint64 `json:"notices"`    // receipts and rejections
	Rejections   uint64 `json:"rejections"` // of the notices
	PayloadBytes uint64 `json:"payload_bytes"`
	OldestUnix   uint32 `json:"oldest_unix"` // of the oldest entry that waits; 0: none does

	Groups      int    `json:"groups"`
	StatePieces uint64 `json:"state_pieces"` // of users and groups
	Pending     uint64 `json:"pending"`      // what the server has taken and must go on with

	Clean       bool   `json:"clean"` // the last server stopped cleanly
	Void        bool   `json:"void"`  // it did not, and ran with --ack=memory: the next start drops all of this
	Ack         string `json:"ack"`
	Incarnation string `json:"incarnation"` // 16 hexadecimal digits
	OwnerEpoch  uint32 `json:"owner_epoch"`

	DiskBytes      int64  `json:"disk_bytes"` // of the mailboxes
	JournalFiles   int    `json:"journal_files"`
	JournalBytes   int64  `json:"journal_bytes"`
	JournalRounds  uint64 `json:"journal_rounds"` // that the next start would apply; they are counted above
	JournalRecords uint64 `json:"journal_records"`
}

// Survey counts. Nothing on the disk changes. Errors: ErrNoData, *DamageError, ErrStoreVersion, ErrUnfinished, the system's.
func (d Directory) Survey() (s Survey, err error) {
	v, err := d.openView()
	if err != nil {
		return s, err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	s = Survey{
		Clean: v.state.Clean, Void: v.state.void(), Ack: v.state.Ack.String(), Incarnation: fmt.Sprintf("%016x", v.state.Incarnation), OwnerEpoch: v.state.Owner,
		JournalRounds: v.report.Rounds, JournalRecords: v.report.Records,
	}
	for _, dir := range v.dir.journalDirs(&v.state) {
		segments, err := listSegments(v.dir.FS, dir)
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return s, err
		}
		for _, segment := range segments {
			info, err := v.dir.FS.Stat(segment.path)
			if err != nil {
				return s, err
			}
			s.JournalFiles++
			s.JournalBytes += info.Size()
		}
	}
	if _, s.DiskBytes, err = bytesBelow(v.dir.FS, v.dir.path(offlineFolder)); err != nil {
		return s, err
	}
	last, any := uint64(0), false
	err = v.each(func(h *Head) error {
		if !any || h.User != last { // a user's mailboxes are neighbours
			s.addPlace(h.User)
		}
		last, any = h.User, true
		return s.add(v.Offline, h)
	})
	return s, err
}

// addPlace counts a user or a group.
func (s *Survey) addPlace(place uint64) {
	if place > personMax {
		s.Groups++
		return
	}
	s.Users++
}

// add counts one mailbox.
func (s *Survey) add(o *Offline, h *Head) error {
	switch h.Device {
	case DeviceState:
		s.StatePieces += uint64(h.Waiting())
		return nil
	case DevicePending:
		s.Pending += uint64(h.Waiting())
		return nil
	}
	s.Mailboxes++
	s.Messages += uint64(h.Messages)
	s.Notices += uint64(h.Notices)
	s.Rejections += uint64(h.Rejections)
	s.PayloadBytes += h.Bytes
	if h.Waiting() == 0 {
		return nil
	}
	return o.Entries(h.User, h.Device, 0, func(e *Entry, _ []byte) bool {
		if s.OldestUnix == 0 || e.TimeSec < s.OldestUnix {
			s.OldestUnix = e.TimeSec
		}
		return false // the first is the oldest of its mailbox
	})
}

// each calls f for every mailbox.
func (o *Offline) each(f func(h *Head) error) error {
	var failed error
	err := o.Each(nil, func(h *Head) bool {
		failed = f(h)
		return failed == nil
	})
	return errors.Join(err, failed)
}
