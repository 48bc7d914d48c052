package client

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"trunkline/codec"
	"trunkline/codec/secure"
)

// Tests of coming back with a ticket, and of registration.

// flightsWere holds the client's flights of one connection.
func (p *peer) flightsWere(want ...secure.FlightKind) {
	p.t.Helper()
	if fmt.Sprint(p.flights) != fmt.Sprint(want) {
		p.t.Errorf("flights %#x, want %#x", p.flights, want)
	}
}

func TestRegistrationShowsTokenAndKeysAndALaterLoginDoesNot(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, h := f.connect(welcome(0), WithState(state), WithRegistrationToken([]byte("let me in")))
		p.flightsWere(secure.FlightContact)
		id := identityOf(t, state)
		if p.device != id.Key.Public() {
			t.Error("the device proved another key than the state's")
		}
		token, rest, _ := h.Ext.Next()
		sign, rest, ok := rest.Next()
		if token.Type != codec.ExtToken || string(token.Value) != "let me in" || !ok || len(rest) != 0 {
			t.Errorf("extensions %x", h.Ext)
		}
		if sign.Type != codec.ExtSignKey || !bytes.Equal(sign.Value, id.signer().Public().(ed25519.PublicKey)) {
			t.Errorf("extensions %x", h.Ext)
		}
		closeClient(t, c)

		c, p, h = f.connect(welcome(0), WithState(state), WithRegistrationToken([]byte("let me in")))
		if len(h.Ext) != 0 || h.Gen != testGen || p.device != id.Key.Public() {
			t.Errorf("second HELLO %+v", h)
		}
		closeClient(t, c)
	})
}

func TestWhatWaitsGoesWithTheTicketAndCountsOnce(t *testing.T) {
	for name, upHigh := range map[string]uint64{"SUCCESS has none": 0, "SUCCESS has some": 2, "SUCCESS has all": 3} {
		t.Run(name, func(t *testing.T) {
			encrypted(t, func(t *testing.T, f *fake) {
				state := NewMemoryState()
				c, p, _ := f.connect(welcome(0), WithState(state))
				p.ticket(f.vault, state)
				f.down.Store(true)
				p.close()
				want[Disconnected](t, c)
				for i := 1; i <= 3; i++ {
					send(t, c, fmt.Sprint("m", i))
				}
				f.down.Store(false)
				p = f.accept()
				p.flightsWere(secure.FlightResume)
				if p.opened.Gen != testGen || p.opened.User != testUser {
					t.Errorf("ticket %+v", p.opened)
				}
				if h := p.hello(); h.Gen != testGen || h.Epoch < 2 || len(h.Ext) != 0 {
					t.Errorf("HELLO %+v", h)
				}
				for i := uint64(1); i <= 3; i++ {
					if text := p.expectSend(i); text != fmt.Sprint("m", i) {
						t.Errorf("message %d says %q", i, text)
					}
				}
				s := welcome(upHigh)
				s.WindowEntries = 1 // smaller than what has gone ahead
				p.success(s)
				untilConnected(t, c)
				if upHigh > 0 {
					if tick := want[Tick](t, c); tick.First != 1 || tick.Last != upHigh {
						t.Errorf("tick %+v", tick)
					}
				}
				p.quiet(time.Minute) // nothing is sent again
				send(t, c, "m4")
				if upHigh < 3 {
					p.quiet(30 * time.Second) // the window is full
					p.tick(3)
					if tick := want[Tick](t, c); tick.First != upHigh+1 || tick.Last != 3 {
						t.Errorf("tick %+v", tick)
					}
				}
				p.expectSend(4)
				p.tick(4)
				want[Tick](t, c)
				if n := c.Outstanding(); n != 0 {
					t.Errorf("%d outstanding", n)
				}
				closeClient(t, c)
			})
		})
	}
}

// untilConnected drops what failed attempts said.
func untilConnected(t *testing.T, c *Client) Connected {
	t.Helper()
	for {
		select {
		case ev := <-c.Events():
			switch ev := ev.(type) {
			case Connected:
				return ev
			case Disconnected:
			default:
				t.Fatalf("event %T %+v before Connected", ev, ev)
			}
		case <-time.After(2 * time.Hour):
			t.Fatal("not connected")
		}
	}
}

