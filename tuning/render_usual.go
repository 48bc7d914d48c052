package tuning

// usual is what a limit is on a machine where nobody has set it; none where that is not known. Render needs it to leave out what
// is good enough by itself: a rendered file must not lower what the kernel chose by the memory of the machine.
//
// Source: the column Default of the table; of those that depend on the machine: sys/kern/subr_param.c (kern.maxfiles is an
// eighth of the pages), sys/kern/uipc_socket.c, sys/kern/kern_mbuf.c (buffers have half of the memory, clusters a quarter of that, mbufs
// a fifth), sys/netinet/tcp_subr.c of FreeBSD; net/ipv4/tcp.c (tcp_init), fs/eventpoll.c, systemd-system.conf(5) for Linux.
func usual(l *Limit, m Machine) Value {
	if n := usualOf(l, m); n > 0 {
		return Number(n)
	}
	if l.Name == "net.ipv4.tcp_mem" {
		pages := m.MemoryBytes / m.PageBytes / 16
		return List(pages/4*3, pages, pages/2*3)
	}
	v := ParseValue(l.Default)
	if v.Count == 0 {
		return Value{}
	}
	return v
}

// usualOf is usual for limits of one number that depend on the machine, or that are said in words; 0 for others.
func usualOf(l *Limit, m Machine) int64 {
	if l.OS == FreeBSD {
		return usualFreeBSD(l.Name, m)
	}
	return usualLinux(l.Name, m)
}

func usualFreeBSD(name string, m Machine) int64 {
	files := m.MemoryBytes / m.PageBytes / 8
	buffers := m.MemoryBytes / 2
	switch name {
	case "kern.maxfiles", "kern.ipc.maxsockets":
		return files
	case "kern.maxfilesperproc":
		return files / 10 * 9
	case "net.inet.tcp.tcbhashsize":
		return powerOfTwo(files / 4)
	case "net.inet.tcp.maxtcptw":
		return files / 5
	case "net.inet.tcp.syncache.cachelimit":
		return 512 * syncacheBucketLimit
	case "kern.ipc.maxmbufmem":
		return buffers
	case "kern.ipc.nmbclusters":
		return buffers / clusterBytes / 4
	case "kern.ipc.nmbufs":
		return buffers / mbufBytes / 5
	case "vm.kmem_size":
		return m.MemoryBytes
	}
	return 0
}

func usualLinux(name string, m Machine) int64 {
	buckets := min(powerOfTwo(m.MemoryBytes/(128<<10)), 512<<10) // of the table of connections
	switch name {
	case "fs.file-max":
		return Unlimited // systemd sets it so, because files are counted as memory
	case "RLIMIT_NOFILE":
		return 524288 // DefaultLimitNOFILE of systemd
	case "fs.epoll.max_user_watches":
		return m.MemoryBytes / 25 / 192
	case "net.ipv4.tcp_max_syn_backlog":
		return max(buckets/128, 128)
	case "net.ipv4.tcp_max_orphans", "net.ipv4.tcp_max_tw_buckets":
		return buckets / 2
	case "net.ipv4.tcp_ehash_entries":
		return buckets
	case "net.netfilter.nf_conntrack_max":
		return 262144
	}
	return 0
}
