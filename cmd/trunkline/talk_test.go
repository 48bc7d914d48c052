package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// End-to-end tests of send, recv and chat: every process is the program itself, over TCP on loopback.

// line is a line of JSON of send or recv.
type line struct {
	ID   uint64
	From uint64
	To   uint64
	Text *string
	Data string
	Tick string
	TS   int64
}

// lines reads JSON lines; the last one may be cut off by a kill and is then left out.
func lines(t *testing.T, out string) []line {
	t.Helper()
	var list []line
	for len(out) > 0 {
		text, rest, whole := strings.Cut(out, "\n")
		if !whole {
			break
		}
		var l line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		list = append(list, l)
		out = rest
	}
	return list
}

// talker is one process of send, recv or chat.
type talker struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    *output
	errs   *output
	exited chan struct{}
}

// talk starts one. It is killed when the test ends, if it still runs.
func talk(t *testing.T, args ...string) *talker {
	t.Helper()
	p := &talker{t: t, cmd: exec.Command(binary, args...), out: &output{}, errs: &output{}, exited: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.errs
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { defer close(p.exited); _ = p.cmd.Wait() }() // ended by the process; its code is read by wait
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.exited })
	return p
}

func (p *talker) say(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.stdin, text+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// sees waits for text in what the process printed.
func (p *talker) sees(text string) {
	p.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(patience)
	for !strings.Contains(p.out.String(), text) {
		select {
		case <-tick.C:
		case <-deadline:
			p.t.Fatalf("waited %v for %q:\n%s%s", patience, text, p.out, p.errs)
		}
	}
}

func (p *talker) signal(sig os.Signal) {
	p.t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		p.t.Fatal(err)
	}
}

// wait is how it ended.
func (p *talker) wait() result {
	p.t.Helper()
	select {
	case <-p.exited:
		return result{p.cmd.ProcessState.ExitCode(), p.out.String(), p.errs.String()}
	case <-time.After(patience):
		p.t.Fatalf("does not end: %s%s", p.out, p.errs)
		return result{}
	}
}

func TestSendAndRecvTellTheSameStory(t *testing.T) {
	s := serve(t)
	at := []string{"--plain", "--server", s.addr, "--state", t.TempDir()}
	before := time.Now().Unix()
	r := runBinary(t, append([]string{"send", "--user", "1001", "--to", "1002"}, append(at, "two", "words")...)...)
	got := lines(t, r.stdout)
	if r.code != exitOK || r.stderr != "" || len(got) != 1 {
		t.Fatalf("send: %+v", r)
	}
	if l := got[0]; l.ID != 1 || l.From != 1001 || l.To != 1002 || *l.Text != "two words" || l.Tick != "server" || l.TS < before {
		t.Errorf("send printed %s", r.stdout)
	}
	words := talk(t, append([]string{"send", "--user", "1001", "--to", "1002"}, append(at, "-")...)...)
	words.say("aus der Röhre <&>")
	_ = words.stdin.Close()
	raw := talk(t, append([]string{"send", "--user", "1003", "--to", "1002"}, append(at, "-")...)...)
	_, _ = raw.stdin.Write([]byte{0xff, 0x00, '\n'})
	_ = raw.stdin.Close()
	if a, b := words.wait(), raw.wait(); a.code != exitOK || b.code != exitOK {
		t.Fatalf("send -: %+v %+v", a, b)
	}
	r = runBinary(t, append([]string{"recv", "--user", "1002", "--count", "3"}, at...)...)
	got = lines(t, r.stdout)
	if r.code != exitOK || r.stderr != "" || len(got) != 3 {
		t.Fatalf("recv: %+v", r)
	}
	if l := got[0]; l.ID != 1 || l.From != 1001 || l.To != 1002 || *l.Text != "two words" || l.TS < before {
		t.Errorf("recv printed %s", r.stdout)
	}
	seen := r.stdout
	if !strings.Contains(seen, `"text":"aus der Röhre <&>"`) || !strings.Contains(seen, `"data":"/wAK"`) {
		t.Errorf("recv printed %s", seen)
	}
	r = runBinary(t, append([]string{"recv", "--user", "1002", "--timeout", "300ms"}, at...)...)
	if r.code != exitTimeout || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 {
		t.Errorf("everything was acknowledged, but recv: %+v", r)
	}
	r = runBinary(t, append([]string{"recv", "--user", "1002", "--timeout", "300ms", "--count", "0"}, at...)...)
	if r.code != exitOK || r.stdout != "" || r.stderr != "" {
		t.Errorf("recv that waits for nothing: %+v", r)
	}
}

