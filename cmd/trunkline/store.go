package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"

	"trunkline/server"
	"trunkline/store"
)

const storeHelp = `Usage: trunkline store stats   [--data DIR] [--json]               what is kept: users, messages, bytes
       trunkline store check   [--data DIR] [--json]               read all of it and name each damage
       trunkline store repair  [--data DIR] [--dry-run] [--json]   make it whole again of what can be read
       trunkline store export  [--data DIR] --user U [--device D]  one user's mailboxes as lines of JSON
       trunkline store backup  DIR [--admin ADDR] [--json]         copy what a running server keeps
       trunkline store backup  DIR --data DATA [--json]            ... or what a stopped one keeps
       trunkline store restore --from DIR --data DATA [--json]     make a data directory of a backup
       trunkline store reseed  [--data DIR] [--json]               draw a new hash seed and place all users anew

All but a backup over --admin need the server stopped: they hold the directory's lock. Without --data they take the directory of a
serve without --data. "trunkline store WHAT --help" says more about each.
Exit status: 0 done and nothing wrong, 1 something is wrong or it could not be done, 2 wrong flags.
`

// storeVerb is one row of the table of what `trunkline store` does.
type storeVerb struct {
	name string
	help string
	run  func(o *storeOptions, stdout, stderr io.Writer) int
	// flags declares those that are not of all; nil: there are none. check looks at them behind parsing.
	flags func(o *storeOptions, fs *flag.FlagSet)
	check func(o *storeOptions, fs *flag.FlagSet) error
}

func storeVerbs() []storeVerb {
	return []storeVerb{
		{"stats", storeStatsHelp, storeStats, nil, nil},
		{"check", storeCheckHelp, storeCheck, (*storeOptions).journalFlag, nil},
		{"repair", storeRepairHelp, storeRepair, (*storeOptions).repairFlags, nil},
		{"export", storeExportHelp, storeExport, (*storeOptions).exportFlags, (*storeOptions).checkExport},
		{"backup", storeBackupHelp, storeBackup, (*storeOptions).backupFlags, (*storeOptions).checkBackup},
		{"restore", storeRestoreHelp, storeRestore, (*storeOptions).restoreFlags, (*storeOptions).checkRestore},
		{"reseed", storeReseedHelp, storeReseed, nil, nil},
	}
}

type storeOptions struct {
	verb     string
	data     string
	journals server.Paths
	json     bool
	dryRun   bool
	user     userFlag
	device   deviceFlag
	devices  bool // all of them: --device was not given
	to       string
	from     string
	admin    string
	keys     string
	withKeys bool
}

// runStore looks at what a server keeps, mends it, copies it or places it anew.
func runStore(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	o := storeOptions{}
	if len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		o.verb, args = args[0], args[1:]
	}
	for _, v := range storeVerbs() {
		if v.name == o.verb {
			return o.start(&v, args, stdout, stderr)
		}
	}
	fs := flag.NewFlagSet("store", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	err := parseFlags(fs, args)
	if errors.Is(err, flag.ErrHelp) {
		return printed("store", []byte(storeHelp), stdout, stderr)
	}
	if err = errors.New("say what to do: " + storeNames()); o.verb != "" {
		err = fmt.Errorf("%q is none of %s", o.verb, storeNames())
	}
	return usageError("store", fs, err, stdout, stderr)
}

func storeNames() string {
	var names []string
	for _, v := range storeVerbs() {
		names = append(names, v.name)
	}
	return strings.Join(names, ", ")
}

// start parses the flags of one verb and runs it.
func (o *storeOptions) start(v *storeVerb, args []string, stdout, stderr io.Writer) int {
	name := "store " + v.name
	if v.name == "backup" && len(args) > 0 && !strings.HasPrefix(args[0], "-") {
		o.to, args = args[0], args[1:]
	}
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.data, "data", "", "`directory` of the data; the default is the one of a serve without --data")
	if v.name != "export" {
		fs.BoolVar(&o.json, "json", false, "print a JSON document")
	}
	if v.flags != nil {
		v.flags(o, fs)
	}
	err := parseFlags(fs, args)
	if err == nil && v.check != nil {
		err = v.check(o, fs)
	}
	if err == nil && o.data == "" && !(v.name == "backup" && o.admin != "") {
		if o.data, err = dataFolder(); err != nil {
			err = fmt.Errorf("%w; --data names a directory", err)
		}
	}
	if err != nil {
		return talkError(name, v.help, fs, err, stdout, stderr)
	}
	return v.run(o, stdout, stderr)
}

// journalFlag is for a state file that can't be read: it would name them.
func (o *storeOptions) journalFlag(fs *flag.FlagSet) {
	fs.Var(&pathsFlag{list: &o.journals}, "journal", "`directory` of the journal, repeated for each, instead of those that the state file names")
}

// given says whether a flag is on the command line.
func given(fs *flag.FlagSet, name string) (is bool) {
	fs.Visit(func(f *flag.Flag) { is = is || f.Name == name })
	return is
}

// hold takes the directory for one verb, and ends what an interrupted one has begun when the verb may change something.
func (o *storeOptions) hold(mayChange bool) (store.Directory, *server.HeldData, error) {
	held, err := server.HoldData(o.data, false)
	if err != nil {
		return store.Directory{}, nil, err
	}
	d := held.Mailboxes()
	d.Journals, d.Keys = o.journals, o.keys
	if mayChange {
		if _, err := store.FinishSwitch(nil, o.data); err != nil {
			return d, nil, errors.Join(err, held.Close())
		}
	}
	return d, held, nil
}

// storeFailed prints the one line of a verb that could not do its work.
func storeFailed(verb string, err error, stderr io.Writer) int {
	hint := ""
	switch {
	case errors.Is(err, server.ErrDataLocked):
		hint = "; stop that server first (`trunkline status` asks a running one)"
	case errors.Is(err, store.ErrUnfinished):
		hint = "; the next start of the server ends it, and so does `trunkline store repair`"
	case errors.Is(err, store.ErrOfflineDamaged), errors.Is(err, store.ErrJournalDamaged), errors.Is(err, store.ErrStateDamaged), errors.Is(err, store.ErrSeedDamaged):
		hint = "; `trunkline store check` names each damage, `trunkline store repair` mends what can be"
	}
	fmt.Fprintf(stderr, "trunkline store %s: %s%s\n", verb, oneLine(err), hint)
	return exitFailed
}
