//go:build linux || ((freebsd || darwin) && (amd64 || arm64))

package netpoll

import (
	"fmt"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// tapeFlags are the flags that a tape names, in the order it names them.
var tapeFlags = []struct {
	name string
	bit  uint16
}{
	{"ADD", evAdd}, {"DELETE", evDelete}, {"ONESHOT", evOneshot}, {"CLEAR", evClear}, {"RECEIPT", evReceipt},
	{"ERROR", evError}, {"EOF", evEOF},
}

// tapeErrnos are the errors that a tape names: their numbers are not the same everywhere.
var tapeErrnos = []unix.Errno{0, unix.EBADF, unix.ENOENT, unix.EINVAL, unix.ENOMEM, unix.EINTR, unix.ECONNRESET}

func tapeErrno(t *testing.T, name string) unix.Errno {
	t.Helper()
	for _, e := range tapeErrnos {
		if errnoText(e) == name {
			return e
		}
	}
	t.Fatalf("no error %q", name)
	return 0
}

func errnoText(e unix.Errno) string {
	if e == 0 {
		return "none"
	}
	return unix.ErrnoName(e)
}

// tapeMany is how many changes of one call a tape spells out.
const tapeMany = 8

func (s *kqueueStage) writeChanges(changes []kevent) {
	if len(changes) > tapeMany {
		fmt.Fprintf(&s.out, "\tchanges %d\n", len(changes))
		return
	}
	for i := range changes {
		s.out.WriteString("\tchange " + s.head(&changes[i]))
		if changes[i].Fflags == noteTrigger {
			s.out.WriteString(" TRIGGER")
		}
		fmt.Fprintf(&s.out, " tag=%d\n", changes[i].Udata)
	}
}

// head is the socket, the filter and the flags.
func (s *kqueueStage) head(ev *kevent) string {
	var b strings.Builder
	b.WriteString(s.name(ev.Ident, ev.Filter))
	b.WriteString(map[int16]string{filterRead: " READ", filterWrite: " WRITE", filterUser: " USER"}[ev.Filter])
	for _, f := range tapeFlags {
		if ev.Flags&f.bit != 0 {
			b.WriteString(" " + f.name)
			ev.Flags &^= f.bit
		}
	}
	if ev.Flags != 0 {
		fmt.Fprintf(&b, " %#x", ev.Flags)
	}
	return b.String()
}

// name is the first name that was given to a number.
func (s *kqueueStage) name(ident uint64, filter int16) string {
	switch {
	case filter == filterUser && ident == kqueueBell:
		return "bell"
	case filter == filterUser || ident == 0 || ident == kqueueBell:
		return fmt.Sprintf("%#x", ident)
	}
	for _, name := range []string{"a", "b", "c", "d", "e", "f", "l", "m", "x", "y", "z", "queue"} {
		if s.has(name) && s.fd(name) == int(ident) {
			return name
		}
	}
	return "unknown"
}

func (s *kqueueStage) has(name string) bool {
	if s.world != nil {
		return s.world.number(name) >= 0
	}
	_, ok := s.numbers[name]
	return ok || name == "queue"
}

// writeEvent writes one answer down; how much room there is depends on the system's settings and is left out.
func (s *kqueueStage) writeEvent(ev *kevent) {
	copied := *ev
	s.out.WriteString("\tevent " + s.head(&copied))
	switch {
	case ev.Flags&evError != 0:
		fmt.Fprintf(&s.out, " errno=%s", errnoText(unix.Errno(ev.Data)))
	case ev.Filter == filterRead:
		fmt.Fprintf(&s.out, " data=%d", ev.Data)
	case ev.Filter == filterWrite && ev.Data > 0:
		s.out.WriteString(" room")
	}
	if ev.Flags&evEOF != 0 {
		fmt.Fprintf(&s.out, " errno=%s", errnoText(unix.Errno(ev.Fflags)))
	}
	fmt.Fprintf(&s.out, " tag=%d\n", ev.Udata)
}

// parseEvent is the other direction.
func (s *kqueueStage) parseEvent(f []string) (ev kevent) {
	switch {
	case f[0] == "bell":
		ev.Ident = kqueueBell
	case f[1] == "USER":
		ev.Ident = s.tag(f[0])
	default:
		ev.Ident = uint64(s.fd(f[0]))
	}
	ev.Filter = map[string]int16{"READ": filterRead, "WRITE": filterWrite, "USER": filterUser}[f[1]]
	for _, word := range f[2:] {
		s.parseWord(&ev, word)
	}
	return ev
}

func (s *kqueueStage) parseWord(ev *kevent, word string) {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "room":
		ev.Data = 1
	case "data":
		ev.Data = int64(s.tag(value))
	case "tag":
		ev.Udata = s.tag(value)
	case "errno":
		if ev.Flags&evError != 0 {
			ev.Data = int64(tapeErrno(s.t, value))
		} else {
			ev.Fflags = uint32(tapeErrno(s.t, value))
		}
	}
	for _, flag := range tapeFlags {
		if flag.name == word {
			ev.Flags |= flag.bit
		}
	}
}

func eventsText(ev Events) string {
	var words []string
	for i, name := range []string{"read", "write", "hangup", "refused"} {
		if ev&(1<<i) != 0 {
			words = append(words, name)
		}
	}
	return strings.Join(words, " ")
}

// tapeDiff is the first place where two tapes differ, with what is before it.
func tapeDiff(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	i := 0
	for i < len(w) && i < len(g) && w[i] == g[i] {
		i++
	}
	from := max(i-6, 0)
	return fmt.Sprintf("line %d, want:\n%s\ngot:\n%s", i+1,
		strings.Join(w[from:min(i+6, len(w))], "\n"), strings.Join(g[from:min(i+6, len(g))], "\n"))
}