// leaveBehind makes a state with a ticket and the given outbox, nothing of which was ever sent.
func leaveBehind(t *testing.T, f *fake, state State, texts ...string) {
	t.Helper()
	c, p, _ := f.connect(welcome(0), WithState(state))
	p.ticket(f.vault, state)
	closeClient(t, c)
	f.down.Store(true)
	c, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithState(state), WithOfflineStart())
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		send(t, c, text)
	}
	closeClient(t, c)
	f.down.Store(false)
}

func TestALaterProcessComesBackWithTheTicketToo(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		leaveBehind(t, f, state, "m1")
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.flightsWere(secure.FlightResume)
		p.expectSend(1)
		p.quiet(time.Minute)
		closeClient(t, c)
	})
}

func TestTheFirstFlightCarriesMessagesAsFarAsTheyFit(t *testing.T) {
	for name, row := range map[string]struct {
		sizes []int
		early int // how many go ahead
	}{
		"two fit, and a small one waits behind a large one": {[]int{8000, 8000, 60_000, 2}, 2},
		"the first is too large":                            {[]int{60_000, 2}, 0},
		"two fit but for their heads":                       {[]int{8100, secure.EarlyBytesMax - 8100, 2}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			encrypted(t, func(t *testing.T, f *fake) {
				state := NewMemoryState()
				texts := make([]string, len(row.sizes))
				for i, size := range row.sizes {
					texts[i] = string(randomBytes(size)) // does not compress
				}
				leaveBehind(t, f, state, texts...)
				c, err := Dial(t.Context(), "fake", WithUser(testUser), WithDialer(f.dial), WithState(state), WithOfflineStart())
				if err != nil {
					t.Fatal(err)
				}
				p := f.accept()
				p.flightsWere(secure.FlightResume)
				p.hello()
				for i, text := range texts {
					if i == row.early {
						p.quiet(time.Second)
						p.success(welcome(0))
						untilConnected(t, c)
					}
					if got := p.expectSend(uint64(i + 1)); got != text {
						t.Errorf("message %d has %d bytes", i+1, len(got))
					}
				}
				p.quiet(time.Minute)
				closeClient(t, c)
			})
		})
	}
}

func TestAReceiptWaitsForSuccessAndHoldsBackWhatIsBehindIt(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.ticket(f.vault, state)
		p.deliver(1, testPeer, 1, "hi")
		m := want[Message](t, c)
		f.down.Store(true)
		p.close()
		want[Disconnected](t, c)
		send(t, c, "m1")
		if err := c.Read(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		send(t, c, "m3")
		f.down.Store(false)
		p = f.accept()
		p.hello()
		p.expectSend(1)
		p.quiet(time.Second)
		p.success(welcome(0))
		untilConnected(t, c)
		kinds := map[codec.Kind]int{}
		for range 2 {
			kinds[p.next().Kind]++
		}
		if kinds[codec.KindReceipt] != 1 || kinds[codec.KindSend] != 1 {
			t.Errorf("behind SUCCESS came %v", kinds)
		}
		closeClient(t, c)
	})
}

func TestARefusedTicketIsDroppedAndAContactFollowsOnTheSameConnection(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		leaveBehind(t, f, state, "m1", "m2")
		f.vault.tickets = secure.TicketKeys{}
		if err := f.vault.tickets.Rotate(0, rand.Reader); err != nil {
			t.Fatal(err)
		}
		epoch := func() uint32 { snap, _ := state.Load(); return snap.Marks.Epoch }
		before := epoch()
		c, p, h := f.connect(welcome(0), WithState(state))
		p.flightsWere(secure.FlightResume, secure.FlightContact)
		if h.Epoch < before {
			t.Errorf("HELLO has epoch %d, the refused one had one above %d", h.Epoch, before-epochBlock)
		}
		p.expectSend(1)
		p.expectSend(2)
		p.quiet(time.Minute)
		if id := identityOf(t, state); id.Ticket != (Ticket{}) {
			t.Error("the ticket is still there")
		}
		closeClient(t, c)
	})
}

