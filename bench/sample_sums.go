package bench

// sums is what a run's servers have done over the run, as their own counters say.
type sums struct {
	gcCycles        int64
	gcSeconds       float64
	pauseMaxMs      *float64
	cpuSeconds      float64
	acked           uint64
	seen            bool
	tellsGC         bool  // the server counts its pauses
	connFirst       int64 // connections, memory and kernel memory when the run began
	rssFirst        int64
	kernelFirst     *int64
	connMost        int64 // and when most connections were there: memory at its largest with as many, kernel memory at its smallest
	rssMost         int64
	kernelMost      *int64
	sessionsAtFirst int64
	sessionsMost    int64
}

// first notes how a server was found.
func (s *sums) first(st serverStatus) {
	if s.seen {
		return
	}
	s.seen, s.connFirst, s.rssFirst, s.kernelFirst, s.sessionsAtFirst = true, st.Connections, st.Memory.RSS, st.Kernel.SocketBytes, st.Sessions
}

// add adds what came between two readings of one server.
func (s *sums) add(last, st serverStatus) {
	s.first(st)
	s.gcCycles += max(st.Memory.GCCycles-last.Memory.GCCycles, 0)
	s.gcSeconds += max(st.CPU.GC-last.CPU.GC, 0)
	s.cpuSeconds += max(st.cpuSeconds()-last.cpuSeconds(), 0)
	s.acked += missing(st.MessagesAcked, last.MessagesAcked)
	s.pauseMaxMs = larger(s.pauseMaxMs, longestPause(last.GC.Pauses, st.GC.Pauses))
	s.tellsGC = s.tellsGC || st.GC.Pauses != nil
	s.sessionsMost = max(s.sessionsMost, st.Sessions)
	switch {
	case st.Connections > s.connMost:
		s.connMost, s.rssMost, s.kernelMost = st.Connections, st.Memory.RSS, st.Kernel.SocketBytes
	case st.Connections == s.connMost:
		s.rssMost, s.kernelMost = max(s.rssMost, st.Memory.RSS), smaller(s.kernelMost, st.Kernel.SocketBytes)
	}
}

// into writes the common keys that the run itself has not measured.
func (s *sums) into(r *Report) {
	if s.gcCycles > 0 {
		r.GCCPUMsPerCycle = either(ptr(round(1e3*s.gcSeconds/float64(s.gcCycles), 3)), r.GCCPUMsPerCycle)
	}
	if s.tellsGC && s.pauseMaxMs != nil {
		r.GCPauseMaxMs = either(r.GCPauseMaxMs, s.pauseMaxMs)
	}
	if r.wholeRun && s.acked > 0 && s.cpuSeconds > 0 {
		r.CPUUsPerMessage = ptr(round(1e6*s.cpuSeconds/float64(s.acked), 2))
	}
	grown := s.connMost - s.connFirst
	if grown < sampleGrowthMin {
		return
	}
	if r.KernelBytesPerConnection == nil && grown >= kernelGrowthMin && s.kernelFirst != nil && s.kernelMost != nil && *s.kernelMost > *s.kernelFirst {
		r.KernelBytesPerConnection = ptr(round(float64(*s.kernelMost-*s.kernelFirst)/float64(grown), 0))
	}
	if more := s.sessionsMost - s.sessionsAtFirst; r.RSSBytesPerSession == nil && more >= sampleGrowthMin && s.rssMost > s.rssFirst {
		r.RSSBytesPerSession = ptr(round(float64(s.rssMost-s.rssFirst)/float64(more), 1))
	}
}