func TestSendWaitsForTheTickItWasAskedFor(t *testing.T) {
	s := serve(t)
	at := []string{"--plain", "--server", s.addr, "--state", t.TempDir()}
	send := func(wait, timeout string) []string {
		return append([]string{"send", "--user", "1001", "--to", "1002", "--wait", wait, "--timeout", timeout}, append(at, "hello")...)
	}
	r := runBinary(t, send("delivered", "300ms")...)
	if r.code != exitTimeout || !strings.Contains(r.stderr, "not delivered within 300ms; the server keeps the message for 1002") {
		t.Errorf("nobody fetches, send: %+v", r)
	}
	if got := lines(t, r.stdout); len(got) != 1 || got[0].Tick != "server" {
		t.Errorf("send printed %s", r.stdout)
	}
	for _, row := range []struct{ wait, read string }{{"delivered", "--read=false"}, {"read", "--read"}} {
		p := talk(t, send(row.wait, "25s")...)
		q := runBinary(t, append([]string{"recv", "--user", "1002", "--count", "1", "--timeout", "25s", row.read}, at...)...)
		if row.wait == "delivered" { // the one from above, then this one
			q = runBinary(t, append([]string{"recv", "--user", "1002", "--count", "1", "--timeout", "25s", row.read}, at...)...)
		}
		r := p.wait()
		if got := lines(t, r.stdout); r.code != exitOK || q.code != exitOK || len(got) != 1 || got[0].Tick != row.wait {
			t.Errorf("--wait %s: %+v, recv %+v", row.wait, r, q)
		}
	}
}

func TestNothingIsLostWhenRecvIsKilled(t *testing.T) {
	const messages = 150 // more than two windows
	s := serve(t)
	at := []string{"--plain", "--server", s.addr, "--state", t.TempDir()}
	c := talk(t, append([]string{"chat", "--user", "1001", "--to", "1002"}, at...)...)
	for i := 1; i <= messages; i++ {
		c.say(fmt.Sprint("m", i))
	}
	_ = c.stdin.Close()
	if r := c.wait(); r.code != exitOK {
		t.Fatalf("chat: %+v", r)
	}
	var all []line
	for run := 0; len(all) == 0 || all[len(all)-1].ID != messages; run++ {
		if run > 100 {
			t.Fatalf("%d lines after 100 runs", len(all))
		}
		p := talk(t, append([]string{"recv", "--user", "1002", "--count", "0", "--timeout", "20s"}, at...)...)
		p.sees("\n") // at least one line, so that the runs come to an end
		p.signal(syscall.SIGKILL)
		all = append(all, lines(t, p.wait().stdout)...)
	}
	next := uint64(1)
	for _, l := range all {
		if l.ID > next {
			t.Fatalf("message %d is missing", next)
		}
		if *l.Text != fmt.Sprint("m", l.ID) {
			t.Errorf("message %d says %q", l.ID, *l.Text)
		}
		next = max(next, l.ID+1)
	}
	t.Logf("%d lines for %d messages", len(all), messages)
}

