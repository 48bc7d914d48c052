package shard

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"

	"trunkline/codec"
	"trunkline/codec/iq"
)

// history is a group and its reference under the same random operations.
type history struct {
	t     *testing.T
	rnd   *rand.Rand
	g     *group
	p     *plainGroup
	cseqs map[uint64]uint64 // of a user's devices, counted over both
	out   groupChange
	seed  uint64
	step  int
	told  int
}

const historyUsers = 9

// TestAGroupIsWhatAPlainOneIs plays thousands of histories. What a sender is told is held against all that was ever sent.
func TestAGroupIsWhatAPlainOneIs(t *testing.T) {
	seed, histories := rand.Uint64(), 3_000
	if testing.Short() {
		histories = 500
	}
	t.Logf("seed %d", seed)
	total := 0
	for i := range histories {
		h := newHistory(t, seed+uint64(i))
		for h.step = range 120 {
			h.next()
			if t.Failed() {
				t.Fatalf("seed %d step %d", h.seed, h.step)
			}
			if h.g.over() {
				break
			}
		}
		total += h.told
	}
	if total < histories {
		t.Errorf("only %d ticks in %d histories: they say little", total, histories)
	}
}

func newHistory(t *testing.T, seed uint64) *history {
	h := &history{t: t, rnd: rand.New(rand.NewPCG(seed, 1)), cseqs: map[uint64]uint64{}, seed: seed}
	o := groupOp{actor: 1, users: h.users(), text: "a", token: 7, timeSec: 1_700_000_000, max: 6}
	h.p = &plainGroup{members: map[uint64]*plainMember{1: {admin: true, since: 1, delivered: 1, read: 1}}, subject: "a"}
	want := h.p.apply(&groupOp{op: iq.OpGroupAdd, actor: 1, users: o.users, max: o.max})
	if !want.changed {
		h.p.epoch, h.p.seq = 1, 1
	}
	joined := slices.Concat([]uint64{1}, want.joined)
	g, got := createGroup(codec.UserMax+5, &o)
	h.g = g
	if got.code != 0 || len(got.event) == 0 || !slices.Equal(got.joined, joined) || !slices.Equal(got.outcomes, want.outcomes) {
		t.Fatalf("seed %d: create %v: %+v, want %+v", seed, o.users, got, want)
	}
	h.compare()
	return h
}

// users names up to four of them, with duplicates.
func (h *history) users() (list []uint64) {
	for range 1 + h.rnd.IntN(4) {
		list = append(list, 1+h.rnd.Uint64N(historyUsers))
	}
	return list
}

func (h *history) next() {
	switch n := h.rnd.IntN(100); {
	case n < 35:
		h.send()
	case n < 80:
		h.mark()
	case n < 97:
		h.change()
	default:
		h.reload()
	}
	h.compare()
}

func (h *history) send() {
	by := sentBy{user: 1 + h.rnd.Uint64N(historyUsers), device: uint8(h.rnd.IntN(2)), gen: uint16(h.rnd.IntN(5) / 4)}
	age, named := uint32(h.rnd.IntN(10)/9), h.rnd.IntN(9) > 0
	want := codec.CodeNone
	if h.p.members[by.user] == nil {
		want = codec.CodeNotMember
	} else if named && age > 0 {
		want = codec.CodeEpochStale
	}
	if code := h.g.admit(by.user, h.p.epoch-age, named); code != want {
		h.t.Errorf("%d is admitted with %v, want %v", by.user, code, want)
	}
	if want != codec.CodeNone {
		return
	}
	h.cseqs[by.user] += 1 + h.rnd.Uint64N(2) // some go elsewhere
	by.cseq = h.cseqs[by.user]
	h.p.send(by)
	if gseq := h.g.take(by); gseq != h.p.seq {
		h.t.Errorf("gseq %d, want %d", gseq, h.p.seq)
	}
}

