package server

import (
	"testing"
	"time"

	"trunkline/codec"
)

// atTimes is the one sickness in which something is kept now and then.
const atTimes = "fail=write+create:enospc:0.9"

// TestADiskThatFailsForAWhileCostsNothing: while the journal's disk can't keep anything, senders are refused for a while, and what is in memory reaches
// those who are there; when it can, all goes on in the same process.
func TestADiskThatFailsForAWhileCostsNothing(t *testing.T) {
	for name, spec := range map[string]string{
		"full":                       "limit=1",
		"full at times":              atTimes,
		"syncs fail":                 "fail=sync:eio",
		"syncs of directories, too":  "fail=sync+syncdir:eio",
		"writes fail":                "fail=write:eio",
		"read-only":                  "fail=change:erofs",
		"syncs hang":                 "hang=sync",
		"everything hangs":           "hang=change",
		"the journal's syncs fail":   "fail=sync:eio@journal",
		"the journal can't be grown": "fail=create:enospc@journal fail=write:enospc@journal",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrdeal(t, ordealSeed(t), false, []habits{{}, {stuck: true}, {}}, quickDisk...)
			o.illness(spec)
		})
	}
}

// illness lets the disk fail while a message after the other is on its way.
func (o *ordeal) illness(spec string) {
	o.t.Helper()
	const before, after = 200, 20
	writer, stuck, other := o.crew.members[0], o.crew.members[1], o.crew.members[2]
	o.launch("")
	if !o.serve() {
		o.verdict()
		return
	}
	o.sendAll(writer, stuck.user, before)
	o.until("all is ticked", func(j *judge) bool { return j.ticked[writer.user] == before })
	// A first login is not let in while nothing can be kept.
	waitFor(o.t, func() bool { return o.shownTo(stuck) > 0 }, func() string { return "the stuck one is not logged in" })
	if shown := o.shownTo(stuck); shown == before {
		o.t.Fatalf("%d entries fit a window: nothing waits", shown)
	}

	o.must(o.victim.faults(spec))
	o.note("the disk fails: %s", spec)
	last := time.Time{}
	waitFor(o.t, func() bool {
		if time.Since(last) > 150*time.Millisecond { // what was sent before the trouble is told waits for its tick, and a window holds 64
			last = time.Now()
			writer.say(other.user)
		}
		return writer.refusals(codec.CodeServerFull) > 0
	}, func() string { return "nobody was refused" })
	ticked := uint64(0)
	o.crew.ask(func(j *judge) { ticked = j.ticked[writer.user] })
	stuck.release()
	waitFor(o.t, func() bool { return o.shownTo(stuck) == before }, func() string { return "what is in memory is not delivered" })
	if spec != atTimes && ticked == uint64(writer.sent) {
		o.t.Errorf("everything was ticked while nothing could be kept")
	}

	o.must(o.victim.faults(""))
	o.note("the disk is well")
	o.until("it goes on by itself", func(j *judge) bool { return j.ticked[writer.user] == uint64(writer.sent) })
	o.kill("killed when it was well")
	o.crew.addr.Store("")
	o.launch("")
	if o.serve() {
		o.sendAll(writer, stuck.user, after)
		o.settleOrFail()
	}
	o.t.Log(o.verdict())
}

// TestAnOfflineStoreThatFailsForAWhileHoldsNobodyUp: the journal is enough for a tick.
func TestAnOfflineStoreThatFailsForAWhileHoldsNobodyUp(t *testing.T) {
	for name, spec := range map[string]string{
		"nothing can be written": "fail=change:eio@mailboxes",
		"it is full":             "fail=write+create:enospc@mailboxes",
		"syncs hang":             "hang=sync@mailboxes",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := newOrdeal(t, ordealSeed(t), false, []habits{{}, {stuck: true}, {}}, quickDisk...)
			writer, stuck, other := o.crew.members[0], o.crew.members[1], o.crew.members[2]
			o.launch("")
			if !o.serve() {
				o.verdict()
				return
			}
			o.sendAll(writer, stuck.user, 150)
			waitFor(t, func() bool { return o.shownTo(stuck) > 0 }, func() string { return "the stuck one is not logged in" })
			o.must(o.victim.faults(spec))
			o.note("the disk fails: %s", spec)
			for range 20 {
				o.sendAll(writer, other.user, 5)
				o.after(20 * time.Millisecond)
			}
			o.until("all is ticked", func(j *judge) bool { return j.ticked[writer.user] == 250 })
			stuck.release()
			waitFor(t, func() bool { return o.shownTo(stuck) == 150 }, func() string { return "what is in memory is not delivered" })
			o.must(o.victim.faults(""))
			o.after(100 * time.Millisecond)
			o.kill("killed when it was well")
			o.crew.addr.Store("")
			o.launch("")
			if o.serve() {
				o.sendAll(writer, stuck.user, 20)
				o.settleOrFail()
			}
			t.Log(o.verdict())
		})
	}
}

func (o *ordeal) must(err error) {
	o.t.Helper()
	if err != nil {
		o.t.Fatal(err)
	}
}

func (o *ordeal) sendAll(m *member, to uint64, n int) {
	for range n {
		for sent := m.sent; m.sent == sent; {
			m.say(to)
			if m.sent == sent { // the outbox is as full as this crew lets it be
				o.after(time.Millisecond)
			}
		}
	}
}

// until waits for what the judge has seen.
func (o *ordeal) until(what string, seen func(j *judge) bool) {
	o.t.Helper()
	waitFor(o.t, func() (ok bool) {
		o.crew.settled() // asks the clients
		o.crew.ask(func(j *judge) { ok = seen(j) })
		return ok
	}, func() (text string) {
		o.crew.ask(func(j *judge) { text = what + ": " + j.summary(o.kills) })
		return text
	})
}

// shownTo is how many messages a member has seen.
func (o *ordeal) shownTo(m *member) (n int) {
	o.crew.ask(func(j *judge) {
		for _, s := range j.stories {
			if s.shown > 0 && s.to == m.user {
				n++
			}
		}
	})
	return n
}

// settleOrFail waits until nothing is on its way, and has the judge say what is wrong.
func (o *ordeal) settleOrFail() {
	if !o.settle() {
		o.failed = "not all has settled"
	}
	o.crew.ask(func(j *judge) {
		j.finish()
		if len(j.broken) > 0 {
			o.failed = "the rules were broken"
		}
	})
}
