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
	groups   map[uint64]KnownGroup
	devices  map[uint64]KnownDevices
	again    []Again
}

// NewMemoryState is a State that is gone with the process. The next process registers a new generation of the device;
// what waits in the outbox then is lost. On the encrypted transport the next process is another device to the server: its key is gone.
func NewMemoryState() State {
	return &memoryState{
		outbox: map[uint64]Entry{}, streams: map[StreamKey]Stream{}, sent: map[uint64]Sent{},
		groups: map[uint64]KnownGroup{}, devices: map[uint64]KnownDevices{},
	}
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
	for _, r := range s.groups {
		snap.Groups = append(snap.Groups, r)
	}
	for _, r := range s.devices {
		snap.Devices = append(snap.Devices, r)
	}
	snap.Again = append(snap.Again, s.again...)
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
	s.commitKnown(c)
	return nil
}

// commitKnown applies what messages are addressed by.
func (s *memoryState) commitKnown(c *Change) {
	for _, group := range c.GroupsGone {
		delete(s.groups, group)
	}
	for _, r := range c.Groups {
		s.groups[r.Group] = r
	}
	for _, user := range c.DevicesGone {
		delete(s.devices, user)
	}
	for _, r := range c.Devices {
		s.devices[r.User] = r
	}
	s.again = append(s.again, c.Again...)
	s.again = slices.DeleteFunc(s.again, func(a Again) bool { return a.ID <= c.AgainGone })
}

// Close does nothing: a memory state has nothing to let go of.
func (s *memoryState) Close() error { return nil }

// sortSnapshot puts all lists in the order of their numbers; an inbox and repetitions are in order.
func sortSnapshot(snap *Snapshot) {
	slices.SortFunc(snap.Outbox, func(a, b Entry) int { return cmp.Compare(a.Cseq, b.Cseq) })
	slices.SortFunc(snap.Sent, func(a, b Sent) int { return cmp.Compare(a.ID, b.ID) })
	slices.SortFunc(snap.Groups, func(a, b KnownGroup) int { return cmp.Compare(a.Group, b.Group) })
	slices.SortFunc(snap.Devices, func(a, b KnownDevices) int { return cmp.Compare(a.User, b.User) })
	slices.SortFunc(snap.Streams, func(a, b Stream) int { return cmp.Compare(a.Used, b.Used) })
}
