package shard

// typingTable remembers who was told lately that somebody writes, so that a client which repeats itself costs its peers nothing: of one
// device, to one peer and with one state, one TYPING passes in typingRepeatMs. It has a fixed size, a place for each hash: a pair that finds
// the place of another one takes it, and the other one's next TYPING passes a little early. The hash is seeded with the placement's secret.
type typingTable struct {
	placement Placement
	cells     []typingCell // none before the first TYPING
}

// typingCell is the fingerprint of one pair, and when it passed.
type typingCell struct {
	print uint32
	atMs  uint32
}

// take says whether a TYPING may pass, and notes it then. A clock that was set back lets it pass.
func (t *typingTable) take(now int64, user uint64, device uint8, peer uint64, state uint8) bool {
	if t.cells == nil {
		t.cells = make([]typingCell, typingCells) // no page of it is real before it is used
	}
	// An odd factor for what tells the pairs of two users apart, so that they do not lie beside each other.
	hash := t.placement.pair(user, peer) + (uint64(device)<<8|uint64(state))*0x9E37_79B9_7F4A_7C15
	c, print := &t.cells[hash%typingCells], uint32(hash>>32)
	if passed := int32(uint32(now) - c.atMs); c.atMs != 0 && c.print == print && passed >= 0 && passed < typingRepeatMs {
		return false
	}
	*c = typingCell{print: print, atMs: moment(now)}
	return true
}

// passWriting lets a TYPING out of the home of who writes. Whoever may not see that the user is there is not told that it writes.
func (s *Shard) passWriting(now int64) {
	m := &s.current
	home := s.home(m.peer)
	switch p := s.policyOf(m.user); {
	case p != nil && m.user != m.peer && !p.shows(p.Presence, m.peer):
		s.stats.TypingHidden++
	case s.credit(home) < controlBytesMax:
		s.stats.EphemeralDropped++
	case !s.typings.take(now, m.user, m.device, m.peer, m.code):
		s.stats.TypingRepeated++
	default:
		s.send(home, &message{kind: msgTyping, user: m.peer, peer: m.user, peerDevice: m.device, code: m.code})
	}
}

// tellTyping passes it on to the devices that somebody looks at and that have nothing else to take, unless their user has blocked who writes.
func (s *Shard) tellTyping(now int64) {
	m := &s.current
	if s.policyOf(m.user).blocks(m.peer) {
		s.stats.TypingHidden++
		return
	}
	for i := s.users.first(m.user); i != 0; {
		d := s.mailboxes.At(i)
		i = d.next
		switch {
		case d.state != mailboxOnline:
		case !d.caughtUp() || !d.windowOpen(0) || s.credit(int(d.loop)) < controlBytesMax:
			s.stats.EphemeralDropped++
		case s.takePresence(now) > 0:
			s.stats.TypingOverRate++
		default:
			s.stats.TypingTold++
			s.send(int(d.loop), &message{
				kind: msgTypingIs, conn: d.conn, user: d.user, device: d.device,
				peer: m.peer, peerDevice: m.peerDevice, code: m.code,
			})
		}
	}
}
