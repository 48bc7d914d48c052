package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"trunkline/client"
)

const sendHelp = `Usage: trunkline send --user ME --to YOU [flags] TEXT...
       trunkline send --user ME --to YOU [flags] -        (the text comes from standard input)
       trunkline send --user ME --group G [flags] TEXT... (to a group, written as in g123)

Sends one message and waits for its tick. Prints one line of JSON: id, from, to or group, text (or data, base64, for what is
not UTF-8), tick (waiting, server, delivered or read: how far it came; or rejected) and ts (unix seconds). A message to a group
has group_seq too, its place in the group's order, which trunkline group receipts --seq takes; it is left out when the server
has not told it within a second.
Exit status: 0 the tick came, 1 rejected or another error, 2 wrong flags, 3 the tick did not come in time. A message that
was not taken by the server stays in the outbox and leaves with the next command of this device. Messages that arrive
meanwhile are kept beside it; the next recv or chat of this device shows them.
`

// sendTimeout is the default of send --timeout.
const sendTimeout = 30 * time.Second

// placeWait is how long send waits, behind the tick, for the place of a message in its group.
const placeWait = time.Second

type sendOptions struct {
	deviceOptions
	to      userFlag
	group   groupFlag
	wait    tickFlag
	timeout time.Duration
	text    []byte
}

// runSend sends one message.
func runSend(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	var o sendOptions
	fs := o.flags()
	if err := o.parse(fs, args, stdin); err != nil {
		if errors.Is(err, errInput) {
			return failed("send", err, stderr)
		}
		return talkError("send", sendHelp, fs, err, stdout, stderr)
	}
	ctx, stop := waitContext(o.timeout)
	defer stop()
	state, err := o.open()
	if err != nil {
		return failed("send", err, stderr)
	}
	code := o.run(ctx, state, stdout, stderr)
	if err := state.Close(); err != nil && code == exitOK {
		return failed("send", err, stderr)
	}
	return code
}

func (o *sendOptions) flags() *flag.FlagSet {
	fs := flag.NewFlagSet("send", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	o.wait = tickFlag(client.TickServer)
	o.add(fs)
	fs.Var(&o.to, "to", "the `user` to send to")
	fs.Var(&o.group, "group", "the `group` to send to, as in g123")
	fs.Var(&o.wait, "wait", "the `tick` to wait for: server, delivered or read")
	fs.DurationVar(&o.timeout, "timeout", sendTimeout, "give up after this `time`; 0 waits for ever")
	return fs
}

var (
	errNoReceiver   = errors.New("--to or --group says whom to send to and is required")
	errTwoReceivers = errors.New("--to and --group are one too many")
	errNoText       = errors.New("there is no text to send")
	errInput        = errors.New("standard input")
)

// parse settles the flags and the text.
func (o *sendOptions) parse(fs *flag.FlagSet, args []string, stdin io.Reader) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if err := o.check(); err != nil {
		return err
	}
	switch {
	case o.to == 0 && o.group == 0:
		return errNoReceiver
	case o.to != 0 && o.group != 0:
		return errTwoReceivers
	case o.timeout < 0:
		return fmt.Errorf("--timeout %v is negative", o.timeout)
	case fs.NArg() == 0:
		return errNoText
	case fs.NArg() == 1 && fs.Arg(0) == "-":
		return o.readText(stdin)
	}
	if err := flagBehindText(fs, args); err != nil {
		return err
	}
	o.text = []byte(strings.Join(fs.Args(), " "))
	if len(o.text) == 0 {
		return errNoText
	}
	return nil
}

// flagBehindText finds a flag that would be sent as text. Behind "--" everything is text.
func flagBehindText(fs *flag.FlagSet, args []string) error {
	if before := len(args) - fs.NArg() - 1; before >= 0 && args[before] == "--" {
		return nil
	}
	i := slices.IndexFunc(fs.Args(), func(a string) bool {
		name, _, _ := strings.Cut(strings.TrimLeft(a, "-"), "=")
		return strings.HasPrefix(a, "-") && fs.Lookup(name) != nil
	})
	if i < 0 {
		return nil
	}
	return fmt.Errorf("%s stands behind the text: flags come first, or put -- before the text", fs.Arg(i))
}

