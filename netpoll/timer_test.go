//go:build linux || freebsd || darwin

package netpoll

import (
	"testing"
	"time"
)

func TestTimerFiresOnceAndNotEarly(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		type shot struct {
			id ConnID
			at int64 // on the loop's clock
		}
		fired := make(chan shot, 16)
		opened := make(chan ConnID, 3)
		g := newRig(t, cfg, func(s *script) {
			s.open = func(id ConnID, _ OpenInfo) { opened <- id }
			s.timer = func(id ConnID) { fired <- shot{id, s.l.mono} }
		})
		g.dial()
		g.dial()
		g.dial()
		a, b, c := <-opened, <-opened, <-opened
		var start int64
		g.on(0, func(s *script) {
			start = s.l.mono
			s.l.SetTimer(a, 300*time.Millisecond)
			s.l.SetTimer(b, time.Millisecond)
			s.l.SetTimer(b, 0) // stopped
			s.l.SetTimer(c, time.Hour)
			s.l.SetTimer(c, 150*time.Millisecond) // replaced
		})
		for _, want := range []struct {
			id    ConnID
			after int64
		}{{c, 150}, {a, 300}} {
			got := <-fired
			if got.id != want.id || got.at-start < want.after {
				t.Errorf("%x fired after %d ms, want %x after %d", got.id, got.at-start, want.id, want.after)
			}
		}
		g.on(0, func(s *script) { s.l.SetTimer(a, 10*time.Millisecond) })
		if got := <-fired; got.id != a || len(fired) != 0 {
			t.Errorf("after re-arming %x fired, and %d more", got.id, len(fired))
		}
	})
}

func TestTimerStoppedByAnotherOfTheSameTickDoesNotFire(t *testing.T) {
	fired := make(chan ConnID, 16)
	opened := make(chan ConnID, 2)
	g := newRig(t, Config{Loops: 1}, func(s *script) {
		s.open = func(id ConnID, _ OpenInfo) { opened <- id }
	})
	g.dial()
	g.dial()
	a, b := <-opened, <-opened
	g.on(0, func(s *script) {
		s.timer = func(id ConnID) {
			fired <- id
			s.l.SetTimer(a, 0)
			s.l.SetTimer(b, 0)
		}
		s.l.SetTimer(a, time.Millisecond)
		s.l.SetTimer(b, time.Millisecond)
	})
	<-fired
	g.on(0, func(s *script) {
		if s.l.wheel.armed != 0 || len(fired) != 0 {
			t.Errorf("%d are armed, %d more have fired", s.l.wheel.armed, len(fired))
		}
	})
}

func TestWakeAtBringsOneTickInTime(t *testing.T) {
	eachPoller(t, func(t *testing.T, cfg Config) {
		cfg.Loops = 1
		ticks := make(chan int64, 1000)
		g := newRig(t, cfg, nil)
		var due int64
		g.on(0, func(s *script) {
			due = s.l.Now() + 50
			s.l.WakeAt(due)
			s.l.WakeAt(due + 10_000) // the earliest counts
			first := true
			s.tick = func() {
				if !first { // the turn that asked
					ticks <- s.l.Now()
				}
				first = false
			}
		})
		var at int64
		for at < due {
			select {
			case at = <-ticks:
			case <-time.After(patience):
				t.Fatal("no tick came")
			}
		}
		g.on(0, func(s *script) {
			if s.l.due != never {
				t.Errorf("still asks to be woken at %d", s.l.due)
			}
		})
	})
}

func TestReactorWithoutTimersIsNotWoken(t *testing.T) {
	fake := NewFakePoller()
	g := newIdleRig(t, Config{Loops: 1, NewPoller: func(int) (Poller, error) { return fake, nil }}, nil)
	must(t, g.r.Start())
	g.until("the loop sleeps", func() bool { return fake.Idle() && g.r.loops[0].alarm.at.Load() == never && fake.Batches() > 0 })
	wakes := fake.Wakes()
	if d := g.r.alarm.look(); d != time.Hour {
		t.Errorf("the clockwork would look again in %v", d)
	}
	if fake.Wakes() != wakes {
		t.Error("a loop with nothing due was woken")
	}
	g.on(0, func(s *script) { s.l.WakeAt(s.l.Now() + 3_600_000) })
	g.until("the time is known", func() bool { return g.r.loops[0].alarm.at.Load() != never })
	wakes = fake.Wakes()
	if d := g.r.alarm.look(); d < 59*time.Minute || fake.Wakes() != wakes {
		t.Errorf("looks again in %v after %d wakes", d, fake.Wakes()-wakes)
	}
}
