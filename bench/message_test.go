package bench

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"trunkline/codec"
)

// quickMessages is a short run against a server that is already there.
func quickMessages(addr string) MessageConfig {
	return MessageConfig{
		Target: Target{Server: addr}, Pairs: 1, Rate: 500, Bytes: 24, Loops: 1,
		Duration: DurationMin, Warmup: time.Millisecond, stall: 300 * time.Millisecond,
	}
}

func TestMessageSeesWhatAServerDoesWrong(t *testing.T) {
	for _, row := range []struct {
		name                        string
		fault                       fault
		lost, doubled, moved, wrong uint64
	}{
		{"a good server", deliverAll, 0, 0, 0, 0},
		{"a server that loses a message", lose(7), 1, 0, 0, 0},
		{"a server that loses the first message", lose(1), 1, 0, 0, 0},
		{"a server that delivers one twice", double(7), 0, 1, 0, 0},
		{"a server that changes the order", swap(7), 0, 0, 1, 0},
		{"a server that damages a message", damage(7), 1, 0, 0, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := startFakeServer(t, row.fault)
			r, err := Message(context.Background(), quickMessages(s.addr()), Env{})
			if err != nil {
				t.Fatal(err)
			}
			if *r.Lost != row.lost || *r.Duplicated != row.doubled || *r.Reordered != row.moved || r.Message.Corrupted != row.wrong {
				t.Errorf("lost %d, duplicated %d, reordered %d, damaged %d", *r.Lost, *r.Duplicated, *r.Reordered, r.Message.Corrupted)
			}
			if r.Message.Sent < 20 || r.LatencyMs == nil || *r.MessagesPerSecond <= 0 {
				t.Errorf("hardly anything was measured: %+v", r.Message)
			}
			if r.Message.FirstTicksMissing != 0 || r.Message.SecondTicksMissing != 0 {
				t.Errorf("ticks missing: %d, %d", r.Message.FirstTicksMissing, r.Message.SecondTicksMissing)
			}
			if r.CPUUsPerMessage != nil || !strings.Contains(r.Message.CPUSource, "not measured") {
				t.Errorf("CPU of a server whose admin address is not known: %v", r.Message.CPUSource)
			}
			var table strings.Builder
			if err := r.WriteTable(&table); err != nil || strings.Contains(table.String(), "0 % of one core") {
				t.Errorf("CPU that was not measured is no 0 %%: %v\n%s", err, &table)
			}
			if r.Failed() != (row.lost+row.doubled+row.moved+row.wrong > 0) {
				t.Errorf("Failed() is %v", r.Failed())
			}
		})
	}
}

func TestMessageAcknowledgesAllThatWasDelivered(t *testing.T) {
	s := startFakeServer(t, nil)
	if _, err := Message(context.Background(), quickMessages(s.addr()), Env{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "both sides have acknowledged everything", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, one := range s.sessions {
			if one.seq == 0 || one.ack != one.seq {
				return false
			}
		}
		return len(s.sessions) == 2
	})
}

func TestMessageInAClosedLoopKeepsItsWindowFull(t *testing.T) {
	s := startFakeServer(t, nil)
	cfg := quickMessages(s.addr())
	cfg.Rate, cfg.Inflight, cfg.Pairs, cfg.Loops = 0, 8, 5, 2
	r, err := Message(context.Background(), cfg, Env{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed() || r.Message.Sent < 5*8 || r.Message.Delivered != r.Message.Sent {
		t.Errorf("%+v, lost %d", r.Message, *r.Lost)
	}
}

func TestMessageSendsAgainWhatWasRefusedForAWhile(t *testing.T) {
	for name, rate := range map[string]int{"paced": 500, "closed loop": 0} {
		s := startFakeServer(t, nil)
		s.mu.Lock()
		s.refuse = 5
		s.mu.Unlock()
		cfg := quickMessages(s.addr())
		cfg.Rate = rate
		r, err := Message(context.Background(), cfg, Env{})
		if err != nil {
			t.Fatal(err)
		}
		if r.Message.Refused != 1 || r.Failed() || r.Message.Sent < 6 {
			t.Errorf("%s: refused %d, lost %d, sent %d, notes %v", name, r.Message.Refused, *r.Lost, r.Message.Sent, r.Notes)
		}
	}
}

func TestMessageChargesAStallToEveryMessageThatWasDue(t *testing.T) {
	const stall = 60 * time.Millisecond
	s := startFakeServer(t, func(s *fakeServer, n int, to *fakeSession, frame []byte) {
		if n == 20 {
			end := time.Now().Add(stall)
			for time.Now().Before(end) {
				runtime.Gosched()
			}
		}
		_ = s.write(to, frame)
	})
	s.mu.Lock()
	s.window = 1 // while the server stalls nothing can be sent
	s.mu.Unlock()
	cfg := quickMessages(s.addr())
	cfg.Duration = 500 * time.Millisecond // much longer than a busy machine keeps the generator waiting
	r, err := Message(context.Background(), cfg, Env{})
	if err != nil {
		t.Fatal(err)
	}
	if r.LatencyMs == nil {
		t.Fatal("no message was measured")
	}
	// 30 messages were due during the stall. A generator that waits for answers would see one slow message.
	if r.LatencyMs.Max < 50 || r.LatencyMs.P90 < 10 {
		t.Errorf("a stall of %v shows as %+v", stall, *r.LatencyMs)
	}
}

func TestMessageExplainsAFailedLogin(t *testing.T) {
	s := startFakeServer(t, nil)
	s.mu.Lock()
	s.login = func(codec.Hello) []byte {
		return must(codec.AppendError(nil, &codec.Error{Code: codec.CodeNotAuthorized, Text: []byte("go away")}))
	}
	s.mu.Unlock()
	cfg := quickMessages(s.addr())
	_, err := Message(context.Background(), cfg, Env{})
	if err == nil || !strings.Contains(err.Error(), "go away") {
		t.Errorf("got %v", err)
	}
}

func TestMessageExplainsAnUnreachableServer(t *testing.T) {
	addr, err := freeLoopbackAddr()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Message(context.Background(), quickMessages(addr), Env{}); !errors.Is(err, ErrServer) {
		t.Errorf("got %v", err)
	}
}

func TestMessageEndsWithItsContextAndLeavesNothing(t *testing.T) {
	s := startFakeServer(t, nil)
	cfg := quickMessages(s.addr())
	cfg.Duration = time.Hour
	before := runtime.NumGoroutine()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := Message(ctx, cfg, Env{})
		ended <- err
	}()
	eventually(t, "messages flow", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.count > 10
	})
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	case <-time.After(testWait):
		t.Fatal("the run does not end")
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before+1 })
}

// testWait bounds every wait of these tests.
const testWait = 10 * time.Second

// eventually waits for a condition.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(testWait)
	defer deadline.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			t.Fatalf("never: %s", what)
		case <-tick.C:
		}
	}
}
