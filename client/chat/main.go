package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	tea "github.com/charmbracelet/bubbletea"
	"github.com/charmbracelet/lipgloss"
	"github.com/charmbracelet/x/term"
	"github.com/muesli/termenv"

	"trunkline/client"
	"trunkline/client/chat/history"
	"trunkline/client/chat/post"
	"trunkline/client/chat/screen"
	"trunkline/client/chat/talk"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

const (
	// backoffBase and backoffMax: somebody is watching, so the client tries more often than a phone in a pocket.
	backoffBase = 300 * time.Millisecond
	backoffMax  = 5 * time.Second
	// leaveMax is how long leaving waits for first ticks that are missing.
	leaveMax = 2 * time.Second
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run settles the flags and chats.
func run(args []string, stdin, stdout *os.File, stderr io.Writer) int {
	var o options
	switch err := o.parse(args, stdout); {
	case errors.Is(err, errHelp):
		return exitOK
	case err != nil:
		fmt.Fprintf(stderr, "trunkline-chat: %v\n", err)
		return exitUsage
	}
	if !term.IsTerminal(stdin.Fd()) || !term.IsTerminal(stdout.Fd()) || os.Getenv("TERM") == "dumb" {
		fmt.Fprintln(stderr, "trunkline-chat: it needs a terminal; `trunkline chat` talks over pipes")
		return exitFailed
	}
	if err := chat(&o, stdin, stdout, stderr); err != nil {
		fmt.Fprintf(stderr, "trunkline-chat: %s%s\n", strings.ReplaceAll(err.Error(), "\n", "; "), hint(err))
		return exitFailed
	}
	return exitOK
}

// chat opens what there is to open, runs until the user leaves, and closes it again.
func chat(o *options, stdin, stdout *os.File, stderr io.Writer) (err error) {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	folder, err := o.folder()
	if err != nil {
		return err
	}
	state, err := client.OpenState(o.file(folder, "state"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	snap, err := state.Load()
	if err != nil {
		return err
	}
	store, err := history.Open(o.file(folder, "history"), uint64(o.user), uint8(o.device), begins(&snap))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	c, err := client.Dial(ctx, o.server, o.client(state)...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leave(c, stderr)) }()
	return show(ctx, o, c, store, stdin, stdout)
}

// begins says that a device's numbers count from 1: nothing was ever sent from this state.
func begins(s *client.Snapshot) bool { return s.Marks.NextCseq <= 1 && len(s.Outbox) == 0 }

// show runs the screen until the user leaves. A client that ended by itself is an error then.
func show(ctx context.Context, o *options, c *client.Client, store *history.Store, stdin, stdout *os.File) error {
	var program *tea.Program
	office := post.New(post.Of(c), store, func(r talk.Report) { program.Send(screen.Report{Report: r}) })
	model := talk.New(uint64(o.user))
	s := screen.New(model, theme(stdout, o.plainLook), office.Do, time.Now)
	program = tea.NewProgram(s, tea.WithContext(ctx), tea.WithInput(stdin), tea.WithOutput(stdout), tea.WithAltScreen(), tea.WithReportFocus())
	office.Run()
	_, err := program.Run()
	office.Close()
	switch {
	case errors.Is(err, tea.ErrProgramKilled) && ctx.Err() != nil, errors.Is(err, tea.ErrInterrupted):
		err = nil // told to end
	case err != nil:
		return err
	}
	return model.Ended
}

// theme asks the terminal what it can. NO_COLOR and --no-color take the colours only: bold and reversed writing stay.
func theme(out *os.File, plain bool) screen.Theme {
	r := lipgloss.NewRenderer(out)
	colour := !plain && os.Getenv("NO_COLOR") == ""
	if r.ColorProfile() == termenv.Ascii {
		r.SetColorProfile(termenv.ANSI)
	}
	return screen.NewTheme(r, colour)
}

// leave waits a moment for first ticks that are missing, and says what is left.
func leave(c *client.Client, stderr io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), leaveMax)
	defer cancel()
	go func() { // ends with the client's events, which Close ends
		for range c.Events() {
		}
	}()
	if c.Outstanding() > 0 {
		_ = c.Flush(ctx) // what is left is said below
	}
	if n := c.Outstanding(); n > 0 {
		fmt.Fprintf(stderr, "still in the outbox, for the next run: %d\n", n)
	}
	return c.Close()
}

// hint says what a user can do about an error.
func hint(err error) string {
	for _, h := range []struct {
		is   error
		text string
	}{
		{client.ErrServerKeyMissing, "; --server-key names it (trunkline serve prints it), --trust-first takes the one that the server shows"},
		{client.ErrServerKeyChanged, "; ask its operator for the key (trunkline keys show) before you trust it with --server-key"},
		{client.ErrNotRegistered, "; --token enrols the device, `trunkline token` on the server makes one"},
		{client.ErrTokenRefused, "; a token is for one user, for a time, and for one device's key: ask for a new one"},
		{client.ErrStateInUse, "; one device is one process, --device names another"},
		{history.ErrInUse, "; one device is one process, --device names another"},
		{client.ErrGenerationStale, "; remove its .state file below --state to register anew, or use another --device"},
		{client.ErrStateBehind, "; remove its .state file below --state to register anew, or use another --device"},
		{history.ErrNewer, "; use that version"},
		{history.ErrNotHistory, "; move the .history file away to begin a new one"},
	} {
		if errors.Is(err, h.is) {
			return h.text
		}
	}
	return ""
}
