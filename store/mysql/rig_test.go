package mysql

import (
	"errors"
	"log/slog"
	"os"
	"testing"
	"time"

	"trunkline/internal/mariadb"
)

// shared is the server of all tests that do not harm it; nil: there is none.
var shared *mariadb.Server

func TestMain(m *testing.M) { os.Exit(withServer(m)) }

func withServer(m *testing.M) int {
	dir, err := os.MkdirTemp("", "trunkline-mysql-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	shared, err = mariadb.Open(dir)
	switch {
	case err == nil:
		defer shared.Close()
	case !errors.Is(err, mariadb.ErrNone):
		panic(err)
	}
	return m.Run()
}

// server is the shared one.
func server(t testing.TB) *mariadb.Server {
	t.Helper()
	if shared == nil {
		mariadb.Missing(t)
	}
	return shared
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// places are new databases of a server.
func places(t testing.TB, s *mariadb.Server, n int) (list []Place) {
	t.Helper()
	for range n {
		list = append(list, placeOf(t, s.Database(t)))
	}
	return list
}

func placeOf(t testing.TB, text string) Place {
	t.Helper()
	p, err := Parse(text)
	must(t, err)
	return p
}

// quick is what tests open with: a shard that is gone is found gone soon.
func quick(log *slog.Logger) options {
	return options{
		log: log, wait: lockWait, limits: limits{tokens: 8, revocations: 8},
		pace: pace{deadline: 2 * time.Second, attempt: 700 * time.Millisecond, probe: 100 * time.Millisecond, probeLost: 50 * time.Millisecond, lostAfter: time.Second},
	}
}

func opened(t testing.TB, list []Place, o options) *Accounts {
	t.Helper()
	a, err := open(list, o)
	must(t, err)
	t.Cleanup(func() { must(t, a.Close()) })
	return a
}

// waitFor waits for a condition, a minute at most.
func waitFor(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for !is() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatal("it did not come to it: " + what)
		}
	}
}
