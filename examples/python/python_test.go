package python

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
)

// End-to-end tests: every client and every server is a process of its own, over TCP on loopback.

func TestTheUnitTestsOfTheClientPass(t *testing.T) {
	needPython(t)
	t.Parallel()
	p := start(t, nil, "python3", "-m", "unittest", "-v")
	if code := p.exit(); code != 0 || !strings.Contains(p.errs.String(), "\nOK") {
		t.Errorf("exit status %d: %s%s", code, p.out, p.errs)
	}
}

func TestAllTicksComeFromPythonToPython(t *testing.T) {
	s := serve(t)
	for _, tick := range []string{"server", "delivered", "read"} {
		recv := s.python("1002", "recv", "--timeout", "0", "--read")
		sent := s.python("1001", "send", "--to", "1002", "it", "is", tick, "--wait", tick, "--timeout", "0").done(0)
		got := recv.done(0)
		if len(sent) != 1 || sent[0].Text != "it is "+tick || sent[0].To != 1002 || level(t, sent[0].Tick) < level(t, tick) {
			t.Errorf("send --wait %s printed %+v", tick, sent)
		}
		if len(got) != 1 || got[0].Text != "it is "+tick || got[0].From != 1001 || got[0].ID != sent[0].ID {
			t.Errorf("recv printed %+v", got)
		}
	}
}

// level orders the ticks.
func level(t *testing.T, tick string) int {
	t.Helper()
	for i, name := range []string{"server", "delivered", "read"} {
		if name == tick {
			return i
		}
	}
	t.Fatalf("tick %q", tick)
	return -1
}

func TestPythonAndTheProjectsOwnClientTalk(t *testing.T) {
	s := serve(t)
	for _, row := range []struct {
		name, text string
		kind       uint8
	}{
		{"a short text", "aus der Röhre <&>", 0},
		{"a text of 127 bytes is not compressed", strings.Repeat("a", 127), 0},
		{"a long text is compressed", strings.Repeat("the rain in Spain ", 200), 0x80},
		{"the longest text that leaves room for the head of a copy", strings.Repeat("the rain in Spain ", 3584)[:64_512-17], 0x80},
	} {
		t.Run(row.name, func(t *testing.T) {
			toGo := s.golang("2002", "recv", "--timeout", "0", "--read")
			sent := s.pythonWith(s.state("2001"), row.text, "2001", "send", "--to", "2002", "-", "--wait", "read").done(0)
			if got := toGo.done(0); len(got) != 1 || got[0].Text != row.text || got[0].From != 2001 || got[0].ID != sent[0].ID {
				t.Errorf("from Python to Go: %d lines, %+v", len(got), got)
			}
			toPython := s.python("2001", "recv", "--timeout", "0", "--read")
			back := s.golang("2002", "send", "--to", "2001", "--wait", "read", row.text).done(0)
			got := toPython.done(0)
			if len(got) != 1 || got[0].Text != row.text || got[0].Kind != row.kind || got[0].ID != back[0].ID {
				t.Errorf("from Go to Python: %+v, sent %+v", got, back)
			}
		})
	}
}

// sendLines sends n messages "0", "1", ... by one process, and is their process.
func (s *server) sendLines(user, to string, n int, args ...string) *process {
	s.t.Helper()
	var text strings.Builder
	for i := range n {
		fmt.Fprintln(&text, i)
	}
	return s.pythonWith(s.state(user), text.String(), user, "send", append([]string{"--to", to, "--lines", "-"}, args...)...)
}

// checkRow wants messages of one sender with ids from first on, without a gap, n of them.
func checkRow(t *testing.T, got []line, first uint64, n int) {
	t.Helper()
	if len(got) != n {
		t.Errorf("%d messages instead of %d", len(got), n)
	}
	for i, l := range got {
		if l.ID != first+uint64(i) {
			t.Fatalf("message %d has id %d instead of %d", i, l.ID, first+uint64(i))
		}
	}
}

func TestABacklogBeyondTheWindowWaitsInOrderForWhoWasAway(t *testing.T) {
	s := serve(t)
	checkRow(t, s.sendLines("1001", "1002", 200).done(0), 1, 200)
	half := s.python("1002", "recv", "--count", "77").done(0)
	rest := s.python("1002", "recv", "--count", "123").done(0)
	all := append(half, rest...)
	checkRow(t, all, 1, 200)
	for i, l := range all {
		if l.Text != fmt.Sprint(i) {
			t.Fatalf("message %d says %q", i, l.Text)
		}
	}
	if more := s.python("1002", "recv", "--count", "0", "--timeout", "0.3").done(0); len(more) != 0 {
		t.Errorf("after all was fetched there came %+v", more)
	}
	if last := s.python("1001", "send", "--to", "1002", "one more", "--wait", "server").done(0); last[0].ID != 201 {
		t.Errorf("the message after 200 has id %d", last[0].ID)
	}
}

func TestSendLeavesMessagesForItsUserInTheMailbox(t *testing.T) {
	s := serve(t)
	s.python("1002", "send", "--to", "1001", "for you").done(0)
	s.python("1001", "send", "--to", "1002", "for me").done(0)
	if got := s.python("1001", "recv").done(0); len(got) != 1 || got[0].Text != "for you" {
		t.Errorf("recv printed %+v", got)
	}
}

