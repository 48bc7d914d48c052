package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
	"unicode/utf8"

	"trunkline/client"
)

const chatHelp = `Usage: trunkline chat --user ME --to YOU [flags]

A conversation, line by line. What you type leaves with Enter; its tick is shown beside it:
  …   waits in the outbox (the server is away)
  ✓   the server has it
  ✓✓  the other device has it
  ✓✓  in blue: it was read
Messages that arrive are acknowledged and marked as read when they are shown. Lines typed while the server is away
leave when it returns, or with the next run. Ctrl-D or Ctrl-C leaves.
`

const (
	// chatBackoffBase and chatBackoffMax: somebody is watching, so the chat tries more often than a phone in a pocket.
	chatBackoffBase = 300 * time.Millisecond
	chatBackoffMax  = 5 * time.Second
	// chatLeaveMax is how long leaving waits for first ticks that are missing.
	chatLeaveMax = 2 * time.Second
	// chatMarksMax bounds the own messages whose ticks are still shown; the oldest goes.
	chatMarksMax = 1_000
)

type chatOptions struct {
	deviceOptions
	to userFlag
}

// runChat is a conversation on a terminal, or over pipes with words in place of ticks.
func runChat(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var o chatOptions
	fs := flag.NewFlagSet("chat", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.add(fs)
	fs.Var(&o.to, "to", "the `user` to talk to")
	err := parseFlags(fs, args)
	if err == nil {
		err = o.check()
	}
	if err == nil && o.to == 0 {
		err = errors.New("--to says whom to talk to and is required")
	}
	if err != nil {
		return talkError("chat", chatHelp, fs, err, stdout, stderr)
	}
	state, err := o.open()
	if err != nil {
		return failed("chat", err, stderr)
	}
	err = o.talk(state, stdin, stdout)
	if cerr := state.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return failed("chat", err, stderr)
	}
	return exitOK
}

// talk connects in the background, so that one may write while the server is away, and talks until the input ends.
func (o *chatOptions) talk(state client.State, stdin io.Reader, stdout io.Writer) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	opts := append(o.options(state), client.WithOfflineStart(), client.WithBackoff(chatBackoffBase, chatBackoffMax))
	c, err := client.Dial(ctx, o.server, opts...)
	if err != nil {
		return err
	}
	out, in, restore, err := openScreen(o, stdin, stdout)
	if err != nil {
		return errors.Join(err, c.Close())
	}
	chat := chat{c: c, me: uint64(o.user), peer: uint64(o.to), server: o.server, out: out}
	err = chat.run(ctx, in)
	restore()
	if left := c.Outstanding(); left > 0 && err == nil {
		fmt.Fprintf(stdout, "still in the outbox, for the next run: %s\n", plural(left, "message"))
	}
	return errors.Join(err, c.Close())
}

// screen is where a conversation is shown. One goroutine uses it.
type screen interface {
	// own shows a line of this user, and ticked how far it came since. Lines are known by their id.
	own(id uint64, text string)
	ticked(ids []uint64, level client.TickLevel)
	rejected(id uint64, why string)
	theirs(from uint64, at time.Time, text string)
	notice(text string)
	connected(yes connection)
}

// connection says whether lines leave at once.
type connection int

const (
	offline connection = iota
	online
)

// input is where lines come from. next waits for a line and has handle called, on the same goroutine, with what the
// client reports meanwhile. io.EOF: the user leaves; errClientEnded: there are no more events.
type input interface {
	next(ctx context.Context, events <-chan client.Event, handle func(client.Event)) (string, error)
}

var errClientEnded = errors.New("client ended")

// openScreen takes the terminal when there is one at both ends.
func openScreen(o *chatOptions, stdin io.Reader, stdout io.Writer) (screen, input, func(), error) {
	inFile, ok1 := stdin.(*os.File)
	outFile, ok2 := stdout.(*os.File)
	if ok1 && ok2 && usableTerminal(inFile, outFile) {
		t, restore, err := openTerminal(inFile, outFile, uint64(o.to))
		return t, t, restore, err
	}
	return &plainScreen{w: stdout, me: uint64(o.user), texts: map[uint64]string{}}, newLineInput(stdin), func() {}, nil
}

// chat is one conversation.
type chat struct {
	c        *client.Client
	me, peer uint64
	server   string
	out      screen
	mine     []ownLine // in the order of their ids, at most chatMarksMax
	up       bool
	tried    bool // the first attempt to connect has ended
	before   bool // it was up in this run
	here     bool // the peer is online
	seen     bool // the peer's presence was reported
}

// ownLine is a line of this run and how far it came.
type ownLine struct {
	id    uint64
	level client.TickLevel
}

// run talks until the input ends, then waits a moment for missing ticks.
func (t *chat) run(ctx context.Context, in input) error {
	t.out.notice(fmt.Sprintf("%d talks to %d at %s; Ctrl-D leaves", t.me, t.peer, t.server))
	if n := t.c.Outstanding(); n > 0 {
		t.out.notice(fmt.Sprintf("in the outbox since an earlier run: %s", plural(n, "message")))
	}
	if err := t.c.Subscribe(ctx, t.peer); err != nil {
		return err
	}
	for {
		line, err := in.next(ctx, t.c.Events(), t.handle)
		switch {
		case errors.Is(err, errClientEnded):
			return t.c.Err()
		case errors.Is(err, io.EOF):
			t.leave()
			return nil
		case err != nil:
			return err
		case line != "":
			if err := t.send(ctx, line); err != nil {
				return err
			}
		}
	}
}

