//go:build linux || freebsd || darwin

package netpoll

import (
	"fmt"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// doomedPatience is how long a case that must fail waits for what does not come.
const doomedPatience = time.Second

// doomed is the testing.TB of a case that must fail: it takes what the case complains of.
type doomed struct {
	testing.TB
	mu       sync.Mutex
	said     []string
	cleanups []func()
}

// mustFail runs a case that a backend does not meet, and fails when the case passes.
func mustFail(t *testing.T, why string, run func(t testing.TB)) {
	t.Helper()
	d := &doomed{TB: t}
	d.apart(func() { run(d) })
	for _, f := range slices.Backward(d.cleanups) {
		d.apart(f)
	}
	if len(d.said) == 0 {
		t.Fatalf("this was to fail, because %s; it passes: take it off the list", why)
	}
	t.Logf("fails, because %s: %s", why, d.said[0])
}

// apart runs f on a goroutine that Fatal may end, and waits for it.
func (d *doomed) apart(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	<-done
}

func (d *doomed) say(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.said = append(d.said, s)
}

func (d *doomed) Cleanup(f func())          { d.cleanups = append(d.cleanups, f) }
func (d *doomed) Error(args ...any)         { d.say(fmt.Sprint(args...)) }
func (d *doomed) Errorf(f string, a ...any) { d.say(fmt.Sprintf(f, a...)) }
func (d *doomed) Fatal(args ...any)         { d.say(fmt.Sprint(args...)); runtime.Goexit() }
func (d *doomed) Fatalf(f string, a ...any) { d.say(fmt.Sprintf(f, a...)); runtime.Goexit() }
func (d *doomed) Fail()                     { d.say("failed") }
func (d *doomed) FailNow()                  { d.say("failed"); runtime.Goexit() }

// patienceOf is how long a condition may take.
func patienceOf(t testing.TB) time.Duration {
	if _, ok := t.(*doomed); ok {
		return doomedPatience
	}
	return pollerPatience
}

func TestACaseThatMustFailAndPassesIsFound(t *testing.T) {
	d := &doomed{TB: t}
	d.apart(func() { d.Errorf("%d", 1); d.Fatal("ends here"); d.Error("never") })
	if !slices.Equal(d.said, []string{"1", "ends here"}) {
		t.Errorf("said %q", d.said)
	}
}
