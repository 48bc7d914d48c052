package server

import (
	"crypto/rand"

	"trunkline/codec"
	"trunkline/codec/secure"
	"trunkline/netpoll"
	"trunkline/shard"
)

// hello takes the first frames of a client that came with a contact flight, up to its HELLO, which stays unread until the
// registrar has answered.
func (g *gate) hello(id netpoll.ConnID, in *login, plain []byte) (consumed int) {
	for {
		frame, used, err := codec.Next(plain[consumed:], codec.PreLoginFrameBytesMax)
		switch {
		case err != nil:
			g.offend(id)
			return len(plain)
		case used == 0:
			return consumed
		case frame.Kind == codec.KindHello:
			g.ask(id, in, frame)
			return consumed
		case !frame.Kind.Known() && frame.Kind.Skipped():
			consumed += used
		default:
			g.offend(id)
			return len(plain)
		}
	}
}

// ask has the registrar look the device up. A HELLO of another version goes straight to the shard, which says so.
func (g *gate) ask(id netpoll.ConnID, in *login, frame codec.Frame) {
	h, err := codec.ParseHello(frame)
	switch {
	case err != nil:
		g.offend(id)
		return
	case h.Version != codec.Version:
		in.phase = phaseIdentified
		return
	}
	a := loginAsk{loop: g.loop.Index(), conn: id, user: h.User, device: h.Device, gen: h.Gen, static: in.static}
	if h.Gen == 0 {
		a.token = h.DownSeq
	}
	if proof, ok := h.Extension(codec.ExtToken); ok {
		a.proof = append(a.proof, proof...)
	}
	if sign, ok := h.Extension(codec.ExtSignKey); ok {
		copy(a.sign[:], sign)
	}
	in.user, in.device, in.key = h.User, h.Device, secure.KeyName(&in.static)
	if in.phase = phaseAsking; !g.registrar.ask(&a) {
		g.stats.Busy++
		g.deny(id, codec.CodeBusy, uint32(g.desk.retryAfter().Milliseconds()))
	}
}

// answered takes the registrar's word.
func (g *gate) answered(a loginAnswer) {
	in := g.logins[a.conn]
	if in == nil || in.phase != phaseAsking {
		return // the client did not wait
	}
	if a.code != codec.CodeNone {
		g.stats.Refused++
		if a.code == codec.CodeTokenRefused || a.code == codec.CodeNotRegistered {
			g.admission.Offence(g.loop.Tag(a.conn))
		}
		g.deny(a.conn, a.code, a.retryAfterMs)
		return
	}
	in.gen, in.ticket = a.gen, true
	g.identify(a.conn, in)
	g.loop.Redeliver(a.conn)
}

// deny says why under the keys, and closes.
func (g *gate) deny(id netpoll.ConnID, code codec.ErrorCode, retryAfterMs uint32) {
	frame, err := codec.AppendError(nil, &codec.Error{Code: code, RetryAfterMs: retryAfterMs})
	if err == nil {
		err = g.out.stage(id, frame)
	}
	if err != nil {
		g.loop.Close(id)
		return
	}
	g.Close(shard.Conn(id))
}

// issueTicket adds a TICKET frame to what goes out behind SUCCESS. It is good as long as its key is kept: for one rotation as
// the current one, for another as the one before.
func (g *gate) issueTicket(id netpoll.ConnID, in *login) {
	now, keys := g.nowSec(), g.keys.Tickets()
	life := min(keys.Current.Created+2*g.rotation-now, 2*g.rotation)
	t := secure.Ticket{User: in.user, Device: in.device, Gen: in.gen, Key: in.key, Issued: uint32(now), Expires: uint32(now + life)}
	if life < TicketLifeMin {
		return // a rotation is overdue; the client comes with a contact flight
	}
	if _, err := rand.Read(t.PSK[:]); err != nil {
		return
	}
	sealed, err := keys.Seal(nil, &t, rand.Reader)
	if err != nil {
		return
	}
	frame, err := codec.AppendTicket(nil, &codec.Ticket{LifetimeSec: uint32(life), PSK: t.PSK, Sealed: sealed})
	if err == nil && g.out.stage(id, frame) == nil {
		g.stats.Tickets++
	}
}
