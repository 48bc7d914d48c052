package shard

import "trunkline/codec"

// takeState tells the mailbox that somebody looks at the device, or nobody does any more. What was held back for it meanwhile follows.
func (s *session) takeState(now int64, ev *event, w *world, out *effects) error {
	v, err := codec.ParseState(ev.frame)
	if err != nil {
		return err
	}
	if inactive := s.flags&flagInactive != 0; inactive == (v.Active == 0) {
		return nil
	}
	if w.credit(int(s.home)) < controlBytesMax {
		out.leave, out.redeliver = true, true
		return nil
	}
	s.flags ^= flagInactive
	m := s.toMailbox(out, msgActive)
	m.code, m.timeSec = v.Active, uint32(now/1000)
	if v.Active != 0 {
		s.askFlush(out)
	}
	return nil
}

// takeTyping passes on that somebody writes, or drops it where there is no room.
func (s *session) takeTyping(ev *event, w *world, out *effects) error {
	v, err := codec.ParseTyping(ev.frame)
	if err != nil {
		return err
	}
	if !validUser(v.Peer) || w.credit(int(s.home)) < controlBytesMax {
		return nil
	}
	m := s.toMailbox(out, msgWriting)
	m.peer, m.code = v.Peer, v.State
	return nil
}

// presence writes that somebody came or went. While nobody looks at the device, and until what was held back has been written, the newest of
// each user is held.
func (s *session) presence(m *message, w *world, out *effects) {
	if s.flags&(flagInactive|flagHolding) == 0 {
		out.writePresence(m.peer, m.code, m.timeSec)
		return
	}
	if i := w.subscribed(s.subs, m.peer); i != 0 {
		s.flags |= flagHolding
		w.stats.PresenceHeld++
		out.held = heldPresence{at: i, code: m.code, seenSec: m.timeSec}
	}
}

// typing writes that somebody writes. Later it would not be true: nothing is held.
func (s *session) typing(m *message, w *world, out *effects) {
	if s.flags&flagInactive != 0 {
		w.stats.EphemeralDropped++
		return
	}
	out.open()
	out.frames = must(codec.AppendTyping(out.frames, &codec.Typing{Peer: m.peer, Device: m.peerDevice, State: m.code}))
}

// askFlush has what is held written, some of it in each turn.
func (s *session) askFlush(out *effects) {
	if s.flags&(flagHolding|flagFlushing) == flagHolding {
		s.flags |= flagFlushing
		out.flush = true
	}
}

// flush writes what is held, as much as belongs into one turn.
func (s *session) flush(w *world, out *effects) {
	s.flags &^= flagFlushing
	if s.flags&flagInactive != 0 {
		return
	}
	for i := s.subs; i != 0; {
		c := w.subs.At(i)
		if code, ok := c.held(); ok {
			if len(out.released) == flushFramesMax {
				s.askFlush(out)
				return
			}
			out.writePresence(c.user(), code, c.seenSec)
			out.released = append(out.released, i)
		}
		i = c.next
	}
	s.flags &^= flagHolding
}

// takeSubscribe starts or stops to watch users.
func (s *session) takeSubscribe(ev *event, w *world, out *effects) error {
	v, err := codec.ParseSubscribe(ev.frame)
	if err != nil {
		return err
	}
	if w.leastRoom < StepBytesMax {
		out.leave, out.redeliver = true, true
		return nil
	}
	for i := range v.Peers.Len() {
		peer := v.Peers.At(i)
		if !validUser(peer) || repeated(v.Peers, i) {
			continue
		}
		if v.Op == 0 {
			s.unwatch(peer, w, out)
		} else if !s.watch(peer, w, out) {
			out.writeError(codec.CodeTooMany, peer, 0)
			break
		}
	}
	return nil
}

// repeated says whether a peer stands earlier in the list.
func repeated(peers codec.Peers, i int) bool {
	for j := range i {
		if peers.At(j) == peers.At(i) {
			return true
		}
	}
	return false
}

// watch adds a subscription; one that is there is asked for again and costs nothing. false: there are too many.
func (s *session) watch(peer uint64, w *world, out *effects) bool {
	if w.subscribed(s.subs, peer) == 0 {
		if int(s.subsCount) >= w.cfg.SubscriptionsMax || w.subs.Len()+len(out.subscribe) >= subscriptionsMax {
			return false
		}
		s.subsCount++
		out.subscribe = append(out.subscribe, peer)
	}
	m := out.post(w.home(peer), msgWatch)
	m.user, m.peer, m.conn = peer, s.user, s.conn
	return true
}

func (s *session) unwatch(peer uint64, w *world, out *effects) {
	if w.subscribed(s.subs, peer) == 0 {
		return
	}
	s.subsCount--
	out.unsubscribe = append(out.unsubscribe, peer)
	m := out.post(w.home(peer), msgUnwatch)
	m.user, m.conn = peer, s.conn
}
