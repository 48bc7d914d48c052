package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"trunkline/store"
)

const storeStatsHelp = `Usage: trunkline store stats [--data DIR] [--json]

Counts what a stopped server keeps: users, groups, mailboxes, what waits in them, the journal. It changes nothing: it writes its process number
into DIR/lock, as a server does, and nothing else. What the journal holds beyond the mailboxes is applied in memory and counted.
Exit status: 0 counted, 1 an error, 2 wrong flags.
`

// storeStats counts.
func storeStats(o *storeOptions, stdout, stderr io.Writer) int {
	var s store.Survey
	d, held, err := o.hold(false)
	if err == nil {
		s, err = d.Survey()
		err = errors.Join(err, held.Close())
	}
	if err != nil {
		return storeFailed(o.verb, err, stderr)
	}
	return o.print(s, func(w io.Writer) { printSurvey(w, &s, time.Now()) }, stdout, stderr)
}

// print writes what a verb has found: as JSON, or for people.
func (o *storeOptions) print(v any, table func(w io.Writer), stdout, stderr io.Writer) int {
	var b bytes.Buffer
	if o.json {
		if err := printIndented(&b, v); err != nil {
			return storeFailed(o.verb, err, stderr)
		}
	} else {
		table(&b)
	}
	return printed("store "+o.verb, b.Bytes(), stdout, stderr)
}

func printSurvey(w io.Writer, s *store.Survey, now time.Time) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "users\t%d\n", s.Users)
	fmt.Fprintf(t, "groups\t%d\n", s.Groups)
	fmt.Fprintf(t, "mailboxes\t%d\n", s.Mailboxes)
	fmt.Fprintf(t, "waiting\t%d messages (%s), %d receipts, %d rejections\n", s.Messages, bytesText(int64(s.PayloadBytes)), s.Notices-s.Rejections, s.Rejections)
	fmt.Fprintf(t, "state\t%s of users and groups\n", count(int(s.StatePieces), "piece"))
	fmt.Fprintf(t, "pending\t%d that the server goes on with when it starts\n", s.Pending)
	if s.OldestUnix != 0 {
		fmt.Fprintf(t, "oldest\t%s, %s ago\n", time.Unix(int64(s.OldestUnix), 0).UTC().Format("2006-01-02 15:04:05 UTC"), age(now, int64(s.OldestUnix)))
	}
	fmt.Fprintf(t, "on disk\t%s\n", bytesText(s.DiskBytes))
	fmt.Fprintf(t, "journal\t%s in %s, of which the next start applies %s\n", bytesText(s.JournalBytes), count(s.JournalFiles, "file"), count(int(s.JournalRounds), "round"))
	stop := "clean"
	if !s.Clean {
		stop = "not clean"
	}
	fmt.Fprintf(t, "last stop\t%s\n", stop)
	fmt.Fprintf(t, "ticks\t%s, owner epoch %d, incarnation %s\n", s.Ack, s.OwnerEpoch, s.Incarnation)
	_ = t.Flush() // into memory
}

// printIndented writes a document for scripts that people can read too.
func printIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
