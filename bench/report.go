package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Report is what one run found. Fields that a run does not measure are null in JSON and absent from the table.
//
// The first block holds the keys that every run has, so that scripts read them in one place; what they mean in which
// run stands beside each. The sections Echo, Connect and Message hold the rest.
type Report struct {
	Format  int       `json:"format"`  // ResultFormat
	Bench   string    `json:"bench"`   // the kind: echo, connect, message, login, storm, mix, backlog, start, mailbox, group, presence, ...
	Aborted bool      `json:"aborted"` // the run was interrupted: what is here is what it had
	Started time.Time `json:"started"`
	Seconds float64   `json:"seconds"` // of the whole run
	Machine Machine   `json:"machine"`
	Command []string  `json:"command,omitempty"` // the command line
	Inputs  any       `json:"inputs"`            // the EchoConfig, ConnectConfig, ... as it was run

	// RSSBytesPerSession: Connect: slope of the server's resident memory between two counts of idle sessions (or raw
	// connections). Message: growth from the empty server to all sessions logged in, divided by them, fixed costs
	// included, so an upper bound; null when it did not grow, as with few sessions.
	RSSBytesPerSession *float64 `json:"server_rss_bytes_per_session"`
	// CPUUsPerMessage is user and system CPU of the server process in microseconds: Message: for each message that
	// arrived, with everything it causes (both ticks, acknowledgements). Echo: of our server with the fewest in flight.
	CPUUsPerMessage   *float64 `json:"cpu_us_per_message"`
	MessagesPerSecond *float64 `json:"messages_per_second"` // that arrived
	// LatencyMs: Message, Mix: due to delivered (Mix: to those who were there). Echo: round trip. Connect: from connected to logged in.
	LatencyMs *Latency `json:"latency_ms"`
	// KernelBytesPerConnection is kernel memory of sockets for each connection, both ends counted where generator and server share a machine.
	KernelBytesPerConnection *float64 `json:"kernel_bytes_per_connection"`
	// GCCPUMsPerCycle is CPU time of the server's garbage collector for each of its cycles in the run, those that the run asked for included.
	GCCPUMsPerCycle *float64 `json:"gc_cpu_ms_per_cycle"`
	// GCPauseMaxMs is the longest pause of the server for its garbage collector, at most a quarter too long (the runtime's histogram).
	GCPauseMaxMs *float64 `json:"gc_pause_max_ms"`

	SessionsBack *uint64 `json:"sessions_back"` // that came back after they had been there and gone
	Lost         *uint64 `json:"lost"`          // sent, neither delivered nor rejected
	Duplicated   *uint64 `json:"duplicated"`    // delivered again
	Reordered    *uint64 `json:"reordered"`     // delivered after a later message of the same pair

	Echo    *EchoResult    `json:"echo,omitempty"`
	Connect *ConnectResult `json:"connect,omitempty"`
	Message *MessageResult `json:"message,omitempty"`
	Login   *LoginResult   `json:"login,omitempty"`
	Storm   *StormResult   `json:"storm,omitempty"`
	Mix     *MixResult     `json:"mix,omitempty"`
	Backlog *BacklogResult `json:"backlog,omitempty"`
	Start   *StartResult   `json:"start,omitempty"`
	Mailbox *MailboxResult `json:"mailbox,omitempty"`
	Group   *GroupResult   `json:"group,omitempty"`

	Presence *PresenceResult `json:"presence,omitempty"`
	Run      *RunResult      `json:"run,omitempty"`
	Capacity *CapacityResult `json:"capacity,omitempty"`

	Notes []string `json:"notes,omitempty"` // what a reader of the figures must know

	LatencyHistogram []LatencyStep `json:"latency_histogram,omitempty"` // of LatencyMs, where the run has it
	Series           *Series       `json:"series,omitempty"`            // what was sampled while the run went on

	rec      *recorder // samples until the run is over
	wholeRun bool      // CPU for a message is that of the whole run, as the recorder sums it
}

// ResultFormat is the version of the document: it grows when a key changes its meaning. Keys are only added.
const ResultFormat = 1

// newReport begins the report of a run.
func newReport(name string, inputs any) *Report {
	return &Report{Format: ResultFormat, Bench: name, Started: time.Now().UTC(), Machine: readMachine(), Inputs: inputs}
}

// finish stamps the length of the run and ends what samples it.
func (r *Report) finish() {
	r.rec.stop()
	r.Seconds = round(time.Since(r.Started).Seconds(), 3)
}

// ended is what a run answers. One that was interrupted answers with what it has, and the error.
func (r *Report) ended(ctx context.Context, err error) (*Report, error) {
	r.Aborted = err != nil && ctx.Err() != nil
	r.finish()
	if err != nil && !r.Aborted {
		return nil, err
	}
	return r, err
}

// note adds a remark.
func (r *Report) note(format string, args ...any) {
	r.Notes = append(r.Notes, fmt.Sprintf(format, args...))
}

// Failed says whether the run found an error of the server: something lost, doubled, out of order or damaged.
func (r *Report) Failed() bool {
	for _, n := range []*uint64{r.Lost, r.Duplicated, r.Reordered} {
		if n != nil && *n > 0 {
			return true
		}
	}
	if s := r.Storm; s != nil && s.Storm != nil && (s.Storm.Corrupted > 0 || s.Storm.SessionLost > 0) {
		return true
	}
	if r.Run != nil && len(r.Run.Violations) > 0 {
		return true
	}
	if r.Capacity != nil && r.Capacity.failed() {
		return true
	}
	if r.Group != nil && r.Group.Corrupted > 0 {
		return true
	}
	if r.Mix != nil && r.Mix.Clients.Damaged > 0 {
		return true
	}
	return r.Message != nil && r.Message.Corrupted > 0
}

