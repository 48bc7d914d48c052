package server

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite golden files")

// get asks the admin listener for one page.
func (r *running) get(t testing.TB, path string) (code int, body string) {
	t.Helper()
	client := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Get("http://" + r.AdminAddr().String() + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

func TestAdminPagesAnswer(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	for _, row := range []struct {
		path string
		code int
		want string
	}{
		{"/", 200, "/metrics"},
		{"/healthz", 200, "ok\n"},
		{"/metrics", 200, "trunkline_connections{loop=\"1\"} 0\n"},
		{"/debug/pprof/", 200, "goroutine"},
		{"/debug/pprof/goroutine?debug=1", 200, "netpoll"},
		{"/debug/pprof/heap?debug=1", 200, "heap profile"},
		{"/debug/pprof/cmdline", 200, ""},
		{"/nothing", 404, ""},
	} {
		code, body := r.get(t, row.path)
		if code != row.code || !strings.Contains(body, row.want) {
			t.Errorf("%s: %d, want %d with %q in it", row.path, code, row.code, row.want)
		}
	}
}

func TestCollectFreesMemoryForWhoSetsTheHeader(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	url := "http://" + r.AdminAddr().String() + "/collect"
	collect := func(method, header string) int {
		t.Helper()
		req, err := http.NewRequest(method, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		if header != "" {
			req.Header.Set(header, "1")
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return resp.StatusCode
	}
	defer http.DefaultClient.CloseIdleConnections()
	cycles := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumForcedGC
	}
	before := cycles()
	if code := collect("POST", ""); code != 403 || cycles() != before {
		t.Errorf("without the header: %d, %d forced collections", code, cycles()-before)
	}
	if code := collect("GET", collectHeader); code != 405 || cycles() != before {
		t.Errorf("GET: %d, %d forced collections", code, cycles()-before)
	}
	if code := collect("POST", collectHeader); code != 204 || cycles() != before+2 {
		t.Errorf("POST: %d, %d forced collections", code, cycles()-before)
	}
}

// statusKeys are documented in docs/operations.md and never renamed.
var statusKeys = []string{
	"accept_errors", "accept_refused", "accepted", "accounts", "accounts.answers", "accounts.asks", "accounts.faults", "accounts.full",
	"accounts.generations", "accounts.kept", "accounts.queued", "accounts.registered", "accounts.revocations", "accounts.seconds",
	"accounts.shards", "admin", "admission",
	"admission.addresses", "admission.connections", "admission.offences", "admission.refused", "admission.shared", "closes",
	"connections", "cpu", "cpu.gc_seconds", "cpu.system_seconds", "cpu.user_seconds", "draining", "durability", "durability.ack",
	"durability.clean_start", "durability.incarnation", "durability.journal", "durability.journal.bytes",
	"durability.journal.directories", "durability.journal.disk_bytes", "durability.journal.errors", "durability.journal.fsync_seconds",
	"durability.journal.fsync_seconds.max", "durability.journal.fsync_seconds.p50", "durability.journal.fsync_seconds.p90",
	"durability.journal.fsync_seconds.p99", "durability.journal.fsyncs", "durability.journal.lag_seconds",
	"durability.journal.record_bytes", "durability.journal.rounds", "durability.journal.segments", "durability.journal.waiting_bytes",
	"durability.kept", "durability.owner_epoch", "durability.recovery", "durability.recovery.bytes", "durability.recovery.cut",
	"durability.recovery.data_lost", "durability.recovery.mailboxes", "durability.recovery.new", "durability.recovery.receipts",
	"durability.recovery.records", "durability.recovery.restored", "durability.recovery.rounds", "durability.recovery.seconds",
	"durability.trouble", "durability.troubles", "durability.write_back", "durability.write_back.bytes", "durability.write_back.dirty",
	"durability.write_back.dirty_bytes", "durability.write_back.disk_bytes", "durability.write_back.entries",
	"durability.write_back.errors", "durability.write_back.flushes", "durability.write_back.mailboxes",
	"durability.write_back.offline_failed", "durability.write_back.reopened", "durability.write_back.slice_bytes",
	"durability.write_back.slice_bytes.max", "durability.write_back.slice_bytes.p50", "durability.write_back.slice_bytes.p90",
	"durability.write_back.slice_bytes.p99", "durability.write_back.slices", "durability.write_back.trouble",
	"durability.write_back.truncations", "durability.write_back.waiting_bytes",
	"gc", "gc.forced_cycles", "gc.limit_bytes", "gc.pause_max_ms", "gc.pauses", "gc.pauses.count", "gc.pauses.up_to_ms", "gc.percent", "gc.reason", "go", "handshakes", "handshakes.busy",
	"handshakes.certificates", "handshakes.contacts", "handshakes.link_bytes", "handshakes.malformed", "handshakes.pending",
	"handshakes.queued", "handshakes.records", "handshakes.refused", "handshakes.resumes", "handshakes.seconds", "handshakes.tickets",
	"handshakes.tickets_refused", "handshakes.unconfirmed", "kernel", "kernel.socket_bytes", "kernel.source", "limited", "limited.begun", "limited.controls", "limited.conversations",
	"limited.messages", "limited.sessions", "limits", "limits.connections", "limits.controls", "limits.conversations",
	"limits.descriptors", "limits.descriptors_at_start", "limits.journal_bytes", "limits.journal_linger", "limits.mailbox_bytes",
	"limits.mailbox_entries", "limits.messages", "limits.retention", "limits.session_expiry", "limits.store_bytes",
	"limits.subscriptions", "limits.user_sessions", "limits.users", "limits.write_back", "listen", "logins", "loops", "mailboxes",
	"mailboxes.backlog", "mailboxes.culled", "mailboxes.held", "mailboxes.idle", "malformed_frames", "memory", "memory.gc_cycles",
	"memory.goroutines", "memory.heap_bytes", "memory.heap_goal_bytes", "memory.queue_arena_bytes", "memory.rss_bytes",
	"memory.runtime_bytes", "memory.slot_bytes", "memory.waiting_bytes", "messages_acked", "messages_in", "messages_out", "offline_cache",
	"offline_cache.awaiting", "offline_cache.bytes", "offline_cache.dropped", "offline_cache.dropped.expired",
	"offline_cache.dropped.expired_notices", "offline_cache.dropped.parking_full", "offline_cache.entries", "offline_cache.entry_loads",
	"offline_cache.evicted", "offline_cache.hit_ratio", "offline_cache.hits", "offline_cache.loads", "offline_cache.loads_damaged",
	"offline_cache.loads_failed", "offline_cache.misses", "offline_cache.parked", "offline_cache.parked_bytes",
	"offline_cache.parked_users", "offline_cache.unloaded", "panics", "per_loop", "per_loop.answer_age_seconds", "per_loop.bytes_in",
	"per_loop.bytes_out", "per_loop.connections", "per_loop.loop", "per_loop.messages_in", "per_loop.messages_out", "per_loop.moved",
	"per_loop.panics", "per_loop.queue_entries", "per_loop.sessions", "per_loop.turns", "per_loop.users", "per_loop.wakes", "pid",
	"place", "poller", "proxy_listen", "queue_bytes", "queue_entries", "rates", "rates.accepted", "rates.bytes_in", "rates.bytes_out",
	"rates.cpu_cores", "rates.interval_seconds", "rates.logins", "rates.messages_acked", "rates.messages_in", "rates.messages_out",
	"registration", "rejections", "requests", "requests.asked", "requests.busy_seconds", "requests.conflicts", "requests.deleted",
	"requests.faults", "requests.full", "requests.lost", "requests.queued", "requests.refused", "requests.removed", "requests.reports", "returns", "returns.contact_us", "returns.per_second", "returns.queue_seconds", "returns.resume_us",
	"sessions", "started_unix_ms", "transport", "uptime_seconds", "users", "version",
}

func TestAConnectionThatHasNotLoggedInIsNoSession(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	r.converse(t, 1)
	r.dial(t)
	r.eventually(t, "three are connected", func(s Status) bool { return s.Connections == 3 })
	if st := r.Status(); st.Sessions != 2 || st.PerLoop[0].Sessions+st.PerLoop[1].Sessions != 2 {
		t.Errorf("two users are logged in, counted as %d: %+v", st.Sessions, st.PerLoop)
	}
	r.login(t, 4711, 0)
	r.eventually(t, "a third has logged in", func(s Status) bool { return s.Connections == 4 && s.Sessions == 3 })
}

func TestStatusHasItsDocumentedKeysAndCountsWhatHappened(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	p.talk()
	r.eventually(t, "everything is acknowledged", func(s Status) bool { return s.QueueEntries == 0 && s.MessagesAcked == 4 })
	code, body := r.get(t, "/status")
	var doc map[string]any
	if err := json.Unmarshal([]byte(body), &doc); err != nil || code != 200 {
		t.Fatalf("%d %v: %s", code, err, body)
	}
	if got := keysOf("", doc); !equal(got, statusKeys) {
		t.Errorf("keys are\n%q\nwant\n%q", got, statusKeys)
	}
	doc2, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range statusKeys {
		if !strings.Contains(string(doc2), "`"+key+"`") {
			t.Errorf("docs/operations.md does not describe the key `%s`", key)
		}
	}
	var st Status
	if err := json.Unmarshal([]byte(body), &st); err != nil {
		t.Fatal(err)
	}
	if st.PID != os.Getpid() || st.Loops != 2 || len(st.PerLoop) != 2 || st.Listen != r.Addr().String() || st.Draining {
		t.Errorf("status is %+v", st)
	}
	if st.Connections != 2 || st.Sessions != 2 || st.Users != 2 || st.Logins != 2 || st.MessagesIn != 4 || st.MessagesOut != 4 || st.QueueBytes != 0 {
		t.Errorf("two users who said four things are counted as %+v", st)
	}
	if st.PerLoop[0].MessagesIn+st.PerLoop[1].MessagesIn != 4 {
		t.Errorf("the loops' rows do not add up: %+v", st.PerLoop)
	}
}

// keysOf lists the keys of a document with their parents' names before a dot; those of rows are named once.
func keysOf(prefix string, doc map[string]any) []string {
	seen := map[string]bool{}
	for key, value := range doc {
		seen[prefix+key] = true
		rows, ok := value.([]any)
		if !ok {
			rows = []any{value}
		}
		for _, row := range rows {
			if child, ok := row.(map[string]any); ok && key != "closes" && key != "rejections" && key != "refused" {
				for _, k := range keysOf(prefix+key+".", child) {
					seen[k] = true
				}
			}
		}
	}
	keys := make([]string, 0, len(seen))
	for key := range seen {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

func equal(a, b []string) bool { return strings.Join(a, " ") == strings.Join(b, " ") }

func TestMetricNamesAreGoldenAndDocumented(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	_, body := r.get(t, "/metrics")
	kinds, helps, labels := map[string]string{}, map[string]string{}, map[string]map[string]bool{}
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		fields := strings.SplitN(line, " ", 4)
		switch {
		case strings.HasPrefix(line, "# HELP trunkline_"):
			helps[fields[2]] = fields[3]
		case strings.HasPrefix(line, "# TYPE trunkline_"):
			kinds[fields[2]] = fields[3]
		case strings.HasPrefix(line, "trunkline_"):
			name, rest, found := strings.Cut(fields[0], "{")
			if !found {
				continue
			}
			if labels[name] == nil {
				labels[name] = map[string]bool{}
			}
			for _, pair := range strings.Split(strings.TrimSuffix(rest, "}"), ",") {
				label, _, _ := strings.Cut(pair, "=")
				labels[name][label] = true
			}
		}
	}
	doc, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for name, help := range helps {
		var list []string
		for label := range labels[name] {
			list = append(list, label)
		}
		sort.Strings(list)
		lines = append(lines, fmt.Sprintf("%s %s [%s] %s", name, kinds[name], strings.Join(list, " "), help))
		row := fmt.Sprintf("| `%s` | %s | %s | %s |", name, kinds[name], strings.Join(list, ", "), strings.TrimSuffix(help, "."))
		if !strings.Contains(string(doc), row) {
			t.Errorf("docs/operations.md lacks the row\n%s", row)
		}
	}
	sort.Strings(lines)
	compareGolden(t, "metrics.txt", strings.Join(lines, "\n")+"\n")
	if !strings.Contains(body, "\ngo_goroutines ") {
		t.Error("the Go runtime's metrics are missing")
	}
}

func compareGolden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run the test with -update and read the diff. got\n%s", path, got)
	}
}

func TestAdminRefusesNamesAndLargeRequests(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	addr := r.AdminAddr().String()
	for _, row := range []struct {
		name, request, want string
	}{
		{"a page of another site that resolves to loopback", "GET /status HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n", "403"},
		{"localhost", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", "200"},
		{"an address with a port", "GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:5280\r\nConnection: close\r\n\r\n", "200"},
		{"a header above the limit", "GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + strings.Repeat("x", 2*AdminHeaderBytesMax) + "\r\n\r\n", "431"},
		{"a method that changes things", "POST /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "405"},
		{"no HTTP at all", "\x16\x03\x01\x02\r\n\r\n", "400"},
	} {
		t.Run(row.name, func(t *testing.T) {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, row.request); err != nil {
				t.Fatal(err)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience)) // a failure shows in Read
			b := make([]byte, 12)
			if _, err := io.ReadFull(conn, b); err != nil || string(b[9:]) != row.want {
				t.Errorf("got %q, %v; want %s", b, err, row.want)
			}
		})
	}
}

func TestManyIdleAdminConnectionsHoldNobodyUpForLong(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	var idle []net.Conn
	for range AdminConnectionsMax {
		conn, err := net.Dial("tcp", r.AdminAddr().String())
		if err != nil {
			t.Fatal(err)
		}
		idle = append(idle, conn)
	}
	idle[0].Close() // one leaves: its place is free
	if code, _ := r.get(t, "/healthz"); code != 200 {
		t.Errorf("got %d", code)
	}
	for _, conn := range idle[1:] {
		conn.Close()
	}
}

func TestWithoutAnAdminListenerThereIsNone(t *testing.T) {
	noLeaks(t)
	r := start(t, func(c *Config) { c.Admin = AdminOff })
	if r.AdminAddr() != nil {
		t.Errorf("it listens on %v", r.AdminAddr())
	}
	r.converse(t, 1)
}

func TestGatheringIsSharedAndSurvivesManyAskers(t *testing.T) {
	noLeaks(t)
	r := start(t, nil)
	p := r.converse(t, 1)
	stop, done := make(chan struct{}), make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
					if st := r.Status(); len(st.PerLoop) != 2 {
						t.Errorf("%d rows", len(st.PerLoop))
						return
					}
				}
			}
		}()
	}
	for range 50 {
		p.talk()
	}
	close(stop)
	for range 8 {
		<-done
	}
}
