package main

import (
	"fmt"
	"io"
	"os"
)

// Exit codes of every subcommand. docs/operations.md lists them.
const (
	exitOK        = 0
	exitFailed    = 1   // the work could not be done: port in use, lock held, nobody answers
	exitUsage     = 2   // wrong flags, wrong configuration; of `tune check` also: it can't be told
	exitTimeout   = 3   // what was waited for did not happen in time
	exitInterrupt = 130 // a second Ctrl-C; of `bench` and `tune watch` the first
)

// command is one row of the table of subcommands. run gets the arguments behind the name and answers the exit code.
type command struct {
	name    string
	summary string
	run     func(args []string, stdin io.Reader, stdout, stderr io.Writer) int
}

// commands is the table, in the order in which help prints it.
func commands() []command {
	return []command{
		{"serve", "run the chat server", runServe},
		{"status", "show how a running server is doing", runStatus},
		{"guard", "show what a running server has held back as spam", runGuard},
		{"store", "look at, mend, copy or place anew what a server keeps", runStore},
		{"keys", "make, show or change the server's keys", runKeys},
		{"token", "make a token with which a device registers", runToken},
		{"register", "enrol a device, once", runRegister},
		{"link", "let a second device register, from the first", runLink},
		{"chat", "talk to somebody, line by line", runChat},
		{"send", "send one message and wait for its tick", runSend},
		{"recv", "receive messages as lines of JSON", runRecv},
		{"group", "make groups, change them, look at them", askCommand("group", groupVerbs)},
		{"presence", "watch who is there", askCommand("presence", presenceVerbs)},
		{"device", "list, sign, link and remove a user's devices", runDevice},
		{"profile", "show or change what a user says of itself", askCommand("profile", profileVerbs)},
		{"contacts", "list or change a user's contacts", askCommand("contacts", contactVerbs)},
		{"block", "list or change whom a user has blocked", askCommand("block", blockVerbs)},
		{"privacy", "show or change who sees what of a user", askCommand("privacy", privacyVerbs)},
		{"account", "delete a user's account", askCommand("account", accountVerbs)},
		{"report", "tell the operator about a user", askCommand("report", reportVerbs)},
		{"tune", "say what this machine must be set to, and set it", runTune},
		{"bench", "load a server and report what it costs", runBench},
		{"version", "print version and build", runVersion},
		{"help", "print this list", runHelp},
	}
}

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// run finds the subcommand and runs it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		printHelp(stderr)
		return exitUsage
	}
	name := args[0]
	switch name {
	case "-h", "-help", "--help":
		name = "help"
	case "-version", "--version":
		name = "version"
	}
	for _, c := range commands() {
		if c.name == name {
			return c.run(args[1:], stdin, stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "trunkline: unknown command %q; `trunkline help` lists them\n", args[0])
	return exitUsage
}

func runHelp(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		printHelp(stdout)
		return exitOK
	}
	for _, c := range commands() {
		if c.name == args[0] && c.name != "help" {
			return c.run([]string{"--help"}, nil, stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "trunkline: unknown command %q; `trunkline help` lists them\n", args[0])
	return exitUsage
}

func printHelp(w io.Writer) {
	fmt.Fprint(w, "trunkline is a chat server for very many phones, and the tools around it.\n\nUsage: trunkline COMMAND [flags]\n\n")
	for _, c := range commands() {
		fmt.Fprintf(w, "  %-9s %s\n", c.name, c.summary)
	}
	fmt.Fprint(w, "\n`trunkline COMMAND --help` lists a command's flags. Start with: trunkline serve\n")
}