func TestARecipientKilledBetweenMessagesGoesOnWithoutLossOrDuplicates(t *testing.T) {
	s := serve(t)
	var all []line
	for range 3 {
		recv := s.python("1002", "recv", "--count", "0", "--timeout", "0")
		s.sendLines("1001", "1002", 3, "--wait", "delivered").done(0)
		recv.kill()
		all = append(all, recv.lines()...)
		s.sendLines("1001", "1002", 2).done(0) // while nobody is there
	}
	all = append(all, s.python("1002", "recv", "--count", "2").done(0)...)
	checkRow(t, all, 1, 15)
	if more := s.python("1002", "recv", "--count", "0", "--timeout", "0.3").done(0); len(more) != 0 {
		t.Errorf("after all was fetched there came %+v", more)
	}
}

func TestARecipientKilledInTheMiddleLosesNothingAndRepeatsOnlyWhatWasNotAcknowledged(t *testing.T) {
	s := serve(t)
	s.sendLines("1001", "1002", 400).done(0)
	recv := s.python("1002", "recv", "--count", "0", "--timeout", "0")
	recv.prints(100)
	recv.kill()
	before := recv.lines()
	var kept struct{ Streams map[string][2]uint64 } // the highest id, and bits for those below
	text, err := os.ReadFile(s.state("1002"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &kept); err != nil || len(kept.Streams) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	for _, stream := range kept.Streams {
		last := stream[0]
		if last > uint64(len(before)) {
			t.Fatalf("message %d was acknowledged, %d were printed", last, len(before))
		}
		checkRow(t, before, 1, len(before))
		checkRow(t, s.python("1002", "recv", "--count", fmt.Sprint(400-last)).done(0), last+1, int(400-last))
	}
}

func TestASenderKilledInTheMiddleSendsTheRestLater(t *testing.T) {
	s := serve(t)
	recv := s.python("1002", "recv", "--count", "501", "--timeout", "0")
	send := s.sendLines("1001", "1002", 500)
	recv.prints(70)
	send.kill()
	if l := s.python("1001", "send", "--to", "1002", "last").done(0); l[0].ID != 501 {
		t.Errorf("the message after 500 has id %d", l[0].ID)
	}
	checkRow(t, recv.done(0), 1, 501)
}

func TestAMessageToNobodyIsRejectedAndTheNextOneIsNot(t *testing.T) {
	s := serve(t)
	for _, nobody := range []string{"1000000000000000000", "9223372036854775807"} {
		p := s.python("1001", "send", "--to", nobody, "hello")
		if l := p.done(1); l[0].Tick != "rejected" || !strings.Contains(p.errs.String(), "invalid_receiver") {
			t.Errorf("%+v, %s", l, p.errs)
		}
	}
	if l := s.python("1001", "send", "--to", "1002", "hello").done(0); l[0].ID != 3 || l[0].Tick != "server" {
		t.Errorf("%+v", l)
	}
}

func TestTheSecondLoginOfADeviceTakesThePlaceOfTheFirst(t *testing.T) {
	s := serve(t)
	first := s.python("1002", "recv", "--count", "0", "--timeout", "0")
	s.python("1001", "send", "--to", "1002", "hello", "--wait", "delivered").done(0)
	second := s.pythonWith(s.state("another 1002"), "", "1002", "recv", "--timeout", "0")
	first.done(1)
	if !strings.Contains(first.errs.String(), "replaced (68") {
		t.Errorf("the first says %s", first.errs)
	}
	s.python("1001", "send", "--to", "1002", "anybody there?").done(0)
	if got := second.done(0); got[0].ID != 2 {
		t.Errorf("the second got %+v", got)
	}
	again := s.python("1002", "recv")
	again.done(1)
	if !strings.Contains(again.errs.String(), "generation_stale (69") {
		t.Errorf("the first, again, says %s", again.errs)
	}
}

func TestAServerThatLostItsDataGetsWhatItHadNotTaken(t *testing.T) {
	s := serve(t)
	recv := s.python("1002", "recv", "--count", "0", "--timeout", "0")
	s.python("1001", "send", "--to", "1002", "one", "--wait", "delivered").done(0)
	s.stop()
	s.python("1001", "send", "--to", "1002", "two", "--timeout", "0.3").done(3)
	untold := s.state("1001, who does not know that two was taken")
	copyFile(t, s.state("1001"), untold)
	s.restart()
	l := s.python("1001", "send", "--to", "1002", "three", "--wait", "delivered").done(0)
	if got := recv.prints(3); got[2].Text != "three" || got[1].Text != "two" || got[2].ID != l[0].ID {
		t.Errorf("after the first restart: %+v", got)
	}
	s.stop()
	s.restart()
	s.pythonWith(untold, "", "1001", "send", "--to", "1003", "elsewhere").done(0)
	s.python("1004", "send", "--to", "1002", "end", "--wait", "delivered").done(0)
	got := recv.prints(4)
	checkRow(t, got[:3], 1, 3)
	if len(got) != 4 || got[3].Text != "end" || got[3].From != 1004 {
		t.Errorf("two came again under another seq: %+v", got)
	}
	recv.signal(syscall.SIGINT)
	recv.done(130)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
