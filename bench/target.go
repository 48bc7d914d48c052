package bench

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"trunkline/codec/secure"
)

// Target says which server to load. The zero value: one of the run's own, on free loopback ports, ended with the run.
type Target struct {
	Server string   `json:"server,omitempty"` // address of a running server, of the caller's choice
	Admin  string   `json:"admin,omitempty"`  // its admin address; without it CPU and memory are not measured
	Args   []string `json:"args,omitempty"`   // further flags for `serve` when the run starts it

	Transport Transport `json:"transport"` // plain or noise; default TransportDefault
}

// orDefault fills the transport.
func (t Target) orDefault() Target {
	t.Transport = cmp.Or(t.Transport, TransportDefault)
	return t
}

// validate refuses combinations that make no sense.
func (t Target) validate() error {
	switch {
	case t.Server == "" && t.Admin != "":
		return fmt.Errorf("%w: an admin address without a server address", ErrInput)
	case t.Server != "" && len(t.Args) > 0:
		return fmt.Errorf("%w: flags for a server that is already running", ErrInput)
	}
	return checkTransport(t.Transport)
}

// target is the server under load.
type target struct {
	addr  string
	admin string // "" when unknown
	own   *exec.Cmd
	data  string // its temporary directory
	tail  *tail
	http  *http.Client

	transport Transport
	key       secure.PublicKey // with Noise
	rec       *recorder        // samples it; nil: nobody does
}

// veil makes a loop's sessions speak the server's transport.
func (s *target) veil(sl *sessionLoop) {
	if s.transport == Noise {
		sl.withVeil(s.key)
	}
}

// meet learns the key of an encrypted server.
func (s *target) meet(ctx context.Context) (err error) {
	if s.transport == Noise {
		s.key, err = learnServerKey(ctx, s.addr)
	}
	return err
}

// openTarget connects to the named server or starts one.
func openTarget(ctx context.Context, t Target, env Env, connections int) (*target, error) {
	client := &http.Client{Timeout: startTimeout, Transport: &http.Transport{MaxIdleConnsPerHost: 1}}
	if t.Server != "" {
		s := &target{addr: t.Server, admin: t.Admin, http: client, transport: t.Transport, rec: env.rec}
		if s.admin != "" {
			st, err := s.status(ctx)
			if err != nil {
				return nil, err
			}
			s.rec.attach(s, st)
		}
		return s, s.meet(ctx)
	}
	self, err := env.selfPath()
	if err != nil {
		return nil, err
	}
	for try := 1; ; try++ {
		s, err := startServer(ctx, self, t, connections, client, env.rec)
		if err == nil || try == portTries || ctx.Err() != nil {
			return s, err
		}
	}
}