// WriteJSON writes the report as one indented JSON object and a newline.
func (r *Report) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// WriteTable writes the report for people: one figure a line, name first.
func (r *Report) WriteTable(w io.Writer) error {
	t := newTable(w)
	t.row("bench "+r.Bench, fmt.Sprintf("%s, %.1f s", r.Machine.String(), r.Seconds))
	switch {
	case r.Aborted: // what belongs to the kind may be half done
		t.row("aborted", "these are the figures of the time before")
		for _, f := range r.keyFigures() {
			t.row(f.Name, strings.TrimSpace(f.Value+" "+f.Unit))
		}
	case r.Message != nil:
		r.messageRows(t)
	case r.Connect != nil:
		r.connectRows(t)
	case r.Echo != nil:
		r.Echo.rows(t)
	case r.Login != nil:
		r.Login.rows(t)
	case r.Storm != nil:
		r.Storm.rows(t)
	case r.Mix != nil:
		r.Mix.rows(t)
	case r.Backlog != nil:
		r.Backlog.rows(t)
	case r.Start != nil:
		r.Start.rows(t)
	case r.Mailbox != nil:
		r.Mailbox.rows(t)
	case r.Presence != nil:
		r.Presence.rows(t)
	case r.Run != nil:
		r.Run.rows(r, t)
	case r.Capacity != nil:
		r.capacityRows(t)
	case r.Group != nil:
		r.Group.rows(t)
		t.row("lost", fmt.Sprintf("%s, duplicated %s, reordered %s", count(r.Lost), count(r.Duplicated), count(r.Reordered)))
	}
	for _, n := range r.Notes {
		t.row("note", n)
	}
	return t.flush()
}

func (r *Report) messageRows(t *table) {
	m := r.Message
	t.row("messages", fmt.Sprintf("%s/s over %d pairs of %d-byte payloads for %.1f s", number(r.MessagesPerSecond, 0), m.Pairs, m.PayloadBytes, m.MeasuredSeconds))
	t.row("sent, arrived", fmt.Sprintf("%d, %d (whole run)", m.Sent, m.Delivered))
	if r.CPUUsPerMessage == nil {
		t.row("server CPU", m.CPUSource)
	} else {
		t.row("server CPU", fmt.Sprintf("%.2f us a message, %.0f %% of one core (%s)", *r.CPUUsPerMessage, m.ServerCPUPercent, m.CPUSource))
	}
	t.row("generator CPU", fmt.Sprintf("%.2f us a message", m.GeneratorCPUUs))
	t.latency("latency", r.LatencyMs)
	t.latency("first tick", m.FirstTickMs)
	m.Journal.rows(t)
	m.Acks.rows(t)
	t.latency("generator late", m.GeneratorLateMs)
	t.row("lost", count(r.Lost))
	t.row("duplicated", count(r.Duplicated))
	t.row("reordered", count(r.Reordered))
	t.row("damaged", fmt.Sprint(m.Corrupted))
	t.row("ticks missing", fmt.Sprintf("%d first, %d second", m.FirstTicksMissing, m.SecondTicksMissing))
	t.row("refused", fmt.Sprintf("%d for a while, %d rejected, %d sessions closed by the server", m.Refused, m.Rejected, m.Closed))
	if m.RSSEndBytes > 0 {
		t.row("server memory", fmt.Sprintf("%.1f MB empty, %.1f MB logged in, %.1f MB at the end", mb(m.RSSEmptyBytes), mb(m.RSSLoggedInBytes), mb(m.RSSEndBytes)))
	}
	if r.RSSBytesPerSession != nil {
		t.row("growth a session", fmt.Sprintf("%s B, fixed costs included (`bench connect` has the slope)", number(r.RSSBytesPerSession, 0)))
	}
}

func (r *Report) connectRows(t *table) {
	c := r.Connect
	t.row("memory a "+c.Unit, fmt.Sprintf("%s B of server RSS, slope between %d and %d (%s)", number(r.RSSBytesPerSession, 1), c.From, c.To, c.RSSSource))
	if c.MoreBytes != nil {
		t.row("plain, encrypted", fmt.Sprintf("%s B, %s B: an encrypted session takes %s B more", number(c.PlainBytes, 1), number(r.RSSBytesPerSession, 1), number(c.MoreBytes, 1)))
	}
	t.row("server memory", fmt.Sprintf("%.1f MB empty, %.1f MB with %d, %.1f MB with %d", mb(c.RSSEmptyBytes), mb(c.RSSFromBytes), c.From, mb(c.RSSToBytes), c.To))
	t.row("coming in", fmt.Sprintf("%.0f %ss/s", c.PerSecond, c.Unit))
	t.latency("login", r.LatencyMs)
	if c.KernelBytesPerConnection != nil {
		t.row("kernel", fmt.Sprintf("%s B a connection for both of its ends on this machine (%s)", number(c.KernelBytesPerConnection, 0), c.KernelSource))
	}
	if c.SocketMemoryPages != nil {
		t.row("socket buffers", fmt.Sprintf("%d pages in use by TCP", *c.SocketMemoryPages))
	}
	if c.ServerCPUPercentIdle != nil {
		t.row("idle CPU", fmt.Sprintf("%.2f %% of one core with %d idle", *c.ServerCPUPercentIdle, c.To))
	}
	for _, p := range c.Peers {
		t.row("beside it", fmt.Sprintf("%s: %.1f B, %.1f MB empty", p.Name, p.BytesPerConnection, mb(p.RSSEmptyBytes)))
	}
}
