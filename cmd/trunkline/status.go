package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"syscall"
	"text/tabwriter"
	"time"

	"trunkline/server"
)

const (
	// statusTimeout is how long a server may take to answer: loops have half a second, the rest is loopback.
	statusTimeout = 5 * time.Second
	// statusBytesMax bounds the answer: 256 loops take a tenth of it.
	statusBytesMax = 4 << 20
)

// runStatus asks a running server how it is doing.
func runStatus(args []string, _ io.Reader, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("status", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	admin := fs.String("admin", server.AdminDefault, "`address` of the server's admin listener")
	raw := fs.Bool("json", false, "print the JSON document")
	if err := parseFlags(fs, args); err != nil {
		return usageError("status", fs, err, stdout, stderr)
	}
	if _, _, err := net.SplitHostPort(*admin); err != nil {
		return usageError("status", fs, fmt.Errorf("--admin: %q is not an address and port like %s", *admin, server.AdminDefault), stdout, stderr)
	}
	body, err := fetchStatus(*admin)
	if err != nil {
		fmt.Fprintf(stderr, "trunkline status: %s\n", oneLine(err))
		return exitFailed
	}
	if *raw {
		return printed("status", append(bytes.TrimSpace(body), '\n'), stdout, stderr)
	}
	var st server.Status
	if err := json.Unmarshal(body, &st); err != nil {
		fmt.Fprintf(stderr, "trunkline status: %s does not answer like a trunkline server: %s\n", *admin, oneLine(err))
		return exitFailed
	}
	var table bytes.Buffer
	printStatus(&table, &st)
	return printed("status", table.Bytes(), stdout, stderr)
}

// printed writes what a command found and answers its exit code: a full disk behind ">" must not look like success.
func printed(name string, text []byte, stdout, stderr io.Writer) int {
	if _, err := stdout.Write(text); err != nil {
		fmt.Fprintf(stderr, "trunkline %s: standard output: %s\n", name, oneLine(err))
		return exitFailed
	}
	return exitOK
}

// fetchStatus reads /status.
func fetchStatus(admin string) ([]byte, error) { return fetchPage(admin, "/status") }

// fetchPage reads a page of a server's admin listener.
func fetchPage(admin, page string) ([]byte, error) {
	client := &http.Client{Timeout: statusTimeout}
	defer client.CloseIdleConnections()
	resp, err := client.Get("http://" + admin + page)
	if err != nil {
		return nil, notAnswered(admin, err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or given up
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s does not answer like a trunkline server's admin address: %s", admin, resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, statusBytesMax))
}

// notAnswered says why there was no answer, without the address that the HTTP client puts before it.
func notAnswered(admin string, err error) error {
	var outer *url.Error
	if errors.As(err, &outer) {
		err = outer.Err
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nobody listens on %s; is a server running, with this --admin?", admin)
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return fmt.Errorf("%s does not answer like a trunkline server's admin address: it closed the connection", admin)
	}
	return fmt.Errorf("no answer from %s: %w", admin, err)
}

// printStatus writes the document for people.
func printStatus(w io.Writer, st *server.Status) {
	state := "serving"
	if st.Draining {
		state = "draining"
	}
	fmt.Fprintf(w, "trunkline %s, pid %d, %s for %s, on %s (%s, registration %s)\n\n", st.Version, st.PID, state,
		(time.Duration(st.UptimeSeconds) * time.Second).String(), st.Listen, st.Transport, st.Registration)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "connections\t%d of %d\tsessions\t%d\tusers\t%d\n", st.Connections, st.Limits.Connections, st.Sessions, st.Users)
	fmt.Fprintf(t, "messages\t%d in\t\t%d out\t\t%d acknowledged\n", st.MessagesIn, st.MessagesOut, st.MessagesAcked)
	if st.Transport != server.TransportPlain {
		h := st.Handshakes
		fmt.Fprintf(t, "handshakes\t%d first\t\t%d by ticket\t\t%d told to come back later\n", h.Contacts, h.Resumes, h.Busy)
	}
	fmt.Fprintf(t, "waiting\t%d entries\t\t%s\t\tof %s\n", st.QueueEntries, bytesText(st.QueueBytes), bytesText(st.Limits.StoreBytes))
	printDisk(t, &st.Durability, &st.OfflineCache)
	fmt.Fprintf(t, "per second\t%.1f in\t\t%.1f out\t\t%.1f logins\n", st.Rates.MessagesIn, st.Rates.MessagesOut, st.Rates.Logins)
	fmt.Fprintf(t, "memory\t%s resident\t\t%s heap\t\t%d collections\n", bytesText(st.Memory.RSS), bytesText(int64(st.Memory.Heap)), st.Memory.GCCycles)
	fmt.Fprintf(t, "CPU\t%.1f s user\t\t%.1f s system\t\t%.3f cores now\n", st.CPU.User, st.CPU.System, st.Rates.CPUCores)
	_ = t.Flush() // the terminal may be gone
	if st.Durability.Trouble != "" {
		fmt.Fprintf(w, "DISK TROUBLE, new messages are refused: %s\n", st.Durability.Trouble)
	}
	if st.Durability.WriteBack.Trouble != "" {
		fmt.Fprintf(w, "OFFLINE STORE TROUBLE, memory and the journal hold what waits: %s\n", st.Durability.WriteBack.Trouble)
	}
	printTrouble(w, st)
	fmt.Fprintln(w)
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "loop\tconnections\tsessions\tmessages in\tout\twaiting\tMB in\tout\tturns\tage\t")
	for _, l := range st.PerLoop {
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%d\t%.1f\t%.1f\t%d\t%.1fs\t\n", l.Loop, l.Connections, l.Sessions, l.MessagesIn,
			l.MessagesOut, l.QueueEntries, float64(l.BytesIn)/1e6, float64(l.BytesOut)/1e6, l.Turns, l.AnswerSeconds)
	}
	_ = t.Flush() // the terminal may be gone
}

