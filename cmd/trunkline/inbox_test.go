package main

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"

	"trunkline/client"
)

// Tests of send while messages wait that send does not show.

// fill has a user write messages to another: m1, m2, ...
func fill(t *testing.T, at []string, from, to, messages int) {
	t.Helper()
	c := talk(t, append([]string{"chat", "--user", fmt.Sprint(from), "--to", fmt.Sprint(to)}, at...)...)
	for i := 1; i <= messages; i++ {
		c.say(fmt.Sprint("m", i))
	}
	c.sees(fmt.Sprintf("[sent] m%d\n", messages))
	_ = c.stdin.Close()
	if r := c.wait(); r.code != exitOK {
		t.Fatalf("chat: %+v", r)
	}
}

// inOrder holds lines of recv against m1, m2, ..., each once.
func inOrder(t *testing.T, got []line, messages int) {
	t.Helper()
	for i, l := range got {
		if *l.Text != fmt.Sprint("m", i+1) {
			t.Fatalf("line %d says %q", i+1, *l.Text)
		}
	}
	if len(got) != messages {
		t.Errorf("%d messages, want %d", len(got), messages)
	}
}

const aboveTheWindow = 90 // entries of the sender's own mailbox, before what becomes of its message

func TestSendHearsOfItsMessageBehindAClosedWindow(t *testing.T) {
	for _, place := range []string{"home", "accept"} {
		t.Run(place, func(t *testing.T) {
			s := serve(t, "--place", place, "--loops", "2", "--mailbox-entries", "100")
			at := []string{"--plain", "--server", s.addr, "--state", t.TempDir()}
			fill(t, at, 1002, 1001, aboveTheWindow)
			fill(t, at, 1002, 1003, 100) // full
			send := func(to, wait string) []string {
				return append([]string{"send", "--user", "1001", "--to", to, "--wait", wait, "--timeout", "25s"}, append(at, "hello")...)
			}
			for _, wait := range []string{"server", "server", "delivered"} {
				r := runBinary(t, send("1003", wait)...)
				got := lines(t, r.stdout)
				if r.code != exitFailed || !strings.Contains(r.stderr, "mailbox is full") || len(got) != 1 || got[0].Tick != "rejected" {
					t.Errorf("to a full mailbox, waiting for %s: %+v", wait, r)
				}
			}
			p := talk(t, send("1004", "read")...)
			if r := runBinary(t, append([]string{"recv", "--user", "1004", "--timeout", "25s", "--read"}, at...)...); r.code != exitOK {
				t.Errorf("recv: %+v", r)
			}
			if r := p.wait(); r.code != exitOK || !strings.Contains(r.stdout, `"tick":"read"`) {
				t.Errorf("waiting for read: %+v", r)
			}
			r := runBinary(t, append([]string{"recv", "--user", "1001", "--count", fmt.Sprint(aboveTheWindow)}, at...)...)
			inOrder(t, lines(t, r.stdout), aboveTheWindow)
			r = runBinary(t, append([]string{"recv", "--user", "1001", "--count", "0", "--timeout", "300ms"}, at...)...)
			if r.code != exitOK || r.stdout != "" {
				t.Errorf("shown twice: %+v", r)
			}
		})
	}
}

func TestASendThatIsKilledLosesNothingAndShowsNothingTwice(t *testing.T) {
	const messages = 150
	s := serve(t)
	at := []string{"--plain", "--server", s.addr, "--state", t.TempDir()}
	fill(t, at, 1001, 1002, messages)
	for i := range 12 {
		p := talk(t, append([]string{"send", "--user", "1002", "--to", "1001", "--wait", "read"}, append(at, fmt.Sprint("answer ", i))...)...)
		select { // at whatever point of its work: nobody reads, so it does not end by itself
		case <-p.exited:
			t.Fatalf("send ended: %+v", p.wait())
		case <-time.After(time.Duration(i) * 4 * time.Millisecond):
		}
		p.signal(syscall.SIGKILL)
		p.wait()
	}
	r := runBinary(t, append([]string{"recv", "--user", "1002", "--count", fmt.Sprint(messages)}, at...)...)
	if r.code != exitOK {
		t.Errorf("recv: %+v", r)
	}
	inOrder(t, lines(t, r.stdout), messages)
	r = runBinary(t, append([]string{"recv", "--user", "1002", "--count", "0", "--timeout", "300ms"}, at...)...)
	if r.code != exitOK || r.stdout != "" {
		t.Errorf("shown twice: %+v", r)
	}
}

func TestAChatShowsFirstWhatCameWhileItsUserWasSending(t *testing.T) {
	s := serve(t)
	at := []string{"--plain", "--server", s.addr, "--state", t.TempDir()}
	fill(t, at, 1001, 1002, 3)
	if r := runBinary(t, append([]string{"send", "--user", "1002", "--to", "1003"}, append(at, "x")...)...); r.code != exitOK {
		t.Fatalf("send: %+v", r)
	}
	s.signal(syscall.SIGKILL) // what is in the inbox needs no server
	s.wait()
	c := talk(t, append([]string{"chat", "--user", "1002", "--to", "1001"}, at...)...)
	c.sees("1001: m3")
	c.sees("no connection")
	_ = c.stdin.Close()
	if r := c.wait(); r.code != exitOK || strings.Count(r.stdout, "1001: m") != 3 {
		t.Errorf("chat: %+v", r)
	}
}

func TestATickThatDidNotComeIsExplained(t *testing.T) {
	o := sendOptions{to: 1002, wait: tickFlag(client.TickRead), timeout: time.Second}
	o.user = 1001
	for _, row := range []struct {
		name string
		r    sendResult
		want string
	}{
		{"nothing came", sendResult{}, "not read within 1s; the message stays in the outbox"},
		{"the first tick", sendResult{level: client.TickServer, final: true}, "the server keeps the message for 1002"},
		{"the second tick", sendResult{level: client.TickDelivered, final: true}, "1002 has the message"},
		{"a first tick that may be a rejection", sendResult{level: client.TickServer}, "more waits for 1001 than came within 1s, maybe a rejection"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := o.explain(row.r); !strings.Contains(got, row.want) {
				t.Errorf("%q, want %q", got, row.want)
			}
		})
	}
}
