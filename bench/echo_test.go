package bench

import (
	"bytes"
	"context"
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

func quickEcho() EchoConfig {
	return EchoConfig{Connections: 4, Idle: 20, Rate: 1_000, Inflight: []int{1, 4}, Rounds: 2, Duration: DurationMin, Warmup: time.Millisecond}
}

func TestEchoMeasuresOurServerAndTheBareOnes(t *testing.T) {
	r, err := Echo(context.Background(), quickEcho(), Env{})
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Echo.Cases) != 3 {
		t.Fatalf("%d cases", len(r.Echo.Cases))
	}
	for _, c := range r.Echo.Cases {
		names := []string{}
		for _, s := range c.Servers {
			names = append(names, s.Name)
			if s.CPUUsPerMessage <= 0 || s.MessagesPerSecond <= 0 || s.LatencyMs == nil || s.Ratio <= 0 || len(s.Rounds) != 2 {
				t.Errorf("%s, %s: %+v", c.Name, s.Name, s)
			}
		}
		if got := strings.Join(names, " "); got != "netpoll bare blocking" {
			t.Errorf("%s: servers %s", c.Name, got)
		}
		if c.Servers[0].Ratio != 1 {
			t.Errorf("%s: our server's ratio to itself is %v", c.Name, c.Servers[0].Ratio)
		}
	}
	var out bytes.Buffer
	if err := r.WriteTable(&out); err != nil || !strings.Contains(out.String(), "blocking") {
		t.Errorf("table: %v\n%s", err, out.String())
	}
}

func TestChildrenAnswerAndEndWithTheirInput(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{echoNetpoll, echoBare, echoBlocking} {
		c, err := startChild(context.Background(), name, self, childArgs(name)...)
		if err != nil {
			t.Fatal(err)
		}
		if err := requireLoopback(c.addr); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, command := range []string{"stat", "settle"} {
			st, err := c.ask(command)
			if err != nil || st.RSSBytes <= 0 {
				t.Errorf("%s, %s: %+v, %v", name, command, st, err)
			}
		}
		for _, command := range []string{"grow 5", "logins", "dance"} {
			if _, err := c.ask(command); !errors.Is(err, ErrGenerator) {
				t.Errorf("%s, %s: %v", name, command, err)
			}
		}
		c.stop()
		if c.cmd.ProcessState == nil || !c.cmd.ProcessState.Success() {
			t.Errorf("%s ended with %v", name, c.cmd.ProcessState)
		}
	}
}

func TestAChildThatFailsIsExplained(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	_, err = startChild(context.Background(), "odd", self, childArgs("odd")...)
	if !errors.Is(err, ErrServer) || !strings.Contains(err.Error(), `no child "odd"`) {
		t.Errorf("got %v", err)
	}
}

func TestConnectMeasuresRawConnectionsOverSeveralWorkers(t *testing.T) {
	before := runtime.NumGoroutine()
	var said bytes.Buffer
	r, err := Connect(context.Background(), ConnectConfig{Raw: Raw, From: 100, Connections: 300, PerWorker: 120, Hold: DurationMin}, Env{Progress: &said})
	if err != nil {
		t.Fatal(err)
	}
	if r.Connect.Workers != 3 || r.Connect.Unit != "connection" || r.RSSBytesPerSession == nil || r.Connect.RSSEmptyBytes <= 0 || r.Connect.PerSecond <= 0 {
		t.Errorf("%+v", r.Connect)
	}
	if !strings.Contains(said.String(), "300") {
		t.Errorf("progress: %q", said.String())
	}
	var out bytes.Buffer
	if err := r.WriteTable(&out); err != nil || !strings.Contains(out.String(), "slope between 100 and 300") {
		t.Errorf("table: %v\n%s", err, out.String())
	}
	eventually(t, "no goroutine is left", func() bool { return runtime.NumGoroutine() <= before })
}

func TestWorkersLogInAndTellHowLongItTook(t *testing.T) {
	s := startFakeServer(t, nil)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	r := &connectRun{cfg: ConnectConfig{Connections: 50, PerWorker: 30}, self: self, p: newProgress(nil)}
	w, err := r.startWorkers(context.Background(), &target{addr: s.addr(), transport: Plain})
	defer stopAll(w.list)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{20, 50} {
		if _, err := w.grow(context.Background(), n); err != nil {
			t.Fatal(err)
		}
		if sum, err := w.stat(); err != nil || sum.Ready != n {
			t.Errorf("%+v, %v, want %d", sum, err, n)
		}
	}
	if l := latencyOf(w.logins()); l == nil || l.Count != 50 {
		t.Errorf("logins: %+v", l)
	}
}
