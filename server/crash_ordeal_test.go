package server

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// ordeal is a server that is killed again and again while a crew talks.
type ordeal struct {
	t        testing.TB
	seed     uint64
	rng      *rand.Rand
	dir      string   // of the data
	settings string   // file
	lines    []string // of it, but for what changes from start to start
	always   string   // faults of every disk
	crew     *crew
	cancel   context.CancelFunc
	victim   *victim // nil: none runs
	kills    int
	patience time.Duration // until all has settled
	starts   int
	way      func() // of a round
	failed   string // why it can't go on
}

// ordealSeed is SEED, or a new one each time.
func ordealSeed(t testing.TB) uint64 {
	t.Helper()
	text := os.Getenv("SEED")
	if text == "" {
		return rand.Uint64N(1_000_000_000)
	}
	seed, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("SEED: %v", err)
	}
	return seed
}

// everyHabit is a crew with each kind of member.
var everyHabit = []habits{
	{pause: 20 * time.Millisecond}, {pause: 20 * time.Millisecond, slow: true}, {pause: 30 * time.Millisecond, away: true},
	{pause: 10 * time.Millisecond, reads: true}, {slow: true, away: true}, {gone: true},
}

func newOrdeal(t testing.TB, seed uint64, noise bool, people []habits, lines ...string) *ordeal {
	t.Helper()
	home := t.TempDir()
	o := &ordeal{t: t, seed: seed, rng: rand.New(rand.NewPCG(seed, 1)), dir: filepath.Join(home, "data"), settings: filepath.Join(home, "serve.toml"),
		patience: patience}
	transport := TransportPlain
	if noise {
		transport = TransportNoise
	}
	o.lines = append(lines, fmt.Sprintf("transport = %q", transport), `drain-timeout = "50ms"`)
	if n := o.rng.IntN(3); n > 0 { // else one, where it is by default
		var dirs []string
		for i := range n + 1 {
			dirs = append(dirs, strconv.Quote(filepath.Join(home, fmt.Sprintf("disk%d", i))))
		}
		o.lines = append(o.lines, "journal = ["+strings.Join(dirs, ", ")+"]")
	}
	o.way = o.round
	ctx, cancel := context.WithCancel(context.Background())
	o.cancel = cancel
	o.crew = newCrew(t, ctx, seed, noise, people)
	t.Logf("SEED=%d", seed)
	t.Cleanup(o.end)
	for _, m := range o.crew.members {
		m.connect()
	}
	return o
}

