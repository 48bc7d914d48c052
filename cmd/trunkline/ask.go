package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"trunkline/client"
)

// askTimeout is the default of --timeout of commands that ask the server something.
const askTimeout = 30 * time.Second

// asking is one run of `trunkline NOUN VERB`: a login, a request or a few, and the answer as lines.
type asking struct {
	deviceOptions
	timeout time.Duration
	json    bool
	words   []string // behind the flags

	group   groupFlag
	of      userFlag
	seq     uint64
	subject string
	revoke  bool
	yes     bool
	reason  string
	count   int
	profile profileFlags
	privacy privacyFlags

	c   *client.Client
	out io.Writer
}

// verb is one thing that can be asked.
type verb struct {
	name    string // empty: the noun alone
	words   string // what stands behind the flags, for people
	summary string
	flags   func(a *asking, fs *flag.FlagSet) // nil: none of its own
	check   func(a *asking) error             // nil: words are refused
	run     func(ctx context.Context, a *asking) error
	live    bool // it takes the client's events itself
}

// askCommand makes the function of a noun of the table of commands.
func askCommand(noun string, verbs func() []verb) func(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return func(args []string, _ io.Reader, stdout, stderr io.Writer) int {
		v, rest, err := pickVerb(noun, verbs(), args)
		if errors.Is(err, flag.ErrHelp) {
			printVerbs(stdout, noun, verbs())
			return exitOK
		}
		if err != nil {
			fmt.Fprintf(stderr, "trunkline %s: %v\n", noun, err)
			return exitUsage
		}
		return runAsking(strings.TrimSpace(noun+" "+v.name), v, rest, stdout, stderr)
	}
}

// pickVerb finds the verb that the arguments begin with. Errors: flag.ErrHelp when help was asked for.
func pickVerb(noun string, verbs []verb, args []string) (*verb, []string, error) {
	if len(verbs) == 1 && verbs[0].name == "" {
		return &verbs[0], args, nil
	}
	var names []string
	for i := range verbs {
		names = append(names, verbs[i].name)
	}
	list := strings.Join(names, ", ")
	if len(args) == 0 {
		return nil, nil, fmt.Errorf("say what: %s (trunkline %s --help says more)", list, noun)
	}
	switch args[0] {
	case "-h", "-help", "--help":
		return nil, nil, flag.ErrHelp
	}
	for i := range verbs {
		if verbs[i].name == args[0] {
			return &verbs[i], args[1:], nil
		}
	}
	return nil, nil, fmt.Errorf("there is no %q; there are %s", args[0], list)
}

// printVerbs is the help of a noun.
func printVerbs(w io.Writer, noun string, verbs []verb) {
	fmt.Fprintf(w, "Usage: trunkline %s VERB --user ME [flags]\n\n", noun)
	for i := range verbs {
		fmt.Fprintf(w, "  %-22s %s\n", strings.TrimSpace(verbs[i].name+" "+verbs[i].words), verbs[i].summary)
	}
	fmt.Fprintf(w, "\nExit status: 0 done, 1 refused or another error, 2 wrong flags, 3 no answer in time. --json prints one object for each line.\n"+
		"`trunkline %s VERB --help` lists a verb's flags.\n", noun)
}

// runAsking runs one verb.
func runAsking(name string, v *verb, args []string, stdout, stderr io.Writer) int {
	a := asking{out: stdout}
	fs := a.flagSet(name, v)
	if err := a.parse(fs, v, args); err != nil {
		help := fmt.Sprintf("Usage: %s\n\n%s.\n", strings.TrimSpace(fmt.Sprintf("trunkline %s --user ME [flags] %s", name, v.words)), upperFirst(v.summary))
		return talkError(name, help, fs, err, stdout, stderr)
	}
	ctx, stop := waitContext(a.timeout)
	defer stop()
	state, err := a.open()
	if err != nil {
		return failed(name, err, stderr)
	}
	code := a.login(ctx, name, v, state, stderr)
	if err := state.Close(); err != nil && code == exitOK {
		return failed(name, err, stderr)
	}
	return code
}

func (a *asking) flagSet(name string, v *verb) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	a.add(fs)
	fs.DurationVar(&a.timeout, "timeout", askTimeout, "give up after this `time`; 0 waits for ever")
	fs.BoolVar(&a.json, "json", false, "print lines of JSON")
	if v.flags != nil {
		v.flags(a, fs)
	}
	return fs
}

func (a *asking) parse(fs *flag.FlagSet, v *verb, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if err := flagBehindText(fs, args); err != nil {
		return err
	}
	a.words = fs.Args()
	if err := a.deviceOptions.check(); err != nil {
		return err
	}
	switch {
	case a.timeout < 0:
		return fmt.Errorf("--timeout %v is negative", a.timeout)
	case v.check != nil:
		return v.check(a)
	case len(a.words) > 0:
		return fmt.Errorf("%q is not a flag", a.words[0])
	}
	return nil
}

// login runs the verb on a client of its own. Messages that come meanwhile are kept for recv and chat.
func (a *asking) login(ctx context.Context, name string, v *verb, state client.State, stderr io.Writer) int {
	c, err := client.Dial(ctx, a.server, append(a.options(state), client.WithInbox())...)
	if err != nil {
		if code := interrupted(ctx, name, fmt.Sprintf("no login at %s within %v", a.server, a.timeout), stderr); code != exitOK {
			return code
		}
		return failed(name, err, stderr)
	}
	a.c = c
	drained := make(chan struct{})
	if v.live {
		close(drained)
	} else {
		go drain(c, drained) // ends when Close has closed the events
	}
	err = v.run(ctx, a)
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	<-drained
	switch {
	case err == nil:
		return exitOK
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return interrupted(ctx, name, fmt.Sprintf("no answer within %v", a.timeout), stderr)
	}
	return failed(name, err, stderr)
}

// drain takes the client's events: nobody looks at them, and a client whose events are not taken stops reading.
func drain(c *client.Client, done chan<- struct{}) {
	defer close(done)
	for range c.Events() {
	}
}

// put prints one line: v as JSON with --json, else the text.
func (a *asking) put(v any, format string, args ...any) error {
	if a.json {
		return printJSON(a.out, v)
	}
	if _, err := fmt.Fprintf(a.out, format+"\n", args...); err != nil {
		return fmt.Errorf("standard output: %w", err)
	}
	return nil
}

// users are the words behind the flags, which must be at least so many.
func (a *asking) users(min int) ([]uint64, error) {
	var list []uint64
	for _, w := range a.words {
		var u userFlag
		if err := u.Set(w); err != nil {
			return nil, fmt.Errorf("%q: %w", w, err)
		}
		if !slices.Contains(list, uint64(u)) {
			list = append(list, uint64(u))
		}
	}
	if len(list) < min {
		return nil, errors.New("name a user behind the flags")
	}
	return list, nil
}

// someUsers is the check of verbs that name users.
func someUsers(min int) func(a *asking) error {
	return func(a *asking) error {
		_, err := a.users(min)
		return err
	}
}

// upperFirst begins a sentence.
func upperFirst(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// unix is a time in unix seconds, 0 for none.
func unix(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}
