package tuning

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// bsdReads are the sysctls that are read and never set. A test holds them against FreeBSD's manual pages and sources.
const (
	oidRelease    = "kern.osrelease"
	oidMemory     = "hw.physmem"
	oidZones      = "vm.zone_stats"
	oidTCPStats   = "net.inet.tcp.stats"
	oidTCPStates  = "net.inet.tcp.states"
	oidSyncache   = "net.inet.tcp.syncache.count"
	oidHostcache  = "net.inet.tcp.hostcache.count"
	oidSockets    = "kern.ipc.numopensockets"
	oidFiles      = "kern.openfiles"
	oidProcFiles  = "kern.proc.nfds"
	oidProcLimits = "kern.proc.rlimit"
	oidFreePages  = "vm.stats.vm.v_free_count"
	oidIdlePages  = "vm.stats.vm.v_inactive_count"
	oidPageBytes  = "vm.stats.vm.v_page_size"
)

// Counters reads the zones of the kernel's allocator, the statistics of TCP, and a few numbers. What is denied is left out.
func (s *bsdSystem) Counters() (Counters, error) {
	zones, err := s.zones()
	if err != nil {
		zones = nil
	}
	tcp := s.words(oidTCPStats)
	states := s.words(oidTCPStates)
	c := counterList{}
	socket := zones["socket"]
	c.addItem("sockets", s.told(oidSockets), s.told("kern.ipc.maxsockets"), socket.refused(), socket.itemBytes())
	inpcb, tcpcb := zones["tcp_inpcb"], zones["tcpcb"] // one zone since 14.0
	c.addItem("tcp", inpcb.used(), s.told("kern.ipc.maxsockets"), inpcb.refused(), inpcb.orNotTold(inpcb.bytes+tcpcb.bytes))
	c.add("established", state(states, tcpEstablished), Unlimited, NotTold)
	c.add("time_wait", state(states, tcpTimeWait), Unlimited, NotTold)
	file, knote := zones["Files"], zones["KNOTE"]
	c.addItem("files", s.told(oidFiles), s.told("kern.maxfiles"), file.refused(), file.itemBytes())
	c.add("descriptors", s.descriptors(), s.descriptorLimit(), NotTold)
	c.addItem("knotes", knote.used(), Unlimited, knote.refused(), knote.itemBytes())
	if zones != nil {
		mbuf, packet := zones["mbuf"], zones["mbuf_packet"]
		c.addItem("mbufs", mbuf.count+packet.count, mbuf.max(), mbuf.fails+packet.fails, mbuf.itemBytes())
		for _, row := range []struct{ name, zone string }{{"mbuf_clusters", "mbuf_cluster"}, {"mbuf_jumbo_pages", "mbuf_jumbo_page"}} {
			z := zones[row.zone]
			c.addItem(row.name, z.used(), z.max(), z.refused(), z.itemBytes())
		}
	}
	listen := s.listenDropIndex()
	c.add("syncache", s.told(oidSyncache), s.told("net.inet.tcp.syncache.cachelimit"), sum(tcp, listen+bucketOverflow, listen+cacheOverflow))
	c.add("syncookies", NotTold, NotTold, sum(tcp, listen+sendCookie))
	c.add("listen_overflows", NotTold, NotTold, sum(tcp, listen))
	c.add("hostcache", s.told(oidHostcache), s.told("net.inet.tcp.hostcache.cachelimit"), sum(tcp, listen+hostcacheOverflow))
	c.memory(s)
	if len(c.rows) == 0 {
		return nil, fmt.Errorf("tuning: read %s: %w", oidZones, ErrPermission)
	}
	return c.rows, nil
}

// memory is what is neither free nor inactive.
func (c *counterList) memory(s *bsdSystem) {
	total, free, idle, page := s.told(oidMemory), s.told(oidFreePages), s.told(oidIdlePages), s.told(oidPageBytes)
	if total > 0 && free >= 0 && page > 0 {
		c.add("memory", total-(free+max(idle, 0))*page, total, NotTold)
	}
}

// told is a sysctl that is a number, or NotTold.
func (s *bsdSystem) told(name string) int64 {
	n, err := s.number(name)
	if err != nil || n < 0 {
		return NotTold
	}
	return n
}

// descriptors is how many files this process has open: kern.proc.nfds, which tells it of no other process than the caller, 0.
func (s *bsdSystem) descriptors() int64 {
	b, err := s.calls.Sysctl(oidProcFiles, 0)
	if err != nil || s.pid != 0 {
		return NotTold
	}
	n, err := bsdNumber(b)
	if err != nil {
		return NotTold
	}
	return n
}

func (s *bsdSystem) descriptorLimit() int64 {
	n, err := s.calls.Rlimit(s.pid, bsdResources["RLIMIT_NOFILE"])
	if err != nil {
		return NotTold
	}
	return n
}

