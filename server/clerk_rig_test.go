package server

import (
	"crypto/rand"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/codec/secure"
)

// asked is the ref of the last request of a wire.
func (w *wire) request(r iq.Request) {
	w.t.Helper()
	w.refs++
	r.Ref = w.refs
	w.write(must(iq.AppendRequest(nil, &r)))
}

// ask writes a request and waits for its answer.
func (w *wire) ask(r iq.Request) iq.Answer {
	w.t.Helper()
	w.request(r)
	return w.answer(r.Op)
}

// answer waits for the answer to the last request.
func (w *wire) answer(op iq.Op) iq.Answer {
	w.t.Helper()
	for {
		f := w.expect(codec.KindNode)
		var a iq.Answer
		var n iq.Notice
		notice, err := iq.ParseReply(&codec.Tape{}, f, &a, &n)
		if err != nil {
			w.t.Fatalf("user %d: the answer to %v: %v", w.user, op, err)
		}
		if notice {
			continue
		}
		if a.Ref != w.refs || a.Op != op {
			w.t.Fatalf("user %d: an answer %+v to request %d, %v", w.user, a, w.refs, op)
		}
		return a
	}
}

// asked is ask for what must be done.
func (w *wire) must(r iq.Request) iq.Answer {
	w.t.Helper()
	a := w.ask(r)
	if a.Code != codec.CodeNone {
		w.t.Fatalf("user %d: %v is refused: %v, %s", w.user, r.Op, a.Code, a.Text)
	}
	return a
}

// refused is ask for what must be refused with that code.
func (w *wire) refused(code codec.ErrorCode, r iq.Request) iq.Answer {
	w.t.Helper()
	a := w.ask(r)
	if a.Code != code {
		w.t.Fatalf("user %d: %v is answered with %v %q, want %v", w.user, r.Op, a.Code, a.Text, code)
	}
	return a
}

// bothTransports runs a test on each of them, with mailboxes in memory and on disk.
func bothTransports(t *testing.T, test func(t *testing.T, login func(user uint64, device uint8) *wire, r *running)) {
	for _, row := range []struct {
		name        string
		noise, disk bool
	}{{"plain", false, false}, {"plain on disk", false, true}, {"noise on disk", true, true}} {
		t.Run(row.name, func(t *testing.T) {
			noLeaks(t)
			set := func(c *Config) {
				if row.disk {
					c.Data = t.TempDir()
				}
			}
			if !row.noise {
				r := start(t, set)
				test(t, func(user uint64, device uint8) *wire { return r.login(t, user, device) }, r)
				return
			}
			r := startNoise(t, set)
			test(t, r.family(t), r)
		})
	}
}

// family logs devices in on the encrypted transport: companions are linked by their user's primary, which comes first. Each login is a device
// that has no state and new keys.
func (r *running) family(t testing.TB) (login func(user uint64, device uint8) *wire) {
	primaries := map[uint64]*phone{}
	return func(user uint64, device uint8) *wire {
		p := r.phone(t, user, device)
		if device == 0 {
			primaries[user] = p
		} else if primary := primaries[user]; primary != nil {
			p.linkedBy(primary)
		}
		return p.contact()
	}
}

// linkedBy gives a companion the token by which its primary lets it register.
func (p *phone) linkedBy(primary *phone) *phone {
	token := secure.Token{Kind: secure.TokenLink, User: p.user, Device: p.device, NotAfter: uint64(time.Now().Unix()) + 600, Key: p.static.Public()}
	if _, err := rand.Read(token.ID[:]); err != nil {
		p.t.Fatal(err)
	}
	p.token = secure.SignToken(primary.sign, &token)
	return p
}
