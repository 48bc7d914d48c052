package server

import (
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/shard"
	"trunkline/store"
)

// landmine is a mailbox memory that panics when it is given one payload.
type landmine struct{ shard.Queue }

const boom = "boom"

// Append implements shard.Queue.
func (q landmine) Append(e *store.Entry, payload []byte) error {
	if string(payload) == boom {
		panic("stepped on it")
	}
	return q.Queue.Append(e, payload)
}

// mined puts landmines into every loop.
func mined(c *Config) {
	c.hooks = &hooks{queue: func(q shard.Queue) shard.Queue { return landmine{q} }}
}

// usersOn finds users whose home is that loop.
func (r *running) usersOn(loop, n int) []uint64 {
	placement := shard.Placement{Seed: r.data.seed, Loops: r.cfg.Loops}
	var users []uint64
	for user := uint64(100); len(users) < n; user++ {
		if placement.Home(user) == loop {
			users = append(users, user)
		}
	}
	return users
}

func TestAMessageThatCrashesItsRecipientsMailboxBecomesARejectionAndHurtsNobodyElse(t *testing.T) {
	for _, row := range []struct {
		name    string
		to      int // the recipient's loop; the sender's is 0
		crashed int // sessions that the panic costs
	}{
		{"both on one loop", 0, 1},
		{"on two loops", 1, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			noLeaks(t)
			r := start(t, mined)
			p := r.converse(t, 1)
			users := append(r.usersOn(0, 1), r.usersOn(row.to, 2)[1])
			from, to := r.login(t, users[0], 0), r.login(t, users[1], 0)
			cseq := from.send(users[1], boom)
			if row.crashed > 0 { // the event that crashed came from this connection
				from.expectClosed()
				again := r.dial(t)
				again.hello(codec.Hello{Version: 1, User: users[0], Gen: from.gen, Incarnation: from.inc})
				from = again
			}
			rc := from.takeReceipt()
			if rc.Kind != codec.ReceiptRejected || codec.ErrorCode(rc.Code) != codec.CodeInternal || rc.First != cseq {
				t.Errorf("got %+v, want a rejection of %d with code internal", rc, cseq)
			}
			from.cseq = cseq
			from.expectTick(from.send(users[1], "and this one?"))
			if d := to.take(); string(d.Blob) != "and this one?" {
				t.Errorf("the recipient got %q", d.Blob)
			}
			p.talk()
			r.eventually(t, "one panic is counted", func(s Status) bool { return s.Panics == 1 && s.PerLoop[row.to].Panics == 1 })
			if log := r.log.String(); countOf(log, "stepped on it") != 1 || !strings.Contains(log, "landmine.Append") {
				t.Errorf("the log does not have the panic and its stack once:\n%s", log)
			}
		})
	}
}

func TestManyPanicsLeaveAServerThatServes(t *testing.T) {
	noLeaks(t)
	r := start(t, mined)
	p := r.converse(t, 1)
	users := append(r.usersOn(0, 1), r.usersOn(1, 1)...)
	from := r.login(t, users[0], 0)
	for range 3 * PanicsMax {
		from.send(users[1], boom)
		if rc := from.takeReceipt(); rc.Kind != codec.ReceiptRejected {
			t.Fatalf("got %+v", rc)
		}
	}
	p.talk()
	r.eventually(t, "all are counted", func(s Status) bool { return s.Panics == 3*PanicsMax })
	if n := countOf(r.log.String(), "THIS SERVER IS FAILING"); n != 1 {
		t.Errorf("%d loud lines, want 1", n)
	}
}