// end leaves nothing behind, and shows the end of the server's log when something went wrong.
func (o *ordeal) end() {
	if o.victim != nil {
		o.victim.kill()
	}
	o.cancel()
	o.crew.close()
	if !o.t.Failed() {
		return
	}
	log, err := os.ReadFile(filepath.Join(filepath.Dir(o.dir), "server.log"))
	if err == nil {
		lines := strings.Split(string(log), "\n")
		o.t.Logf("the server's log ends:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
}

// note writes down what is done to the server.
func (o *ordeal) note(format string, args ...any) {
	o.crew.record(happening{kind: hapServer, text: fmt.Sprintf(format, args...)})
}

// launch starts a server process, and does not wait for it.
func (o *ordeal) launch(spec string) {
	o.t.Helper()
	o.starts++
	spec = strings.TrimSpace(fmt.Sprintf("seed=%d %s %s", o.rng.Uint32(), o.always, spec))
	loops := 1 + o.rng.IntN(3) // an operator may change it whenever the server is down
	settings := strings.Join(append(o.lines, fmt.Sprintf("loops = %d", loops)), "\n")
	if err := os.WriteFile(o.settings, []byte(settings+"\n"), 0o600); err != nil {
		o.t.Fatal(err)
	}
	o.note("start %d, %d loops, on a disk with %s", o.starts, loops, spec)
	o.victim = startVictim(o.t, o.settings, o.dir, spec)
}

// serve waits until the server listens, and lets the crew find it. False: it ended before.
func (o *ordeal) serve() bool {
	addr, err := o.victim.expect("ready", patience)
	if err != nil {
		o.victim.kill()
		if err != errVictimEnded || !o.victim.killed() { // it was not the power
			o.failed = fmt.Sprintf("start %d failed: %v, %v", o.starts, err, o.victim.err)
		}
		o.note("it did not come up: %v, %v", err, o.victim.err)
		o.victim = nil
		return false
	}
	o.note("listens")
	o.crew.addr.Store(addr)
	return true
}

// kill ends the server as kill -9 does.
func (o *ordeal) kill(how string) {
	o.victim.kill()
	o.note("%s: %v", how, o.victim.err)
	if !o.victim.killed() {
		o.failed = fmt.Sprintf("the server ended by itself: %v", o.victim.err)
	}
	o.victim = nil
	o.kills++
}

// after waits; it ends early when the server does.
func (o *ordeal) after(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-o.victim.exited:
	}
}

func (o *ordeal) upTo(ms int) time.Duration {
	return time.Duration(o.rng.IntN(ms*1000)) * time.Microsecond
}

// round starts a server and brings it down in one of several ways.
func (o *ordeal) round() {
	switch way := o.rng.IntN(20); {
	case way < 8:
		o.launch("")
		if o.serve() {
			o.after(30*time.Millisecond + o.upTo(270))
			o.kill("killed")
		}
	case way < 12:
		o.launch(fmt.Sprintf("cut=%d", 1+o.rng.IntN(300)))
		if o.serve() {
			o.after(400 * time.Millisecond)
			o.kill("the power was cut, or it was killed")
		} else {
			o.kills++
		}
	case way < 14:
		o.launch("")
		o.after(o.upTo(80))
		o.kill("killed while it started")
	case way < 16:
		o.launch(fmt.Sprintf("cut=%d", 1+o.rng.IntN(40)))
		if o.serve() {
			o.after(20 * time.Millisecond)
			o.kill("killed early")
		} else {
			o.kills++
		}
	case way < 17:
		o.launch("")
		if o.serve() {
			o.after(o.upTo(200))
			o.victim.say("cut")
			o.after(patience)
			o.kill("the power was cut on command")
		}
	case way < 19:
		o.launch("")
		if o.serve() {
			o.sick()
			o.kill("killed while the disk was sick")
		}
	default:
		o.launch("")
		if o.serve() {
			o.after(o.upTo(150))
			o.stop()
		}
	}
	o.crew.addr.Store("")
}

// sick lets the disk fail now and then, and sometimes recover.
func (o *ordeal) sick() {
	sicknesses := []string{"fail=sync:eio:0.3", "fail=write:eio:0.2", "fail=change:erofs", "fail=write+create:enospc:0.5", "stall=sync:20ms:0.5", "fail=syncdir:eio:0.5",
		"hang=sync", "hang=sync@.journal", "stall=sync:60ms@.journal", "fail=sync:eio@.journal", "hang=change@mailboxes", "fail=sync+create:eio:0.5@mailboxes"}
	what := sicknesses[o.rng.IntN(len(sicknesses))]
	o.after(o.upTo(50))
	o.note("the disk is sick: %s", what)
	if err := o.victim.faults(what); err != nil {
		o.note("%v", err)
		return
	}
	o.after(o.upTo(200))
	if o.rng.IntN(2) == 0 {
		o.note("the disk is well")
		_ = o.victim.faults(o.always) // an end shows in kill
		o.after(o.upTo(200))
	}
}

// stop lets the server drain.
func (o *ordeal) stop() {
	o.victim.say("stop")
	o.after(patience)
	select {
	case <-o.victim.exited:
		if o.victim.err != nil {
			o.failed = fmt.Sprintf("a clean stop: %v", o.victim.err)
		}
	default:
		o.failed = "a clean stop takes for ever"
	}
	o.note("stopped: %v", o.victim.err)
	o.victim.kill()
	o.victim = nil
}

// phase has the crew talk while the server is killed a few times, then lets it serve until all has settled. False: something is wrong.
func (o *ordeal) phase(kills int) bool {
	quiet, silent := make(chan struct{}), make(chan struct{})
	go func() { defer close(silent); o.crew.work(quiet) }() // ended by quiet
	for until := o.kills + kills; o.kills < until && o.failed == ""; {
		o.way()
	}
	close(quiet)
	<-silent
	if o.failed != "" {
		return false
	}
	o.launch("")
	if !o.serve() {
		return false
	}
	o.settle()
	o.crew.ask(func(j *judge) {
		if !j.settled() {
			j.finish()
		}
		j.groups.review()
		if len(j.broken) > 0 {
			o.failed = "the rules were broken"
		}
	})
	o.kill("killed when all was quiet")
	o.crew.addr.Store("")
	return o.failed == ""
}

// settle waits until nothing is on its way.
func (o *ordeal) settle() bool {
	look, deadline := time.NewTicker(10*time.Millisecond), time.After(o.patience)
	defer look.Stop()
	for !o.crew.settled() {
		select {
		case <-look.C:
		case <-deadline:
			return false
		}
	}
	return true
}

// verdict fails the test with the seed and the histories when something was wrong, and returns the summary.
func (o *ordeal) verdict() (summary string) {
	o.t.Helper()
	o.crew.ask(func(j *judge) {
		summary = j.summary(o.kills)
		if o.failed != "" {
			o.t.Errorf("SEED=%d: %s after %d starts: %s\n%s", o.seed, o.failed, o.starts, summary, j.report())
		}
	})
	return summary
}