func TestWrongUseOfTalkingIsOneLine(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	for _, row := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"nobody sends", []string{"send", "--to", "2", "x"}, exitUsage, "--user says who you are"},
		{"to nobody", []string{"send", "--user", "1", "x"}, exitUsage, "--to or --group says whom to send to"},
		{"no text", []string{"send", "--user", "1", "--to", "2"}, exitUsage, "there is no text"},
		{"an empty text", []string{"send", "--user", "1", "--to", "2", ""}, exitUsage, "there is no text"},
		{"an empty text from a pipe", []string{"send", "--user", "1", "--to", "2", "-"}, exitFailed, "there is no text"},
		{"a user that is no number", []string{"send", "--user", "bob", "--to", "2", "x"}, exitUsage, `--user: "bob": a user is a number`},
		{"a user of 19 digits", []string{"recv", "--user", "1000000000000000000"}, exitUsage, "up to 18 digits"},
		{"a device that is none", []string{"recv", "--user", "1", "--device", "254"}, exitUsage, "from 0 to 253"},
		{"a tick that is none", []string{"send", "--user", "1", "--to", "2", "--wait", "blue", "x"}, exitUsage, "server, delivered or read"},
		{"a flag behind the text", []string{"send", "--user", "1", "--to", "2", "x", "--wait", "read"}, exitUsage, "--wait stands behind the text"},
		{"a timeout below zero", []string{"recv", "--user", "1", "--timeout", "-1s"}, exitUsage, "negative"},
		{"a count below zero", []string{"recv", "--user", "1", "--count", "-1"}, exitUsage, "negative"},
		{"a word too many", []string{"recv", "--user", "1", "now"}, exitUsage, `"now" is not a flag`},
		{"a server without a port", []string{"chat", "--user", "1", "--to", "2", "--server", "localhost"}, exitUsage, "is not host:port"},
		{"a chat with nobody", []string{"chat", "--user", "1"}, exitUsage, "--to says whom to talk to"},
		{"a server that is not there", []string{"send", "--user", "1", "--to", "2", "--plain", "--server", "127.0.0.1:1", "--state", state, "x"}, exitFailed, "connection refused"},
		{"a state that is a file", []string{"recv", "--user", "1", "--state", binary}, exitFailed, "not a directory"},
	} {
		t.Run(row.name, func(t *testing.T) {
			r := runBinary(t, row.args...)
			if r.code != row.code || r.stdout != "" || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, row.want) {
				t.Errorf("exit %d, stdout %q, stderr %q; want %d and one line with %q", r.code, r.stdout, r.stderr, row.code, row.want)
			}
		})
	}
	for _, name := range []string{"send", "recv", "chat"} {
		if r := runBinary(t, name, "--help"); r.code != exitOK || r.stderr != "" || !strings.Contains(r.stdout, "--state folder") {
			t.Errorf("%s --help: %+v", name, r)
		}
	}
}

func TestWhatLooksLikeAFlagCanBeSent(t *testing.T) {
	s := serve(t)
	r := runBinary(t, "send", "--user", "1", "--to", "2", "--plain", "--server", s.addr, "--state", t.TempDir(), "--", "--wait", "read")
	if got := lines(t, r.stdout); r.code != exitOK || len(got) != 1 || *got[0].Text != "--wait read" {
		t.Errorf("%+v", r)
	}
}

func TestAStateInUseAndAReplacedClientSaySo(t *testing.T) {
	s := serve(t)
	dir := t.TempDir()
	at := []string{"--plain", "--server", s.addr, "--state", dir}
	p := talk(t, append([]string{"chat", "--user", "1001", "--to", "1002"}, at...)...)
	p.sees("connected")
	r := runBinary(t, append([]string{"recv", "--user", "1001"}, at...)...)
	if r.code != exitFailed || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "state is in use: "+dir) {
		t.Errorf("a second process: %+v", r)
	}
	r = runBinary(t, append([]string{"send", "--user", "1001", "--to", "1002", "--device", "1"}, append(at, "from another device")...)...)
	if r.code != exitOK {
		t.Errorf("another device: %+v", r)
	}
	other := talk(t, "chat", "--user", "1001", "--to", "1002", "--plain", "--server", s.addr, "--state", t.TempDir())
	other.sees("connected")
	if r := p.wait(); r.code != exitFailed || strings.Count(r.stderr, "\n") != 1 || !strings.Contains(r.stderr, "another client logged in as this device") {
		t.Errorf("replaced: %+v", r)
	}
	r = runBinary(t, append([]string{"recv", "--user", "1001"}, at...)...)
	if r.code != exitFailed || !strings.Contains(r.stderr, "registered again since") {
		t.Errorf("a state of an older registration: %+v", r)
	}
}

func TestAChatShowsTicksAndPresenceInWords(t *testing.T) {
	s := serve(t)
	at := []string{"--plain", "--server", s.addr, "--state", t.TempDir()}
	a := talk(t, append([]string{"chat", "--user", "1001", "--to", "1002"}, at...)...)
	a.sees("connected")
	a.sees("1002 is away")
	a.say("are you there?")
	a.sees("1001: are you there?")
	a.sees("[sent] are you there?")
	b := talk(t, append([]string{"chat", "--user", "1002", "--to", "1001"}, at...)...)
	b.sees("1001: are you there?")
	b.sees("1001 is online")
	a.sees("1002 is online")
	a.sees("[read] are you there?")
	b.say("\x1b[2Jyes")
	a.sees("1002: \uFFFD[2Jyes")
	b.signal(os.Interrupt)
	if r := b.wait(); r.code != exitOK || r.stderr != "" {
		t.Errorf("Ctrl-C: %+v", r)
	}
	a.sees("1002 is away, last seen ")
	_ = a.stdin.Close()
	if r := a.wait(); r.code != exitOK || r.stderr != "" {
		t.Errorf("Ctrl-D: %+v", r)
	}
}

