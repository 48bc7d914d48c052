package bench

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"
)

// quickRun is a short run against a server that is already there.
func quickRun(s *fakeServer, scenario Scenario) RunConfig {
	return RunConfig{
		Target: Target{Server: s.addr()}, Scenario: scenario, Connections: 20, Rate: 400, Bytes: 24, Warmup: time.Millisecond, Duration: 300 * time.Millisecond,
		stall: 500 * time.Millisecond, poll: 5 * time.Millisecond,
	}
}

func TestRunSeesWhatAServerDoesWrong(t *testing.T) {
	for _, row := range []struct {
		name                        string
		fault                       fault
		lost, doubled, moved, wrong uint64
	}{
		{"a good server", deliverAll, 0, 0, 0, 0},
		{"a server that loses a message", lose(7), 1, 0, 0, 0},
		{"a server that damages a message", damage(7), 1, 0, 0, 1},
		{"a server that delivers one twice under another number", doubleAnew(7), 0, 1, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			r, err := Run(context.Background(), quickRun(startFakeServer(t, row.fault), ScenarioMessage), Env{})
			if err != nil {
				t.Fatal(err)
			}
			if *r.Lost != row.lost || *r.Duplicated != row.doubled || *r.Reordered != row.moved || uint64(r.Run.Corrupted) != row.wrong {
				t.Errorf("lost %d, duplicated %d, reordered %d, damaged %d", *r.Lost, *r.Duplicated, *r.Reordered, r.Run.Corrupted)
			}
			if r.Failed() != (row.lost+row.doubled+row.moved+row.wrong > 0) || r.Run.Sent < 50 || r.LatencyMs == nil || r.Run.FirstTickMs == nil {
				t.Errorf("Failed() is %v: %+v", r.Failed(), r.Run)
			}
			var table strings.Builder
			if err := r.WriteTable(&table); err != nil || !strings.Contains(table.String(), "sent, arrived") {
				t.Errorf("%v\n%s", err, &table)
			}
		})
	}
}

// doubleAnew delivers one message again as if it were new, which is what seqs can't tell.
func doubleAnew(which int) fault {
	return func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		_ = s.write(to, frame)
		if n == which {
			to.seq++
			_ = s.write(to, renumbered(frame, to.seq))
		}
	}
}

