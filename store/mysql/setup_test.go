package mysql

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"trunkline/store"
)

func TestUsersAreSpreadEvenlyAndAlwaysAlike(t *testing.T) {
	const users = 30_000
	p := placement{shards: 3}
	copy(p.seed[:], "a seed that is 1")
	var counts [3]int
	for user := range uint64(users) {
		counts[p.shard(user)]++
	}
	for i, n := range counts {
		if n < users/3*97/100 || n > users/3*103/100 {
			t.Errorf("shard %d has %d of %d users", i, n, users)
		}
	}
	// What was placed once must be found for ever: these never change.
	for user, want := range map[uint64]int{0: 0, 1: 0, 2: 2, 1_000_000: 1, store.UserMax: 2} {
		if got := p.shard(user); got != want {
			t.Errorf("user %d is on shard %d, and was on %d", user, got, want)
		}
	}
	other := p
	other.seed[0]++
	same := 0
	for user := range uint64(users) {
		if other.shard(user) == p.shard(user) {
			same++
		}
	}
	if same > users*2/5 {
		t.Errorf("another seed places %d of %d users alike", same, users)
	}
}

func TestThreeShardsShareTheUsers(t *testing.T) {
	const users = 120
	list := places(t, server(t), 3)
	o := quick(nil)
	a := opened(t, list, o)
	var wg sync.WaitGroup
	for user := range uint64(users) {
		wg.Go(func() { must(t, a.Apply(&store.AccountChange{Device: someDevice(user, 0, 1)})) }) // ends with its user
	}
	wg.Wait()
	total := 0
	for _, p := range list {
		n := server(t).Number(t, "SELECT COUNT(*) FROM "+p.database+".users")
		if n < users/6 || n > users/2 {
			t.Errorf("%s has %d of %d users", p, n, users)
		}
		total += n
	}
	if total != users {
		t.Errorf("%d users are kept, want %d", total, users)
	}
	b := opened(t, list, o) // another server, with nothing of the first
	for user := range uint64(users) {
		if _, err := b.Device(user, 0); err != nil {
			t.Fatalf("user %d: %v", user, err)
		}
	}
}

func TestAShardThatCannotBeUsedIsNamed(t *testing.T) {
	s := server(t)
	good := s.Database(t)
	wrong, err := url.Parse(s.Database(t))
	must(t, err)
	wrong.User = url.UserPassword(wrong.User.Username(), "an0ther")
	stranger := *wrong
	stranger.User = url.UserPassword("nob0dy", "an0ther")
	missing := s.Place("no_such_database")
	gone, err := url.Parse(good)
	must(t, err)
	gone.Host = "127.0.0.1:1"
	newer := placeOf(t, s.Database(t))
	must(t, opened(t, []Place{newer}, quick(nil)).Close())
	s.Exec(t, "INSERT INTO "+newer.database+".migrations VALUES (99, 0)")
	for _, row := range []struct {
		name, place string
		want        error
		text        string
	}{
		{"a wrong password", wrong.String(), ErrSetUp, "refuses this user or its password"},
		{"a wrong user", stranger.String(), ErrSetUp, "refuses this user or its password"},
		{"no such database", missing, ErrSetUp, "no such database"},
		{"nobody listens", gone.String(), ErrSetUp, "refused"},
		{"a newer schema", s.Place(newer.database), store.ErrAccountsVersion, "schema 99"},
	} {
		place := placeOf(t, row.place)
		_, err := open([]Place{placeOf(t, good), place}, quick(nil))
		if !errors.Is(err, row.want) || !strings.Contains(err.Error(), row.text) || !strings.Contains(err.Error(), "shard 2 of 2 ("+place.String()+")") {
			t.Errorf("%s: %v", row.name, err)
			continue
		}
		for _, secret := range []string{s.Password(), "an0ther", "nob0dy", "trunkline@", "trunkline'"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: %q shows in: %v", row.name, secret, err)
			}
		}
	}
	must(t, opened(t, []Place{placeOf(t, good)}, quick(nil)).Close()) // nobody was told that it is one of two
}

