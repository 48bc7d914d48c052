package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"

	"trunkline/server"
	"trunkline/tuning"
)

// explainMemory is `serve --explain-memory`; asked is false when that was not asked for. Whatever else is wrong with the command line
// is left to who starts a server with it.
func explainMemory(args []string, stdout, stderr io.Writer) (code int, asked bool) {
	cfg, opts := server.DefaultConfig(), serveOptions{}
	fs := serveFlags(&cfg, &opts)
	if err := parseFlags(fs, args); err != nil {
		return exitOK, false
	}
	given := map[string]bool{}
	fs.Visit(func(f *flag.Flag) { given[f.Name] = true })
	switch {
	case !given["explain-memory"] && !given["json"]:
		return exitOK, false
	case !given["explain-memory"]:
		fmt.Fprintln(stderr, "trunkline serve: --json belongs to --explain-memory")
		return exitUsage, true
	case opts.explain < 1 || opts.explain > tuning.ConnectionsMax:
		fmt.Fprintf(stderr, "trunkline serve: --explain-memory is %d, it must lie between 1 and %d\n", opts.explain, tuning.ConnectionsMax)
		return exitUsage, true
	}
	return printExplanation(opts, cfg.Loops, stdout, stderr), true
}

func printExplanation(opts serveOptions, loops int, stdout, stderr io.Writer) int {
	e, err := server.ExplainMemory(opts.explain, max(loops, 1))
	if err == nil && opts.json {
		enc := json.NewEncoder(stdout)
		enc.SetIndent("", "  ")
		err = enc.Encode(e)
	} else if err == nil {
		err = e.WriteTable(stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "trunkline serve: %s\n", oneLine(err))
		return exitFailed
	}
	return exitOK
}