// printDisk writes what the first tick means and how the disk keeps up; nothing where nothing is kept.
func printDisk(w io.Writer, d *server.Durability, c *server.OfflineCache) {
	if !d.Kept {
		return
	}
	j, wb := &d.Journal, &d.WriteBack
	if d.Ack == server.AckDisk {
		fmt.Fprintf(w, "journal\t%s on disk\t\t%s waiting\t\tsync %.1f ms, 99 %% within %.1f ms\n", bytesText(j.DiskBytes), bytesText(j.WaitingBytes),
			1e3*j.FsyncSeconds.P50, 1e3*j.FsyncSeconds.P99)
	} else {
		fmt.Fprintf(w, "journal\tnone: ack is %s\n", d.Ack)
	}
	fmt.Fprintf(w, "offline\t%s on disk\t\t%d mailboxes to write\t\t%.0f %% served from memory\n", bytesText(wb.DiskBytes), wb.Dirty, 100*c.HitRatio)
}

// printTrouble writes only what is not zero.
func printTrouble(w io.Writer, st *server.Status) {
	for _, row := range []struct {
		name   string
		counts map[string]uint64
	}{{"rejected", st.Rejections}, {"closed", st.Closes}, {"strangers refused, by limit", st.Admission.Refused}, {"trouble", map[string]uint64{
		"accept errors": st.AcceptErrors, "over the limit": st.AcceptRefused, "malformed frames": st.MalformedFrames, "panics": st.Panics,
		"malformed flights and records": st.Handshakes.Malformed, "devices that may not log in": st.Handshakes.Refused,
		"tickets refused": st.Handshakes.TicketsRefused, "account faults": st.Accounts.Faults,
		"journal errors": st.Durability.Journal.Errors, "offline store errors": st.Durability.WriteBack.Errors,
		"failed reads": st.OfflineCache.LoadsFailed, "damaged reads": st.OfflineCache.LoadsDamaged,
	}}, {"dropped", st.OfflineCache.Dropped}, {"the start", map[string]uint64{
		"records replayed": st.Durability.Recovery.Records,
	}}} {
		var parts []string
		for name, n := range row.counts {
			if n > 0 {
				parts = append(parts, fmt.Sprintf("%s %d", name, n))
			}
		}
		if sort.Strings(parts); len(parts) > 0 {
			fmt.Fprintf(w, "%s: %s\n", row.name, strings.Join(parts, ", "))
		}
	}
}

// bytesText rounds to three digits: 41.2 MiB.
func bytesText(n int64) string {
	v, unit := float64(n), "B"
	for _, u := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if v < 1024 {
			break
		}
		v, unit = v/1024, u
	}
	if unit == "B" {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, unit)
}
