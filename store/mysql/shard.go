package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	driver "github.com/go-sql-driver/mysql"
)

// shard is one database with the connections to it. Its methods may be called from any goroutine.
type shard struct {
	place  Place
	number int // from 0
	count  int // of all shards
	log    *slog.Logger
	pace   pace
	db     *sql.DB
	// statements are prepared once for each connection, by the pool.
	statements [statementCount]*sql.Stmt
	life       context.Context // ended by close
	end        context.CancelFunc
	watcher    sync.WaitGroup

	calls, retries, refused, failures atomic.Uint64
	inside                            atomic.Int64 // calls that run or wait
	silentSince                       atomic.Int64 // unix nanoseconds of the first try without an answer since the last answer; 0: it answers
	gone                              atomic.Bool  // calls fail at once
	lastLog                           atomic.Int64 // unix nanoseconds

	tokens, revocations  atomic.Int64  // records, as far as this process knows
	purgedSec, purgeNext atomic.Uint64 // the callers' clock at the last purge, and when the next is due
}

// pace is how long things may take; tests choose otherwise.
type pace struct {
	deadline, attempt, probe, probeLost, lostAfter time.Duration
}

var defaultPace = pace{deadline: callDeadline, attempt: attemptTimeout, probe: probeEvery, probeLost: probeLostEvery, lostAfter: lostAfter}

// openShard connects to a shard that is set up, and prepares what will be asked.
func openShard(place Place, number, count int, p pace, log *slog.Logger) (*shard, error) {
	config, err := place.config()
	if err != nil {
		return nil, err
	}
	config.ReadTimeout, config.WriteTimeout = p.attempt, p.attempt // COMMIT has no other deadline
	connector, err := driver.NewConnector(config)
	if err != nil {
		return nil, plain(err)
	}
	s := &shard{place: place, number: number, count: count, log: log.With("shard", number+1, "place", place.String()), pace: p, db: sql.OpenDB(connector)}
	s.db.SetMaxOpenConns(place.connections)
	s.db.SetMaxIdleConns(place.connections)
	s.db.SetConnMaxIdleTime(connectionIdle)
	s.db.SetConnMaxLifetime(connectionLife)
	s.life, s.end = context.WithCancel(context.Background())
	if err := s.begin(); err != nil {
		return nil, errors.Join(plain(err), s.close())
	}
	s.watcher.Go(s.watch) // ended by close
	return s, nil
}

func (s *shard) begin() (err error) {
	for i, text := range statementTexts {
		if s.statements[i], err = s.db.PrepareContext(s.life, text); err != nil {
			return fmt.Errorf("prepare %q: %w", text, err)
		}
	}
	var flush int
	err = s.db.QueryRowContext(s.life, "SELECT @@innodb_flush_log_at_trx_commit").Scan(&flush)
	if err == nil && flush != 1 {
		s.log.Warn("the database answers before a change is on its disk: after a power cut registrations may be lost", "innodb_flush_log_at_trx_commit", flush)
	}
	return err
}

// close ends the connections. Calls that run end with store.ErrAccountsClosed.
func (s *shard) close() error {
	s.end()
	s.watcher.Wait()
	return s.db.Close()
}

// watch asks now and then whether the shard is there, so that calls fail fast while it is not, and are let in again by themselves.
func (s *shard) watch() {
	timer := time.NewTimer(s.pace.probe)
	defer timer.Stop()
	for {
		select {
		case <-s.life.Done():
			return
		case <-timer.C:
		}
		ctx, cancel := context.WithTimeout(s.life, s.pace.attempt)
		err := s.db.PingContext(ctx)
		cancel()
		every := s.pace.probe
		if err == nil {
			s.answered()
		} else if s.life.Err() == nil {
			every = s.pace.probeLost
			s.silent(err)
		}
		timer.Reset(every)
	}
}

// answered notes that the shard is there.
func (s *shard) answered() {
	s.silentSince.Store(0)
	if s.gone.Swap(false) {
		s.log.Info("the shard of the accounts answers again")
	}
}

// silent notes a try without an answer. After a while calls are not let in any more.
func (s *shard) silent(err error) {
	now := time.Now().UnixNano()
	s.silentSince.CompareAndSwap(0, now)
	if since := s.silentSince.Load(); since != 0 && now-since >= int64(s.pace.lostAfter) {
		s.shut(err)
	}
}

// shut lets no call in until the shard answers.
func (s *shard) shut(err error) {
	if s.gone.Swap(true) || s.life.Err() != nil {
		return
	}
	last, now := s.lastLog.Load(), time.Now().UnixNano()
	if now-last >= int64(lostLogEvery) && s.lastLog.CompareAndSwap(last, now) {
		s.log.Error("a shard of the accounts can't be reached: its users can't log in anew; sessions and tickets go on", "err", plain(err))
	}
}

// explain names the shard in an error that is not a plain answer.
func (s *shard) explain(err error) error {
	if isAnswer(err) {
		return err
	}
	return fmt.Errorf("accounts: shard %d of %d (%s): %w", s.number+1, s.count, s.place, err)
}
