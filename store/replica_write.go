package store

import "errors"

// WriteTo applies what has changed to an Offline, in batches, and flushes it. When that Offline is the base, the replica then begins anew on it.
func (r *Replica) WriteTo(o *Offline) error {
	for {
		err := r.writeAll(o)
		if err == nil {
			err = o.Flush()
		}
		if errors.Is(err, ErrOfflineLost) {
			o.Restore() // and all of it once more: there was nothing before
			continue
		}
		if err == nil && r.base == Base(o) {
			clear(r.boxes)
		}
		return err
	}
}

// Sink takes what a Replica has changed; *OfflineBatch is one.
type Sink interface {
	PutHead(h *Head)
	PutEntry(e *Entry, payload []byte)
	DropEntries(user uint64, device uint8, after, upTo uint64)
}

// PutInto puts into a sink what differs from the base, mailbox by mailbox. WriteTo is for an Offline, this for any other base.
func (r *Replica) PutInto(s Sink) {
	for _, k := range r.sorted() {
		r.writeBox(s, r.boxes[k])
	}
}

func (r *Replica) writeAll(o *Offline) error {
	batch := o.NewBatch()
	for _, k := range r.sorted() {
		r.writeBox(batch, r.boxes[k])
		if batch.Bytes() < ReplicaBatchBytes {
			continue
		}
		if err := o.Apply(batch); err != nil {
			return err
		}
		batch.Reset()
	}
	return o.Apply(batch)
}

// writeBox puts into a batch what of a mailbox differs from the base.
func (r *Replica) writeBox(batch Sink, b *replicaBox) {
	if b.inBase {
		batch.DropEntries(b.head.User, b.head.Device, b.baseAcked, b.head.Acked)
	}
	batch.PutHead(&b.head)
	for seq := range b.replaced {
		e := b.replaced[seq]
		batch.PutEntry(&e, nil)
	}
	for i := range b.added {
		batch.PutEntry(&b.added[i].entry, b.added[i].payload)
	}
}
