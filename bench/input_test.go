package bench

import (
	"context"
	"errors"
	"net"
	"syscall"
	"testing"
	"time"
)

func TestInputsOutOfTheirLimitsStartNothing(t *testing.T) {
	ctx := context.Background()
	message := func(c MessageConfig) func() error {
		return func() error { _, err := Message(ctx, c, Env{Executable: "/nonexistent"}); return err }
	}
	connect := func(c ConnectConfig) func() error {
		return func() error { _, err := Connect(ctx, c, Env{Executable: "/nonexistent"}); return err }
	}
	echo := func(c EchoConfig) func() error {
		return func() error { _, err := Echo(ctx, c, Env{Executable: "/nonexistent"}); return err }
	}
	for _, row := range []struct {
		name string
		run  func() error
		want error
	}{
		{"too many pairs", message(MessageConfig{Pairs: PairsMax + 1}), ErrInput},
		{"a negative number of pairs", message(MessageConfig{Pairs: -1}), ErrInput},
		{"more pairs than descriptors", message(MessageConfig{Pairs: descriptorsFor()/2 + 1}), ErrInput},
		{"a payload that has no room for the checksum", message(MessageConfig{Bytes: PayloadBytesMin - 1}), ErrInput},
		{"a payload above the protocol's limit", message(MessageConfig{Bytes: PayloadBytesMax + 1}), ErrInput},
		{"a negative rate", message(MessageConfig{Rate: -1}), ErrInput},
		{"more in flight than the protocol's window", message(MessageConfig{Inflight: InflightMax + 1}), ErrInput},
		{"a measurement of a year", message(MessageConfig{Duration: 365 * 24 * time.Hour}), ErrInput},
		{"a measurement of no length", message(MessageConfig{Duration: time.Microsecond}), ErrInput},
		{"an admin address without a server", message(MessageConfig{Target: Target{Admin: "127.0.0.1:1"}}), ErrInput},
		{"flags for a server that runs already", message(MessageConfig{Target: Target{Server: "127.0.0.1:1", Args: []string{"--loops", "1"}}}), ErrInput},
		{"too many connections", connect(ConnectConfig{Connections: ConnectionsMax + 1}), ErrInput},
		{"a lower count that is not lower", connect(ConnectConfig{Connections: 10, From: 10}), ErrInput},
		{"raw connections to a chat server", connect(ConnectConfig{Raw: Raw, Target: Target{Server: "127.0.0.1:1", Admin: "127.0.0.1:2"}}), ErrInput},
		{"memory of a server without its admin address", connect(ConnectConfig{Target: Target{Server: "127.0.0.1:1"}}), ErrInput},
		{"peers beside sessions", connect(ConnectConfig{Peers: []string{"x"}}), ErrInput},
		{"a poller beside sessions", connect(ConnectConfig{Poller: "gnet"}), ErrInput},
		{"flags for a server that raw connections do not have", connect(ConnectConfig{Raw: Raw, Target: Target{Args: []string{"--loops", "1"}}}), ErrInput},
		{"both transports of one server", connect(ConnectConfig{Target: Target{Server: "127.0.0.1:1", Admin: "127.0.0.1:2", Transport: Both}}), ErrInput},
		{"both transports for messages", message(MessageConfig{Target: Target{Transport: Both}}), ErrInput},
		{"no connections to echo on", echo(EchoConfig{Connections: -1}), ErrInput},
		{"too many rounds", echo(EchoConfig{Rounds: RoundsMax + 1}), ErrInput},
		{"too many in flight", echo(EchoConfig{Inflight: []int{1, EchoInflightMax + 1}}), ErrInput},
		{"a program that is not there", message(MessageConfig{}), ErrServer},
		{"a worker program that is not there", connect(ConnectConfig{Raw: Raw}), ErrServer},
	} {
		if err := row.run(); !errors.Is(err, row.want) {
			t.Errorf("%s: %v, want %v", row.name, err, row.want)
		}
	}
}

func TestOnlyLoopbackIsTakenUnasked(t *testing.T) {
	for addr, ok := range map[string]bool{
		"127.0.0.1:80": true, "127.9.9.9:1": true, "[::1]:5": true,
		"10.0.0.1:80": false, "0.0.0.0:80": false, "[::]:80": false, "example.org:80": false, "": false,
	} {
		if err := requireLoopback(addr); (err == nil) != ok {
			t.Errorf("%q: %v", addr, err)
		}
	}
}

func TestPairsAreSpreadOverLoopsWithoutRest(t *testing.T) {
	for _, row := range [][2]int{{1, 1}, {5, 2}, {7, 3}, {100, 8}, {3, 3}} {
		pairs, loops := row[0], row[1]
		sum := 0
		for l := range loops {
			on := 0
			for p := range pairs {
				if p%loops == l {
					on++
				}
			}
			if got := pairsOn(l, pairs, loops); got != on {
				t.Errorf("%d pairs on %d loops: loop %d has %d, want %d", pairs, loops, l, got, on)
			}
			sum += on
		}
		if sum != pairs {
			t.Errorf("%d pairs on %d loops: %d", pairs, loops, sum)
		}
	}
}

func TestPacerCallsAboutAsOftenAsAsked(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
	defer cancel()
	c, calls, early := newClock(), 0, 0
	start := c.now() + int64(paceLead)
	pace(ctx, c, start, time.Millisecond, func() {
		if c.now() < start+int64(calls)*int64(time.Millisecond) {
			early++
		}
		calls++
	})
	if calls < 2 || calls > 200 {
		t.Errorf("%d calls in 200 ms at 1 ms", calls)
	}
	if early > 0 {
		t.Errorf("%d calls came before what they were for was due", early)
	}
}

func TestManyConnectionsLeaveFromSeveralAddresses(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	d := newDialer(ln.Addr().String())
	for index, source := range map[int]string{
		0: "127.0.0.1", connectionsPerSource - 1: "127.0.0.1", connectionsPerSource: "127.0.0.2", 7 * connectionsPerSource: "127.0.0.8",
	} {
		fd, err := d.connect(context.Background(), index)
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			t.Skip("this system has no 127.0.0.2: ifconfig lo0 alias adds it")
		}
		if err != nil {
			t.Fatal(err)
		}
		c, err := ln.Accept()
		if err != nil {
			t.Fatal(err)
		}
		if got := c.RemoteAddr().(*net.TCPAddr).IP.String(); got != source {
			t.Errorf("connection %d comes from %s, want %s", index, got, source)
		}
		_ = c.Close()
		_ = syscall.Close(fd)
	}
	if _, err := d.connect(context.Background(), sourcesMax*connectionsPerSource); !errors.Is(err, ErrGenerator) {
		t.Errorf("more addresses than there are: %v", err)
	}
}
