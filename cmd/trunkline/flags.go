package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"regexp"
	"strings"
	"time"

	"trunkline/server"
)

// serveOptions are the flags of serve that are not settings of the server.
type serveOptions struct {
	config  string // --config
	explain int    // --explain-memory; 0: the server is to run
	json    bool   // --json, of --explain-memory
}

// serveFlags declares the flags of serve over cfg: what cfg holds is each flag's default. The names are the keys of the
// configuration file.
func serveFlags(cfg *server.Config, opts *serveOptions) *flag.FlagSet {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	fs.SetOutput(io.Discard) // errors and help are printed once, by parseServe
	fs.StringVar(&opts.config, "config", "", "read settings from this TOML `file`; flags win over it")
	fs.IntVar(&opts.explain, "explain-memory", 0, "print what `N` idle encrypted sessions take, byte by byte, and end")
	fs.BoolVar(&opts.json, "json", false, "with --explain-memory: print it as JSON")
	fs.StringVar(&cfg.Listen, "listen", cfg.Listen, "`address` for clients")
	fs.StringVar(&cfg.Admin, "admin", cfg.Admin, "`address` for status, metrics and profiles; \"off\" for none")
	fs.BoolVar(&cfg.AdminPublic, "admin-public", cfg.AdminPublic, "allow --admin on an address that is not loopback")
	fs.IntVar(&cfg.Loops, "loops", cfg.Loops, "event loops; the default is the number of processors")
	fs.StringVar(&cfg.Poller, "poller", cfg.Poller, "what asks the kernel for events: native or gnet")
	fs.StringVar(&cfg.Place, "place", cfg.Place, "home: connections move to their user's loop; accept: they stay")
	fs.BoolVar(&cfg.ReusePort, "reuseport", cfg.ReusePort, "one listening socket for each loop")
	fs.StringVar(&cfg.Data, "data", cfg.Data, "`directory` for what is kept; the default is in your home directory; \"off\" keeps nothing")
	durableFlags(fs, cfg)
	fs.IntVar(&cfg.MaxConnections, "max-connections", cfg.MaxConnections, "most open connections; 0 for what the descriptor limit allows")
	fs.StringVar(&cfg.Registration, "registration", cfg.Registration,
		"who may log in: token (a new device shows one), open (anybody) (default token, with --transport=plain open)")
	fs.StringVar(&cfg.Transport, "transport", cfg.Transport, "what clients speak: noise (encrypted), plain (not encrypted)")
	fs.TextVar(&cfg.Keepalive, "keepalive", cfg.Keepalive, "how often a silent client must say something")
	fs.TextVar(&cfg.LoginTimeout, "login-timeout", cfg.LoginTimeout, "how long a connection may take to log in")
	fs.TextVar(&cfg.AckTimeout, "ack-timeout", cfg.AckTimeout, "how long a device may acknowledge nothing")
	fs.TextVar(&cfg.DrainTimeout, "drain-timeout", cfg.DrainTimeout, "how long Ctrl-C waits for clients to leave")
	fs.IntVar(&cfg.MailboxEntries, "mailbox-entries", cfg.MailboxEntries, "most entries waiting for one device")
	fs.TextVar(&cfg.MailboxBytes, "mailbox-bytes", cfg.MailboxBytes, "most bytes waiting for one device")
	fs.IntVar(&cfg.Users, "users", cfg.Users, "most users known to the server")
	fs.TextVar(&cfg.StoreBytes, "store-bytes", cfg.StoreBytes, "most bytes waiting for all devices")
	fs.IntVar(&cfg.Subscriptions, "subscriptions", cfg.Subscriptions, "most presence subscriptions of one session")
	fs.TextVar(&cfg.PresenceRate, "presence-rate", cfg.PresenceRate, "presence and typing frames of each loop: a second/at once, or none")
	fs.TextVar(&cfg.PresenceWindow, "presence-window", cfg.PresenceWindow, "how often watchers are told of one user, at most")
	admissionFlags(fs, cfg)
	guardFlags(fs, cfg)
	fs.StringVar(&cfg.LogLevel, "log-level", cfg.LogLevel, "debug, info, warn or error")
	fs.StringVar(&cfg.LogFormat, "log-format", cfg.LogFormat, "text or json")
	fs.IntVar(&cfg.GCPercent, "gc-percent", cfg.GCPercent, "heap growth between collections, in percent; 0 chooses for what may come; GOGC wins over it")
	return fs
}

