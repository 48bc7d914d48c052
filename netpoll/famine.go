package netpoll

// famine is the want of buffers that write(2) tells of by ENOBUFS or ENOMEM: send(2) of FreeBSD, "the operation may succeed when
// buffers become available". The socket has room then, so the poller would answer at once that it takes bytes, again and again;
// what helps is to wait. All connections that starve on a loop wait together, longer each time it was in vain.
type famine struct {
	waiting []ConnID
	retryAt int64 // on the loop's monotonic clock
	backoff int64 // milliseconds, 0: the last retry fed everybody
}

// starve has the connection written again when the pause is over. Its output stays, and counts against OutboundBytesMax.
func (l *Loop) starve(id ConnID, s *slot) {
	l.meters[meterWritesStarved]++
	s.flags |= flagBlocked | flagNotify
	f := &l.famine
	if len(f.waiting) == 0 {
		f.backoff = min(max(2*f.backoff, starveBackoffMin), starveBackoffMax)
		f.retryAt = l.mono + f.backoff
	}
	f.waiting = append(f.waiting, id)
}

// feed has all that starve written at the end of this turn, when their pause is over.
func (l *Loop) feed() {
	f := &l.famine
	if len(f.waiting) == 0 {
		f.backoff = 0
		return
	}
	if f.retryAt > l.mono {
		return
	}
	for _, id := range f.waiting {
		if s := l.lookup(id); s != nil {
			s.flags &^= flagBlocked
			l.addDirty(id, s)
		}
	}
	f.waiting = f.waiting[:0]
}

// famineDue is when the pause of those who starve ends, never: none does.
func (l *Loop) famineDue() int64 {
	if len(l.famine.waiting) == 0 {
		return never
	}
	return l.famine.retryAt
}
