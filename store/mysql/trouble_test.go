package mysql

import (
	"bytes"
	"errors"
	"log/slog"
	"math/rand/v2"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"trunkline/internal/mariadb"
	"trunkline/store"
)

// diary is a log that may be read while it is written.
type diary struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (d *diary) Write(b []byte) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.Write(b)
}

// String is all of it.
func (d *diary) String() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.text.String()
}

// generation is a change whose records all have one number.
func generation(user uint64, gen uint16) *store.AccountChange {
	d := someDevice(user, 0, gen)
	return &store.AccountChange{
		Device: d, Used: &store.TokenUse{User: user, ID: [8]byte{byte(gen >> 8), byte(gen)}, Static: d.Static}, Revoke: &store.Revocation{User: user, Gen: gen},
	}
}

func TestWhatHadReturnedOutlivesEveryKillAndTheRestIsWhole(t *testing.T) {
	const writers, kills = 6, 3
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	db := mariadb.Start(t)
	o := quick(nil)
	o.limits = limits{tokens: 1 << 20, revocations: 1 << 20}
	a := opened(t, places(t, db, 3), o)
	var returned [writers]uint16 // the last generation that returned
	var unsure [writers]bool     // whether the one after it may be kept
	for kill := range kills {
		var done atomic.Int64
		var wg sync.WaitGroup
		for w := range writers {
			wg.Go(func() { // ends when the server is gone
				for {
					err := a.Apply(generation(uint64(w), returned[w]+1))
					if err != nil {
						if !errors.Is(err, store.ErrAccountsAway) {
							t.Errorf("writer %d: %v", w, err)
						}
						unsure[w] = errors.Is(err, store.ErrOutcomeUnknown)
						return
					}
					returned[w]++
					done.Add(1)
				}
			})
		}
		most := int64(20 + rng.IntN(60))
		waitFor(t, "changes before the kill", func() bool { return done.Load() >= most })
		db.Kill(t)
		wg.Wait()
		db.Again(t)
		waitFor(t, "the shards answer", func() bool { return reachable(a) })
		for w := range writers {
			checkGeneration(t, a, kill, uint64(w), &returned[w], unsure[w])
		}
	}
}

func reachable(a *Accounts) bool {
	for _, s := range a.Shards() {
		if !s.Reachable {
			return false
		}
	}
	return true
}

// checkGeneration looks for what returned, or for the change after it when nobody knew: then it counts as returned.
func checkGeneration(t *testing.T, a *Accounts, kill int, user uint64, returned *uint16, unsure bool) {
	t.Helper()
	d, err := a.Device(user, 0)
	if *returned == 0 && !unsure && errors.Is(err, store.ErrNoDevice) {
		return
	}
	if err != nil {
		t.Errorf("kill %d: user %d: %v after generation %d", kill, user, err, *returned)
		return
	}
	if d.Gen != *returned && !(unsure && d.Gen == *returned+1) {
		t.Errorf("kill %d: user %d has generation %d, %d had returned, unsure %v", kill, user, d.Gen, *returned, unsure)
	}
	*returned = d.Gen
	_, errUsed := a.Used(user, [8]byte{byte(d.Gen >> 8), byte(d.Gen)})
	_, errNext := a.Used(user, [8]byte{byte((d.Gen + 1) >> 8), byte(d.Gen + 1)})
	u, errUser := a.User(user)
	all, err := a.Revocations()
	must(t, err)
	var revoked uint16
	for _, r := range all.List {
		if r.User == user {
			revoked = r.Gen
		}
	}
	if errUsed != nil || !errors.Is(errNext, store.ErrTokenUnused) || errUser != nil || u.Devices != 1 || revoked != d.Gen {
		t.Errorf("kill %d: half of a change of user %d: gen %d, token %v, next %v, user %+v %v, revoked %d", kill, user, d.Gen, errUsed, errNext, u, errUser, revoked)
	}
}

