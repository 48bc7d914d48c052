package bench

import (
	"context"
	"strings"
	"testing"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// quickNoise is quickMessages over the encrypted transport.
func quickNoise(addr string) MessageConfig {
	cfg := quickMessages(addr)
	cfg.Target.Transport = Noise
	return cfg
}

func TestMessageOverTheEncryptedTransportSeesWhatAServerDoesWrong(t *testing.T) {
	for _, row := range []struct {
		name                        string
		fault                       fault
		lost, doubled, moved, wrong uint64
	}{
		{"a good server", deliverAll, 0, 0, 0, 0},
		{"a server that loses a message", lose(7), 1, 0, 0, 0},
		{"a server that delivers one twice", double(7), 0, 1, 0, 0},
		{"a server that changes the order", swap(7), 0, 0, 1, 0},
		{"a server that damages a message", damage(7), 1, 0, 0, 1},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := startFakeVeil(t, row.fault)
			r, err := Message(context.Background(), quickNoise(s.addr()), Env{})
			if err != nil {
				t.Fatal(err)
			}
			if *r.Lost != row.lost || *r.Duplicated != row.doubled || *r.Reordered != row.moved || r.Message.Corrupted != row.wrong {
				t.Errorf("lost %d, duplicated %d, reordered %d, damaged %d", *r.Lost, *r.Duplicated, *r.Reordered, r.Message.Corrupted)
			}
			if r.Message.Sent < 20 || r.LatencyMs == nil {
				t.Errorf("hardly anything was measured: %+v", r.Message)
			}
		})
	}
}

func TestSessionsComeBackWhenTheServerWantsThemLater(t *testing.T) {
	s := startFakeVeil(t, nil)
	s.mu.Lock()
	s.veil.refuse = func(flight int, _ secure.FlightKind) bool { return flight == 2 || flight == 3 } // the first asks for the key
	s.veil.hangUp = 5
	s.mu.Unlock()
	cfg := quickNoise(s.addr())
	cfg.stall = testWait
	r, err := Message(context.Background(), cfg, Env{})
	if err != nil {
		t.Fatal(err)
	}
	if r.Failed() || r.Message.Closed != 0 {
		t.Errorf("lost %d, closed %d, notes %v", *r.Lost, r.Message.Closed, r.Notes)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.veil.flights != 6 || s.veil.contacts != 2 {
		t.Errorf("%d flights, %d handshakes; one for the key, two refused, one without an answer, two good ones", s.veil.flights, s.veil.contacts)
	}
}

func TestAServerThatRefusesForGoodIsNamed(t *testing.T) {
	s := startFakeVeil(t, nil)
	s.mu.Lock()
	s.login = func(codec.Hello) []byte {
		return must(codec.AppendError(nil, &codec.Error{Code: codec.CodeNotRegistered, Text: []byte("who are you")}))
	}
	s.mu.Unlock()
	if _, err := Message(context.Background(), quickNoise(s.addr()), Env{}); err == nil || !strings.Contains(err.Error(), "who are you") {
		t.Errorf("got %v", err)
	}
}

func TestAPlainServerIsNoEncryptedOne(t *testing.T) {
	s := startFakeServer(t, nil)
	if _, err := Message(context.Background(), quickNoise(s.addr()), Env{}); err == nil || !strings.Contains(err.Error(), "its key") {
		t.Errorf("got %v", err)
	}
}

// crewOf is a crew of n on a fake server.
func crewOf(t *testing.T, s *fakeServer, n int) *crew {
	t.Helper()
	cfg := LoginConfig{Target: Target{Server: s.addr()}, Logins: n, Rate: 2_000, Rounds: 1}.withDefaults()
	c, err := openCrew(context.Background(), cfg, Noise, Env{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.close)
	return c
}

// comeIn logs the whole crew in and waits for its tickets.
func comeIn(t *testing.T, c *crew, how byte) {
	t.Helper()
	if err := c.fleet.tell(context.Background(), how); err != nil {
		t.Fatal(err)
	}
	had := c.loop.counts.tickets.Load()
	var all []uint32
	for i := range c.cfg.Logins {
		all = append(all, uint32(i))
	}
	c.fleet.recall.addPaced(all, c.clock.now(), 0)
	eventually(t, "all are in and hold a ticket", func() bool {
		return c.loop.counts.ready.Load() == int64(len(all)) && c.loop.counts.tickets.Load() == had+int64(len(all))
	})
}

func TestWhoHoldsATicketComesBackWithIt(t *testing.T) {
	const n = 20
	s := startFakeVeil(t, nil)
	c := crewOf(t, s, n)
	comeIn(t, c, cmdContact)
	if err := c.leave(context.Background()); err != nil {
		t.Fatal(err)
	}
	comeIn(t, c, cmdResume)
	got := c.loop.counts.crowd()
	if got.Returned != n || got.Resumed != n || got.Stale != 0 || c.loop.counts.failed.Load() != 0 {
		t.Errorf("%+v", got)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.veil.resumes != n {
		t.Errorf("the server saw %d resumes", s.veil.resumes)
	}
	f, _, err := codec.Next(s.veil.early, codec.FrameBytesMax)
	if err != nil {
		t.Fatal(err)
	}
	if v, err := codec.ParseHello(f); err != nil || v.Gen != 1 || v.Incarnation != 1 || v.Epoch != 1 {
		t.Errorf("early HELLO %+v, %v: it says what the device keeps, and a higher epoch", v, err)
	}
}

func TestATicketThatIsOfNoUseIsFollowedByContact(t *testing.T) {
	const n = 5
	s := startFakeVeil(t, nil)
	c := crewOf(t, s, n)
	comeIn(t, c, cmdContact)
	if err := c.leave(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	s.veil.noTickets = true
	s.mu.Unlock()
	comeIn(t, c, cmdResume)
	if got := c.loop.counts.crowd(); got.Stale != n || got.Resumed != 0 || got.Returned != n || got.Offered != 2*n {
		t.Errorf("%+v", got)
	}
}

func TestARefusedResumeIsOfferedAgainAsItWas(t *testing.T) {
	s := startFakeVeil(t, nil)
	c := crewOf(t, s, 1)
	comeIn(t, c, cmdContact)
	if err := c.leave(context.Background()); err != nil {
		t.Fatal(err)
	}
	s.mu.Lock()
	before := s.veil.flights
	s.veil.refuse = func(flight int, _ secure.FlightKind) bool { return flight <= before+3 }
	s.mu.Unlock()
	if err := c.fleet.tell(context.Background(), cmdPrepare); err != nil {
		t.Fatal(err)
	}
	comeIn(t, c, cmdResume)
	got := c.loop.counts.crowd()
	if got.Refused != 3 || got.Resumed != 1 || got.Prepared != 1 {
		t.Errorf("%+v", got)
	}
}
