package shard

import "trunkline/store"

// shares say who has written what waits in one mailbox. They are kept only for mailboxes that are filling up, so that the flood of one
// chat leaves room for the others: a sender is refused when it has crowdShare times as many messages waiting as there is still room
// for, or as many bytes. Alone it gets 8 of 9 parts of a mailbox, two who flood 8 of 17 each, and who has nothing waiting finds room until
// the very end. (The dynamic thresholds of Choudhury and Hahne, 1998, for queues that share memory.)
//
// What lies on the disk alone when its shares begin to be counted counts for nobody.
type shares map[uint64]share

// share is what one sender has waiting.
type share struct {
	messages uint32
	bytes    uint64
}

// crowded says whether a sender has too large a part of a mailbox for one more message.
func (s *Shard) crowded(m *mailbox, sender uint64, payloadBytes int) bool {
	entries, bytes := int64(s.cfg.MailboxEntriesMax), s.cfg.MailboxBytesMax
	if int64(m.entries) < max(entries/crowdPart, crowdMin) && int64(m.bytes) < bytes/crowdPart {
		delete(s.crowds, companion{m.user, m.device})
		return false
	}
	c := s.crowdOf(m)[sender]
	over := c.messages > 0 && (int64(c.messages) >= crowdShare*(entries-int64(m.entries)) ||
		int64(c.bytes)+int64(payloadBytes) > crowdShare*(bytes-int64(m.bytes)))
	if over {
		s.stats.Crowded++
	}
	return over
}

// crowdOf begins to count a mailbox's shares when nobody does.
func (s *Shard) crowdOf(m *mailbox) shares {
	key := companion{m.user, m.device}
	if c := s.crowds[key]; c != nil {
		return c
	}
	c := make(shares)
	s.cfg.Queue.Scan(m.user, m.device, m.acked, func(e *store.Entry, payload []byte) bool {
		c.add(e, len(payload))
		return true
	})
	s.crowds[key] = c
	return c
}

func (c shares) add(e *store.Entry, payloadBytes int) {
	if e.Kind == entryMessage {
		h := c[e.Peer]
		c[e.Peer] = share{h.messages + 1, h.bytes + uint64(payloadBytes)}
	}
}

func (c shares) sub(e *store.Entry, payloadBytes int) {
	h, held := c[e.Peer]
	switch {
	case e.Kind != entryMessage || !held:
	case h.messages <= 1:
		delete(c, e.Peer)
	default:
		c[e.Peer] = share{h.messages - 1, h.bytes - min(h.bytes, uint64(payloadBytes))}
	}
}

// appended counts a message where shares are counted.
func (s *Shard) appended(q *queueEffect) {
	if len(s.crowds) == 0 {
		return
	}
	if c := s.crowds[companion{q.entry.User, q.entry.Device}]; c != nil {
		c.add(&q.entry, len(q.payload))
	}
}

// dropEntries takes entries out of the Queue, and off the shares.
func (s *Shard) dropEntries(q *queueEffect) {
	var gone func(e *store.Entry, payloadBytes int)
	if len(s.crowds) > 0 {
		if c := s.crowds[companion{q.entry.User, q.entry.Device}]; c != nil {
			gone = c.sub
		}
	}
	s.cfg.Queue.Drop(q.entry.User, q.entry.Device, q.entry.Seq, gone)
}