func TestAServerThatHangsIsLeftAndFoundAgain(t *testing.T) {
	db := mariadb.Start(t)
	text := &diary{}
	o := quick(slog.New(slog.NewTextHandler(text, nil)))
	a := opened(t, places(t, db, 1), o)
	must(t, a.SetSettings(someSettings(7, 1)))
	db.Pause(t)
	began := time.Now()
	err := a.SetSettings(someSettings(7, 2))
	if took := time.Since(began); !errors.Is(err, store.ErrAccountsAway) || took > o.pace.deadline+time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	began = time.Now()
	_, err = a.Settings(7) // now that it is known
	if took := time.Since(began); !errors.Is(err, store.ErrAccountsAway) || !errors.Is(err, errLost) || took > o.pace.attempt {
		t.Errorf("after %s: %v", took, err)
	}
	if st := a.Shards()[0]; st.Reachable || st.Failures != 2 || st.Retries == 0 {
		t.Errorf("status: %+v", st)
	}
	db.Resume(t)
	waitFor(t, "the shard answers", func() bool { return reachable(a) })
	got, err := a.Settings(7)
	must(t, err)
	must(t, a.SetSettings(someSettings(7, got.Version+1)))
	log := text.String()
	if strings.Count(log, "can't be reached") != 1 || strings.Count(log, "answers again") != 1 {
		t.Errorf("the log:\n%s", log)
	}
	if strings.Contains(log, db.Password()) || strings.Contains(log, "trunkline@") {
		t.Errorf("the log shows user or password:\n%s", log)
	}
}

func TestAShortSilenceIsNotNoticed(t *testing.T) {
	db := mariadb.Start(t)
	a := opened(t, places(t, db, 1), options{wait: lockWait, pace: defaultPace, limits: limits{tokens: 8, revocations: 8}})
	must(t, a.SetSettings(someSettings(7, 1)))
	db.Pause(t)
	done := make(chan error, 1)
	go func() { done <- a.SetSettings(someSettings(7, 2)) }() // ends with its answer
	waitFor(t, "the second try", func() bool { return a.Shards()[0].Retries > 0 })
	db.Resume(t)
	must(t, <-done)
	db.Kill(t)
	go func() { done <- a.SetSettings(someSettings(7, 3)) }() // ends with its answer
	waitFor(t, "another try", func() bool { return a.Shards()[0].Retries > 2 })
	db.Again(t)
	if err := <-done; err != nil && !errors.Is(err, store.ErrAccountsAway) { // a loaded machine may take longer for its start than a call waits
		t.Error(err)
	}
	waitFor(t, "the shard answers", func() bool { _, err := a.Settings(7); return err == nil })
}

func TestTooManyWaitingAreRefusedAtOnce(t *testing.T) {
	const over = 30
	db := mariadb.Start(t)
	o := quick(nil)
	o.pace.deadline, o.pace.attempt, o.pace.lostAfter = time.Minute, time.Minute, time.Hour
	a := opened(t, places(t, db, 1), o)
	db.Pause(t)
	var wg sync.WaitGroup
	var failed atomic.Int64
	var resumed atomic.Bool
	for range callsMax {
		wg.Go(func() { // ends when the server goes on
			for again := true; again; again = !resumed.Load() { // some are answered before the server has stopped
				if _, err := a.Settings(7); err != nil {
					failed.Add(1)
					return
				}
			}
		})
	}
	waitFor(t, "as many inside as may be", func() bool { return a.Shards()[0].Inside == callsMax })
	for range over {
		if _, err := a.Settings(7); !errors.Is(err, store.ErrAccountsAway) || !errors.Is(err, errBusy) {
			t.Fatalf("one more: %v", err)
		}
	}
	if st := a.Shards()[0]; st.Refused != over || st.Connections > connectionsDefault {
		t.Errorf("status: %+v", st)
	}
	resumed.Store(true)
	db.Resume(t)
	wg.Wait()
	if n := failed.Load(); n != 0 {
		t.Errorf("%d of those who waited got no answer", n)
	}
	if st := a.Shards()[0]; st.Inside != 0 {
		t.Errorf("status: %+v", st)
	}
}

