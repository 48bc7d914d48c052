package shard

import "trunkline/codec"

// greet takes the first frames of a connection: a HELLO, and unknown kinds that are to be skipped.
func (s *session) greet(now int64, ev *event, w *world, out *effects) {
	if ev.frame.Kind != codec.KindHello {
		if !ev.frame.Kind.Known() && ev.frame.Kind.Skipped() {
			return
		}
		s.becomeClosing(now, codec.CodeUnexpected, w, out)
		return
	}
	if s.held() {
		out.leave = true
		return
	}
	hello, err := codec.ParseHello(ev.frame)
	if err != nil {
		w.stats.MalformedFrames++
		s.becomeClosing(now, codec.CodeNone, w, out)
		return
	}
	switch {
	case hello.Version != codec.Version:
		s.refuse(now, codec.CodeVersion, codec.Version, 0, w, out)
	case !validUser(hello.User), hello.Device > codec.DeviceMax:
		s.refuse(now, codec.CodeNotAuthorized, 0, 0, w, out)
	case s.mayGreet(&hello, w) != codec.CodeNone:
		s.refuse(now, s.mayGreet(&hello, w), 0, 0, w, out)
	case w.draining:
		s.user = hello.User
		s.sayGoAway(w, out)
		s.becomeClosing(now, codec.CodeDraining, w, out)
	default:
		s.login(now, &hello, w, out)
	}
}

// login goes to where the user lives, or sends word there.
func (s *session) login(now int64, hello *codec.Hello, w *world, out *effects) {
	home := w.home(hello.User)
	if home != w.cfg.Loop && w.credit(home) < controlBytesMax {
		out.leave, out.redeliver = true, true
		return
	}
	if home != w.cfg.Loop && !w.cfg.StayPut {
		s.becomeMoved(now, home, w, out)
		return
	}
	s.user, s.device, s.home = hello.User, hello.Device, uint8(home)
	m := s.toMailbox(out, msgAttach)
	m.peerGen = s.accountGen()
	if s.flags&flagEarly != 0 {
		m.code = attachEarly
		out.leave = true
		s.flags |= flagUnread | flagHeldBack
	}
	m.gen, m.peer, m.first, m.last, m.seq = hello.Gen, hello.Incarnation, hello.DownSeq, hello.Ticked, uint64(hello.Epoch)
	s.becomeAttaching()
}

// becomeMoved leaves this loop with the HELLO unread: the home loop reads it again.
func (s *session) becomeMoved(now int64, home int, w *world, out *effects) {
	out.leave = true
	s.becomeFree(now, w, out)
	out.moveTo = home
}
