package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/muesli/termenv"

	"trunkline/client"
	"trunkline/client/chat/history"
	"trunkline/client/chat/post"
	"trunkline/client/chat/screen"
	"trunkline/client/chat/talk"
)

// patience bounds every wait of these tests.
const patience = 30 * time.Second

// program is the server, built once by the first test that needs it.
var program = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "trunkline-chat")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "trunkline")
	cmd := exec.Command("go", "build", "-o", path, "./cmd/trunkline")
	cmd.Dir = filepath.Join("..", "..") // its own module
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the server: %w\n%s", err, out)
	}
	return path, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if path, err := program(); built && err == nil {
		_ = os.RemoveAll(filepath.Dir(path))
	}
	os.Exit(code)
}

// built says that the server was built: TestMain must not build it to remove it.
var built bool

// output gathers what a process prints.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// until waits for a condition.
func until(t *testing.T, what func() string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(patience)
	for !cond() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("waited %v: %s", patience, what())
		}
	}
}

// serve starts a server process and answers its address and what kills it.
func serve(t *testing.T, listen string, args ...string) (addr string, kill func()) {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	built = true
	out := &output{}
	cmd := exec.Command(path, append([]string{"serve", "--transport", "plain", "--registration", "open", "--listen", listen, "--admin", "off"}, args...)...)
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill = sync.OnceFunc(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	t.Cleanup(kill)
	until(t, out.String, func() bool { return strings.Contains(out.String(), "Ctrl-C drains and ends.") })
	return regexp.MustCompile(`chat +(\S+:\d+)`).FindStringSubmatch(out.String())[1], kill
}

// sitter is a user in front of a screen: everything but the terminal is real.
type sitter struct {
	t      *testing.T
	name   string
	screen *screen.Screen
	in     chan any
	view   *output
	close  func()
}

// sit starts a client with the files in dir.
func sit(t *testing.T, user uint64, addr, dir string) *sitter {
	t.Helper()
	o := options{user: number(user), server: addr, plain: true, state: dir}
	folder, err := o.folder()
	if err != nil {
		t.Fatal(err)
	}
	state, err := client.OpenState(o.file(folder, "state"))
	if err != nil {
		t.Fatal(err)
	}
	snap, err := state.Load()
	if err != nil {
		t.Fatal(err)
	}
	store, err := history.Open(o.file(folder, "history"), user, 0, begins(&snap))
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.Dial(t.Context(), addr, o.client(state)...)
	if err != nil {
		t.Fatal(err)
	}
	s := &sitter{t: t, name: fmt.Sprint(user), in: make(chan any), view: &output{}}
	r := lipgloss.NewRenderer(io.Discard)
	r.SetColorProfile(termenv.Ascii)
	done, ended := make(chan struct{}), make(chan struct{})
	office := post.New(post.Of(c), store, func(r talk.Report) {
		select {
		case s.in <- screen.Report{Report: r}:
		case <-done:
		}
	})
	s.screen = screen.New(talk.New(user), screen.NewTheme(r, false), office.Do, time.Now)
	go func() { // ends with done
		defer close(ended)
		s.screen.Update(tea.WindowSizeMsg{Width: 100, Height: 30})
		for {
			select {
			case msg := <-s.in:
				s.screen.Update(msg)
				s.view.mu.Lock()
				s.view.b.Reset()
				s.view.b.WriteString(s.screen.View())
				s.view.mu.Unlock()
			case <-done:
				return
			}
		}
	}()
	office.Run()
	s.close = sync.OnceFunc(func() {
		close(done)
		<-ended
		office.Close()
		if err := leave(c, io.Discard); err != nil {
			t.Error(err)
		}
		if err := store.Close(); err != nil {
			t.Error(err)
		}
		if err := state.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(s.close)
	return s
}

func (s *sitter) press(k tea.KeyMsg) { s.in <- k }

// says types a line and Enter.
func (s *sitter) says(text string) {
	s.types(text)
	s.press(tea.KeyMsg{Type: tea.KeyEnter})
}

func (s *sitter) types(text string) { s.press(tea.KeyMsg{Type: tea.KeyRunes, Runes: []rune(text)}) }

// sees waits until a row of the screen matches.
func (s *sitter) sees(pattern string) {
	s.t.Helper()
	re := regexp.MustCompile(pattern)
	until(s.t, func() string { return s.name + " does not see " + pattern + ":\n" + s.view.String() }, func() bool { return re.MatchString(s.view.String()) })
}

// times is how often a text is on the screen.
func (s *sitter) times(text string) int { return strings.Count(s.view.String(), text) }

func TestTwoPeopleTalk(t *testing.T) {
	addr, _ := serve(t, "127.0.0.1:0", "--data", "off")
	dirA, dirB := t.TempDir(), t.TempDir()
	a, b := sit(t, 1001, addr, dirA), sit(t, 1002, addr, dirB)
	a.sees(`1001 +online`)
	b.sees(`1002 +online`)
	a.says("/new 1002")
	a.says("hello 👩‍👩‍👧\nin two rows")
	a.sees(`✓✓ +you  hello`)
	b.sees(`hello 👩.*\(1\)`)
	b.press(tea.KeyMsg{Type: tea.KeyCtrlN})
	b.sees(`1001  hello 👩‍👩‍👧`)
	a.sees(`✓✓✓ +you  hello`)
	a.sees(`1002 +online`)
	b.types("wri")
	a.sees(`writes …`)
	b.says("ting")
	a.sees(`1002  writing`)
	b.sees(`✓✓✓ +you  writing`)

	b.close()
	a.sees(`1002 +(away|last seen)`)
	a.says("while you were away")
	a.sees(`✓ +while you were away|✓ +you  while you were away`)
	b = sit(t, 1002, addr, dirB)
	b.sees(`hello 👩‍👩‍👧`)
	b.sees(`while you were away`)
	a.sees(`✓✓✓ +(you  )?while you were away`)
	b.says("/find two rows")
	b.sees(`Found “two rows”`)
	b.sees(`1001: hello`)
	if n := b.times("while you were away"); n > 1 {
		t.Errorf("shown %d times:\n%s", n, b.view)
	}
	for _, name := range []string{"1001-0.state", "1001-0.history"} {
		list, _ := filepath.Glob(filepath.Join(dirA, "*", name))
		if len(list) != 1 {
			t.Fatalf("%s: %v", name, list)
		}
		if st, err := os.Stat(list[0]); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, st.Mode(), err)
		}
	}
}

func TestThreePeopleInAGroup(t *testing.T) {
	addr, _ := serve(t, "127.0.0.1:0", "--data", t.TempDir())
	a, b, c := sit(t, 1001, addr, t.TempDir()), sit(t, 1002, addr, t.TempDir()), sit(t, 1003, addr, t.TempDir())
	for _, s := range []*sitter{a, b, c} {
		s.sees(s.name + ` +online`)
	}
	b.says("/name Ann\x1b[31m")
	b.sees(`your profile is changed`)
	a.says("/group 1002 hiking")
	a.sees(`hiking · g\d+ .*2 members`)
	b.sees(`# hiking`)
	b.press(tea.KeyMsg{Type: tea.KeyCtrlN})
	b.sees(`1001 made the group “hiking”`)
	a.says("who comes?")
	b.sees(`1001  who comes\?`)
	a.sees(`✓✓✓ +you  who comes\?`)
	b.says("me")
	a.sees(`Ann\x{fffd}\[31m  me`)
	a.says("/add 1003")
	b.sees(`1001 added 1003`)
	b.sees(`3 members`)
	c.sees(`# hiking`)
	a.says("/invite")
	a.sees(`g\d+-[0-9a-f]{32} `)
	code := "/join " + regexp.MustCompile(`g\d+-[0-9a-f]{32}`).FindString(a.view.String())
	a.press(tea.KeyMsg{Type: tea.KeyEsc})
	a.says("/remove 1003")
	a.sees(`you removed 1003`)
	c.press(tea.KeyMsg{Type: tea.KeyCtrlN})
	c.sees(`you are not in it`)
	c.says("not mine any more")
	c.sees(`not delivered: not a member of the group`)
	c.says(code)
	c.sees(`you joined with the invite code`)
	c.says("back again")
	b.sees(`1003  back again`)
	c.sees(`✓✓`)
	b.says("/leave")
	a.sees(`left`)
	b.sees(`you are not in it`)
	a.says("/info")
	a.sees(`1001 \(you\), admin`)
	a.press(tea.KeyMsg{Type: tea.KeyEsc})
	a.says("/block 1003")
	a.sees(`1003 is blocked`)
	a.says("/devices")
	a.sees(`Your devices`) // a server without encryption knows of none
}

func TestWhatIsWrittenWhileTheServerIsAwayLeavesWhenItReturns(t *testing.T) {
	addr, kill := serve(t, "127.0.0.1:0", "--data", t.TempDir())
	dirA := t.TempDir()
	a, b := sit(t, 1001, addr, dirA), sit(t, 1002, addr, t.TempDir())
	a.sees(`1001 +online`)
	b.sees(`1002 +online`)
	kill()
	a.sees(`no connection`)
	a.says("/new 1002")
	a.says("patience")
	a.sees(`… +you  patience`)
	a.close()
	a = sit(t, 1001, addr, dirA)
	a.sees(`… +you  patience`)
	serve(t, addr, "--data", t.TempDir())
	b.sees(`patience.*\(1\)`)
	a.sees(`✓✓ +you  patience`)
}

func TestFlags(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte("no token\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		args []string
		want string
	}{
		{nil, "--user says who you are"},
		{[]string{"--user", "bob"}, "a user is a number"},
		{[]string{"--user", "0"}, "not 0"},
		{[]string{"--user", "1", "--device", "254"}, "from 0 to 253"},
		{[]string{"--user", "1", "--server", "here"}, "is not host:port"},
		{[]string{"--user", "1", "--server", "here:0"}, "from 1 to 65535"},
		{[]string{"--user", "1", "--server-key", "x"}, "--server-key: "},
		{[]string{"--user", "1", "--plain", "--trust-first"}, "does not go with"},
		{[]string{"--user", "1", "--plaintext", "--token", "x"}, "does not go with a token"},
		{[]string{"--user", "1", "--token", "x"}, "the token: "},
		{[]string{"--user", "1", "--token-file", file}, "the token: "},
		{[]string{"--user", "1", "--token-file", file, "--token", "x"}, "one too many"},
		{[]string{"--user", "1", "--token-file", filepath.Join(dir, "none")}, "no such file"},
		{[]string{"--user", "1", "now"}, `"now" is not a flag`},
		{[]string{"--nothing"}, "--help lists the flags"},
	} {
		var o options
		if err := o.parse(row.args, io.Discard); err == nil || !strings.Contains(err.Error(), row.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", row.args, err, row.want)
		}
	}
	var o options
	if err := o.parse([]string{"--user", "1", "--server", "LocalHost:99", "--plain", "--state", dir}, io.Discard); err != nil {
		t.Fatal(err)
	}
	folder, err := o.folder()
	if err != nil || o.file(folder, "history") != filepath.Join(dir, "127.0.0.1_99", "1-0.history") {
		t.Errorf("%s, %v", o.file(folder, "history"), err)
	}
	var text bytes.Buffer
	if err := o.parse([]string{"--help"}, &text); err != errHelp || !strings.Contains(text.String(), "  --state folder ") {
		t.Errorf("help: %v\n%s", err, &text)
	}
}

func TestWithoutATerminalItSaysSo(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var errs bytes.Buffer
	if code := run([]string{"--user", "1", "--plain"}, null, null, &errs); code != exitFailed || !strings.Contains(errs.String(), "`trunkline chat` talks over pipes") {
		t.Errorf("exit %d, %s", code, &errs)
	}
	errs.Reset()
	if code := run(nil, null, null, &errs); code != exitUsage || strings.Count(errs.String(), "\n") != 1 {
		t.Errorf("exit %d, %s", code, &errs)
	}
}

// TestTheProgramDrawsAndLeaves runs all of bubbletea but a terminal: keys come from a pipe, what is drawn goes into a buffer.
func TestTheProgramDrawsAndLeaves(t *testing.T) {
	in, keys := io.Pipe()
	out := &output{}
	r := lipgloss.NewRenderer(io.Discard)
	model := talk.New(1001)
	p := tea.NewProgram(screen.New(model, screen.NewTheme(r, true), func([]talk.Task) {}, time.Now), tea.WithInput(in), tea.WithOutput(out), tea.WithoutSignals())
	ended := make(chan error, 1)
	go func() { _, err := p.Run(); ended <- err }() // ends with Ctrl-C
	p.Send(tea.WindowSizeMsg{Width: 80, Height: 24})
	until(t, out.String, func() bool { return strings.Contains(out.String(), "/new and a number") })
	if _, err := io.WriteString(keys, "\x1b[200~/new 1002\x1b[201~\r"); err != nil {
		t.Fatal(err)
	}
	until(t, out.String, func() bool { return regexp.MustCompile(`│.* 1002 `).MatchString(out.String()) })
	if _, err := io.WriteString(keys, "\x03"); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("Ctrl-C does not end it")
	}
}
