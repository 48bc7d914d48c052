package store

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// Tally is what mailboxes hold in sum, wherever they are placed.
type Tally struct {
	Mailboxes    int    `json:"mailboxes"`
	Entries      int    `json:"entries"`
	PayloadBytes uint64 `json:"payload_bytes"`
	Sum          string `json:"sum"` // of all contents, whatever their order; 64 hexadecimal digits
	sum          [4]uint64
}

// add counts one mailbox with the SHA-256 of its contents.
func (t *Tally) add(m *mailboxTally) {
	t.Mailboxes++
	t.Entries += m.entries
	t.PayloadBytes += m.bytes
	for i := range t.sum {
		t.sum[i] += binary.BigEndian.Uint64(m.sum[8*i:]) // a sum does not depend on the order of mailboxes, as that of keys does on the seed
	}
	t.Sum = fmt.Sprintf("%016x%016x%016x%016x", t.sum[0], t.sum[1], t.sum[2], t.sum[3])
}

// mailboxTally is what one mailbox holds.
type mailboxTally struct {
	entries int
	bytes   uint64
	sum     [sha256.Size]byte
}

// tallyMailbox reads one mailbox whole. each, when it is not nil, gets its entries.
func tallyMailbox(o *Offline, head *Head, each func(e *Entry, payload []byte) error) (mailboxTally, error) {
	var m mailboxTally
	b := binary.BigEndian.AppendUint64(nil, head.User)
	b = appendHeadFields(append(b, head.Device), head)
	b = binary.BigEndian.AppendUint32(b, head.Messages)
	b = binary.BigEndian.AppendUint32(b, head.Notices)
	b = binary.BigEndian.AppendUint32(b, head.Rejections)
	b = binary.BigEndian.AppendUint64(b, head.Counts.Bytes)
	h := sha256.New()
	h.Write(b)
	var failed error
	err := o.Entries(head.User, head.Device, 0, func(e *Entry, payload []byte) bool {
		b = appendEntryFields(binary.BigEndian.AppendUint64(b[:0], e.Seq), e)
		b = binary.BigEndian.AppendUint32(b, uint32(len(payload)))
		h.Write(b)
		h.Write(payload)
		m.entries++
		m.bytes += uint64(len(payload))
		if each != nil {
			failed = each(e, payload)
		}
		return failed == nil
	})
	h.Sum(m.sum[:0])
	return m, errors.Join(err, failed)
}

// copyMailboxes puts every mailbox of one store into another, which places them anew, and flushes it.
func copyMailboxes(from, to *Offline) (t Tally, err error) {
	batch := to.NewBatch()
	drain := func(limit int) error {
		if batch.Bytes() <= limit {
			return nil
		}
		full := batch
		batch = to.NewBatch()
		return to.Apply(full)
	}
	err = from.each(func(h *Head) error {
		batch.PutHead(h)
		m, err := tallyMailbox(from, h, func(e *Entry, payload []byte) error {
			batch.PutEntry(e, payload)
			return drain(ApplyBytesMax)
		})
		t.add(&m)
		return err
	})
	if err == nil {
		err = drain(0)
	}
	if err == nil {
		err = to.Flush()
	}
	return t, err
}

// compareMailboxes reads two stores and fails at the first mailbox that they do not both have alike.
func compareMailboxes(was, is *Offline) (t Tally, err error) {
	err = was.each(func(h *Head) error {
		old, err := tallyMailbox(was, h, nil)
		if err != nil {
			return err
		}
		copied, ok, err := is.Head(h.User, h.Device)
		if err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("%w: user %d, device %d is missing", ErrCopyDiffers, h.User, h.Device)
		}
		fresh, err := tallyMailbox(is, &copied, nil)
		if err != nil {
			return err
		}
		if old != fresh {
			return fmt.Errorf("%w: user %d, device %d: %d entries of %d bytes, it had %d of %d", ErrCopyDiffers, h.User, h.Device,
				fresh.entries, fresh.bytes, old.entries, old.bytes)
		}
		t.add(&fresh)
		return nil
	})
	if err != nil {
		return t, err
	}
	extra := 0
	if err := is.each(func(*Head) error { extra++; return nil }); err != nil {
		return t, err
	}
	if extra != t.Mailboxes {
		return t, fmt.Errorf("%w: %d mailboxes, there were %d", ErrCopyDiffers, extra, t.Mailboxes)
	}
	return t, nil
}
