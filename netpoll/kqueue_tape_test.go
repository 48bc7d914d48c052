//go:build linux || ((freebsd || darwin) && (amd64 || arm64))

package netpoll

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A tape is a script of what an application does to sockets and to the kqueue poller, with what the kernel was asked, what it
// answered and what the poller reported. Commands begin at the margin; a tab begins what came of them:
//
//	pair a b                 a TCP connection            close a      with Drop before, as the loop does
//	listen l / connect c l   a listener, a client of it  abandon a    close(2) alone
//	accept x l               takes one of the backlog    take d a     d gets a's number (or a plain one), which is closed if it is open
//	write b 5 / read a       bytes                       closed x     a number that is not open
//	fill a / drain b         until EAGAIN                settle a 5 eof   waits until the kernel holds 5 bytes and the end for a
//	shutdown b / reset b     FIN, RST                    add, want, remove a 7   calls of Poller, 7 is the tag
//	turn                     one poll and its reports    wake         rings as for a sleeping loop
//	when 7: close c, ...     what the handler does at the next report of tag 7
//	user 0 ADD CLEAR         a change of an EVFILT_USER event of the script's own
//
// Where FreeBSD's kernel is, the script is run against it and must give the same text (go test -run KqueueTapes -update writes it
// anew). Elsewhere its answers are played to the poller, which must ask and report the same. A tape with "played" as its first command
// holds what no kernel does on command; its answers are from kevent(2), and it is always played.
var update = flag.Bool("update", false, "write the tapes of testdata/kqueue anew from this kernel")

func TestKqueueTapes(t *testing.T) {
	files, err := filepath.Glob("testdata/kqueue/*.txt")
	must(t, err)
	if len(files) < 10 {
		t.Fatalf("only %d tapes", len(files))
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			must(t, err)
			want := string(text)
			s := &kqueueStage{t: t, world: openKqueueWorld(t, want), numbers: map[string]int{}, calls: tapeCalls(t, want)}
			if got := s.play(want); got != want {
				if s.world != nil && *update {
					must(t, os.WriteFile(file, []byte(got), 0o644))
				}
				t.Errorf("not as on the tape:\n%s", tapeDiff(want, got))
			}
		})
	}
}

// kqueueWorld makes the commands about sockets happen; nil: they only have invented numbers.
type kqueueWorld interface {
	kqueueKernel
	do(cmd []string)        // what a tape says about sockets
	number(name string) int // of a socket
}

// kqueueStage runs one tape. It stands between the poller and its kernel and writes down what passes.
type kqueueStage struct {
	t       *testing.T
	world   kqueueWorld
	numbers map[string]int // invented ones
	invent  int
	calls   []tapeCall // what the tape answers, in order
	p       *kqueuePoller
	out     strings.Builder
	when    map[uint64][]string
	mute    bool // the opening of the poller is not on the tape
}

// tapeCall is what one kevent call answers.
type tapeCall struct {
	events []string
	err    error
}

// tapeCalls finds the answers on a tape.
func tapeCalls(t *testing.T, text string) (calls []tapeCall) {
	t.Helper()
	for line := range strings.Lines(text) {
		f := strings.Fields(line)
		if len(f) == 0 || line[0] != '\t' {
			continue
		}
		switch {
		case f[0] == "kevent" && len(f) > 1:
			calls = append(calls, tapeCall{err: tapeErrno(t, f[1])})
		case f[0] == "kevent":
			calls = append(calls, tapeCall{})
		case f[0] == "event":
			calls[len(calls)-1].events = append(calls[len(calls)-1].events, line)
		}
	}
	return calls
}

// play runs the commands and returns the tape as it came out.
func (s *kqueueStage) play(text string) string {
	s.when = map[uint64][]string{}
	s.mute = true
	p, err := newKqueuePoller(s)
	must(s.t, err)
	s.mute = false
	s.p = p.(*kqueuePoller)
	defer func() { must(s.t, p.Close()) }()
	for line := range strings.Lines(text) {
		if line[0] == '\t' {
			continue
		}
		s.out.WriteString(line)
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			s.run(line)
		}
	}
	return s.out.String()
}

// run does one command.
func (s *kqueueStage) run(line string) {
	f := strings.Fields(line)
	switch f[0] {
	case "played":
	case "add":
		s.say(s.p.Add(s.fd(f[1]), s.tag(f[2])))
	case "want":
		s.say(s.p.WantWrite(s.fd(f[1]), s.tag(f[2])))
	case "remove":
		s.say(s.p.Remove(s.fd(f[1])))
	case "crowd": // as many changes as it says, all for one socket
		for range s.tag(f[2]) {
			s.say(s.p.WantWrite(s.fd(f[1]), 1))
		}
	case "wake":
		s.p.sleep()
		s.say(s.p.Wake())
	case "turn":
		s.turn()
	case "when":
		at := strings.TrimSuffix(f[1], ":")
		s.when[s.tag(at)] = strings.Split(strings.SplitN(line, ":", 2)[1], ",")
	case "user":
		s.user(f)
	case "close":
		s.p.Drop(s.fd(f[1]))
		s.socket(f)
	default:
		s.socket(f)
	}
}