func TestAnExpiredTicketIsNotShown(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		leaveBehind(t, f, state, "m1")
		synctest.Wait()
		<-time.After(24 * time.Hour)
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.flightsWere(secure.FlightContact)
		p.expectSend(1)
		closeClient(t, c)
	})
}

func TestATicketThatLeadsNowhereIsLeftAsideOnce(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		state := NewMemoryState()
		c, p, _ := f.connect(welcome(0), WithState(state))
		p.ticket(f.vault, state)
		send(t, c, "m1")
		p.expectSend(1)
		p.close()
		epoch := uint32(0)
		for range resumesMax {
			p = f.accept()
			p.flightsWere(secure.FlightResume)
			h := p.hello()
			if h.Epoch <= epoch {
				t.Errorf("epoch %d after %d", h.Epoch, epoch)
			}
			epoch = h.Epoch
			p.expectSend(1) // each time again
			p.close()
		}
		p = f.accept()
		p.flightsWere(secure.FlightContact)
		p.hello()
		p.success(welcome(0))
		p.expectSend(1)
		p.close()
		p = f.accept()
		p.flightsWere(secure.FlightResume)
		p.close()
		closeClient(t, c)
	})
}

func TestCodesOfRegistrationEndTheClient(t *testing.T) {
	for code, wanted := range map[codec.ErrorCode]error{
		codec.CodeNotRegistered: ErrNotRegistered, codec.CodeTokenRefused: ErrTokenRefused, codec.CodeSessionLimit: nil,
	} {
		t.Run(code.String(), func(t *testing.T) {
			encrypted(t, func(t *testing.T, f *fake) {
				done := make(chan error, 1)
				go func() {
					_, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial))
					done <- err
				}()
				p := f.accept()
				p.hello()
				p.refuse(code, 0, time.Second)
				err := <-done
				var se *ServerError
				if !errors.As(err, &se) || se.Code != code || se.Unproven || strings.Contains(err.Error(), "unknown reason") {
					t.Errorf("Dial: %v", err)
				}
				if wanted != nil && (!errors.Is(err, wanted) || !final(err)) || wanted == nil && final(err) {
					t.Errorf("%v: final %v", err, final(err))
				}
				p.close()
			})
		})
	}
}

func TestATicketOnThePlainTransportIsAProtocolError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := newFake(t)
		c, p, _ := f.connect(welcome(0))
		p.write(newVault(t).issue(testGen, time.Hour))
		if d := want[Disconnected](t, c); !errors.Is(d.Err, ErrProtocol) {
			t.Errorf("%v", d.Err)
		}
		p.close()
		closeClient(t, c)
	})
}

func TestATicketOfAnotherLengthIsAProtocolError(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		c, p, _ := f.connect(welcome(0))
		p.write(codec.AppendTicket(nil, &codec.Ticket{LifetimeSec: 9, Sealed: make([]byte, secure.TicketBytes-1)}))
		if d := want[Disconnected](t, c); !errors.Is(d.Err, ErrProtocol) {
			t.Errorf("%v", d.Err)
		}
		p.close()
		closeClient(t, c)
	})
}

func TestTheKeysAreDurableBeforeAnyServerSeesThem(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		k := &killable{State: NewMemoryState()}
		k.kill()
		f.down.Store(true) // a dial would say so
		if _, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial), WithState(k)); !errors.Is(err, ErrState) {
			t.Errorf("Dial: %v", err)
		}
	})
}

func TestAStateThatWasUsedAsAnotherDeviceMakesNoRequest(t *testing.T) {
	state := NewMemoryState()
	if _, err := RequestLink(state, testUser, 0); !errors.Is(err, ErrLink) {
		t.Errorf("the primary device: %v", err)
	}
	r, err := RequestLink(state, testUser, 2)
	id := identityOf(t, state)
	if err != nil || r.Static != id.Key.Public() {
		t.Fatalf("%+v, %v", r, err)
	}
	if again, err := RequestLink(state, testUser, 2); err != nil || again != r {
		t.Errorf("asked twice: %+v, %v", again, err)
	}
	if _, err := RequestLink(state, testUser, 3); !errors.Is(err, ErrStateOtherDevice) {
		t.Errorf("another device: %v", err)
	}
}

