package store

import (
	"fmt"
	"log/slog"
	"sync"
)

// stops are the reasons why nothing more can be made durable for now. All desks are told when it begins and when it ends. Any goroutine.
// mu is taken before a tray's lock: desks hear of beginnings and ends in their order.
type stops struct {
	log   *slog.Logger
	trays []*tray

	mu      sync.Mutex
	journal error // that rounds meet; nil: none
	size    error // the journal is over its limit
	told    string
	count   uint64 // how often it began
}

// setJournal takes what the journal says of its rounds: nil ends it.
func (s *stops) setJournal(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.journal = err
	s.tell()
}

// setSize takes the journal's size.
func (s *stops) setSize(size, limit int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch over := size > limit; {
	case !over:
		s.size = nil
	case s.size == nil:
		s.size = fmt.Errorf("the journal holds %d bytes, its limit is %d", size, limit)
	}
	s.tell()
}

// tell tells what has changed.
func (s *stops) tell() {
	now, before := "", s.told
	err := s.journal
	if err == nil {
		err = s.size
	}
	if err != nil {
		now = err.Error()
	}
	if now == before {
		return
	}
	s.told = now
	switch {
	case now == "":
		s.log.Info("the disk takes messages again")
	default:
		s.log.Error("the disk refuses: no message is taken until it does again", "err", err)
	}
	if (now == "") == (before == "") {
		return // another reason: desks know already
	}
	if now != "" {
		s.count++
	}
	for _, t := range s.trays {
		t.setStopped(now != "")
	}
}

// why is the reason; "": nothing is stopped.
func (s *stops) why() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.told
}

// times is how often it began.
func (s *stops) times() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count
}
