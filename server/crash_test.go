package server

import (
	"os"
	"strconv"
	"testing"
	"time"
)

// shortKills and shortNoiseKills are what `make test` has patience for; `make soak` has KILLS.
const (
	shortKills      = 12
	shortNoiseKills = 4
	shortGroupKills = 10
	phaseKills      = 10 // until all must have settled
)

// quickDisk has everything happen often that a server does to its disk.
var quickDisk = []string{`write-back = "50ms"`, `journal-bytes = "16MiB"`, `session-expiry = "2s"`}

// TestKilledServersKeepTheirPromises kills real server processes, on disks that lose what was not synced, while real clients talk.
func TestKilledServersKeepTheirPromises(t *testing.T) {
	o := newOrdeal(t, ordealSeed(t), false, everyHabit, quickDisk...)
	o.run(shortKills)
}

func TestKilledServersKeepTheirPromisesBehindEncryption(t *testing.T) {
	o := newOrdeal(t, ordealSeed(t), true, groupHabits(), quickDisk...)
	o.crew.share()
	o.run(shortNoiseKills)
}

// TestKilledServersKeepTheirPromisesToGroups has the people write to two groups, too, while guests come and go.
func TestKilledServersKeepTheirPromisesToGroups(t *testing.T) {
	o := newOrdeal(t, ordealSeed(t), false, groupHabits(), quickDisk...)
	o.crew.share()
	o.run(shortGroupKills)
}

// TestAJournalThatHangsAndThenAPowerCutLoseNothing: the journal's disk hangs while mailboxes are written back, then the power goes.
func TestAJournalThatHangsAndThenAPowerCutLoseNothing(t *testing.T) {
	o := newOrdeal(t, ordealSeed(t), false, everyHabit, quickDisk...)
	o.way = func() {
		o.launch("")
		if o.serve() {
			o.after(100 * time.Millisecond)
			o.note("the journal hangs")
			if err := o.victim.faults("hang=sync@.journal"); err != nil {
				o.note("%v", err)
			}
			o.after(300 * time.Millisecond)
			o.kill("killed")
		}
		o.crew.addr.Store("")
	}
	o.run(shortNoiseKills)
}

// TestACleanStopInMemoryModeLosesNothing: there it is the only end that keeps a promise.
func TestACleanStopInMemoryModeLosesNothing(t *testing.T) {
	o := newOrdeal(t, ordealSeed(t), false, everyHabit, append(quickDisk, `ack = "memory"`)...)
	o.way = func() {
		o.launch("")
		if o.serve() {
			o.after(o.upTo(200))
			o.stop()
			o.kills++
		}
		o.crew.addr.Store("")
	}
	o.run(shortNoiseKills)
}

// TestSoak is the long form: KILLS says how long, SEED repeats one.
func TestSoak(t *testing.T) {
	kills, err := strconv.Atoi(os.Getenv("KILLS"))
	if err != nil {
		t.Skip("KILLS says how often; make soak runs it")
	}
	seed := ordealSeed(t)
	o := newOrdeal(t, seed, false, groupHabits(), quickDisk...)
	o.crew.share()
	o.run(kills)
}

// run kills that often and says what came of it.
func (o *ordeal) run(kills int) {
	o.t.Helper()
	start := time.Now()
	for o.kills < kills && o.phase(min(phaseKills, kills-o.kills)) {
		if kills > phaseKills*2 {
			o.crew.ask(func(j *judge) { o.t.Logf("%s: %s", time.Since(start).Round(time.Second), j.summary(o.kills)) })
		}
	}
	o.t.Logf("SEED=%d: %s, in %s", o.seed, o.verdict(), time.Since(start).Round(100*time.Millisecond))
}

// TestADiskThatLiesIsFoundOut: were ticks given before anything is durable, the judge would say so.
func TestADiskThatLiesIsFoundOut(t *testing.T) {
	o := newOrdeal(t, ordealSeed(t), false, everyHabit, quickDisk...)
	o.always, o.patience = "lie=sync@.journal", time.Second // segments; what is lost does not come later
	for range 3 {
		if !o.phase(3) {
			break
		}
	}
	o.crew.ask(func(j *judge) {
		t.Logf("found: %s; %s", o.failed, j.summary(o.kills))
		if j.tally[wasLost] == 0 && o.failed == "" { // a server may see it first, and refuse to start: on an honest disk that fails the run, too
			t.Errorf("SEED=%d: ticked messages were lost and nobody noticed: %s", o.seed, j.report())
		}
	})
}