// send puts a line into the outbox. A line that can't go in is said to be so; only a broken state ends the chat.
func (t *chat) send(ctx context.Context, line string) error {
	id, err := t.c.Send(ctx, t.peer, []byte(line))
	switch {
	case errors.Is(err, client.ErrOutboxFull), errors.Is(err, client.ErrTooLarge):
		t.out.notice("not sent: " + err.Error())
		return nil
	case err != nil:
		return err
	}
	if len(t.mine) == chatMarksMax {
		t.mine = append(t.mine[:0], t.mine[1:]...)
	}
	t.mine = append(t.mine, ownLine{id: id})
	t.out.own(id, line)
	return nil
}

// leave waits for first ticks that are missing, if there is somebody to give them.
func (t *chat) leave() {
	late := time.NewTimer(chatLeaveMax)
	defer late.Stop()
	for t.c.Outstanding() > 0 && (t.up || !t.tried) {
		select {
		case ev, open := <-t.c.Events():
			if !open {
				return
			}
			t.handle(ev)
		case <-late.C:
			return
		}
	}
}

// handle shows one event.
func (t *chat) handle(ev client.Event) {
	switch ev := ev.(type) {
	case client.Message:
		t.show(ev)
	case client.Tick:
		t.tick(ev)
	case client.Rejected:
		why := (&client.ServerError{Code: ev.Code}).Error()
		if i := t.find(ev.ID); i >= 0 {
			t.mine = append(t.mine[:i], t.mine[i+1:]...)
		}
		t.out.rejected(ev.ID, why)
	case client.Refused:
		if ev.RetryIn > 0 {
			t.out.notice(fmt.Sprintf("the server takes nothing for the moment; trying again in %v", ev.RetryIn))
		}
	case client.Presence:
		t.presence(ev)
	case client.Connected:
		t.connected(ev)
	case client.Disconnected:
		t.disconnected(ev)
	}
}

// show shows a message, then says that it was read. When the outbox has no room for that, it is only acknowledged.
func (t *chat) show(m client.Message) {
	text := string(m.Payload)
	if !utf8.Valid(m.Payload) {
		text = fmt.Sprintf("(%s that are no text)", plural(len(m.Payload), "byte"))
	}
	switch { // what is not of this conversation says where it belongs
	case m.Group != 0:
		text = "(" + client.GroupName(m.Group) + ") " + text
	case m.Own && m.To != t.peer:
		text = fmt.Sprintf("(to %d) %s", m.To, text)
	}
	t.out.theirs(m.From, m.Time, text)
	if t.c.Read(context.Background(), m) != nil {
		if err := t.c.Ack(m); err != nil {
			t.out.notice("not acknowledged: " + err.Error())
		}
	}
}

// tick raises the own lines that the event covers.
func (t *chat) tick(ev client.Tick) {
	if ev.Level != client.TickServer && ev.Peer != t.peer {
		return
	}
	var ids []uint64
	for i := range t.mine {
		l := &t.mine[i]
		if l.id >= ev.First && l.id <= ev.Last && l.level < ev.Level {
			l.level = ev.Level
			ids = append(ids, l.id)
		}
	}
	if len(ids) > 0 {
		t.out.ticked(ids, ev.Level)
	}
}

func (t *chat) find(id uint64) int {
	for i := range t.mine {
		if t.mine[i].id == id {
			return i
		}
	}
	return -1
}

func (t *chat) presence(ev client.Presence) {
	if ev.User != t.peer || t.seen && ev.Available == t.here {
		return
	}
	t.seen, t.here = true, ev.Available
	switch {
	case ev.Available:
		t.out.notice(fmt.Sprintf("%d is online", t.peer))
	case ev.LastSeen.IsZero():
		t.out.notice(fmt.Sprintf("%d is away; what you write waits at the server", t.peer))
	default:
		t.out.notice(fmt.Sprintf("%d is away, last seen %s", t.peer, when(ev.LastSeen, time.Now())))
	}
}

func (t *chat) connected(ev client.Connected) {
	text := "connected"
	if t.before {
		text = "connected again"
	}
	if ev.ServerLost {
		text += "; the server came back without its data: lines with a tick that were not delivered are gone"
	}
	if n := t.c.Outstanding(); n > 0 {
		text += fmt.Sprintf("; sending %s from the outbox", plural(n, "message"))
	}
	t.up, t.tried, t.before = true, true, true
	t.out.connected(online)
	t.out.notice(text)
}

// disconnected says so once, however many attempts fail after it.
func (t *chat) disconnected(ev client.Disconnected) {
	if t.tried && !t.up || ev.RetryIn == 0 {
		return
	}
	what := "connection lost"
	if !t.tried {
		what = "no connection"
	}
	t.up, t.tried = false, true
	t.out.connected(offline)
	t.out.notice(fmt.Sprintf("%s: %s; trying again, lines wait in the outbox", what, oneLine(ev.Err)))
}

// plural is "1 message", "2 messages".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// when is a time as a person says it: the clock today, else with the date.
func when(at, now time.Time) string {
	if at.YearDay() == now.YearDay() && at.Year() == now.Year() {
		return at.Format("15:04")
	}
	return at.Format("2006-01-02 15:04")
}
