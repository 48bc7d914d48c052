package testkit

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"trunkline/codec"
)

// A scenario file is a comment with its goal, then commands, each followed by what it led to, indented by two spaces. The
// output of a command is everything that clients were told until nothing moved any more, by client:
//
//	# Two people log in.
//	world loops=2
//	user alice 0
//	connect a
//	hello a alice
//	  a < SUCCESS incarnation=7 ...
//
// Four or more frames of a kind in a row are told by the first and the last. See scriptCommands for the commands.

// RunScript runs a scenario and holds its output against the file, or with update rewrites the file. place is "home" or
// "accept": where sessions stay; a script whose world says place=home is run there only.
func RunScript(t *testing.T, file, place string, update bool) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{t: t, place: place, users: map[string]uint64{}, conns: map[string]*scriptConn{}, devices: map[deviceName]*deviceState{}}
	s.describer = describer{names: map[uint64]string{}, nowMs: func() int64 { return s.w.Now }}
	s.options = Options{Loops: 2, Seed: 1, StayPut: place == "accept"}
	want := string(b)
	got := s.run(want)
	switch {
	case s.skipped:
		t.Skipf("%s says place=%s", file, s.only)
	case got == want:
	case update && place == "home":
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	default:
		t.Errorf("%s: with place=%s the outcome is another one:\n%s", file, place, firstDifference(want, got))
	}
}

type script struct {
	t         *testing.T
	describer describer
	place     string
	only      string
	skipped   bool
	holding   bool
	options   Options
	w         *World
	users     map[string]uint64
	conns     map[string]*scriptConn
	devices   map[deviceName]*deviceState
}

// scriptConn is a connection by name and what its client would know.
type scriptConn struct {
	name   string
	conn   *Conn
	buf    []byte
	device *deviceState
	told   bool // that it is closed
}

type deviceName struct {
	user   uint64
	device uint8
}

// deviceState is what a client keeps for "resume" and "ack C last".
type deviceState struct {
	gen         uint16
	incarnation uint64
	seen        uint64 // the highest seq that came
	kept        uint64 // the highest seq that was acknowledged
	ticked      uint64
}

func (s *script) run(text string) string {
	var out strings.Builder
	commands := scriptCommands()
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "  ") {
			continue // output of another time
		}
		out.WriteString(line)
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		fields := strings.Fields(line)
		if s.w == nil && fields[0] != "world" {
			s.world(nil)
		}
		command, ok := commands[fields[0]]
		if !ok {
			s.t.Fatalf("no command %q", line)
		}
		for _, said := range command(s, fields[1:]) {
			fmt.Fprintf(&out, "  %s\n", said)
		}
		if s.skipped {
			return ""
		}
		if s.w != nil && !s.holding {
			s.w.Run()
			for _, said := range s.collect() {
				fmt.Fprintf(&out, "  %s\n", said)
			}
		}
	}
	return out.String()
}

// collect says what each client was told since.
func (s *script) collect() (said []string) {
	names := make([]string, 0, len(s.conns))
	for name := range s.conns {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		c := s.conns[name]
		said = append(said, shorten(s.frames(c))...)
		if c.conn.closed && !c.told {
			c.told = true
			said = append(said, fmt.Sprintf("%s closed", name))
		}
	}
	return said
}

// frames says what one client was told, and keeps what a client keeps.
func (s *script) frames(c *scriptConn) (said []string) {
	c.buf = append(c.buf, c.conn.Output()...)
	for {
		f, used, err := codec.Next(c.buf, codec.FrameBytesMax)
		if err != nil {
			s.t.Fatalf("the server wrote %x to %s: %v", c.buf, c.name, err)
		}
		if used == 0 {
			return said
		}
		c.keep(f)
		said = append(said, fmt.Sprintf("%s < %s", c.name, s.describer.frame(f)))
		c.buf = c.buf[used:]
	}
}

func (c *scriptConn) keep(f codec.Frame) {
	if c.device == nil {
		return
	}
	switch f.Kind {
	case codec.KindSuccess:
		v, _ := codec.ParseSuccess(f)
		if v.Incarnation != c.device.incarnation {
			c.device.seen, c.device.kept = 0, 0
		}
		c.device.gen, c.device.incarnation = v.Gen, v.Incarnation
	case codec.KindDeliver:
		v, _ := codec.ParseDeliver(f)
		c.device.seen = max(c.device.seen, v.Seq)
	case codec.KindReceipt:
		v, _ := codec.ParseReceipt(f)
		c.device.seen = max(c.device.seen, v.Seq)
	case codec.KindAck:
		v, _ := codec.ParseTick(f)
		c.device.ticked = v.UpHigh
	}
}

// shorten leaves out the middle of long runs of one kind.
func shorten(said []string) (short []string) {
	kind := func(line string) string { return strings.Join(strings.Fields(line)[:3], " ") }
	for i := 0; i < len(said); {
		j := i
		for j < len(said) && kind(said[j]) == kind(said[i]) {
			j++
		}
		if j-i < 4 {
			short = append(short, said[i:j]...)
		} else {
			short = append(short, said[i], fmt.Sprintf("  ... %d more", j-i-2), said[j-1])
		}
		i = j
	}
	return short
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range max(len(w), len(g)) {
		if i >= len(w) || i >= len(g) || w[i] != g[i] {
			from := max(i-3, 0)
			return fmt.Sprintf("line %d\nwant:\n%s\ngot:\n%s", i+1, strings.Join(w[from:min(i+8, len(w))], "\n"),
				strings.Join(g[from:min(i+8, len(g))], "\n"))
		}
	}
	return "none"
}