// readText takes the text from standard input. The line break that echo adds does not belong to a text.
func (o *sendOptions) readText(stdin io.Reader) error {
	b, err := io.ReadAll(io.LimitReader(stdin, client.PayloadBytesMax+2))
	if err != nil {
		return fmt.Errorf("%w: %w", errInput, err)
	}
	if utf8.Valid(b) {
		b = bytes.TrimSuffix(b, []byte("\n"))
	}
	if len(b) > client.PayloadBytesMax {
		return fmt.Errorf("%w: a message has at most %d bytes", errInput, client.PayloadBytesMax)
	}
	if len(b) == 0 {
		return fmt.Errorf("%w: empty, there is no text to send", errInput)
	}
	o.text = b
	return nil
}

// run sends and waits.
func (o *sendOptions) run(ctx context.Context, state client.State, stdout, stderr io.Writer) int {
	c, err := client.Dial(ctx, o.server, append(o.options(state), client.WithInbox())...)
	if err != nil {
		if code := interrupted(ctx, "send", fmt.Sprintf("no login at %s within %v; nothing was sent", o.server, o.timeout), stderr); code != exitOK {
			return code
		}
		return failed("send", err, stderr)
	}
	id, err := o.send(ctx, c)
	var reached sendResult
	if err == nil {
		reached, err = o.await(ctx, c, id)
		if err == nil && o.group != 0 && reached.groupSeq == 0 {
			reached.groupSeq = awaitPlace(ctx, c, id)
		}
		if werr := o.print(stdout, id, reached); werr != nil {
			err = errors.Join(err, werr)
		}
	}
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		return exitOK
	}
	if errors.Is(err, ctx.Err()) {
		return interrupted(ctx, "send", o.explain(reached), stderr)
	}
	return failed("send", err, stderr)
}

// send puts the message into the outbox.
func (o *sendOptions) send(ctx context.Context, c *client.Client) (id uint64, err error) {
	if o.group != 0 {
		return c.SendGroup(ctx, uint64(o.group), o.text)
	}
	return c.Send(ctx, uint64(o.to), o.text)
}

// sendResult is how far the message came, and when.
type sendResult struct {
	level    client.TickLevel
	at       time.Time
	final    bool // it can't be rejected any more
	rejected bool
	groupSeq uint64 // its place in the group's order; 0: not known yet
}

