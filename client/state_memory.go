package client

import (
	"cmp"
	"slices"
	"sync"
)

// memoryState is a State that ends with the process. A second client may continue with it after the first was closed.
type memoryState struct {
	mu       sync.Mutex
	marks    Marks
	identity Identity
	outbox   map[uint64]Entry
	streams  map[StreamKey]Stream
	sent     map[uint64]Sent
	gone     uint64 // every sent up to here is forgotten
	inbox    []Received
}

// NewMemoryState is a State that is gone with the process. The next process registers a new generation of the device;
// what waits in the outbox then is lost. On the encrypted transport the next process is another device to the server: its key is gone.
func NewMemoryState() State {
	return &memoryState{outbox: map[uint64]Entry{}, streams: map[StreamKey]Stream{}, sent: map[uint64]Sent{}}
}

// Load copies what the state holds.
func (s *memoryState) Load() (Snapshot, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	snap := Snapshot{Marks: s.marks, Identity: s.identity}
	for _, e := range s.outbox {
		snap.Outbox = append(snap.Outbox, e)
	}
	for _, r := range s.streams {
		snap.Streams = append(snap.Streams, r)
	}
	for _, r := range s.sent {
		snap.Sent = append(snap.Sent, r)
	}
	snap.Inbox = append(snap.Inbox, s.inbox...)
	sortSnapshot(&snap)
	return snap, nil
}

// Commit applies c.
func (s *memoryState) Commit(c *Change) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for cseq := s.marks.Ticked + 1; cseq <= c.Marks.Ticked && len(s.outbox) > 0; cseq++ {
		delete(s.outbox, cseq)
	}
	s.marks = c.Marks
	if c.Identity != nil {
		s.identity = *c.Identity
	}
	for _, e := range c.Put {
		if e.Cseq > c.Marks.Ticked {
			s.outbox[e.Cseq] = e
		}
	}
	for _, k := range c.StreamsGone {
		delete(s.streams, k)
	}
	for _, r := range c.Streams {
		s.streams[r.StreamKey] = r
	}
	for _, r := range c.Sent {
		s.sent[r.ID] = r
	}
	for ; s.gone < c.SentGone; s.gone++ {
		delete(s.sent, s.gone+1)
	}
	s.inbox = append(s.inbox, c.Inbox...)
	s.inbox = slices.DeleteFunc(s.inbox, func(r Received) bool { return r.No <= c.InboxGone })
	return nil
}

// Close does nothing: a memory state has nothing to let go of.
func (s *memoryState) Close() error { return nil }

// sortSnapshot puts outbox, sent messages and streams in the order of their numbers; an inbox is in order.
func sortSnapshot(snap *Snapshot) {
	slices.SortFunc(snap.Outbox, func(a, b Entry) int { return cmp.Compare(a.Cseq, b.Cseq) })
	slices.SortFunc(snap.Sent, func(a, b Sent) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(snap.Streams, func(a, b Stream) int { return cmp.Compare(a.Used, b.Used) })
}
