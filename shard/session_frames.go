package shard

import "trunkline/codec"

// openFrame takes one frame of a client that is logged in.
func (s *session) openFrame(now int64, ev *event, w *world, out *effects) {
	kind := ev.frame.Kind
	if kind == codec.KindSend || kind == codec.KindReceipt {
		s.takeFrame(now, ev, w, out)
		return
	}
	before := s.controls
	if s.overControls(now, 0, w, out) || kind == codec.KindSubscribe && s.overPeers(now, before, len(ev.frame.Body)/8, w, out) {
		return
	}
	ev.controls = before
	if s.takeFrame(now, ev, w, out); out.leave {
		s.controls = before // it comes again, and counts then
	}
}

// takeFrame hands a frame to what serves its kind.
func (s *session) takeFrame(now int64, ev *event, w *world, out *effects) {
	var err error
	switch ev.frame.Kind {
	case codec.KindPing:
		s.takePing(w, out)
	case codec.KindPong: // heard
	case codec.KindState:
		err = s.takeState(now, ev, w, out)
	case codec.KindSend:
		err = s.takeSend(now, ev, w, out)
	case codec.KindAck:
		err = s.takeAck(now, ev, w, out)
	case codec.KindReceipt:
		err = s.takeReceipt(now, ev, w, out)
	case codec.KindTyping:
		err = s.takeTyping(ev, w, out)
	case codec.KindSubscribe:
		err = s.takeSubscribe(ev, w, out)
	case codec.KindNode:
		err = s.takeNode(now, ev, w, out)
	default:
		if !ev.frame.Kind.Known() {
			return // the codec lets only kinds through that are to be skipped
		}
		s.refuse(now, codec.CodeUnexpected, s.offset, 0, w, out)
	}
	if err != nil {
		s.malformed(now, w, out)
	}
}

// takePing answers behind everything that the mailbox has and the window lets out, and that frames before the PING let out: a
// client learns from it that it is up to date. On the mailbox's own loop all that is written already, unless the disk holds something up.
// Else the PING goes to the mailbox and back, one at a time.
func (s *session) takePing(w *world, out *effects) {
	switch home := int(s.home); {
	case home == w.cfg.Loop && !w.behind(s):
		out.open()
		out.frames = codec.AppendPong(out.frames)
	case s.flags&flagPinging != 0:
		out.leave = true
		s.flags |= flagHeldBack // until its answer comes
	case w.credit(home) < controlBytesMax:
		out.leave, out.redeliver = true, true
	default:
		s.flags |= flagPinging
		s.toMailbox(out, msgPing)
	}
}

// ponged answers the PING and reads on behind it.
func (s *session) ponged(out *effects) {
	s.flags &^= flagPinging
	out.open()
	out.frames = codec.AppendPong(out.frames)
	s.readOn(out)
}

// takeSend hands a SEND to the mailbox. What can never be delivered goes there too, as a rejection: its cseq counts.
func (s *session) takeSend(now int64, ev *event, w *world, out *effects) error {
	v, err := codec.ParseSend(ev.frame)
	code := codec.CodeNone
	switch {
	case err == codec.ErrBlobTooLarge:
		code = codec.CodeTooLarge
	case err == codec.ErrExtCritical:
		code = codec.CodeUnsupported
	case err != nil:
		return err
	default:
		code = checkParts(v.Parts)
	}
	to, known, named, err := receiver(&v)
	if err != nil {
		return err
	}
	if to == 0 {
		code = codec.CodeInvalidReceiver
	}
	if !s.admit(now, v.Cseq, to, w, out) {
		return nil
	}
	m := s.toMailbox(out, msgSend)
	m.seq, m.peer, m.timeSec, m.flags, m.code = v.Cseq, to, uint32(now/1000), v.Flags, uint8(code)
	if named {
		m.first, m.last = uint64(known), namesVersion
	}
	if to == 0 {
		m.peer, m.flags = v.To, v.Flags&^codec.FlagGroup // as it was named
	}
	if code == codec.CodeNone {
		m.parts, m.payload = v.N, v.Parts
	}
	return nil
}

