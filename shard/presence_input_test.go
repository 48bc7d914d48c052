package shard_test

import (
	"testing"

	"trunkline/codec"
	"trunkline/internal/testkit"
	"trunkline/shard"
)

// Somebody who floods the loop with what is fleeting, while two others talk.

// talk has bob and carol exchange messages, and says how many of them are shown.
func (c *crowd) talk(n int) (shown int) {
	bob, carol := c.of["bob"], c.of["carol"]
	for range n {
		bob.Send(carol.User, "x", 0, 0)
		bob.Push(1)
		c.settle()
		carol.Keep(10)
		carol.Ack()
		c.settle()
		bob.Keep(10)
		bob.Ack()
	}
	c.settle()
	return len(carol.Screen)
}

func TestAFloodOfTypingReachesNobody(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		o.Config = func(c *shard.Config) { c.Controls = shard.Rate{PerSecond: 200, Burst: 400} }
		c := newCrowd(t, o, "mallory", "bob", "carol")
		var flood []byte
		for i := range 5_000 {
			flood, _ = codec.AppendTyping(flood, &codec.Typing{Peer: c.user("bob"), State: uint8(i % 3)})
		}
		c.of["mallory"].Say(flood)
		c.settle()
		if n := c.talk(20); n != 20 {
			t.Errorf("%d of 20 messages shown", n)
		}
		c.advance(5_000)
		if n := len(c.of["bob"].Typed); n == 0 || n > 6 {
			t.Errorf("bob has heard it %d times in 5 s", n)
		}
		st := c.w.Stats()
		if taken := st.TypingTold + st.TypingRepeated; taken < 1_300 || taken > 1_500 {
			t.Errorf("%d of 5,000 TYPINGs were read in 5 s at 200/400", taken)
		}
		c.checkQuiet()
	})
}

func TestAMillionSubscriptionsStopAtTheLimit(t *testing.T) {
	const limit = 256
	everywhere(t, func(t *testing.T, o testkit.Options) {
		o.Config = func(c *shard.Config) { c.SubscriptionsMax = limit }
		c := newCrowd(t, o, "mallory", "bob", "carol")
		conn := c.w.Dial() // a client of its own: the kit's keeps the rules
		hello, _ := codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: 777})
		conn.Write(hello)
		c.settle()
		const frames = 1_000_000 / codec.SubscribePeersMax
		refused, user := 0, uint64(10_000)
		for n := range frames {
			v := codec.Subscribe{Op: 1}
			for ; v.N < codec.SubscribePeersMax; v.N++ {
				v.Peers = v.Peers.Append(user)
				user++
			}
			b, err := codec.AppendSubscribe(nil, &v)
			if err != nil {
				t.Fatal(err)
			}
			conn.Write(b)
			if n%500 == 0 {
				c.w.Run()
			}
		}
		c.settle()
		for out := conn.Output(); len(out) > 0; {
			f, used, err := codec.Next(out, codec.FrameBytesMax)
			if err != nil || used == 0 {
				t.Fatal(err)
			}
			if f.Kind == codec.KindError {
				e, err := codec.ParseError(f)
				if err != nil || e.Code != codec.CodeTooMany || e.Ref < 10_000+limit {
					t.Fatalf("%+v, %v", e, err)
				}
				refused++
			}
			out = out[used:]
		}
		st := c.w.Stats()
		if want := frames - limit/codec.SubscribePeersMax; refused != want || st.Subscriptions != limit || st.Watches != limit {
			t.Errorf("%d refused of %d, %d subscriptions, %d watches", refused, frames, st.Subscriptions, st.Watches)
		}
		if n := c.talk(5); n != 5 {
			t.Errorf("%d of 5 messages shown", n)
		}
		conn.Drop()
		c.settle()
		if st := c.w.Stats(); st.Subscriptions != 0 || st.Watches != 0 {
			t.Errorf("behind it are %d subscriptions, %d watches", st.Subscriptions, st.Watches)
		}
		c.checkQuiet()
	})
}

func TestFlappingSubscriptionsAreReadAtTheRateOfControls(t *testing.T) {
	everywhere(t, func(t *testing.T, o testkit.Options) {
		o.Config = func(c *shard.Config) { c.Controls = shard.Rate{PerSecond: 100, Burst: 20} }
		c := newCrowd(t, o, "mallory", "bob", "carol")
		var flood []byte
		for i := range 2_000 {
			v := codec.Subscribe{Op: uint8(i) & 1}
			for ; v.N < codec.SubscribePeersMax; v.N++ {
				v.Peers = v.Peers.Append(uint64(5_000 + int(v.N)))
			}
			flood, _ = codec.AppendSubscribe(flood, &v)
		}
		c.of["mallory"].Say(flood)
		c.settle()
		if n := c.talk(20); n != 20 {
			t.Errorf("%d of 20 messages shown", n)
		}
		c.advance(10_000)
		// 64 users count like nine stanzas: 20 at once and 100 a second make some 113 frames, each second of them answered.
		if n := len(c.of["mallory"].Told) / codec.SubscribePeersMax; n < 50 || n > 60 {
			t.Errorf("%d of 1,000 lists were answered", n)
		}
		c.leave("mallory")
		if st := c.w.Stats(); st.Throttled == 0 || st.Subscriptions != 0 || st.Watches != 0 {
			t.Errorf("throttled %d times; %d subscriptions, %d watches", st.Throttled, st.Subscriptions, st.Watches)
		}
		c.checkQuiet()
	})
}

func TestAFlappingStateIsToldOnceInAWindow(t *testing.T) {
	const seconds = 20
	everywhere(t, func(t *testing.T, o testkit.Options) {
		o.Config = func(c *shard.Config) { c.Controls = shard.Rate{PerSecond: 200, Burst: 200} }
		c := newCrowd(t, o, "mallory", "bob", "carol")
		c.subscribe("bob", "mallory")
		c.subscribe("mallory", "bob")
		var flood []byte
		for i := range 10_000 {
			flood, _ = codec.AppendState(flood, &codec.State{Active: uint8(i) & 1})
		}
		c.of["mallory"].Say(flood)
		c.settle()
		if n := c.talk(20); n != 20 {
			t.Errorf("%d of 20 messages shown", n)
		}
		for range seconds {
			c.advance(1_000)
		}
		if n := len(c.of["bob"].Told); n < 2 || n > 2+seconds*1_000/windowMs {
			t.Errorf("bob was told %d times in %d s", n, seconds)
		}
		c.advance(60_000)
		if p := c.of["bob"].Presence[c.user("mallory")]; p.State != 1 {
			t.Errorf("the last is %+v", p)
		}
		c.checkQuiet()
	})
}

func TestASubscribeOfAFullListFitsASmallBurst(t *testing.T) {
	c := newCrowd(t, testkit.Options{Loops: 1, Seed: 1, Config: func(c *shard.Config) {
		c.Controls = shard.Rate{PerSecond: 1, Burst: 2}
	}}, "bob")
	users := make([]uint64, codec.SubscribePeersMax)
	for i := range users {
		users[i] = uint64(5_000 + i)
	}
	c.of["bob"].Subscribe(users...)
	c.of["bob"].Subscribe(users...)
	c.advance(10_000)
	if n := len(c.of["bob"].Told); n != 2*len(users) {
		t.Errorf("%d answers to two lists of %d", n, len(users))
	}
}