func TestRunSendsAgainWhatWasRefusedForAWhile(t *testing.T) {
	s := startFakeServer(t, deliverAll)
	s.mu.Lock()
	s.refuse = 5
	s.mu.Unlock()
	r, err := Run(context.Background(), quickRun(s, ScenarioMessage), Env{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Run.Refused != 1 || r.Failed() {
		t.Errorf("refused %d, lost %d, %v", r.Run.Refused, *r.Lost, r.Run.Violations)
	}
}

func TestRunBringsConnectionsInAtItsRamp(t *testing.T) {
	cfg := quickRun(startFakeServer(t, deliverAll), ScenarioConnect)
	cfg.Ramp, cfg.Processes = 50, 2
	r, err := Run(context.Background(), cfg, Env{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Run.ComeInSeconds < 0.3 || r.Run.Agents[0].Processes != 2 || r.Failed() || r.Run.Logins != 20 {
		t.Errorf("20 connections at 50 a second came in %.3f s: %+v", r.Run.ComeInSeconds, r.Run)
	}
}

func TestRunThatIsInterruptedReportsWhatItHas(t *testing.T) {
	s := startFakeServer(t, deliverAll)
	cfg := quickRun(s, ScenarioMessage)
	cfg.Duration = time.Hour
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		s.waitFor(20)
	}()
	r, err := Run(ctx, cfg, Env{})
	if !errors.Is(err, context.Canceled) || r == nil || !r.Aborted {
		t.Fatalf("%v, %+v", err, r)
	}
	if r.Lost != nil || r.Run.Sent < 20 || r.Run.MeasuredSeconds <= 0 {
		t.Errorf("lost %v, %+v", r.Lost, r.Run)
	}
	eventually(t, "all sessions of the run have ended", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, one := range s.sessions {
			if !one.ended {
				return false
			}
		}
		return true
	})
}

// waitFor returns when the server has taken more than n messages, or after testWait.
func (s *fakeServer) waitFor(n int) {
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(testWait); time.Now().Before(end); <-tick.C {
		s.mu.Lock()
		have := s.count
		s.mu.Unlock()
		if have > n {
			return
		}
	}
}

// agents starts n agents in this process; their generators are processes of their own.
func agents(t *testing.T, n int, log *syncBuffer) (addrs []string, stop func() []AgentCounts) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	counts := make([]AgentCounts, n)
	var work sync.WaitGroup
	for i := range n {
		ready := make(chan string, 1)
		work.Add(1)
		go func() {
			defer work.Done()
			c, err := Agent(ctx, AgentConfig{Listen: "127.0.0.1:0", Key: testKey(1), ready: func(a string) { ready <- a }}, Env{Progress: log})
			if err != nil {
				t.Error(err)
			}
			counts[i] = c
		}()
		select {
		case a := <-ready:
			addrs = append(addrs, a)
		case <-time.After(testWait):
			t.Fatal("the agent does not listen")
		}
	}
	stop = sync.OnceValue(func() []AgentCounts { cancel(); work.Wait(); return counts })
	t.Cleanup(func() { stop() })
	return addrs, stop
}

// syncBuffer is a buffer of several goroutines.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

func TestRunOverTwoAgents(t *testing.T) {
	var log syncBuffer
	addrs, stop := agents(t, 2, &log)
	cfg := quickRun(startFakeServer(t, deliverAll), ScenarioMessage)
	cfg.Agents, cfg.Key = addrs, testKey(1)
	for range 2 { // an agent is free again after a job
		r, err := Run(context.Background(), cfg, Env{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Failed() || len(r.Run.Agents) != 2 || r.Run.Agents[0].Connections != 10 || r.Run.Agents[1].Address != addrs[1] || r.LatencyMs == nil || r.Run.Sent < 50 {
			t.Errorf("%+v, %v", r.Run, r.Run.Violations)
		}
	}
	eventually(t, "the agents have noticed the ends", func() bool { return strings.Count(log.String(), "is done") == 4 })
	for i, c := range stop() {
		if c.Jobs != 2 || c.Ended != 0 || c.WrongBy != 0 {
			t.Errorf("agent %d: %+v\n%s", i, c, &log)
		}
	}
}

func TestAgentRefusesAnotherKeyAndASecondJob(t *testing.T) {
	var log syncBuffer
	addrs, stop := agents(t, 1, &log)
	s := startFakeServer(t, deliverAll)
	cfg := quickRun(s, ScenarioConnect)
	cfg.Agents, cfg.Key = addrs, testKey(2)
	if _, err := Run(context.Background(), cfg, Env{}); err == nil || !strings.Contains(err.Error(), "the keys differ") {
		t.Errorf("another key: %v", err)
	}
	first, err := dialAgent(context.Background(), addrs[0], testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.ask(context.Background(), crewCommand{Do: crewHello}); err != nil {
		t.Fatal(err)
	}
	cfg.Key = testKey(1)
	if _, err := Run(context.Background(), cfg, Env{}); err == nil || !strings.Contains(err.Error(), "under way") {
		t.Errorf("a second job: %v", err)
	}
	if _, err := first.ask(context.Background(), crewCommand{Do: "fly"}); err == nil || !strings.Contains(err.Error(), "without a job") {
		t.Errorf("a command that is none: %v", err)
	}
	_ = first.close()
	if c := stop()[0]; c.WrongBy != 1 || c.Busy != 1 || c.Jobs != 0 || strings.Count(log.String(), "another key") != 1 {
		t.Errorf("%+v\n%s", c, &log)
	}
}

func TestAgentEndsTheJobOfACoordinatorThatVanishes(t *testing.T) {
	var log syncBuffer
	addrs, stop := agents(t, 1, &log)
	s := startFakeServer(t, deliverAll)
	post, err := dialAgent(context.Background(), addrs[0], testKey(1))
	if err != nil {
		t.Fatal(err)
	}
	o, _ := quickRun(s, ScenarioConnect).withDefaults().orders()
	o.Server, o.First = s.addr(), firstUser()
	for _, cmd := range []crewCommand{{Do: crewBegin, Orders: &o}, {Do: crewCome}} {
		if _, err := post.ask(context.Background(), cmd); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "its sessions are there", func() bool {
		st, err := post.ask(context.Background(), crewCommand{Do: crewStatus})
		return err == nil && st.at(countThere) == 20
	})
	_ = post.w.conn.Close() // no word of an end
	eventually(t, "the agent has noticed", func() bool { return strings.Contains(log.String(), "its job is ended") })
	eventually(t, "its sessions have ended", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, one := range s.sessions {
			if !one.ended {
				return false
			}
		}
		return len(s.sessions) == 20
	})
	if c := stop()[0]; c.Jobs != 1 || c.Ended != 1 {
		t.Errorf("%+v", c)
	}
}

func TestRunGoesOnWithoutALostAgentIfItMay(t *testing.T) {
	for _, allowed := range []LostAgents{LostAbort, LostAllow} {
		var log syncBuffer
		addrs, stop := agents(t, 1, &log)
		more, lose := agents(t, 1, &log)
		s := startFakeServer(t, deliverAll)
		cfg := quickRun(s, ScenarioMessage)
		cfg.Agents, cfg.Key, cfg.AllowLost, cfg.Duration = append(addrs, more...), testKey(1), allowed, time.Second
		go func() {
			s.waitFor(20)
			lose()
		}()
		r, err := Run(context.Background(), cfg, Env{})
		switch {
		case allowed == LostAbort && !errors.Is(err, errAgentLost):
			t.Errorf("a lost agent: %v", err)
		case allowed == LostAllow && (err != nil || r.Run.Agents[1].Lost == "" || *r.Lost != 0 || len(r.Notes) == 0):
			t.Errorf("a lost agent that is allowed: %v, %+v", err, r)
		}
		stop()
	}
}
