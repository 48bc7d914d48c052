package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"trunkline/codec"
	"trunkline/server"
)

// runGuard asks a running server what it has held back as spam, and why.
func runGuard(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("guard", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	admin := fs.String("admin", server.AdminDefault, "`address` of the server's admin listener")
	user := fs.Uint64("user", 0, "only what this `user` has sent")
	raw := fs.Bool("json", false, "print the JSON document")
	if err := parseFlags(fs, args); err != nil {
		return usageError("guard", fs, err, stdout, stderr)
	}
	if _, _, err := net.SplitHostPort(*admin); err != nil {
		return usageError("guard", fs, fmt.Errorf("--admin: %q is not an address and port like %s", *admin, server.AdminDefault), stdout, stderr)
	}
	page := "/guard"
	if *user > codec.UserMax {
		return usageError("guard", fs, fmt.Errorf("--user: %d is no user", *user), stdout, stderr)
	} else if *user > 0 {
		page += "?user=" + strconv.FormatUint(*user, 10)
	}
	body, err := fetchPage(*admin, page)
	if err != nil {
		fmt.Fprintf(stderr, "trunkline guard: %s\n", oneLine(err))
		return exitFailed
	}
	if *raw {
		return printed("guard", append(bytes.TrimSpace(body), '\n'), stdout, stderr)
	}
	var doc server.GuardDocument
	if err := json.Unmarshal(body, &doc); err != nil {
		fmt.Fprintf(stderr, "trunkline guard: %s does not answer like a trunkline server: %s\n", *admin, oneLine(err))
		return exitFailed
	}
	var table bytes.Buffer
	printGuard(&table, &doc)
	return printed("guard", table.Bytes(), stdout, stderr)
}

// printGuard writes the document for people.
func printGuard(w io.Writer, doc *server.GuardDocument) {
	if !doc.On {
		fmt.Fprintln(w, "all rules are off (trunkline serve --help lists them: --guard-...)")
		return
	}
	if len(doc.Guarded) == 0 {
		fmt.Fprintln(w, "nothing was held back since the start")
	}
	for _, rule := range slices.Sorted(maps.Keys(doc.Guarded)) {
		fmt.Fprintf(w, "%s: %d\n", rule, doc.Guarded[rule])
	}
	if len(doc.Silent) > 0 {
		fmt.Fprintf(w, "loops %v did not answer: what they have held back is missing\n", doc.Silent)
	}
	if len(doc.Decisions) == 0 {
		return
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "when\tuser\tdevice\tto\tverdict\twhy")
	for i := range doc.Decisions {
		d := &doc.Decisions[i]
		verdict := d.Verdict
		if d.RetryMs > 0 {
			verdict += " " + (time.Duration(d.RetryMs) * time.Millisecond).Round(time.Second).String()
		}
		to := strconv.FormatUint(d.Peer, 10)
		if d.Peer&codec.GroupBit != 0 {
			to = "group g" + strconv.FormatUint(d.Peer&^codec.GroupBit, 10)
		}
		fmt.Fprintf(t, "%s\t%d\t%d\t%s\t%s\t%s\n", time.UnixMilli(d.UnixMs).UTC().Format(time.RFC3339), d.User, d.Device, to, verdict, d.Why)
	}
	_ = t.Flush() // the terminal may be gone
}