func TestTheNamesOfLoopbackShareOneState(t *testing.T) {
	s := serve(t)
	_, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for i, addr := range []string{s.addr, "localhost:" + port, "LOCALHOST:" + port, ":" + port, s.addr} {
		r := runBinary(t, "send", "--plain", "--server", addr, "--state", dir, "--user", "1001", "--to", "1002", "hello")
		if want := fmt.Sprintf(`{"id":%d,`, i+1); r.code != exitOK || !strings.HasPrefix(r.stdout, want) {
			t.Errorf("%s: %+v, want %s", addr, r, want)
		}
	}
	r := runBinary(t, "send", "--server", "127.0.0.1:99999", "--state", dir, "--user", "1001", "--to", "1002", "hello")
	if r.code != exitUsage || !strings.Contains(r.stderr, "a port is a number") {
		t.Errorf("a port that is none: %+v", r)
	}
}

// freeAddr is an address that a server can listen on twice in a row.
func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

func TestChatsReturnAfterARestartAndSendWhatWasWrittenMeanwhile(t *testing.T) {
	addr := freeAddr(t)
	s := serve(t, "--listen", addr)
	at := []string{"--plain", "--server", addr, "--state", t.TempDir()}
	a := talk(t, append([]string{"chat", "--user", "1001", "--to", "1002"}, at...)...)
	b := talk(t, append([]string{"chat", "--user", "1002", "--to", "1001"}, at...)...)
	a.sees("connected")
	b.sees("connected")
	s.signal(os.Interrupt)
	if code := s.wait(); code != exitOK {
		t.Fatalf("serve ended with %d: %s", code, s.errs)
	}
	a.sees("connection lost: ")
	b.sees("connection lost: ")
	for i := range 3 {
		a.say(fmt.Sprint("from a ", i))
		b.say(fmt.Sprint("from b ", i))
	}
	_ = b.stdin.Close() // leaves while the server is away
	r := b.wait()
	if r.code != exitOK || !strings.Contains(r.stdout, "still in the outbox, for the next run: 3 messages") {
		t.Errorf("leaving with a full outbox: %+v", r)
	}
	early := talk(t, append([]string{"chat", "--user", "1003", "--to", "1001"}, at...)...)
	early.sees("no connection: ")
	serve(t, "--listen", addr)
	a.sees("connected again")
	early.sees("-- connected")
	if strings.Contains(early.out.String(), "connected again") {
		t.Errorf("a first connection is none again:\n%s", early.out)
	}
	for i := range 3 {
		a.sees(fmt.Sprintf("[sent] from a %d", i))
	}
	b = talk(t, append([]string{"chat", "--user", "1002", "--to", "1001"}, at...)...)
	for i := range 3 {
		b.sees(fmt.Sprintf("1001: from a %d", i))
		a.sees(fmt.Sprintf("1002: from b %d", i))
		a.sees(fmt.Sprintf("[read] from a %d", i))
	}
	if n := strings.Count(a.out.String(), "1002: from b"); n != 3 {
		t.Errorf("a saw %d messages:\n%s", n, a.out)
	}
}

func TestRecvDoesNotAcknowledgeWhatItCouldNotWrite(t *testing.T) {
	s := serve(t)
	at := []string{"--plain", "--server", s.addr, "--state", t.TempDir()}
	if r := runBinary(t, append([]string{"send", "--user", "1001", "--to", "1002"}, append(at, "precious")...)...); r.code != exitOK {
		t.Fatalf("send: %+v", r)
	}
	var stderr bytes.Buffer
	if code := runRecv(append([]string{"--user", "1002"}, at...), nil, brokenPipe{}, &stderr); code != exitFailed {
		t.Errorf("exit %d: %s", code, &stderr)
	}
	if r := runBinary(t, append([]string{"recv", "--user", "1002"}, at...)...); r.code != exitOK || !strings.Contains(r.stdout, "precious") {
		t.Errorf("the message is gone: %+v", r)
	}
}

type brokenPipe struct{}

func (brokenPipe) Write([]byte) (int, error) { return 0, syscall.EPIPE }