// say writes an error down.
func (s *kqueueStage) say(err error) {
	var errno unix.Errno
	if errors.As(err, &errno) {
		fmt.Fprintf(&s.out, "\t= %s\n", unix.ErrnoName(errno))
	} else {
		must(s.t, err)
	}
}

// turn is a turn of Run that never sleeps.
func (s *kqueueStage) turn() {
	n, err := s.p.wait(PollAgain)
	if err != nil && err != unix.EINTR {
		s.t.Errorf("poll: %v", err)
	}
	s.p.rise()
	for i := range s.p.events[:max(n, 0)] {
		s.p.deliver(s, &s.p.events[i])
	}
}

// OnEvent writes a report down and does what the tape wants done at it.
func (s *kqueueStage) OnEvent(tag uint64, ev Events) {
	fmt.Fprintf(&s.out, "\treport %d %s\n", tag, eventsText(ev))
	todo := s.when[tag]
	delete(s.when, tag)
	for _, line := range todo {
		s.run(strings.TrimSpace(line))
	}
}

func (s *kqueueStage) OnBatch() Next { return PollAgain }

// user is a change of a user event that is not the poller's.
func (s *kqueueStage) user(f []string) {
	ev := kevent{Ident: s.tag(f[1]), Filter: filterUser, Udata: 900}
	for _, word := range f[2:] {
		ev.Flags |= map[string]uint16{"ADD": evAdd, "CLEAR": evClear}[word]
		if word == "TRIGGER" {
			ev.Fflags = noteTrigger
		}
	}
	_, err := s.kevent([]kevent{ev}, nil, false)
	s.say(err)
}

// socket is a command about sockets; without a world only the numbers are kept.
func (s *kqueueStage) socket(f []string) {
	if s.world != nil {
		s.world.do(f)
		return
	}
	switch f[0] {
	case "pair", "listen", "connect", "accept", "closed":
		for _, name := range f[1:] {
			if _, ok := s.numbers[name]; !ok {
				s.invent++
				s.numbers[name] = 1000 + s.invent
			}
		}
	case "take":
		s.numbers[f[1]] = s.fd(f[2])
	}
}

// fd is the number behind a name.
func (s *kqueueStage) fd(name string) int {
	if n, err := strconv.ParseInt(name, 0, 32); err == nil {
		return int(n)
	}
	if s.world != nil {
		return s.world.number(name)
	}
	n, ok := s.numbers[name]
	if name == "queue" {
		n, ok = 999, true
	}
	if !ok {
		s.t.Fatalf("no socket %q", name)
	}
	return n
}

func (s *kqueueStage) tag(word string) uint64 {
	n, err := strconv.ParseUint(word, 0, 64)
	must(s.t, err)
	return n
}

// kevent passes a call on to the world, or answers from the tape, and writes it down.
func (s *kqueueStage) kevent(changes, events []kevent, wait bool) (n int, err error) {
	if s.mute {
		if s.world != nil {
			return s.world.kevent(changes, events, wait)
		}
		return 0, nil
	}
	asked := slices.Clone(changes)
	if s.world != nil {
		for n, err = s.world.kevent(changes, events, wait); err == unix.EINTR; { // it has made the changes
			n, err = s.world.kevent(nil, events, wait)
		}
		slices.SortStableFunc(events[:max(n, 0)], func(a, b kevent) int { return int(a.Udata) - int(b.Udata) })
	} else {
		n, err = s.answer(asked, events)
	}
	s.out.WriteString("\tkevent")
	if err != nil {
		fmt.Fprintf(&s.out, " %s", unix.ErrnoName(err.(unix.Errno)))
	}
	s.out.WriteString("\n")
	s.writeChanges(asked)
	for i := range events[:max(n, 0)] {
		s.writeEvent(&events[i])
	}
	return n, err
}

// answer is the tape's next answer.
func (s *kqueueStage) answer(asked, events []kevent) (int, error) {
	if len(s.calls) == 0 {
		s.t.Errorf("one call more than on the tape: %+v", asked)
		return 0, nil
	}
	call := s.calls[0]
	s.calls = s.calls[1:]
	for i, line := range call.events {
		events[i] = s.parseEvent(strings.Fields(line)[1:])
	}
	return len(call.events), call.err
}

func (s *kqueueStage) close() error {
	if s.world != nil {
		return s.world.close()
	}
	if len(s.calls) > 0 {
		s.t.Errorf("%d calls of the tape were not made", len(s.calls))
	}
	return nil
}