// await follows the message until the tick that is waited for. Errors: a rejection's code, what ended the client, ctx's.
//
// A first tick says that the server has decided: the message is on its way, or a rejection waits in this device's mailbox. So
// the first tick counts when all that was in the mailbox then has come. A later tick needs no such question.
func (o *sendOptions) await(ctx context.Context, c *client.Client, id uint64) (sendResult, error) {
	r := sendResult{at: time.Now()}
	asked := uint64(0) // the number of the CatchUp behind the first tick
	for r.level < client.TickLevel(o.wait) || !r.final {
		var ev client.Event
		open := true
		select {
		case ev, open = <-c.Events():
		case <-ctx.Done():
			return r, ctx.Err()
		}
		if !open {
			return r, c.Err()
		}
		switch ev := ev.(type) {
		case client.Tick:
			o.tick(&r, &ev, id)
		case client.GroupPlaced:
			if ev.ID == id {
				r.groupSeq = ev.GroupSeq
			}
		case client.CaughtUp:
			if asked == 0 || ev.No < asked || r.final {
				break
			}
			if sent, known := c.Sent(id); known && sent.Level == client.TickNone {
				r.level, asked = client.TickNone, 0 // it was refused as addressed by an old list, and is sent again
				break
			}
			r.final = true
		case client.Rejected:
			if ev.ID == id {
				r.rejected = true
				return r, fmt.Errorf("message %d rejected: %w", id, &client.ServerError{Code: ev.Code})
			}
		}
		if r.level == client.TickServer && asked == 0 {
			var err error
			if asked, err = c.CatchUp(); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// awaitPlace waits for the message's place in its group, but not long: it has had its tick. 0: it did not come.
func awaitPlace(ctx context.Context, c *client.Client, id uint64) uint64 {
	late := time.NewTimer(placeWait)
	defer late.Stop()
	for {
		select {
		case ev, open := <-c.Events():
			if !open {
				return 0
			}
			if p, ok := ev.(client.GroupPlaced); ok && p.ID == id {
				return p.GroupSeq
			}
		case <-late.C:
			return 0
		case <-ctx.Done():
			return 0
		}
	}
}

// tick takes what ev says of the message.
func (o *sendOptions) tick(r *sendResult, ev *client.Tick, id uint64) {
	mine := ev.Peer == uint64(o.to) && ev.Group == uint64(o.group) || ev.Level == client.TickServer
	if !mine || id < ev.First || ev.Last < id || ev.Level <= r.level {
		return
	}
	r.level, r.at = ev.Level, ev.Time
	r.final = r.final || r.level > client.TickServer
}

// explain says where a message is whose tick did not come in time.
func (o *sendOptions) explain(r sendResult) string {
	where := "the message stays in the outbox and leaves with the next command of this device"
	switch {
	case r.level >= client.TickDelivered:
		where = o.receiver() + " has the message"
	case r.final:
		where = "the server keeps the message for " + o.receiver()
	case r.level == client.TickServer:
		return fmt.Sprintf("the server took the message, but more waits for %d than came within %v, maybe a rejection; trunkline recv takes it", o.user, o.timeout)
	}
	return fmt.Sprintf("not %s within %v; %s", &o.wait, o.timeout, where)
}

// receiver is whom the message goes to.
func (o *sendOptions) receiver() string { return o.to.String() + o.group.String() }

// print writes the line of JSON.
func (o *sendOptions) print(w io.Writer, id uint64, r sendResult) error {
	line := struct {
		ID    uint64  `json:"id"`
		From  uint64  `json:"from"`
		To    uint64  `json:"to,omitempty"`
		Group string  `json:"group,omitempty"`
		Seq   uint64  `json:"group_seq,omitempty"`
		Text  *string `json:"text,omitempty"`
		Data  string  `json:"data,omitempty"`
		Tick  string  `json:"tick"`
		TS    int64   `json:"ts"`
	}{ID: id, From: uint64(o.user), To: uint64(o.to), Group: o.group.String(), Seq: r.groupSeq, Tick: r.level.String(), TS: r.at.Unix()}
	if r.rejected {
		line.Tick = "rejected"
	}
	line.Text, line.Data = textOrData(o.text)
	return printJSON(w, line)
}

// textOrData is a payload as JSON carries it: text when it is UTF-8, else base64.
func textOrData(payload []byte) (text *string, data string) {
	if utf8.Valid(payload) {
		s := string(payload)
		return &s, ""
	}
	return nil, base64.StdEncoding.EncodeToString(payload)
}

// printJSON writes v as one line with one write.
func printJSON(w io.Writer, v any) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	if _, err := w.Write(b.Bytes()); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// errInterrupted is the cause of a context that Ctrl-C ended.
var errInterrupted = errors.New("interrupted")

// waitContext ends after timeout (0: never), and with Ctrl-C or a stop signal: then its cause is errInterrupted.
func waitContext(timeout time.Duration) (context.Context, context.CancelFunc) {
	signals, stopSignals := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	ctx, cancel := context.WithCancelCause(context.Background())
	unlink := context.AfterFunc(signals, func() { cancel(errInterrupted) })
	stopTimer := context.CancelFunc(func() {})
	if timeout > 0 {
		ctx, stopTimer = context.WithTimeout(ctx, timeout)
	}
	return ctx, func() {
		unlink()
		stopSignals()
		stopTimer()
		cancel(nil)
	}
}

// interrupted answers the exit code for a ctx that ended before the work did, and says why; exitOK when it has not.
func interrupted(ctx context.Context, name, late string, stderr io.Writer) int {
	switch {
	case ctx.Err() == nil:
		return exitOK
	case errors.Is(context.Cause(ctx), errInterrupted):
		fmt.Fprintf(stderr, "trunkline %s: interrupted\n", name)
		return exitInterrupt
	}
	fmt.Fprintf(stderr, "trunkline %s: %s\n", name, late)
	return exitTimeout
}

// tickFlag is a level to wait for on the command line.
type tickFlag client.TickLevel

// String is the level in a word.
func (t *tickFlag) String() string { return client.TickLevel(*t).String() }

// Set takes server, delivered or read.
func (t *tickFlag) Set(s string) error {
	for _, l := range []client.TickLevel{client.TickServer, client.TickDelivered, client.TickRead} {
		if s == l.String() {
			*t = tickFlag(l)
			return nil
		}
	}
	return errors.New("wait for server, delivered or read")
}
