package server

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"

	"trunkline/codec"
)

func TestTwoPeopleTalkWhateverTheLoopsAndPollersAre(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(*Config)
	}{
		{"one loop", func(c *Config) { c.Loops = 1 }},
		{"four loops, connections move home", func(c *Config) { c.Loops = 4 }},
		{"four loops, connections stay", func(c *Config) { c.Loops, c.Place = 4, PlaceAccept }},
		{"the native poller", func(c *Config) { c.Poller = "native" }},
		{"gnet's poller", func(c *Config) { c.Poller = "gnet" }},
		{"a listening socket for each loop", func(c *Config) { c.ReusePort, c.Loops = true, 3 }},
		{"a data directory", func(c *Config) { c.Data = t.TempDir() }},
	} {
		t.Run(row.name, func(t *testing.T) {
			noLeaks(t)
			r := start(t, row.set)
			var pairs []*pair
			for i := range 8 {
				pairs = append(pairs, r.converse(t, uint64(100+2*i)))
			}
			for range 5 {
				for _, p := range pairs {
					p.talk()
				}
			}
			r.eventually(t, "all is acknowledged", func(s Status) bool { return s.MessagesAcked == 8*6*2 && s.QueueEntries == 0 && s.Panics == 0 })
		})
	}
}

func TestAPortInUseIsTheSystemsErrorAndLeavesNothingBehind(t *testing.T) {
	noLeaks(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	taken := ln.Addr().String()
	dir := t.TempDir()
	for _, cfg := range []Config{
		plainConfig(Config{Listen: taken, Admin: AdminOff, Data: dir}),
		plainConfig(Config{Listen: "127.0.0.1:0", Admin: taken, Data: dir}),
	} {
		if _, err := New(cfg); !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("listen %s, admin %s: got %v, want EADDRINUSE", cfg.Listen, cfg.Admin, err)
		}
	}
	s, err := New(plainConfig(Config{Listen: "127.0.0.1:0", Admin: "127.0.0.1:0", Data: dir})) // the lock was given back
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if err := s.Run(context.Background()); !errors.Is(err, ErrRunTwice) {
		t.Errorf("Run after Close: %v", err)
	}
}

func TestAWrongConfigurationIsRefusedBeforeAnythingIsOpened(t *testing.T) {
	noLeaks(t)
	if _, err := New(Config{Transport: "tls"}); !errors.Is(err, ErrConfig) {
		t.Errorf("got %v", err)
	}
}

func TestASecondServerOnTheSameDataDirectoryIsRefused(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	r := start(t, func(c *Config) { c.Data = dir })
	if _, err := New(plainConfig(Config{Listen: "127.0.0.1:0", Admin: AdminOff, Data: dir})); !errors.Is(err, ErrDataLocked) {
		t.Errorf("got %v, want ErrDataLocked", err)
	}
	r.converse(t, 1)
	r.drain(t)
	again := start(t, func(c *Config) { c.Data = dir })
	again.converse(t, 1)
}

func TestADrainTellsEveryClientWhenToComeBack(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.DrainTimeout = Duration(patience) })
	p := r.converse(t, 1)
	silent := r.dial(t) // never logs in
	silent.write([]byte{0x2A})
	p.talk()
	r.stop()
	for _, w := range []*wire{p.a, p.b} {
		f, err := w.frame()
		for err == nil && f.Kind != codec.KindGoAway {
			f, err = w.frame()
		}
		if err != nil {
			t.Fatal(err)
		}
		g, err := codec.ParseGoAway(f)
		wait := time.Duration(g.RetryAfterMs) * time.Millisecond
		if err != nil || g.Code != codec.CodeDraining || wait < RetryAfterMin || wait > RetryAfterMin+time.Second {
			t.Errorf("got %+v, %v", g, err)
		}
	}
	if code, body := r.get(t, "/healthz"); code != 503 || body != "draining\n" {
		t.Errorf("health is %d %q", code, body)
	}
	if !r.Status().Draining {
		t.Error("the status does not say that it drains")
	}
	p.talk() // until they leave, they are served
	if conn, err := net.Dial("tcp", r.Addr().String()); err == nil {
		conn.Close()
		t.Error("a draining server takes connections")
	}
	_ = p.a.conn.Close()
	_ = p.b.conn.Close()
	_ = silent.conn.Close()
	r.drain(t) // ends long before DrainTimeout
}

