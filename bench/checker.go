package bench

// gap is a range of messages that were passed over: first..last, both inclusive.
type gap struct {
	first, last uint32
}

// stream checks one pair's messages, numbered from 1: each must come once and in order. It belongs to one loop.
type stream struct {
	next uint32 // the number that is due, 0 before the first
	gaps []gap  // passed over and not seen since; nil in good runs
}

// verdict says what one message turned out to be.
type verdict uint8

// The verdicts of stream.take.
const (
	inOrder    verdict = iota // the one that was due
	ahead                     // in order itself, but it passed over others
	late                      // one of those passed over: reordered
	repeated                  // seen before
	fabricated                // never sent
)

// take notes message seq of a stream in which `sent` have been sent.
func (s *stream) take(seq, sent uint32) verdict {
	due := max(s.next, 1)
	switch {
	case seq == 0 || seq > sent:
		return fabricated
	case seq == due:
		s.next = seq + 1
		return inOrder
	case seq > due:
		s.remember(gap{due, seq - 1})
		s.next = seq + 1
		return ahead
	case s.fillGap(seq):
		return late
	}
	return repeated
}

// remember adds a gap. When there is no room the oldest is forgotten: its messages count as lost, and as repeated should
// they come after all.
func (s *stream) remember(g gap) {
	if len(s.gaps) == gapsMax {
		s.gaps = append(s.gaps[:0], s.gaps[1:]...)
	}
	s.gaps = append(s.gaps, g)
}

// fillGap takes seq out of the gap it lies in; false when it lies in none.
func (s *stream) fillGap(seq uint32) bool {
	for i, g := range s.gaps {
		if seq < g.first || seq > g.last {
			continue
		}
		switch {
		case g.first == g.last:
			s.gaps = append(s.gaps[:i], s.gaps[i+1:]...)
		case seq == g.first:
			s.gaps[i].first++
		case seq == g.last:
			s.gaps[i].last--
		default:
			s.gaps[i].last = seq - 1
			s.remember(gap{seq + 1, g.last})
		}
		return true
	}
	return false
}

// tally sums what the streams of one loop saw.
type tally struct {
	Delivered  uint64 // distinct messages that came
	Duplicated uint64
	Reordered  uint64 // came after a later one
	Corrupted  uint64 // not what was sent, or never sent
}

// count adds one verdict. True: the message is new.
func (t *tally) count(v verdict) bool {
	switch v {
	case inOrder, ahead:
		t.Delivered++
		return true
	case late:
		t.Delivered++
		t.Reordered++
		return true
	case repeated:
		t.Duplicated++
	case fabricated:
		t.Corrupted++
	}
	return false
}

// add merges another loop's tally.
func (t *tally) add(o tally) {
	t.Delivered += o.Delivered
	t.Duplicated += o.Duplicated
	t.Reordered += o.Reordered
	t.Corrupted += o.Corrupted
}