// startServer starts `trunkline serve` on free loopback ports with a temporary directory.
func startServer(ctx context.Context, self string, t Target, connections int, client *http.Client, rec *recorder) (*target, error) {
	s := &target{tail: &tail{}, http: client, transport: t.Transport, rec: rec}
	var err error
	if s.addr, err = freeLoopbackAddr(); err != nil {
		return nil, err
	}
	if s.admin, err = freeLoopbackAddr(); err != nil {
		return nil, err
	}
	if s.data, err = os.MkdirTemp("", "trunkline-bench-"); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	if err := s.launch(ctx, self, t, connections); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// launch starts the process on the target's addresses and directory, and waits until it answers.
func (s *target) launch(ctx context.Context, self string, t Target, connections int) error {
	if err := s.spawn(ctx, self, t); err != nil {
		return err
	}
	if err := s.ready(ctx, connections); err != nil {
		return err
	}
	s.rec.sample(ctx, time.Now())
	return s.meet(ctx)
}

// spawn starts the process and does not wait for it.
func (s *target) spawn(ctx context.Context, self string, t Target) error {
	all := append([]string{"serve", "--listen", s.addr, "--admin", s.admin, "--data", s.data, "--log-level", "warn",
		"--transport", string(t.Transport), "--registration", "open"}, withoutLimits()...)
	all = append(all, t.Args...) // the last one counts
	own := exec.CommandContext(ctx, self, all...)
	own.Stdout, own.Stderr, own.SysProcAttr = s.tail, s.tail, ownGroup()
	if err := own.Start(); err != nil {
		return fmt.Errorf("%w: start %s serve: %w", ErrServer, self, err)
	}
	s.own = own
	s.rec.attach(s, serverStatus{})
	return nil
}

// restart ends the server and starts it again with what it has kept.
func (s *target) restart(ctx context.Context, self string, t Target, connections int) error {
	s.end()
	return s.launch(ctx, self, t, connections)
}

// withoutLimits are the flags with which a server takes what a generator offers: all of it comes from one address, and a few devices say
// what many would. A run that wants limits gives them itself.
func withoutLimits() []string {
	flags := []string{"--address-connections", "-1"}
	for _, rate := range []string{"address-accepts", "address-handshakes", "accepts", "messages", "controls", "conversations"} {
		flags = append(flags, "--"+rate, "none")
	}
	return flags
}

// ready waits until the server answers and checks that it may hold that many connections.
func (s *target) ready(ctx context.Context, connections int) error {
	deadline := time.Now().Add(startTimeout)
	for {
		st, err := s.status(ctx)
		if err == nil {
			if most := st.Limits.Connections; most > 0 && most < connections {
				return fmt.Errorf("%w: it takes %d connections here, %d were asked for (ulimit -n)", ErrServer, most, connections)
			}
			return nil
		}
		if ended := syscall.Kill(s.own.Process.Pid, 0) != nil || zombie(s.own.Process.Pid); ended || time.Now().After(deadline) {
			return fmt.Errorf("%w: `serve` does not answer%s", ErrServer, s.tail.said())
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

// zombie says that a child has ended and was not waited for; where that can't be seen the caller's deadline ends the wait.
func zombie(pid int) bool {
	state := procField("/proc/"+strconv.Itoa(pid)+"/status", "State")
	return len(state) > 0 && state[0] == 'Z'
}

// close ends a server that the run started, and removes its directory. One that was named stays. Safe to call twice.
func (s *target) close() {
	s.end()
	if s.data != "" {
		_ = os.RemoveAll(s.data)
	}
}

// end ends the process of a server that the run started.
func (s *target) end() { s.endWithin(stopTimeout) }

// endWithin is end for a server that may take that long to write back what it holds.
func (s *target) endWithin(limit time.Duration) {
	s.rec.detach(s)
	s.http.CloseIdleConnections()
	if s.own == nil {
		return
	}
	_ = s.own.Process.Signal(os.Interrupt) // fails when it has ended by itself
	endProcess(s.own, limit)
	s.own = nil
}

// interrupt asks a server of the run's own to drain and end.
func (s *target) interrupt() error {
	s.http.CloseIdleConnections()
	if err := s.own.Process.Signal(os.Interrupt); err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	return nil
}

// kill ends the process as a crash would.
func (s *target) kill() {
	s.rec.detach(s)
	s.http.CloseIdleConnections()
	_ = s.own.Process.Kill() // fails when it has ended by itself
	endProcess(s.own, stopTimeout)
	s.own = nil
}

// serverStatus is what the generator reads of /status (server.Status).
type serverStatus struct {
	PID    int     `json:"pid"`
	Uptime float64 `json:"uptime_seconds"`
	Limits struct {
		Connections   int    `json:"connections"`
		JournalLinger string `json:"journal_linger"`
	} `json:"limits"`
	Memory struct {
		RSS        int64 `json:"rss_bytes"`
		Heap       int64 `json:"heap_bytes"`
		Queues     int64 `json:"queue_arena_bytes"`
		GCCycles   int64 `json:"gc_cycles"`
		Goroutines int64 `json:"goroutines"`
	} `json:"memory"`
	CPU struct {
		User   float64 `json:"user_seconds"`
		System float64 `json:"system_seconds"`
		GC     float64 `json:"gc_seconds"`
	} `json:"cpu"`
	GC struct {
		Pauses []pauseCount `json:"pauses"` // null of a server that does not count them
	} `json:"gc"`
	Kernel        kernelStatus `json:"kernel"`
	Connections   int64        `json:"connections"`
	Sessions      int64        `json:"sessions"`
	Accepted      *int64       `json:"accepted"`
	Logins        uint64       `json:"logins"`
	MessagesAcked uint64       `json:"messages_acked"`
	Handshakes    struct {
		Contacts int64   `json:"contacts"`
		Resumes  int64   `json:"resumes"`
		Seconds  float64 `json:"seconds"`
	} `json:"handshakes"`
	Mailboxes struct {
		Held int64 `json:"held"`
	} `json:"mailboxes"`
	QueueEntries int64              `json:"queue_entries"`
	QueueBytes   int64              `json:"queue_bytes"`
	Durability   durabilityStatus   `json:"durability"`
	OfflineCache offlineCacheStatus `json:"offline_cache"`
}

// pauseCount is how many pauses of the garbage collector were at most that long, and longer than the row before says.
type pauseCount struct {
	UpToMs float64 `json:"up_to_ms"`
	Count  uint64  `json:"count"`
}

// kernelStatus is what the kernel of the server's machine keeps for sockets, of all processes.
type kernelStatus struct {
	SocketBytes *int64 `json:"socket_bytes"`
	Source      string `json:"source"`
}

// cpuSeconds is user and system time.
func (st *serverStatus) cpuSeconds() float64 { return st.CPU.User + st.CPU.System }

// status reads /status.
func (s *target) status(ctx context.Context) (st serverStatus, err error) {
	b, err := s.get(ctx, "/status")
	if err != nil {
		return st, err
	}
	if err := json.Unmarshal(b, &st); err != nil {
		return st, fmt.Errorf("%w: /status of %s: %w", ErrServer, s.admin, err)
	}
	return st, nil
}

// get reads one admin page.
func (s *target) get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+s.admin+path, nil)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	resp, err := s.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, statusBytesMax))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("status %s", resp.Status)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s%s: %w", ErrServer, s.admin, path, err)
	}
	return b, nil
}

