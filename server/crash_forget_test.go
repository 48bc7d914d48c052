package server

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/codec"
	"trunkline/codec/iq"
	"trunkline/store"
)

// heldPeople keeps whoever wants a user forgotten waiting, when it is told to.
type heldPeople struct {
	store.People
	hold atomic.Bool
}

func (p *heldPeople) before(people store.People) store.People {
	p.People = people
	return p
}

// Forget never returns when it is held: the process is killed then.
func (p *heldPeople) Forget(user uint64, revoke []store.Revocation) error {
	if p.hold.Load() {
		select {}
	}
	return p.People.Forget(user, revoke)
}

// leaving is one server process after the other, and users who delete their accounts while it is killed.
type leaving struct {
	t        *testing.T
	settings string
	dir      string
	victim   *victim
	addr     string
	bob      *wire
	bobLast  codec.Hello
}

func newLeaving(t *testing.T) *leaving {
	t.Helper()
	home := t.TempDir()
	l := &leaving{t: t, settings: filepath.Join(home, "serve.toml"), dir: filepath.Join(home, "data")}
	settings := "loops = 2\nwrite-back = \"50ms\"\ndrain-timeout = \"50ms\"\n"
	if err := os.WriteFile(l.settings, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if l.victim != nil {
			l.victim.kill()
		}
	})
	l.bobLast = codec.Hello{Version: codec.Version, User: 9, DownSeq: 77}
	return l
}

// start starts a process and logs bob in.
func (l *leaving) start() {
	l.t.Helper()
	l.victim = startVictim(l.t, l.settings, l.dir, fmt.Sprintf("seed=%d", rand.Uint32()))
	addr, err := l.victim.expect("ready", patience)
	if err != nil {
		l.t.Fatalf("the server does not start: %v, %v", err, l.victim.err)
	}
	l.addr = addr
	l.bobLast.Epoch++
	l.bob = l.dial()
	s := l.bob.hello(l.bobLast)
	l.bobLast.Gen, l.bobLast.Incarnation, l.bobLast.DownSeq, l.bobLast.Ticked = s.Gen, s.Incarnation, 0, s.UpHigh
}

func (l *leaving) kill() {
	l.victim.kill()
	l.victim = nil
}

func (l *leaving) dial() *wire {
	l.t.Helper()
	conn, err := net.Dial("tcp", l.addr)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = conn.Close() }) // mostly closed before
	return &wire{t: l.t, conn: conn}
}

// member is a user with a profile, two devices, and a message that waits.
func (l *leaving) member(user uint64) (primary, companion *wire) {
	l.t.Helper()
	primary, companion = l.dial(), l.dial()
	primary.hello(codec.Hello{Version: codec.Version, User: user, DownSeq: user})
	companion.hello(codec.Hello{Version: codec.Version, User: user, Device: 1, DownSeq: user})
	primary.must(iq.Request{Op: iq.OpProfileSet, Profile: iq.Profile{Name: "here"}})
	primary.must(iq.Request{Op: iq.OpBlocksAdd, Users: []uint64{5}})
	l.bob.expectTick(l.bob.send(user, "waits"))
	primary.expect(codec.KindDeliver)
	return primary, companion
}

// isWhole demands that a user is there as before, or that nothing is left; it says which.
func (l *leaving) isWhole(user uint64, gen uint16, inc uint64) (deleted bool) {
	l.t.Helper()
	name := func() string { return l.bob.must(iq.Request{Op: iq.OpProfileGet, User: user}).Profile.Name }
	w := l.dial()
	w.write(must(codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: user, Gen: gen, Incarnation: inc, Epoch: 2})))
	f, err := w.frame()
	if err != nil {
		l.t.Fatal(err)
	}
	if f.Kind == codec.KindSuccess {
		if d, err := codec.ParseDeliver(w.expect(codec.KindDeliver)); err != nil || string(d.Blob) != "waits" || name() != "here" {
			l.t.Errorf("user %d is there, with %q first and the profile %q", user, d.Blob, name())
		}
		if b := w.must(iq.Request{Op: iq.OpBlocksGet}).Users; len(b) != 1 {
			l.t.Errorf("user %d is there and blocks %v", user, b)
		}
		return false
	}
	if e, err := codec.ParseError(f); err != nil || e.Code != codec.CodeDeviceRemoved {
		l.t.Fatalf("user %d is answered %s", user, describe(f))
	}
	waitFor(l.t, func() bool { return name() == "" }, func() string { return "the accounts still know the user whose devices are gone" })
	back := l.dial()
	back.hello(codec.Hello{Version: codec.Version, User: user, DownSeq: user + 1_000_000})
	if b := back.must(iq.Request{Op: iq.OpBlocksGet}).Users; len(b) != 0 || back.gen == gen {
		l.t.Errorf("user %d returns, blocks %v and has generation %d after %d", user, b, back.gen, gen)
	}
	l.bob.expectTick(l.bob.send(user, "welcome"))
	if d := back.take(); string(d.Blob) != "welcome" {
		l.t.Errorf("user %d returns and gets %q", user, d.Blob)
	}
	return true
}

// TestADeletionGoesOnAfterAKillInItsMiddle: the loop has noted it, the accounts have not forgotten yet.
func TestADeletionGoesOnAfterAKillInItsMiddle(t *testing.T) {
	l := newLeaving(t)
	l.start()
	primary, companion := l.member(1001)
	l.victim.say("hold")
	if _, err := l.victim.expect("set", patience); err != nil {
		t.Fatal(err)
	}
	primary.request(iq.Request{Op: iq.OpAccountDelete})
	companion.expectError(codec.CodeDeviceRemoved)
	l.bob.expectTick(l.bob.send(9, "behind it")) // so it is durable
	l.kill()
	l.start()
	if !l.isWhole(1001, primary.gen, primary.inc) {
		t.Error("the deletion that was noted is forgotten")
	}
}

// TestADeletionIsDoneWholeOrNotAtAll: servers are killed at any moment of it. Who was answered is gone.
func TestADeletionIsDoneWholeOrNotAtAll(t *testing.T) {
	const kills = 6
	seed := ordealSeed(t)
	t.Logf("SEED=%d", seed)
	rng := rand.New(rand.NewPCG(seed, 2))
	l := newLeaving(t)
	deleted := 0
	for i := range uint64(kills) {
		l.start()
		user := 2001 + i
		primary, _ := l.member(user)
		primary.request(iq.Request{Op: iq.OpAccountDelete})
		answered := make(chan bool, 1)
		wait := time.Duration(rng.Int64N(4_000)) * time.Microsecond
		go func() { answered <- primary.reads(iq.OpAccountDelete) }() // ends with the connection
		select {
		case <-time.After(wait):
		case ok := <-answered:
			answered <- ok
		}
		l.kill()
		said := <-answered
		l.start()
		gone := l.isWhole(user, primary.gen, primary.inc)
		if said && !gone {
			t.Errorf("killed %s behind the request: user %d was answered and is still there", wait, user)
		}
		if gone {
			deleted++
		}
		t.Logf("killed %s behind the request: answered %v, gone %v", wait, said, gone)
		l.kill()
	}
	t.Logf("%d of %d were deleted", deleted, kills)
}

// reads says whether an answer comes before the connection ends.
func (w *wire) reads(op iq.Op) bool {
	for {
		f, err := w.frame()
		if err != nil {
			return false
		}
		var a iq.Answer
		if _, err := iq.ParseReply(&codec.Tape{}, f, &a, &iq.Notice{}); f.Kind == codec.KindNode && err == nil && a.Op == op {
			return a.Code == codec.CodeNone
		}
	}
}