// Positions in struct tcpstat, in 64-bit words: netinet/tcp_var.h. Since 14.0 there is one more (tcps_progdrops) before them all.
const (
	listenDropBefore14 = 62 // tcps_listendrop; the others count from it
	bucketOverflow     = 7  // tcps_sc_bucketoverflow
	cacheOverflow      = 8  // tcps_sc_cacheoverflow
	sendCookie         = 15 // tcps_sc_sendcookie
	hostcacheOverflow  = 18 // tcps_hc_bucketoverflow
)

// Positions in net.inet.tcp.states: netinet/tcp_fsm.h.
const (
	tcpEstablished = 4
	tcpTimeWait    = 10
)

func (s *bsdSystem) listenDropIndex() int {
	if m, err := s.Machine(); err == nil && m.Release.Before(Release{14, 0}) {
		return listenDropBefore14
	}
	return listenDropBefore14 + 1
}

// words is a sysctl that is an array of 64-bit numbers; nil if it can't be read.
func (s *bsdSystem) words(name string) []int64 {
	b, err := s.calls.Sysctl(name)
	if err != nil {
		return nil
	}
	list := make([]int64, 0, len(b)/8)
	for ; len(b) >= 8; b = b[8:] {
		list = append(list, int64(binary.NativeEndian.Uint64(b)))
	}
	return list
}

// state is one of the states; they are per-CPU counters that may be read while they change, so that a sum can be just below 0.
func state(states []int64, i int) int64 {
	if i >= len(states) {
		return NotTold
	}
	return max(states[i], 0)
}

// sum adds positions up; NotTold if the statistics are shorter.
func sum(list []int64, positions ...int) int64 {
	var total int64
	for _, i := range positions {
		if i >= len(list) {
			return NotTold
		}
		total += list[i]
	}
	return total
}

// zone is one zone of the allocator. The zero value is one that the system did not tell of.
type zone struct {
	count int64 // allocated and not freed
	limit int64 // 0: none
	bytes int64 // of one item as it is allocated
	fails int64 // allocations that failed or waited for the limit
	found bool
}

func (z zone) used() int64      { return z.orNotTold(max(z.count, 0)) }
func (z zone) refused() int64   { return z.orNotTold(z.fails) }
func (z zone) itemBytes() int64 { return z.orNotTold(z.bytes) }

// max is the limit, Unlimited if there is none.
func (z zone) max() int64 {
	if z.found && z.limit == 0 {
		return Unlimited
	}
	return z.orNotTold(z.limit)
}

func (z zone) orNotTold(n int64) int64 {
	if !z.found {
		return NotTold
	}
	return n
}

func (s *bsdSystem) zones() (map[string]zone, error) {
	b, err := s.calls.Sysctl(oidZones)
	if err != nil {
		return nil, err
	}
	return parseZones(b)
}

// Layout of vm.zone_stats: a struct uma_stream_header, then for each zone a struct uma_type_header and a struct uma_percpu_stat for each
// of the header's processors: vm/uma.h, version 1.
const (
	zoneStreamVersion = 1
	zoneStreamBytes   = 16
	zoneNameBytes     = 32
	zoneHeaderBytes   = zoneNameBytes + 10*4 + 6*8
	zoneCPUBytes      = 8 * 8
	zoneRealSize      = zoneNameBytes + 2*4 // uth_rsize
	zoneLimit         = zoneNameBytes + 4*4 // uth_limit
	zoneAllocs        = zoneNameBytes + 10*4
	zoneFrees         = zoneAllocs + 8
	zoneFails         = zoneAllocs + 16
	zoneSleeps        = zoneAllocs + 24
)

// errZones: the stream is not of the version that is known, or breaks off.
var errZones = errors.New("the statistics of zones have a form that is not known")

// parseZones reads the stream. It never reads past b, whatever the header says.
func parseZones(b []byte) (map[string]zone, error) {
	if len(b) < zoneStreamBytes || binary.NativeEndian.Uint32(b) != zoneStreamVersion {
		return nil, errZones
	}
	processors := int64(binary.NativeEndian.Uint32(b[4:]))
	count := int64(binary.NativeEndian.Uint32(b[8:]))
	b = b[zoneStreamBytes:]
	size := zoneHeaderBytes + processors*zoneCPUBytes
	if count > int64(len(b))/size {
		return nil, errZones
	}
	list := make(map[string]zone, count)
	for range count {
		name, z := parseZone(b[:size])
		list[name] = z
		b = b[size:]
	}
	return list, nil
}

func parseZone(b []byte) (string, zone) {
	name := b[:zoneNameBytes]
	end := 0
	for end < len(name) && name[end] != 0 {
		end++
	}
	z := zone{
		limit: int64(binary.NativeEndian.Uint32(b[zoneLimit:])),
		bytes: int64(binary.NativeEndian.Uint32(b[zoneRealSize:])),
		count: number64(b[zoneAllocs:]) - number64(b[zoneFrees:]),
		fails: number64(b[zoneFails:]) + number64(b[zoneSleeps:]),
		found: true,
	}
	for at := zoneHeaderBytes; at < len(b); at += zoneCPUBytes {
		z.count += number64(b[at:]) - number64(b[at+8:])
	}
	return string(name[:end]), z
}

func number64(b []byte) int64 { return int64(binary.NativeEndian.Uint64(b)) }
