package server

import (
	"os"
	"runtime"
	"runtime/metrics"
	"time"

	"trunkline/tuning"
)

// Status is what /status shows, and the document that scripts read: keys are never renamed or removed, only added.
// docs/operations.md describes each.
type Status struct {
	Version       string  `json:"version"`
	Go            string  `json:"go"`
	PID           int     `json:"pid"`
	StartedUnixMs int64   `json:"started_unix_ms"`
	UptimeSeconds float64 `json:"uptime_seconds"`
	Listen        string  `json:"listen"`
	Admin         string  `json:"admin"`
	Transport     string  `json:"transport"`
	Registration  string  `json:"registration"`
	ProxyListen   string  `json:"proxy_listen"` // "": none
	Poller        string  `json:"poller"`
	Place         string  `json:"place"`
	Loops         int     `json:"loops"`
	Draining      bool    `json:"draining"`
	Limits        Limits  `json:"limits"`

	Accepted        uint64 `json:"accepted"` // connections, since the start
	Connections     int64  `json:"connections"`
	Sessions        int64  `json:"sessions"`
	Users           int64  `json:"users"`
	Logins          uint64 `json:"logins"`
	MessagesIn      uint64 `json:"messages_in"`    // taken from senders
	MessagesOut     uint64 `json:"messages_out"`   // written to recipients
	MessagesAcked   uint64 `json:"messages_acked"` // acknowledged by recipients
	QueueEntries    int64  `json:"queue_entries"`
	QueueBytes      int64  `json:"queue_bytes"`
	MalformedFrames uint64 `json:"malformed_frames"`
	AcceptErrors    uint64 `json:"accept_errors"`
	AcceptRefused   uint64 `json:"accept_refused"`
	Panics          uint64 `json:"panics"`

	Handshakes Handshakes     `json:"handshakes"`
	Accounts   AccountsStatus `json:"accounts"`
	Requests   RequestsStatus `json:"requests"`

	Rejections map[string]uint64 `json:"rejections"` // by code, those that happened
	Closes     map[string]uint64 `json:"closes"`     // by code, those that happened

	Admission AdmissionStatus `json:"admission"`
	Limited   Limited         `json:"limited"`
	Mailboxes Mailboxes       `json:"mailboxes"`
	Returns   Returns         `json:"returns"`

	Durability   Durability   `json:"durability"`
	OfflineCache OfflineCache `json:"offline_cache"`

	Rates   Rates        `json:"rates"`
	Memory  Memory       `json:"memory"`
	GC      GC           `json:"gc"`
	Kernel  KernelStatus `json:"kernel"`
	CPU     CPU          `json:"cpu"`
	PerLoop []LoopStatus `json:"per_loop"`
}

// Limits are the limits in force.
type Limits struct {
	Connections     int    `json:"connections"`
	Descriptors     uint64 `json:"descriptors"`
	DescriptorsWere uint64 `json:"descriptors_at_start"`
	MailboxEntries  int    `json:"mailbox_entries"`
	MailboxBytes    int64  `json:"mailbox_bytes"`
	Users           int    `json:"users"`
	StoreBytes      int64  `json:"store_bytes"`
	Subscriptions   int    `json:"subscriptions"`
	UserSessions    int    `json:"user_sessions"`
	Messages        string `json:"messages"` // rates as in the flags
	Controls        string `json:"controls"`
	Conversations   string `json:"conversations"`
	SessionExpiry   string `json:"session_expiry"`
	JournalLinger   string `json:"journal_linger"`
	JournalBytes    int64  `json:"journal_bytes"`
	WriteBack       string `json:"write_back"`
	Retention       string `json:"retention"`
}

// Rates are per second over the last full interval.
type Rates struct {
	IntervalSeconds float64 `json:"interval_seconds"` // 0 until the first interval has passed
	Accepted        float64 `json:"accepted"`
	Logins          float64 `json:"logins"`
	MessagesIn      float64 `json:"messages_in"`
	MessagesOut     float64 `json:"messages_out"`
	MessagesAcked   float64 `json:"messages_acked"`
	BytesIn         float64 `json:"bytes_in"`
	BytesOut        float64 `json:"bytes_out"`
	CPUCores        float64 `json:"cpu_cores"`
}

// Memory is in bytes.
type Memory struct {
	RSS        int64  `json:"rss_bytes"` // 0 where the system does not tell it
	Heap       uint64 `json:"heap_bytes"`
	HeapGoal   uint64 `json:"heap_goal_bytes"`
	Runtime    uint64 `json:"runtime_bytes"` // all that the Go runtime has mapped
	Slots      int64  `json:"slot_bytes"`    // connections' slots
	Waiting    int64  `json:"waiting_bytes"` // bytes waiting to be read or written
	Queues     int64  `json:"queue_arena_bytes"`
	GCCycles   uint64 `json:"gc_cycles"`
	Goroutines uint64 `json:"goroutines"`
}

// CPU is seconds since the process started.
type CPU struct {
	User   float64 `json:"user_seconds"`
	System float64 `json:"system_seconds"`
	GC     float64 `json:"gc_seconds"`
}

