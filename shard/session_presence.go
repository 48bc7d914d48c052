package shard

import "trunkline/codec"

func (s *session) takeState(ev *event) error {
	v, err := codec.ParseState(ev.frame)
	if err != nil {
		return err
	}
	s.flags |= flagInactive
	if v.Active != 0 {
		s.flags &^= flagInactive
	}
	return nil
}

// takeTyping passes on that somebody writes, or drops it where there is no room.
func (s *session) takeTyping(ev *event, w *world, out *effects) error {
	v, err := codec.ParseTyping(ev.frame)
	if err != nil {
		return err
	}
	home := w.home(v.Peer)
	if !validUser(v.Peer) || w.credit(home) < controlBytesMax {
		return nil
	}
	m := out.post(home, msgTyping)
	m.user, m.peer, m.peerDevice, m.code = v.Peer, s.user, s.device, v.State
	return nil
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
	if !w.subscribed(s.subs, peer) {
		if int(s.subsCount) >= w.cfg.SubscriptionsMax || w.subs.Len()+len(out.subscribe) >= subscriptionsMax {
			return false
		}
		s.subsCount++
		out.subscribe = append(out.subscribe, peer)
	}
	m := out.post(w.home(peer), msgWatch)
	m.user, m.conn = peer, s.conn
	return true
}

func (s *session) unwatch(peer uint64, w *world, out *effects) {
	if !w.subscribed(s.subs, peer) {
		return
	}
	s.subsCount--
	out.unsubscribe = append(out.unsubscribe, peer)
	m := out.post(w.home(peer), msgUnwatch)
	m.user, m.conn = peer, s.conn
}