// admissionFlags are the settings that keep strangers in check.
func admissionFlags(fs *flag.FlagSet, cfg *server.Config) {
	fs.StringVar(&cfg.Keys, "keys", cfg.Keys, "`directory` of operator and server keys; the default is DATA/keys")
	fs.IntVar(&cfg.AddressConnections, "address-connections", cfg.AddressConnections, "most open connections of one address; -1 for no limit")
	fs.TextVar(&cfg.AddressAccepts, "address-accepts", cfg.AddressAccepts, "new connections of one address: a second/at once, or none")
	fs.TextVar(&cfg.AddressHandshakes, "address-handshakes", cfg.AddressHandshakes, "handshakes of one address: a second/at once, or none")
	fs.TextVar(&cfg.Accepts, "accepts", cfg.Accepts, "new connections of all: a second/at once, or none")
	fs.TextVar(&cfg.Handshakes, "handshakes", cfg.Handshakes, "handshakes of all: a second/at once, or none")
	fs.IntVar(&cfg.HandshakeShare, "handshake-share", cfg.HandshakeShare, "`percent` of a loop's time for handshakes")
	fs.StringVar(&cfg.Exempt, "exempt", cfg.Exempt, "`prefixes` without address limits, such as 10.0.0.0/8,::1/128")
	fs.StringVar(&cfg.ProxyListen, "proxy-listen", cfg.ProxyListen, "`address` for load balancers that speak PROXY protocol v2")
	fs.StringVar(&cfg.ProxyFrom, "proxy-from", cfg.ProxyFrom, "`prefixes` that may connect to --proxy-listen")
	fs.IntVar(&cfg.Companions, "companions", cfg.Companions, "most devices of one user registered beside its primary")
	fs.IntVar(&cfg.GroupMembers, "group-members", cfg.GroupMembers, "most users in one group")
	fs.IntVar(&cfg.UserSessions, "user-sessions", cfg.UserSessions, "most devices of one user connected at once")
	fs.TextVar(&cfg.Messages, "messages", cfg.Messages, "messages of one device: a second/at once, or none")
	fs.TextVar(&cfg.Controls, "controls", cfg.Controls, "other stanzas of one session: a second/at once, or none")
	fs.TextVar(&cfg.Conversations, "conversations", cfg.Conversations, "first messages of one device to others: a second/at once, or none")
	fs.TextVar(&cfg.TicketRotation, "ticket-rotation", cfg.TicketRotation, "how often the key of resume tickets changes")
	fs.TextVar(&cfg.SessionExpiry, "session-expiry", cfg.SessionExpiry, "when the empty mailbox of an absent device leaves memory")
}

// durableFlags are the settings of what outlives the process.
func durableFlags(fs *flag.FlagSet, cfg *server.Config) {
	fs.StringVar(&cfg.Ack, "ack", cfg.Ack, "what the first tick says: disk (the message survives a power cut), memory (it survives a clean stop) "+
		"(default disk, with --data=off memory)")
	fs.Var(&placesFlag{list: &cfg.Accounts}, "accounts",
		"database for accounts, as mysql://user:password@host:port/name; again, or behind a comma, for another that shares the load; the default is DATA/accounts")
	fs.Var(&pathsFlag{list: &cfg.Journal}, "journal", "`directory` of the journal; again for another that shares its load; the default is DATA/journal")
	fs.TextVar(&cfg.JournalLinger, "journal-linger", cfg.JournalLinger, "how long a sync of the journal waits for more messages")
	fs.TextVar(&cfg.JournalBytes, "journal-bytes", cfg.JournalBytes, "most bytes of the journal on disk")
	fs.TextVar(&cfg.WriteBack, "write-back", cfg.WriteBack, "how often changed mailboxes are written to the offline store")
	fs.TextVar(&cfg.Retention, "retention", cfg.Retention, "how long a message waits for a device that does not come")
}

// parseServe settles the configuration: defaults, then the file of --config, then flags. flag.ErrHelp asks for help.
func parseServe(args []string) (server.Config, error) {
	cfg, opts := server.DefaultConfig(), serveOptions{}
	cfg.MaxConnections, cfg.Registration = 0, ""
	if err := parseFlags(serveFlags(&cfg, &opts), args); err != nil {
		return cfg, err
	}
	if opts.config != "" {
		cfg = server.DefaultConfig()
		cfg.Registration = ""
		if err := cfg.LoadFile(opts.config); err != nil {
			return cfg, err
		}
		if err := parseFlags(serveFlags(&cfg, &opts), args); err != nil {
			return cfg, err
		}
	}
	if cfg.Registration == "" {
		cfg.Registration = server.RegistrationFor(cfg.Transport)
	}
	if err := settleData(&cfg); err != nil { // first: what disks may be asked to promise depends on it
		return cfg, err
	}
	if err := cfg.ValidateGiven(); err != nil {
		return cfg, err
	}
	return cfg, checkKeysLast(&cfg)
}

// parseFlags takes flags only: a word that is left over is an error.
func parseFlags(fs *flag.FlagSet, args []string) error {
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%q is not a flag", fs.Arg(0))
	}
	return nil
}