// LoopStatus is one loop's row.
type LoopStatus struct {
	Loop          int     `json:"loop"`
	AnswerSeconds float64 `json:"answer_age_seconds"` // how old this row is; -1: the loop has never answered
	Connections   int64   `json:"connections"`
	Sessions      int64   `json:"sessions"`
	Users         int64   `json:"users"`
	MessagesIn    uint64  `json:"messages_in"`
	MessagesOut   uint64  `json:"messages_out"`
	QueueEntries  int64   `json:"queue_entries"`
	BytesIn       uint64  `json:"bytes_in"`
	BytesOut      uint64  `json:"bytes_out"`
	Turns         uint64  `json:"turns"`
	Wakes         uint64  `json:"wakes"`
	Moved         uint64  `json:"moved"`
	Panics        uint64  `json:"panics"`
}

// Status gathers the document. It may be called from any goroutine but those of the loops.
func (s *Server) Status() Status {
	snap := s.gather.gather()
	st := Status{
		Version: Version(), Go: runtime.Version(), PID: os.Getpid(),
		StartedUnixMs: s.started.UnixMilli(), UptimeSeconds: seconds(snap.at.Sub(s.started)),
		Listen: s.Addr().String(), Admin: s.adminName(), Transport: s.cfg.Transport, Registration: s.cfg.Registration,
		Poller: s.cfg.Poller, Place: s.cfg.Place, Loops: s.cfg.Loops, Draining: s.draining.Load(),
		Limits: s.Limits(), Panics: s.panics.count(),
		Rates: *s.rates.Load(), ProxyListen: s.proxyName(), Admission: admissionStatus(s.admission.stats()),
	}
	st.addTotals(snap)
	st.addLimited(snap)
	st.Durability = s.Durability()
	st.addDurability(snap)
	st.Returns = s.capacity.status(time.Now())
	st.Accounts = s.accountsStatus()
	st.Requests = s.clerk.status()
	st.Memory, st.CPU = memoryAndCPU()
	st.GC, st.Kernel = readGC(), readKernel()
	st.GC.chosen(s.gc)
	for i := range snap.loops {
		l := &snap.loops[i]
		st.Memory.Slots += l.net.SlotBytes
		st.Memory.Waiting += l.net.ArenaBytes
		st.Memory.Queues += l.store.ArenaBytes
		st.PerLoop = append(st.PerLoop, loopStatus(i, snap.at, l))
	}
	return st
}

// addTotals adds the loops up.
func (st *Status) addTotals(snap *snapshot) {
	for i := range snap.loops {
		l := &snap.loops[i]
		st.Accepted += l.net.Accepted
		st.Connections += l.net.Connections
		st.AcceptErrors += l.net.AcceptErrors
		st.AcceptRefused += l.net.AcceptRefused
		st.Sessions += l.shard.LoggedIn
		st.Users += l.shard.Users
		st.Logins += l.shard.Logins
		st.MessagesIn += l.shard.MessagesIn
		st.MessagesOut += l.shard.MessagesOut
		st.MessagesAcked += l.shard.MessagesAcked
		st.QueueEntries += l.shard.QueueEntries
		st.QueueBytes += l.shard.QueueBytes
		st.MalformedFrames += l.shard.MalformedFrames
	}
	st.Handshakes = handshakes(snap)
	st.Rejections = byName(snap.rejections())
	st.Closes = byName(snap.closes())
}

func loopStatus(loop int, now time.Time, l *loopCounters) LoopStatus {
	age := -1.0
	if !l.answeredAt.IsZero() {
		age = max(0, seconds(now.Sub(l.answeredAt)))
	}
	return LoopStatus{
		Loop: loop, AnswerSeconds: age,
		Connections: l.net.Connections, Sessions: l.shard.LoggedIn, Users: l.shard.Users,
		MessagesIn: l.shard.MessagesIn, MessagesOut: l.shard.MessagesOut, QueueEntries: l.shard.QueueEntries,
		BytesIn: l.net.BytesIn, BytesOut: l.net.BytesOut, Turns: l.net.Turns, Wakes: l.net.Wakes,
		Moved: l.net.Moved, Panics: l.net.Panics,
	}
}

// memoryAndCPU reads what the runtime and the kernel have counted, without stopping the world.
func memoryAndCPU() (Memory, CPU) {
	samples := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/goal:bytes"},
		{Name: "/memory/classes/total:bytes"},
		{Name: "/gc/cycles/total:gc-cycles"},
		{Name: "/sched/goroutines:goroutines"},
		{Name: "/cpu/classes/gc/total:cpu-seconds"},
	}
	metrics.Read(samples)
	m := Memory{
		Heap: samples[0].Value.Uint64(), HeapGoal: samples[1].Value.Uint64(), Runtime: samples[2].Value.Uint64(),
		GCCycles: samples[3].Value.Uint64(), Goroutines: samples[4].Value.Uint64(),
	}
	c := CPU{GC: samples[5].Value.Float64()}
	if u, err := tuning.ProcessUsage(); err == nil {
		m.RSS, c.User, c.System = u.RSSBytes, seconds(u.UserCPU), seconds(u.SystemCPU)
	}
	return m, c
}

// seconds rounds to milliseconds: enough for people, short in JSON.
func seconds(d time.Duration) float64 { return float64(d.Milliseconds()) / 1000 }
