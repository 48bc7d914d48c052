package tuning

import "strconv"

// object is one thing that the kernel or the server keeps for a connection.
type object struct {
	name   string
	bytes  int64
	zone   string // a Counter whose ItemBytes, where a running system tells it, replaces bytes
	source string
}

// Sizes of what FreeBSD keeps for an idle connection, in bytes on 64-bit machines, before the allocator's waste; computed from headers, for
// 13 estimated. One knote: the native poller registers EVFILT_READ for good and EVFILT_WRITE only while something waits.
var (
	freebsd13Objects = []object{
		{"control block", 496 + 1096, "tcp", "estimate: struct inpcb and struct tcpcb are apart before 14.0; a machine of 13 tells its own"},
		{"socket", 960, "sockets", "estimate: struct socket before 14.0; a machine of 13 tells its own"},
		{"knote", 160, "knotes", "struct knote: sys/event.h"},
		{"file", 80, "files", "struct file: sys/file.h"},
	}
	freebsd14Objects = []object{
		{"control block", 1304, "tcp", "struct tcpcb, which holds the inpcb since 14.0: netinet/tcp_var.h"},
		{"socket", 1024, "sockets", "struct socket: sys/socketvar.h"},
		{"knote", 160, "knotes", "struct knote: sys/event.h"},
		{"file", 80, "files", "struct file: sys/file.h"},
	}
	// What Linux 6.18 took from its slab allocator for each of 18,000 sockets of 9,000 loopback connections on epoll (/proc/slabinfo before
	// and after); waste included.
	linuxObjects = []object{
		{"control block", 2520, "", "TCP in /proc/slabinfo of 6.18: 13 of 2,368 bytes in 32 KiB"},
		{"socket", 862, "", "sock_inode_cache: 19 of 832 bytes in 16 KiB"},
		{"epoll item", 128 + 64 + 16, "", "eventpoll_epi, eventpoll_pwq, ep_head"},
		{"file", 195 + 195, "", "filp and dentry: 21 of 192 bytes in 4 KiB"},
		{"security", 56, "", "lsm_inode_cache, lsm_file_cache"},
	}
)

const (
	// freebsdDescriptorBytes is sizeof(struct filedescent): sys/filedesc.h. The table doubles, and tables that it has outgrown are kept
	// until the process ends, because threads may still be reading them (kern_descrip.c, fdgrowtable): the same again.
	freebsdDescriptorBytes = 48
	// kqueueSlotBytes is a list head for each descriptor number up to the highest that is on a kqueue: kern_event.c, kqueue_expand.
	kqueueSlotBytes = 8
	// kqueueSlotStep is by how many descriptors that array grows (KQEXTENT).
	kqueueSlotStep = 256
	// linuxDescriptorBytes, in eighths: a pointer, and a bit in each of two sets (fs/file.c, alloc_fdtable).
	linuxDescriptorEighths = 66
	// slabWastePercent is what FreeBSD's allocator leaves unused at most before it takes larger slabs: UMA_MAX_WASTE, vm/uma_int.h.
	slabWastePercent = 10
	// hashBucketBytes is a bucket of the tables of connections and ports.
	hashBucketBytes = 16
	// linuxBufferFactor: what waits in a socket of Linux is counted, and takes, about twice (tcp(7), tcp_adv_win_scale).
	linuxBufferFactor = 2
	// sessionBytes is our own memory for an idle encrypted session, collector included: `trunkline bench connect --transport both`.
	sessionBytes = 360
	// serverBytes is an empty server: the same.
	serverBytes = 33 << 20
)

// Memory is what a load costs a machine, by part: the kernel's objects, its tables, data that waits, and the server. Load and machine
// are complete. Sizes of kernel objects come from c, if a running FreeBSD tells them there, else from the sizes of its release; c may be nil.
func Memory(l Load, m Machine, c Counters) Model {
	var b modelBuilder
	b.connections = l.sockets()
	if m.OS == FreeBSD {
		b.freebsd(l, m, c)
	} else {
		b.linux(l)
	}
	b.fixed("connection hash", hashBuckets(l)*hashBucketBytes, "a bucket for each four connections")
	b.each(object{name: partSession, bytes: sessionBytes, source: "`trunkline bench connect --transport both`, encrypted"})
	b.fixed(partServer, serverBytes, "an empty server: `trunkline bench connect`")
	return b.model
}