func (h *history) mark() {
	user, kind := 1+h.rnd.Uint64N(historyUsers), codec.ReceiptKind(1+h.rnd.IntN(3))
	gseq := h.p.seq + 1 - h.rnd.Uint64N(min(h.p.seq+1, 12))
	h.p.mark(user, kind, gseq)
	before := []groupTick{{user: 77}}
	h.hold(h.g.mark(user, kind, gseq, before)[1:])
}

// hold compares what is told with what is due: each message once.
func (h *history) hold(ticks []groupTick) {
	got, want := h.p.expand(ticks), h.p.due()
	order := func(a, b told) int { return int(a.gseq*4+uint64(a.kind)) - int(b.gseq*4+uint64(b.kind)) }
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	if !slices.Equal(got, want) {
		h.t.Errorf("told %v, due %v (ticks %+v)", got, want, ticks)
	}
	h.told += len(got)
}

func (h *history) change() {
	ops := []iq.Op{iq.OpGroupAdd, iq.OpGroupAdd, iq.OpGroupRemove, iq.OpGroupPromote, iq.OpGroupDemote, iq.OpGroupLeave, iq.OpGroupSubject, iq.OpGroupInvite, iq.OpGroupJoin}
	o := groupOp{op: ops[h.rnd.IntN(len(ops))], actor: 1 + h.rnd.Uint64N(historyUsers), users: h.users(), max: 3 + h.rnd.IntN(7)}
	o.text = string(rune('a' + h.rnd.IntN(2)))
	switch h.rnd.IntN(3) {
	case 0:
		o.bytes = []byte("sixteen letters!")
	case 1:
		o.bytes = []byte("sixteen numbers!")
	}
	want := h.p.apply(&o)
	h.g.change(&o, &h.out)
	got := &h.out
	if got.code != want.code || (len(got.event) > 0) != want.changed || !slices.Equal(got.joined, want.joined) ||
		!slices.Equal(got.left, want.left) || !slices.Equal(got.outcomes, want.outcomes) {
		h.t.Errorf("%+v: %+v, want %+v", o, *got, want)
	}
	h.hold(got.ticks)
}

// reload goes on with what a snapshot remembers.
func (h *history) reload() {
	b := h.g.appendSnapshot(nil)
	var g group
	if err := parseSnapshot(b, &g); err != nil {
		h.t.Errorf("%v", err)
		return
	}
	if err := sameGroup(h.g, &g); err != nil {
		h.t.Errorf("%v", err)
	}
	h.g = &g
}

// sameGroup compares two groups; how their memory lies does not count.
func sameGroup(a, b *group) error {
	x, y := *a, *b
	x.ring, y.ring = ring{}, ring{}
	if len(x.invite) == 0 && len(y.invite) == 0 {
		x.invite, y.invite = nil, nil
	}
	if !reflect.DeepEqual(x, y) {
		return fmt.Errorf("%+v\nis not\n%+v", x, y)
	}
	if !slices.Equal(a.ring.live(), b.ring.live()) {
		return fmt.Errorf("messages %+v\nare not\n%+v", a.ring.live(), b.ring.live())
	}
	return nil
}

// compare holds all that can be seen of the group against the reference.
func (h *history) compare() {
	g, p := h.g, h.p
	if g.epoch != p.epoch || g.seq != p.seq || g.subject != p.subject || string(g.invite) != p.invite || len(g.members) != len(p.members) {
		h.t.Errorf("epoch %d seq %d subject %s invite %q members %d, want %d %d %s %q %d",
			g.epoch, g.seq, g.subject, g.invite, len(g.members), p.epoch, p.seq, p.subject, p.invite, len(p.members))
		return
	}
	for i, user := range p.sorted() {
		m, want := g.members[i], p.members[user]
		if m.user != user || m.since != want.since || m.delivered != want.delivered || m.read != want.read || (m.role == iq.RoleAdmin) != want.admin {
			h.t.Errorf("member %+v, want %d %+v", m, user, *want)
		}
		if g.find(user) != &g.members[i] {
			h.t.Errorf("%d is not found", user)
		}
	}
}