func TestADrainEndsInTimeAlthoughNobodyLeavesOrReads(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	stays := r.login(t, 1, 0)
	deaf := r.login(t, 2, 0)
	for i := range 100 {
		stays.expectTick(stays.send(2, string(make([]byte, 4000+i))))
	}
	r.drain(t)
	stays.expectClosed()
	deaf.expectClosed()
}

func TestARestartWithoutDataKeepsThePortAndTellsClientsThatDataIsGone(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	addr, gen, inc := r.Addr().String(), p.a.gen, p.a.inc
	r.drain(t)
	again := start(t, func(c *Config) { c.Listen = addr })
	if again.Addr().String() != addr {
		t.Fatalf("it listens on %s, want %s", again.Addr(), addr)
	}
	w := again.dial(t)
	s := w.hello(codec.Hello{Version: 1, User: 1, Gen: gen, Incarnation: inc, Ticked: p.a.cseq})
	if s.Incarnation == inc || s.Incarnation == 0 {
		t.Errorf("the incarnation went from %x to %x", inc, s.Incarnation)
	}
	if s.Gen != gen || s.UpHigh != p.a.cseq {
		t.Errorf("generation %d up to %d came back as %d up to %d", gen, p.a.cseq, s.Gen, s.UpHigh)
	}
	w.expectTick(w.send(2, "it goes on"))
}

func TestOverTheConnectionLimitNewOnesAreClosedAndOldOnesStay(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.MaxConnections = 4 })
	p := r.converse(t, 1)
	r.dial(t)
	r.dial(t)
	r.eventually(t, "four are open", func(s Status) bool { return s.Connections == 4 })
	fifth := r.dial(t)
	fifth.expectClosed()
	r.eventually(t, "one was refused", func(s Status) bool { return s.AcceptRefused == 1 && s.Connections == 4 })
	p.talk()
	_ = p.b.conn.Close()
	r.eventually(t, "one has left", func(s Status) bool { return s.Connections == 3 })
	r.login(t, 9, 0).ping()
}

func TestMoreConnectionsThanDescriptorsAllowAreNotPromised(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.MaxConnections = ConnectionsMax })
	if got, allowed := r.Limits().Connections, r.ConnectionsAllowed(); got != min(allowed, ConnectionsMax) {
		t.Errorf("it promises %d connections, the descriptor limit allows %d", got, allowed)
	}
}

func TestPanicsAreLoggedOnceEachAndThenLoudly(t *testing.T) {
	log := &logBuffer{}
	now := time.Unix(1000, 0)
	p := &panicCounter{log: newTestLogger(log), now: func() time.Time { return now }}
	for range PanicsMax + 20 {
		p.note(1, 7, "boom", []byte("goroutine 7"))
	}
	if n := countOf(log.String(), "goroutine 7"); n != PanicsMax {
		t.Errorf("%d stacks were logged, want %d", n, PanicsMax)
	}
	if n := countOf(log.String(), "THIS SERVER IS FAILING"); n != 1 {
		t.Errorf("%d loud lines, want 1", n)
	}
	now = now.Add(PanicsWindow)
	p.note(1, 7, "boom", []byte("goroutine 7"))
	if n := countOf(log.String(), "goroutine 7"); n != PanicsMax+1 {
		t.Errorf("a new window logs again: %d stacks, want %d", n, PanicsMax+1)
	}
	if p.count() != PanicsMax+21 {
		t.Errorf("counted %d", p.count())
	}
}

func TestABurstFarAboveTheWindowArrivesWholeAndInOrder(t *testing.T) {
	for _, place := range []string{PlaceHome, PlaceAccept} {
		t.Run(place, func(t *testing.T) {
			noLeaks(t)
			r := start(t, func(c *Config) { c.Place = place })
			const burst = 1000
			to := append(r.usersOn(0, 1), r.usersOn(1, 1)...)
			from := r.login(t, 1, 0)
			var b []byte
			for cseq := uint64(1); cseq <= burst; cseq++ {
				b = append(b, sendFrame(cseq, to[cseq%2], "in a hurry")...)
			}
			from.write(b)
			from.expectTick(burst)
			for i, user := range to {
				w := r.login(t, user, 0)
				for want := uint64(2 - i); want <= burst; want += 2 {
					if d := w.take(); d.ID != want {
						t.Fatalf("user %d got message %d, want %d", user, d.ID, want)
					}
				}
			}
		})
	}
}