// errUnmeasured: the server was named without its admin address.
var errUnmeasured = errors.New("not measured: the server's admin address is not known")

// usage reads CPU time from /status (getrusage of the server itself), and memory of a server of our own from the page
// tables, of another from /status.
func (s *target) usage(ctx context.Context) (usage, error) {
	if s.admin == "" {
		return usage{}, errUnmeasured
	}
	st, err := s.status(ctx)
	if err != nil {
		return usage{}, err
	}
	u := usage{
		CPU:       time.Duration((st.CPU.User + st.CPU.System) * float64(time.Second)),
		CPUSource: "getrusage by /status",
		RSSBytes:  st.Memory.RSS,
		RSSSource: "/status",
	}
	if s.own != nil {
		u.RSSBytes, u.RSSSource, err = residentBytes(s.own.Process.Pid)
	}
	return u, err
}

// settled asks the server to collect its garbage and waits until its memory stands still, again and again until two
// rounds agree (a server that is not our own gets a fixed number of rounds).
func (s *target) settled(ctx context.Context) (usage, bool, error) {
	var last int64
	deadline := time.Now().Add(settleTimeout)
	for round := 1; ; round++ {
		bytes, steady, err := s.collected(ctx)
		if err != nil {
			return usage{}, false, err
		}
		same := steady && (s.own == nil || bytes-last < settleWithin && last-bytes < settleWithin)
		if late := time.Now().After(deadline); same && round >= settleRounds || late {
			u, err := s.usage(ctx)
			u.RSSBytes = bytes
			return u, !late, err
		}
		last = bytes
	}
}

// collectPath makes the server collect its garbage and give free memory back; the header is what it asks for.
const (
	collectPath   = "/collect"
	collectHeader = "X-Trunkline-Admin"
)

// collect posts to collectPath.
func (s *target) collect(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.admin+collectPath, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	req.Header.Set(collectHeader, "1")
	resp, err := s.http.Do(req)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrServer, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("%w: %s%s: status %s", ErrServer, s.admin, collectPath, resp.Status)
	}
	return nil
}

// collected is one round of settled.
func (s *target) collected(ctx context.Context) (bytes int64, steady bool, err error) {
	if s.admin == "" {
		return 0, false, errUnmeasured
	}
	defer s.rec.hold()()
	if err := s.collect(ctx); err != nil {
		return 0, false, err
	}
	if s.own == nil {
		return s.lookOnce(ctx)
	}
	return steadyBytes(ctx, func() (int64, error) {
		bytes, _, err := residentBytes(s.own.Process.Pid)
		return bytes, err
	})
}

// lookOnce reads the memory of a server that is not the run's own, after a while. Answering /status costs that server
// memory, so that asking until nothing moves would never end.
func (s *target) lookOnce(ctx context.Context) (bytes int64, steady bool, err error) {
	if err := sleep(ctx, settleSame*settleEvery); err != nil {
		return 0, false, err
	}
	u, err := s.usage(ctx)
	return u.RSSBytes, true, err
}
