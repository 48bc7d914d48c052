package shard

import (
	"trunkline/codec"
	"trunkline/codec/iq"
)

// takeNode hands a request on: about groups to the group's home, about users to the Clerk. The answer comes with msgFrames.
func (s *session) takeNode(now int64, ev *event, w *world, out *effects) error {
	var r iq.Request
	err := iq.ParseRequest(&w.tape, ev.frame, &r)
	switch {
	case err == iq.ErrUnknown && r.Ref == 0:
		return nil // says something that this version does not know, and wants no answer
	case err == iq.ErrUnknown:
		out.writeAnswer(&iq.Answer{Ref: r.Ref, Op: r.Op, Code: codec.CodeUnsupported})
		return nil
	case err == iq.ErrForm:
		out.writeAnswer(&iq.Answer{Ref: r.Ref, Op: r.Op, Code: codec.CodeInvalid})
		return nil
	case err != nil:
		return err
	case w.leastRoom < StepBytesMax: // it may ask many
		out.leave, out.redeliver = true, true
		return nil
	case len(r.Users) > 0 && s.overPeers(now, ev.controls, len(r.Users), w, out):
		return nil
	}
	if r.Op > iq.OpGroupReceipts {
		s.askClerk(ev, &r, w, out)
		return nil
	}
	place, ok := s.user, true
	switch r.Op {
	case iq.OpGroupList:
	case iq.OpGroupCreate:
		place = w.groupPlace(s.user, r.Token)
	default:
		place, ok = placeOf(r.Group)
	}
	if !ok {
		out.writeAnswer(&iq.Answer{Ref: r.Ref, Op: r.Op, Code: missing(r.Op)})
		return nil
	}
	start := len(out.scratch)
	out.scratch = codec.AppendFrame(out.scratch, ev.frame)
	m := out.post(w.home(place), msgAsk)
	m.user, m.peer, m.peerDevice, m.conn, m.code, m.last = place, s.user, s.device, s.conn, uint8(r.Op), uint64(r.Ref)
	m.timeSec, m.payload = uint32(now/1000), out.scratch[start:len(out.scratch):len(out.scratch)]
	return nil
}

// askClerk has the server answer a request about users.
func (s *session) askClerk(ev *event, r *iq.Request, w *world, out *effects) {
	a := iq.Answer{Ref: r.Ref, Op: r.Op, Code: codec.CodeUnsupported}
	if w.cfg.Clerk != nil {
		if w.cfg.Clerk.Ask(s.conn, s.user, s.device, ev.frame) {
			return
		}
		a.Code, a.RetryAfterMs = codec.CodeRateLimited, refusalRetryMs+uint32(spread(s.user, refusalRetryMs))
	}
	out.writeAnswer(&a)
}

// writeAnswer writes the answer to a request.
func (out *effects) writeAnswer(a *iq.Answer) {
	out.open()
	out.frames = must(iq.AppendAnswer(out.frames, a))
}