// What the driver writes: the letter of a query, and its text.
const (
	askCommit = "\x03COMMIT"
	askBegin  = "\x03START TRANSACTION"
)

func TestACommitWithoutAnAnswer(t *testing.T) {
	for _, row := range []struct {
		name         string
		word         string
		pass, closed bool // the word gets through; nothing does afterwards
		kept         bool
		want         []error
		not          error
	}{
		{"kept, and made again", askCommit, true, false, true, nil, nil},
		{"lost, and made again", askCommit, false, false, true, nil, nil},
		{"kept, and nobody knows", askCommit, true, true, true, []error{store.ErrAccountsAway, store.ErrOutcomeUnknown}, nil},
		{"lost, and nobody knows", askCommit, false, true, false, []error{store.ErrAccountsAway, store.ErrOutcomeUnknown}, nil},
		{"never asked for", askBegin, false, true, false, []error{store.ErrAccountsAway}, store.ErrOutcomeUnknown},
		{"never asked for, and made again", askBegin, false, false, true, nil, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			db := server(t)
			text := db.Database(t)
			c, through := newCutter(t, text)
			a := opened(t, []Place{through}, quick(nil))
			must(t, a.SetSettings(someSettings(7, 1)))
			c.cut(row.word, row.pass)
			c.closed.Store(row.closed)
			err := a.SetSettings(someSettings(7, 2))
			for _, want := range row.want {
				if !errors.Is(err, want) {
					t.Errorf("got %v, want %v", err, want)
				}
			}
			if len(row.want) == 0 && err != nil || row.not != nil && errors.Is(err, row.not) {
				t.Errorf("got %v", err)
			}
			if c.cuts.Load() != 1 {
				t.Fatalf("%d cuts", c.cuts.Load())
			}
			want := someSettings(7, 1)
			if row.kept {
				want = someSettings(7, 2)
			}
			// With a lock: a commit that came late is waited for.
			n := db.Number(t, "SELECT version FROM "+through.database+".settings WHERE user_id = 7 FOR UPDATE")
			if n != int(want.Version) {
				t.Errorf("version %d is kept, want %d", n, want.Version)
			}
			c.closed.Store(false)
			waitFor(t, "the shard answers", func() bool { return reachable(a) })
			if got, err := a.Settings(7); err != nil || !reflect.DeepEqual(&got, want) {
				t.Errorf("settings: %+v, %v", got, err)
			}
		})
	}
}

func TestCallsEndWithClose(t *testing.T) {
	db := mariadb.Start(t)
	o := quick(nil)
	o.pace.deadline, o.pace.attempt, o.pace.lostAfter = time.Minute, time.Minute, time.Hour
	a, err := open(places(t, db, 2), o)
	must(t, err)
	db.Pause(t)
	done := make(chan error, 2)
	for user := range uint64(2) {
		go func() { // ends with Close
			err := error(store.ErrNoDevice)
			for errors.Is(err, store.ErrNoDevice) { // the server may stop a moment later
				_, err = a.Device(user, 0)
			}
			done <- err
		}()
	}
	waitFor(t, "both wait", func() bool {
		n := int64(0)
		for _, s := range a.Shards() {
			n += s.Inside
		}
		return n == 2
	})
	must(t, a.Close())
	must(t, a.Close())
	for range 2 {
		if err := <-done; !errors.Is(err, store.ErrAccountsClosed) {
			t.Errorf("a call that waited: %v", err)
		}
	}
	if err := a.Apply(generation(7, 1)); err != store.ErrAccountsClosed {
		t.Errorf("a call afterwards: %v", err)
	}
	db.Resume(t)
}
