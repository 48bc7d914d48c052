package shard_test

import (
	"testing"

	"trunkline/codec"
	"trunkline/internal/testkit"
)

// Where a session is not on its mailbox's loop, what the mailbox pushes may have to wait for room on the way. A PONG waits too.
func TestAPongDoesNotOvertakeWhatWaitsForRoom(t *testing.T) {
	const messages = 4
	for _, stay := range []bool{false, true} {
		c := newConversation(t, testkit.Options{Loops: 2, Seed: 1, StayPut: stay, InboxBytesMax: 80_000})
		c.b.Drop()
		c.w.Run()
		for cseq := uint64(1); cseq <= messages; cseq++ {
			parts := codec.Parts(nil).Append(codec.Part{Blob: make([]byte, 50_000)})
			b, err := codec.AppendSend(nil, &codec.Send{Cseq: cseq, To: c.userB, N: 1, Parts: parts})
			if err != nil {
				t.Fatal(err)
			}
			c.a.Write(b)
			c.w.Run()
		}
		for name, pings := range map[string]int{"one PING": 1, "three in a row": 3} {
			for accepting := range 2 {
				got := c.greetAndPing(t, pings)
				if len(got) != 1+messages+pings || got[0] != codec.KindSuccess || got[messages] != codec.KindDeliver || got[1+messages] != codec.KindPong {
					t.Errorf("stay %v, loop %d, %s: got %v, want %d messages before the first PONG", stay, accepting, name, got, messages)
				}
			}
		}
		if st := c.w.Stats(); st.Unexpected != 0 || st.Panics != 0 {
			t.Errorf("stay %v: %+v", stay, st)
		}
	}
}

// greetAndPing logs b in again, with PINGs right behind the HELLO, and returns the kinds of the answers.
func (c *conversation) greetAndPing(t *testing.T, pings int) (kinds []codec.Kind) {
	t.Helper()
	hello, err := codec.AppendHello(nil, &codec.Hello{Version: codec.Version, User: c.userB})
	if err != nil {
		t.Fatal(err)
	}
	for range pings {
		hello = codec.AppendPing(hello)
	}
	conn := c.w.Dial()
	conn.Write(hello)
	c.w.Run()
	for b := conn.Output(); len(b) > 0; {
		f, used, err := codec.Next(b, codec.FrameBytesMax)
		if err != nil || used == 0 {
			t.Fatalf("%d bytes are no frame: %v", len(b), err)
		}
		kinds = append(kinds, f.Kind)
		b = b[used:]
	}
	conn.Drop()
	c.w.Run()
	return kinds
}