func TestAnOlderSchemaIsBroughtUpToDate(t *testing.T) {
	steps, err := migrations()
	must(t, err)
	for _, row := range []struct {
		name string
		keep string // statement behind the steps
		n    int    // steps that are applied
	}{
		{"empty", "", 0},
		{"before people", "", 2},
		{"a step that was not noted", "DELETE FROM %s.migrations WHERE version = 2", 2},
		{"a step that stopped in its middle", "DELETE FROM %[1]s.migrations WHERE version = 2; DROP TABLE %[1]s.revocations", 2},
	} {
		t.Run(row.name, func(t *testing.T) {
			place := places(t, server(t), 1)[0]
			s := &setUp{places: []Place{place}, dbs: nil, conns: nil, wait: lockWait}
			s.dbs, s.conns = append(s.dbs, nil), append(s.conns, nil)
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			must(t, s.enter(ctx, 0))
			must(t, migrate(ctx, s.conns[0], steps[:row.n]))
			s.close()
			for statement := range strings.SplitSeq(row.keep, ";") {
				if statement != "" {
					server(t).Exec(t, fmt.Sprintf(statement, place.database))
				}
			}
			a := opened(t, []Place{place}, quick(nil))
			must(t, a.Apply(&store.AccountChange{Device: someDevice(7, 0, 1), Revoke: &store.Revocation{User: 7}}))
			must(t, a.SetProfile(someProfile(7)))
			if n := server(t).Number(t, "SELECT COUNT(*) FROM "+place.database+".migrations"); n != len(steps) {
				t.Errorf("%d steps are noted, want %d", n, len(steps))
			}
		})
	}
}

func TestServersThatSetUpAtOnceAgree(t *testing.T) {
	const servers = 4
	list := places(t, server(t), 3)
	seeds := make([]placement, servers)
	var wg sync.WaitGroup
	for i := range servers {
		wg.Go(func() { // ends with its server
			a, err := open(list, quick(nil))
			if err != nil {
				t.Error(err)
				return
			}
			seeds[i] = a.placement
			must(t, a.Close())
		})
	}
	wg.Wait()
	for i := range seeds {
		if seeds[i] != seeds[0] || seeds[i].shards != 3 {
			t.Errorf("server %d places by %+v, the first by %+v", i, seeds[i], seeds[0])
		}
	}
}

func TestServersThatSetUpAtOnceInAnotherOrderDoNotBothStart(t *testing.T) {
	list := places(t, server(t), 2)
	errs := make([]error, 2)
	var wg sync.WaitGroup
	for i, order := range [][]Place{{list[0], list[1]}, {list[1], list[0]}} {
		wg.Go(func() { // ends with its server
			a, err := open(order, quick(nil))
			if errs[i] = err; err == nil {
				must(t, a.Close())
			}
		})
	}
	wg.Wait()
	if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), ErrPlacement) {
		t.Errorf("got %v and %v", errs[0], errs[1])
	}
}

func TestAnotherHoldsTheLock(t *testing.T) {
	list := places(t, server(t), 1)
	s := &setUp{places: list, wait: lockWait}
	s.dbs, s.conns = append(s.dbs, nil), append(s.conns, nil)
	must(t, s.enter(context.Background(), 0))
	o := quick(nil)
	o.wait = time.Second
	if _, err := open(list, o); !errors.Is(err, ErrSetUp) || !strings.Contains(err.Error(), "another server") {
		t.Errorf("got %v", err)
	}
	s.close()
	opened(t, list, o)
}