// Names of parts that are not the kernel's.
const (
	partSession = "session"
	partServer  = "server"
)

// modelBuilder adds up parts.
type modelBuilder struct {
	model       Model
	connections int64
}

func (b *modelBuilder) add(p Part) {
	b.model.Parts = append(b.model.Parts, p)
	b.model.Bytes += p.Bytes
}

func (b *modelBuilder) each(o object) {
	b.add(Part{Name: o.name, Each: o.bytes, Bytes: o.bytes * b.connections, Source: o.source})
}

func (b *modelBuilder) fixed(name string, bytes int64, source string) {
	b.add(Part{Name: name, Fixed: bytes, Bytes: bytes, Source: source})
}

func (b *modelBuilder) freebsd(l Load, m Machine, c Counters) {
	objects := freebsd14Objects
	if m.Release != (Release{}) && m.Release.Before(Release{14, 0}) {
		objects = freebsd13Objects
	}
	var sum int64
	for _, o := range objects {
		if row, ok := c.Find(o.zone); ok && o.zone != "" && row.ItemBytes > 0 {
			o.bytes, o.source = row.ItemBytes, "vm.zone_stats of this machine"
		}
		b.each(o)
		sum += o.bytes
	}
	b.each(object{name: "allocator", bytes: sum * slabWastePercent / 100, source: "UMA_MAX_WASTE: vm/uma_int.h"})
	descriptors := l.sockets() + DescriptorReserve
	b.fixed("descriptor table", 2*freebsdDescriptorBytes*powerOfTwo(descriptors), "struct filedescent, doubled, with what it has outgrown: kern_descrip.c")
	slots := ceilDiv(descriptors, kqueueSlotStep) * kqueueSlotStep
	b.fixed("kqueue tables", kqueueSlotBytes*slots*int64(l.Loops), "8 bytes for each descriptor number and kqueue ("+strconv.Itoa(l.Loops)+"): kern_event.c")
	b.waiting(l.stalled()*ceilDiv(l.SendBufferBytes, clusterBytes)*(clusterBytes+mbufBytes), "clusters and mbufs of stalled clients: sys/param.h")
	b.fixed("receive rings", int64(m.Cores)*ringClusters*(clusterBytes+mbufBytes), "a queue of 4,096 clusters for each core: iflib(4)")
}

func (b *modelBuilder) linux(l Load) {
	for _, o := range linuxObjects {
		b.each(o)
	}
	descriptors := powerOfTwo(l.sockets() + DescriptorReserve)
	b.fixed("descriptor table", descriptors*linuxDescriptorEighths/8, "a pointer and two bits, doubled: fs/file.c")
	b.waiting(l.stalled()*l.SendBufferBytes*linuxBufferFactor, "send buffers of stalled clients, with their overhead: tcp(7)")
}

// waiting is spread over all connections in Each, so that the parts of one connection can be added up.
func (b *modelBuilder) waiting(bytes int64, source string) {
	b.add(Part{Name: "waiting data", Each: bytes / max(b.connections, 1), Bytes: bytes, Source: source})
}

// ours is what of a model the server process has.
func (m Model) ours() int64 {
	var sum int64
	for _, p := range m.Parts {
		if p.Name == partSession || p.Name == partServer {
			sum += p.Bytes
		}
	}
	return sum
}

// kernelBytes is the rest, with a tenth to spare.
func kernelBytes(m Model) int64 { return (m.Bytes - m.ours()) / 10 * 11 }

// EachBytes is what one connection costs in m, tables that grow in steps not counted.
func (m Model) EachBytes() int64 {
	var sum int64
	for _, p := range m.Parts {
		sum += p.Each
	}
	return sum
}