func TestTheFirstDeviceSignsForASecondOne(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		first, second := NewMemoryState(), NewMemoryState()
		r, err := RequestLink(second, testUser, 2)
		if err != nil {
			t.Fatal(err)
		}
		until := time.Now().Add(time.Minute)
		if _, err := ApproveLink(first, r, until); !errors.Is(err, ErrLink) {
			t.Errorf("a device that is not registered signed: %v", err)
		}
		c, _, _ := f.connect(welcome(0), WithState(first))
		closeClient(t, c)
		token, err := ApproveLink(first, r, until)
		if err != nil {
			t.Fatal(err)
		}
		id := identityOf(t, first)
		v, err := secure.VerifyToken(token, id.signer().Public().(ed25519.PublicKey), uint64(time.Now().Unix()))
		if err != nil || v.Kind != secure.TokenLink || v.User != testUser || v.Device != 2 || v.Key != r.Static || v.NotAfter != uint64(until.Unix()) {
			t.Errorf("token %+v, %v", v, err)
		}
		if other, err := ApproveLink(first, r, until); err != nil || bytes.Equal(other, token) {
			t.Errorf("two tokens have one id: %v", err)
		}
		for name, change := range map[string]func(r *secure.LinkRequest){
			"the first device itself": func(r *secure.LinkRequest) { r.Device = 0 },
			"another user":            func(r *secure.LinkRequest) { r.User++ },
		} {
			wrong := r
			change(&wrong)
			if _, err := ApproveLink(first, wrong, until); !errors.Is(err, ErrLink) && !errors.Is(err, ErrStateOtherDevice) {
				t.Errorf("%s: %v", name, err)
			}
		}
		c, p, _ := f.connect(welcome(0), WithState(second), WithDevice(2), WithRegistrationToken(token))
		if p.device != r.Static {
			t.Error("the request's key is not the one that registers")
		}
		closeClient(t, c)
	})
}

func TestOptionsOfTheTransportsDoNotMix(t *testing.T) {
	key := WithServerKey(secure.ServerKey{Static: secure.PublicKey{1}})
	for name, opts := range map[string][]Option{
		"a key for the plain transport":   {WithPlaintext(), key},
		"trust in the plain transport":    {WithPlaintext(), WithTrustFirst()},
		"a token for the plain transport": {WithPlaintext(), WithRegistrationToken([]byte("t"))},
		"an empty token":                  {key, WithRegistrationToken(nil)},
		"a token that is too long":        {key, WithRegistrationToken(make([]byte, RegistrationTokenBytesMax+1))},
		"a key that is none":              {WithServerKey(secure.ServerKey{})},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Dial(t.Context(), "127.0.0.1:1", append(opts, WithUser(1))...); !errors.Is(err, ErrConfig) {
				t.Errorf("Dial: %v", err)
			}
		})
	}
	if _, err := Dial(t.Context(), "127.0.0.1:1", WithUser(1), WithOfflineStart()); !errors.Is(err, ErrServerKeyMissing) || !strings.Contains(err.Error(), "WithTrustFirst") {
		t.Errorf("nothing known of the server: %v", err)
	}
}

func TestAServerThatAnswersNothingIsGivenUp(t *testing.T) {
	encrypted(t, func(t *testing.T, f *fake) {
		done := make(chan error, 1)
		go func() {
			_, err := Dial(t.Context(), "fake", WithUser(testUser), f.transport(), WithDialer(f.dial))
			done <- err
		}()
		conn := f.raw()
		start := time.Now()
		if b, err := io.ReadAll(conn); err != nil || len(b) != secure.HeadBytes+96 {
			t.Errorf("the client wrote %d bytes: %v", len(b), err)
		}
		if err := <-done; !errors.Is(err, os.ErrDeadlineExceeded) && !strings.Contains(err.Error(), "deadline") || time.Since(start) != LoginTimeout {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