func TestUsersAreNeverPlacedAnew(t *testing.T) {
	s := server(t)
	for _, row := range []struct {
		name string
		harm func(t *testing.T, list []Place) []Place
		want string // "": it starts
	}{
		{"as they were", func(_ *testing.T, list []Place) []Place { return list }, ""},
		{"a shard is missing", func(_ *testing.T, list []Place) []Place { return list[:2] }, "shard 1 of 2 (%[1]s): the shards are not as the users were placed: it is one of 3 shards, and 2 are given"},
		{"one more", func(t *testing.T, list []Place) []Place { return append(list, places(t, s, 1)...) }, "shard 1 of 4 (%[1]s): the shards are not as the users were placed: it is one of 3 shards, and 4 are given"},
		{"one more in front", func(t *testing.T, list []Place) []Place { return append(places(t, s, 1), list...) }, "it is empty, and others beside it are in use"},
		{"another order", func(_ *testing.T, list []Place) []Place { return []Place{list[1], list[0], list[2]} }, "shard 1 of 3 (%[2]s): the shards are not as the users were placed: it is number 2 of 3, and given as number 1"},
		{"a new database in the place of one", func(t *testing.T, list []Place) []Place { return []Place{list[0], places(t, s, 1)[0], list[2]} }, "it is empty, and others beside it are in use"},
		{"a shard of other accounts", func(t *testing.T, list []Place) []Place {
			others := places(t, s, 3)
			must(t, opened(t, others, quick(nil)).Close())
			return []Place{list[0], list[1], others[2]}
		}, "it belongs to other accounts"},
		{"a placement that is lost", func(t *testing.T, list []Place) []Place {
			for _, p := range list {
				s.Exec(t, "DELETE FROM "+p.database+".placement")
			}
			return list
		}, "it keeps users, and its table placement is empty"},
		{"a set-up that ended before its second pass did", func(t *testing.T, list []Place) []Place {
			s.Exec(t, "UPDATE "+list[1].database+".placement SET done = 0")
			s.Exec(t, "UPDATE "+list[2].database+".placement SET done = 0")
			return list
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			list := places(t, s, 3)
			a := opened(t, list, quick(nil))
			for user := range uint64(20) {
				must(t, a.SetProfile(someProfile(user)))
			}
			before := a.placement
			must(t, a.Close())
			b, err := open(row.harm(t, list[:3:3]), quick(nil))
			if err == nil {
				defer func() { must(t, b.Close()) }()
			}
			if row.want == "" {
				if err != nil || b.placement != before {
					t.Errorf("got %v", err)
				}
				return
			}
			want := row.want
			if strings.Contains(want, "%[") {
				want = strings.NewReplacer("%[1]s", list[0].String(), "%[2]s", list[1].String()).Replace(want)
			}
			if !errors.Is(err, ErrPlacement) || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		})
	}
}

func TestASetUpThatEndedInItsFirstPassIsBegunAnew(t *testing.T) {
	list := places(t, server(t), 3)
	must(t, opened(t, list, quick(nil)).Close())
	for _, p := range list[:2] {
		server(t).Exec(t, "UPDATE "+p.database+".placement SET done = 0")
	}
	server(t).Exec(t, "DELETE FROM "+list[2].database+".placement")
	swapped := []Place{list[2], list[0], list[1]} // nobody was placed: the order is free
	a := opened(t, swapped, quick(nil))
	must(t, a.SetProfile(someProfile(7)))
}

func TestTooManyPlacesAndNone(t *testing.T) {
	if _, err := Open(nil, nil); !errors.Is(err, ErrPlace) {
		t.Errorf("none: %v", err)
	}
	if err := CheckPlaces(make([]Place, ShardsMax+1)); !errors.Is(err, ErrPlace) {
		t.Errorf("too many: %v", err)
	}
}

func TestPlacesAreReadWithoutShowingThem(t *testing.T) {
	p := placeOf(t, "mysql://u%40x:p%3Aa%2Fs@[::1]:33/chat?connections=3&ca=/x.pem&tls=off")
	if p.user != "u@x" || p.password != "p:a/s" || p.address != "[::1]:33" || p.database != "chat" || p.connections != 3 || !p.encrypted || p.host != "::1" {
		t.Errorf("%+v", p)
	}
	if _, err := p.config(); err == nil {
		t.Error("a certificate that is not there")
	}
	p = placeOf(t, "mysql://u:p@h/chat?tls=on")
	if c, err := p.config(); err != nil || c.TLS.ServerName != "h" || p.String() != "h:3306/chat" || c.Passwd != "p" {
		t.Errorf("%s, %v", p, err)
	}
	p = placeOf(t, "mysql://u:p@/chat?socket=/run/m.sock")
	if c, err := p.config(); err != nil || c.Net != "unix" || c.Addr != "/run/m.sock" || c.TLS != nil {
		t.Errorf("%s, %v", p, err)
	}
	for _, text := range []string{"mysql://u:s3cret@h:x/chat", "mysql://u:s3%cret@h/chat", "\x00s3cret", "u:s3cret@tcp(h)/chat", "mysql://u:s3cret@h/a/b", "mysql://u:s3cret@h/chat?a=%zz"} {
		if _, err := Parse(text); !errors.Is(err, ErrPlace) || strings.Contains(err.Error(), "s3") {
			t.Errorf("%q: %v", text, err)
		}
	}
	if text := fmt.Sprintf("%v %s %+v", p, p, struct{ P Place }{p}); strings.Contains(text, ":p@") {
		t.Errorf("a place shows its password: %s", text)
	}
}