// usageError prints one line for a wrong flag or setting, or the help that was asked for, and answers the exit code.
func usageError(name string, fs *flag.FlagSet, err error, stdout, stderr io.Writer) int {
	if errors.Is(err, flag.ErrHelp) {
		printFlags(stdout, name, fs)
		return exitOK
	}
	fmt.Fprintf(stderr, "trunkline %s: %s (trunkline %s --help lists the flags)\n", name, flagText(fs, oneLine(err)), name)
	return exitUsage
}

// wrongValue is how package flag words a value that a flag does not take: value, flag, reason.
var wrongValue = regexp.MustCompile(`^invalid (?:boolean )?value (".*") for (?:flag )?-([a-z-]+): (.*)$`)

// flagText words an error of package flag as this program words its own: the flag with two dashes, then what is wrong.
func flagText(fs *flag.FlagSet, text string) string {
	text = strings.Replace(text, "flag provided but not defined: -", "unknown flag --", 1)
	text = strings.Replace(text, "flag needs an argument: -", "a value is missing behind --", 1)
	m := wrongValue.FindStringSubmatch(text)
	if m == nil {
		return text
	}
	value, name, reason := m[1], m[2], m[3]
	f := fs.Lookup(name)
	switch {
	case reason == "parse error" && f != nil:
		reason = value + " is not " + kindOf(f).example
	case reason == "value out of range":
		reason = value + " is out of range"
	case !strings.Contains(reason, value):
		reason = value + ": " + reason
	}
	return "--" + name + ": " + reason
}

// kind is what a flag takes: its name in the list of flags, and how it is written.
type kind struct{ name, example string }

// kindOf knows the types that flags of this program have.
func kindOf(f *flag.Flag) kind {
	v, ok := f.Value.(flag.Getter)
	if !ok {
		return kind{"word", "a word"}
	}
	switch v.Get().(type) {
	case *server.Duration, time.Duration:
		return kind{"time", "a time like 10s or 4m"}
	case *server.Rate:
		return kind{"rate", "a rate like 100/1000 or none"}
	case *server.Bytes, *sizeFlag:
		return kind{"size", "a size like 4096, 64KiB or 1GiB"}
	case int, int64:
		return kind{"number", "a whole number"}
	case bool:
		return kind{"", "true or false"}
	}
	return kind{"word", "a word"}
}

// printFlags writes one flag a line, with two dashes and its default.
func printFlags(w io.Writer, name string, fs *flag.FlagSet) {
	fmt.Fprintf(w, "Usage: trunkline %s [flags]\n\n", name)
	printFlagList(w, fs)
}

func printFlagList(w io.Writer, fs *flag.FlagSet) {
	fs.VisitAll(func(f *flag.Flag) {
		arg, usage := flag.UnquoteUsage(f)
		if arg == "value" || arg == "int" || arg == "string" || arg == "duration" {
			arg = kindOf(f).name // package flag's own words, where the usage names none
		}
		head := "--" + f.Name
		if arg != "" {
			head += " " + arg
		}
		if f.DefValue != "" && f.DefValue != "false" && !strings.Contains(usage, "(default ") {
			usage += " (default " + f.DefValue + ")"
		}
		fmt.Fprintf(w, "  %-26s %s\n", head, usage)
	})
}

// guardFlags are the rules against spam.
func guardFlags(fs *flag.FlagSet, cfg *server.Config) {
	fs.IntVar(&cfg.GuardMessages, "guard-messages", cfg.GuardMessages, "most messages of one user within an hour; 0 for no limit")
	fs.IntVar(&cfg.GuardConversations, "guard-conversations", cfg.GuardConversations, "most first messages of one user to others within an hour; 0 for no limit")
	fs.IntVar(&cfg.GuardReceivers, "guard-receivers", cfg.GuardReceivers, "most distinct receivers of one user within an hour; 0 for no limit")
	fs.TextVar(&cfg.GuardYoung, "guard-young", cfg.GuardYoung, "how long a device counts as new")
	fs.IntVar(&cfg.GuardYoungMessages, "guard-young-messages", cfg.GuardYoungMessages, "--guard-messages of a new device; 0 for the same")
	fs.IntVar(&cfg.GuardYoungConversations, "guard-young-conversations", cfg.GuardYoungConversations, "--guard-conversations of a new device; 0 for the same")
	fs.IntVar(&cfg.GuardYoungReceivers, "guard-young-receivers", cfg.GuardYoungReceivers, "--guard-receivers of a new device; 0 for the same")
	fs.IntVar(&cfg.GuardSlowReports, "guard-slow-reports", cfg.GuardSlowReports, "how many users must report one within a day for it to be slowed; -1 for none")
	fs.TextVar(&cfg.GuardSlowEvery, "guard-slow-every", cfg.GuardSlowEvery, "to one message in this time it is slowed")
	fs.IntVar(&cfg.GuardRefuseReports, "guard-refuse-reports", cfg.GuardRefuseReports, "how many users must report one within a day for it to be refused; 0 for none")
}