// receiver is the place of who a SEND is for, 0 if there can't be such a one, and which version of its devices, or which epoch, the sender knows.
func receiver(v *codec.Send) (place uint64, known uint32, named bool, err error) {
	if v.Flags&codec.FlagGroup != 0 {
		place, _ = placeOf(v.To)
		known, named, err = v.Known(codec.ExtEpoch)
		return place, known, named, err
	}
	if validUser(v.To) {
		place = v.To
	}
	known, named, err = v.Known(codec.ExtDevices)
	return place, known, named, err
}

// checkParts refuses kinds of payload that only the server makes.
func checkParts(list codec.Parts) codec.ErrorCode {
	for part, rest, ok := list.Next(); ok; part, rest, ok = rest.Next() {
		if kind := part.Kind &^ codec.PayloadCompressed; kind >= codec.PayloadServerMin && kind <= codec.PayloadServerMax {
			return codec.CodeUnsupported
		}
	}
	return codec.CodeNone
}

// takeReceipt hands a read receipt to the mailbox. It shares the cseq with SENDs.
func (s *session) takeReceipt(now int64, ev *event, w *world, out *effects) error {
	v, err := codec.ParseReceipt(ev.frame)
	if err != nil {
		return err
	}
	if v.Kind != codec.ReceiptRead && v.Kind != codec.ReceiptPlayed {
		s.refuse(now, codec.CodeUnexpected, s.offset, 0, w, out) // only the server makes the others
		return nil
	}
	peer := v.Peer
	if v.Flags&codec.FlagGroup != 0 {
		peer, _ = placeOf(v.Group)
	}
	if !s.admit(now, v.Seq, peer, w, out) {
		return nil
	}
	m := s.toMailbox(out, msgRead)
	m.seq, m.peer, m.peerDevice, m.peerGen, m.flags = v.Seq, peer, v.Device, v.Gen, v.Flags
	m.first, m.last, m.timeSec, m.code = v.First, v.Last, uint32(now/1000), uint8(v.Kind)
	return nil
}

// admit decides whether a cseq may go on now: within the window, without a gap, with room on the way. What has to wait is left
// in the connection's input. A cseq that comes once more counts a little among the controls: after a refusal a whole window of them is
// in order, for ever it is not.
func (s *session) admit(now int64, cseq, to uint64, w *world, out *effects) bool {
	next := s.mark + uint64(s.ahead) + 1
	if cseq > next {
		s.refuse(now, codec.CodeCseqGap, next, 0, w, out)
		return false
	}
	if cseq == next && s.ahead == UplinkEntriesMax {
		out.leave = true
		s.flags |= flagHeldBack // until the mark moves
		return false
	}
	way := int(s.home)
	if way == w.cfg.Loop {
		way = w.home(to)
	}
	if w.credit(way) < StepBytesMax {
		out.leave, out.redeliver = true, true
		return false
	}
	if cseq == next {
		s.ahead++
	} else if s.state == sessionOpen && s.overControls(now, repeatPart, w, out) {
		return false
	}
	return true
}

// takeAck hands an ACK to the mailbox. Second ticks may go to any loop, so all of them must have room.
func (s *session) takeAck(now int64, ev *event, w *world, out *effects) error {
	v, err := codec.ParseAck(ev.frame)
	if err != nil {
		return err
	}
	if v.Seq > s.pushed && w.cfg.Disk == nil { // with one the mailbox knows
		s.refuse(now, codec.CodeAckInvalid, s.pushed, 0, w, out)
		return nil
	}
	if w.leastRoom < StepBytesMax {
		out.leave, out.redeliver = true, true
		return nil
	}
	s.acknowledged(now, v.Seq)
	s.toMailbox(out, msgAck).first = v.Seq
	return nil
}
