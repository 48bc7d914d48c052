package shard

import (
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/store"
)

// enrol logs a device in whose account is at a generation.
func (r *diskRig) enrol(user uint64, device uint8, conn Conn, account uint16) {
	r.say(message{kind: msgAttach, user: user, device: device, conn: conn, peerGen: account, first: uint64(account), seq: 1})
	r.settleLoads(1000)
	r.disk.sync()
	r.tick(0)
}

// settleDisk has all that is dirty written back.
func (r *diskRig) settleDisk() {
	for range 3 {
		r.disk.sync()
		r.tick(6_000)
		r.disk.write()
		r.tick(0)
	}
}

// records are those of a mailbox from one on.
func (r *diskRig) recordsOf(user uint64, device uint8, from int) (kinds []store.RecordKind) {
	for _, rec := range r.disk.records[from:] {
		if rec.Entry.User == user && rec.Entry.Device == device || rec.Head.User == user && rec.Head.Device == device {
			kinds = append(kinds, rec.Kind)
		}
	}
	return kinds
}

const connB = connA + 1

func TestARemovedDevicesMailboxIsGoneAndVanishes(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.enrol(user, 0, connA, 5)
	r.route(2002, user, 1)
	last, from := r.mailboxes.At(r.find(user, 0, 0)).last, len(r.disk.records)

	r.RemoveDevice(r.now, user, 0, 6, Reply{Loop: 1, Conn: connB, Frame: []byte("done")})
	r.tick(0)
	if got := r.sheet(connA).kicked; !slices.Equal(got, []codec.ErrorCode{codec.CodeDeviceRemoved}) {
		t.Errorf("its session hears %v", got)
	}
	if got := r.sheet(connB).answers; len(got) != 0 {
		t.Errorf("%q was answered before it was durable", got)
	}
	if got := r.recordsOf(user, 0, from); !slices.Equal(got, []store.RecordKind{store.RecordHead}) {
		t.Errorf("noted as %v: a drop of its own would tell the sender that somebody took the message", got)
	}
	r.disk.sync()
	r.tick(0)
	if got := r.sheet(connB).answers; !slices.Equal(got, []string{"done"}) {
		t.Errorf("answered %q", got)
	}
	r.route(2002, user, 2)
	if m := r.said[msgRejected]; m == nil || codec.ErrorCode(m.code) != codec.CodeNoSuchDevice {
		t.Errorf("a message to it is answered with %+v", m)
	}
	r.settleDisk()
	if r.find(user, 0, 0) != 0 || len(r.disk.heads[user]) != 0 || r.stats.Vanished != 1 {
		t.Errorf("left in memory %v, on disk %+v", r.find(user, 0, 0) != 0, r.disk.heads[user])
	}
	r.enrol(user, 0, connA+7, 7)
	r.route(2002, user, 3)
	if m := r.mailboxes.At(r.find(user, 0, 0)); m.gen != 7 || m.entries != 1 || m.acked < last {
		t.Errorf("registered anew it begins with generation %d, %d entries, seqs above %d; before it had %d", m.gen, m.entries, m.acked, last)
	}
}

