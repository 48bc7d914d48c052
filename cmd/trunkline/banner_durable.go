package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"trunkline/server"
)

// printDurable says what the first tick promises, and what the last server has left behind.
func (b *banner) printDurable(w io.Writer) {
	d := &b.durable
	if !d.Kept {
		fmt.Fprint(w, "  data    none kept (--data DIR keeps mailboxes, accounts and keys)\n"+
			"  ack     memory: messages wait in memory, what clients have not fetched is lost when this process ends\n")
		return
	}
	fmt.Fprintf(w, "  data    %s\n", b.cfg.Data)
	if d.Ack == server.AckDisk {
		fmt.Fprint(w, "  ack     disk: a message with a first tick is synced to the disk and survives a crash and a power cut\n")
	} else {
		fmt.Fprint(w, "  ack     memory: a message with a first tick survives a clean stop; a crash loses what waits (--ack=disk keeps it)\n")
	}
	if len(b.cfg.Journal) > 0 {
		fmt.Fprintf(w, "  journal %s\n", strings.Join(d.Journal.Directories, ", "))
	}
	b.printRecovery(w)
}

// printRecovery prints nothing after a clean stop.
func (b *banner) printRecovery(w io.Writer) {
	d, r := &b.durable, &b.durable.Recovery
	switch {
	case r.DataLost:
		fmt.Fprintf(w, "\n  WARNING: MESSAGES ARE LOST. The last server ran with --ack=%s and did not stop cleanly:\n"+
			"           what waited in its mailboxes is gone. Clients are told (incarnation %s).\n\n", server.AckMemory, d.Incarnation)
	case r.Restored:
		fmt.Fprintf(w, "          the mailboxes are a backup: clients are told that what came after it may be lost (incarnation %s)\n", d.Incarnation)
	case !d.CleanStart:
		fmt.Fprintf(w, "          the last server did not stop cleanly: %s of the journal replayed in %s, owner epoch %d\n",
			grouped(r.Records, "record"), tookText(r.Seconds), d.OwnerEpoch)
	}
	for _, c := range r.Cut {
		fmt.Fprintf(w, "          an end of the journal was never whole and is ignored: %s, %s from byte %d on (%s)\n",
			c.Path, grouped(uint64(c.Bytes), "byte"), c.Offset, c.Why)
	}
}

// grouped is a number with commas and its noun: 1,234 records.
func grouped(n uint64, noun string) string {
	digits := []byte(strconv.FormatUint(n, 10))
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = slices.Insert(digits, i, ',')
	}
	if n == 1 {
		return "1 " + noun
	}
	return string(digits) + " " + noun + "s"
}

// tookText is a time for people: 12 ms, 3.4 s.
func tookText(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
