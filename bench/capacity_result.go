package bench

import "fmt"

// CapacityResult is what a capacity run found beyond the common keys of Report.
type CapacityResult struct {
	Sessions  int     `json:"sessions"`
	Enrolled  int     `json:"enrolled,omitempty"` // devices that have a ticket, of a run that only registered them
	From      int     `json:"from"`               // the lower count of the slope
	PerSecond float64 `json:"per_second"`         // logins a second while the crowd came in

	RSSEmptyBytes int64   `json:"rss_empty_bytes"`
	RSSFromBytes  int64   `json:"rss_from_bytes"`
	RSSToBytes    int64   `json:"rss_to_bytes"`
	RSSAfterBytes int64   `json:"rss_after_bytes"`           // when the storm was over
	RSSRatio      float64 `json:"rss_ratio"`                 // of after to before the storm
	RSSAllInBytes float64 `json:"rss_all_bytes_per_session"` // all of the server's memory by the sessions: fixed costs included
	RSSSource     string  `json:"rss_source"`

	// ServerKernelBytes is the kernel's part of the server's end of a connection: half of kernel_bytes_per_connection where both ends are on this machine.
	ServerKernelBytes    *float64 `json:"server_kernel_bytes_per_connection"`
	KernelSource         string   `json:"kernel_source,omitempty"`
	AllInBytesPerSession *float64 `json:"all_in_bytes_per_session"` // the slope of the server's memory, and that

	GCCycles int64 `json:"gc_cycles"` // in which gc_cpu_ms_per_cycle was measured: nothing else happened

	IdleCPUPercent           *float64 `json:"server_cpu_percent_idle"`
	CPUUsPerMessageAboveIdle *float64 `json:"cpu_us_per_message_above_idle"`

	LoginMs *Latency `json:"login_ms"`
	HoldMs  *Latency `json:"hold_ms"`  // of messages while everybody was there
	StormMs *Latency `json:"storm_ms"` // of messages while a share was away: those to and of them included

	SessionsClosed     int64            `json:"sessions_closed_by_server"` // neither by the run nor for its end; they come back
	SessionsClosedBack int64            `json:"sessions_closed_back"`      // of those, logged in again
	SessionsClosedWhy  map[string]int64 `json:"sessions_closed_why,omitempty"`

	Dropped      int64   `json:"sessions_dropped"`
	SessionsLost int64   `json:"sessions_lost"`
	Offered      int     `json:"offered_per_second"`
	StormSeconds float64 `json:"storm_seconds"` // until all were back
	Crowd        Crowd   `json:"crowd"`         // what they did for it
	Talk         Talk    `json:"talk"`

	DrainTold    int64   `json:"drain_told"` // sessions that were asked to leave, and did
	DrainSeconds float64 `json:"drain_seconds"`
}

// kernel notes what the kernel took of n connections.
func (o *CapacityResult) kernel(r *Report, before, after kernelStatus, n int, bothEnds bool) {
	if before.SocketBytes == nil || after.SocketBytes == nil || *after.SocketBytes <= *before.SocketBytes {
		return
	}
	per := round(float64(*after.SocketBytes-*before.SocketBytes)/float64(n), 0)
	r.KernelBytesPerConnection, o.ServerKernelBytes, o.KernelSource = ptr(per), ptr(per), after.Source
	if bothEnds {
		o.ServerKernelBytes, o.KernelSource = ptr(per/2), o.KernelSource+", halved: both ends of each connection are on this machine"
	}
}

// sum adds up.
func (o *CapacityResult) sum(r *Report) {
	if r.RSSBytesPerSession != nil && o.ServerKernelBytes != nil {
		o.AllInBytesPerSession = ptr(*r.RSSBytesPerSession + *o.ServerKernelBytes)
	}
}

// failed says whether something was lost beside messages, or damaged.
func (o *CapacityResult) failed() bool { return o.SessionsLost > 0 || o.Talk.Corrupted > 0 }

func (r *Report) capacityRows(t *table) {
	o := r.Capacity
	if o.Enrolled > 0 {
		t.row("enrolled", fmt.Sprintf("%d devices have their tickets, %.0f a second", o.Enrolled, o.PerSecond))
		return
	}
	t.row("sessions", fmt.Sprintf("%d idle, encrypted, logged in; %.0f logins/s", o.Sessions, o.PerSecond))
	t.row("memory a session", fmt.Sprintf("%s B of server RSS, slope between %d and %d (%s); %.1f B with all that the server takes",
		number(r.RSSBytesPerSession, 1), o.From, o.Sessions, o.RSSSource, o.RSSAllInBytes))
	if o.ServerKernelBytes != nil {
		t.row("kernel", fmt.Sprintf("%s B for the server's end of a connection (%s); %s B with the server's memory",
			number(o.ServerKernelBytes, 0), o.KernelSource, number(o.AllInBytesPerSession, 0)))
	}
	if r.GCCPUMsPerCycle != nil {
		t.row("garbage", fmt.Sprintf("%s ms of CPU a cycle (%d cycles), longest pause %s ms", number(r.GCCPUMsPerCycle, 2), o.GCCycles, number(r.GCPauseMaxMs, 3)))
	}
	t.row("idle CPU", fmt.Sprintf("%s %% of one core", number(o.IdleCPUPercent, 2)))
	t.row("messages", fmt.Sprintf("%s/s of %d talkers, %s us of server CPU each (%s above idle)", number(r.MessagesPerSecond, 0), o.Talk.Talkers,
		number(r.CPUUsPerMessage, 1), number(o.CPUUsPerMessageAboveIdle, 1)))
	t.latency("login", o.LoginMs)
	t.latency("messages, all there", o.HoldMs)
	t.latency("messages, in the storm", o.StormMs)
	t.row("storm", fmt.Sprintf("%s of %d are back after %.1f s (%d/s offered), %d by ticket; %d refused, %d closed without an answer",
		count(r.SessionsBack), o.Dropped, o.StormSeconds, o.Offered, o.Crowd.Resumed, o.Crowd.Refused, o.Crowd.Dropped))
	if c := (Closed{o.SessionsClosed, o.SessionsClosedBack, o.SessionsClosedWhy}); c.Sessions > 0 {
		t.row("closed by the server", fmt.Sprintf("%d sessions (%s), %d times one came back", c.Sessions, c.reasons(), c.Back))
	}
	t.row("of the messages", fmt.Sprintf("%d made, %s lost, %s duplicated, %s reordered, %d damaged; %d without a first tick, %d without a second",
		o.Talk.Made, count(r.Lost), count(r.Duplicated), count(r.Reordered), o.Talk.Corrupted, o.Talk.Made-o.Talk.Ticked, o.Talk.Made-o.Talk.Second-o.Talk.Rejected))
	t.row("server memory", fmt.Sprintf("%.1f MB empty, %.1f MB with all, %.1f MB after the storm (%.3f times)", mb(o.RSSEmptyBytes), mb(o.RSSToBytes), mb(o.RSSAfterBytes), o.RSSRatio))
	t.row("drain", fmt.Sprintf("%d were asked to leave, all were gone after %.1f s", o.DrainTold, o.DrainSeconds))
}