func TestWhoMayBeginARemovedMailboxAnew(t *testing.T) {
	for _, row := range []struct {
		name    string
		removed message // the login before the removal
		again   message
		want    codec.ErrorCode
	}{
		{"the same registration", message{peerGen: 5}, message{peerGen: 5, gen: 5}, codec.CodeDeviceRemoved},
		{"an older one", message{peerGen: 5}, message{peerGen: 4}, codec.CodeDeviceRemoved},
		{"a newer one", message{peerGen: 5}, message{peerGen: 7}, codec.CodeNone},
		{"a newer one that knows its generation", message{peerGen: 5}, message{peerGen: 7, gen: 7}, codec.CodeNone},
		{"where no account counts, who has state", message{first: 1}, message{gen: 9}, codec.CodeDeviceRemoved},
		{"where no account counts, a late HELLO of the removed device", message{first: 1}, message{first: 1}, codec.CodeDeviceRemoved},
		{"where no account counts, who has none", message{first: 1}, message{first: 2}, codec.CodeNone},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := newDiskRig(t, nil)
			user := userOn(r.cfg.Placement, 0)
			login := func(conn Conn, m message) {
				m.kind, m.user, m.conn, m.seq = msgAttach, user, conn, 1
				r.say(m)
				r.settleLoads(1000)
				r.disk.sync()
				r.tick(0)
			}
			login(connA, row.removed)
			before := r.mailboxes.At(r.find(user, 0, 0)).gen
			r.route(2002, user, 1)
			r.RemoveDevice(r.now, user, 0, 0, Reply{})
			r.tick(0)
			login(connB, row.again)
			refused := codec.CodeNone
			if got := r.sheet(connB).refused; len(got) > 0 {
				refused = codec.ErrorCode(got[0])
			}
			m := r.mailboxes.At(r.find(user, 0, 0))
			if refused != row.want || m.attached() != (row.want == codec.CodeNone) || m.entries != 0 {
				t.Errorf("refused with %v, want %v; state %d with %d entries", refused, row.want, m.state, m.entries)
			}
			if row.want == codec.CodeNone && m.gen == before {
				t.Errorf("it has generation %d again", m.gen)
			}
		})
	}
}

func TestWithoutAccountsARemovedMailboxStaysForItsGenerations(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.login(user, connA, 0, 0, 0, 1)
	gen := r.mailboxes.At(r.find(user, 0, 0)).gen
	r.RemoveDevice(r.now, user, 0, 0, Reply{})
	r.settleDisk()
	if h := r.disk.heads[user]; len(h) != 1 || h[0].Flags&store.HeadGone == 0 {
		t.Fatalf("on the disk is %+v", h)
	}
	r.start(2, nil)
	r.say(message{kind: msgAttach, user: user, conn: connB, gen: gen, peer: 7, seq: 2})
	r.settleLoads(1000)
	if got := r.sheet(connB).refused; !slices.Equal(got, []uint8{uint8(codec.CodeDeviceRemoved)}) {
		t.Errorf("after a start the old generation is refused with %v", got)
	}
	r.login(user, connB+1, 0, 0, 0, 1)
	if now := r.mailboxes.At(r.find(user, 0, 0)).gen; now == gen {
		t.Errorf("generation %d is given out twice", now)
	}
}

func TestARemovalThatComesLateLeavesANewerRegistrationAlone(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.enrol(user, 1, connA, 8)
	r.RemoveDevice(r.now, user, 1, 6, Reply{Loop: 1, Conn: connB, Frame: []byte("done")})
	r.tick(0)
	if m := r.mailboxes.At(r.find(user, 1, 0)); m.state != mailboxOnline || len(r.sheet(connA).kicked) != 0 {
		t.Errorf("state %d, kicked %v", m.state, r.sheet(connA).kicked)
	}
	if got := r.sheet(connB).answers; !slices.Equal(got, []string{"done"}) {
		t.Errorf("answered %q", got)
	}
}

func TestWhoRemovesItselfHearsTheAnswerFirst(t *testing.T) {
	r := newDiskRig(t, nil)
	user := userOn(r.cfg.Placement, 0)
	r.enrol(user, 1, connA, 5)
	r.RemoveDevice(r.now, user, 1, 6, Reply{Loop: 1, Conn: connA, Frame: []byte("done")})
	r.tick(0)
	if s := r.sheet(connA); len(s.kicked)+len(s.answers) != 0 {
		t.Errorf("before it is durable it hears %v and %v", s.answers, s.kicked)
	}
	r.disk.sync()
	r.tick(0)
	if s := r.sheet(connA); len(s.kicked) != 1 || len(s.answers) != 1 {
		t.Errorf("then %v and %v", s.answers, s.kicked)
	}
}
