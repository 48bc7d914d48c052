package tuning

// linuxLimits is the table of Linux 5.4 and later.
var linuxLimits = []Limit{
	{
		Name: "fs.nr_open", OS: Linux, Kind: Sysctl, Unit: "files", Need: needDescriptors, Suggest: suggestFilesOfProcess, Rules: atLeast, Required: true,
		Reason:   "The most that RLIMIT_NOFILE of any process can be.",
		TooSmall: "setrlimit(2) fails with EPERM, also for root; a service with a higher LimitNOFILE does not start.",
		Manual:   "proc_sys_fs(5)", Default: "1048576",
	},
	{
		Name: "fs.file-max", OS: Linux, Kind: Sysctl, Unit: "files", Need: needFiles, Suggest: suggestFiles, Rules: atLeast, Required: true,
		Reason:   "Open files of all processes.",
		TooSmall: "accept(2) fails with ENFILE and the kernel logs \"VFS: file-max limit reached\"; nobody else can open a file either.",
		Manual:   "proc_sys_fs(5)", Default: "a tenth of the memory, at 1 KiB a file; systemd raises it",
	},
	{
		Name: "RLIMIT_NOFILE", OS: Linux, Kind: Rlimit, Unit: "files", Need: needDescriptors, Rules: atLeast, Required: true,
		Reason:   "The hard limit of the process (LimitNOFILE of systemd); the server raises its soft limit to it by itself, and as root up to fs.nr_open.",
		TooSmall: "accept(2) fails with EMFILE; the server then keeps connections waiting and says so in its log.",
		Manual:   "getrlimit(2)", Default: "4096; 524288 under systemd",
	},
	{
		Name: "fs.epoll.max_user_watches", OS: Linux, Kind: Sysctl, Unit: "descriptors", Need: needSockets, Suggest: suggestSockets, Rules: atLeast, Required: true,
		Reason:   "Every connection is watched by the epoll of its loop, and this bounds those of one user.",
		TooSmall: "epoll_ctl(2) fails with ENOSPC, and the connection is closed.",
		Manual:   "epoll(7)", Default: "a twenty-fifth of the memory",
	},
	{
		Name: "net.core.somaxconn", OS: Linux, Kind: Sysctl, Unit: "connections", Need: needAcceptQueue, Rules: atLeast, Required: true, Storm: true,
		Reason:   "How many connections may wait to be accepted. Restart the server after raising it: it is read at listen(2).",
		TooSmall: "In a storm handshakes are dropped and repeated by the clients after 1, 3, 7 seconds; ListenOverflows counts them.",
		Manual:   "listen(2)", Default: "4096",
	},
	{
		Name: "net.ipv4.tcp_max_syn_backlog", OS: Linux, Kind: Sysctl, Unit: "connections", Need: needHalfOpen, Rules: atLeast, Storm: true,
		Reason:   "Half-open connections of one listener; somaxconn bounds them too.",
		TooSmall: "With tcp_syncookies connects are answered from a cookie, which forgets options; without, they are dropped.",
		Manual:   "tcp(7)", Default: "128 to 4096, by memory",
	},
	{
		Name: "net.ipv4.tcp_syncookies", OS: Linux, Kind: Sysctl, Unit: "flag", Need: fixed(1), Rules: atLeast, Storm: true,
		Reason:   "Connects are answered from a cookie when there are too many half-open ones.",
		TooSmall: "A storm, or one attacker, keeps everybody out.",
		Manual:   "tcp(7)", Default: "1",
	},
	{
		Name: "net.core.netdev_max_backlog", OS: Linux, Kind: Sysctl, Unit: "packets", Need: many(16384), Rules: atLeast, Storm: true,
		Reason:   "Packets that wait for one core: on the loopback, behind a tunnel, or spread by RPS.",
		TooSmall: "Packets of a burst are dropped before TCP sees them.",
		Manual:   "kernel: admin-guide/sysctl/net", Default: "1000",
	},
	{
		Name: "net.ipv4.tcp_mem", OS: Linux, Kind: Sysctl, Unit: "pages", Need: needSocketPages, Rules: atLeast, Required: true,
		Reason:   "What the buffers of all TCP sockets hold together: below the first number nothing is done, above the third nothing more is given.",
		TooSmall: "Windows shrink, then sockets with waiting data are killed (\"TCP: out of memory -- consider tuning tcp_mem\").",
		Manual:   "tcp(7)", Default: "5, 7 and 9 % of the memory",
	},
	{
		Name: "net.ipv4.tcp_rmem", OS: Linux, Kind: Sysctl, Unit: "bytes", Need: needBufferRange, Rules: [ValueNumbersMax]Rule{Any, Any, AtMost},
		Reason:   "Least, first and greatest size of a receive buffer; the third bounds what one client can make a busy loop keep.",
		TooSmall: "Floods hold up to this each instead of what was planned for.",
		Manual:   "tcp(7)", Default: "4096 131072 6291456",
	},
	{
		Name: "net.ipv4.tcp_wmem", OS: Linux, Kind: Sysctl, Unit: "bytes", Need: needBufferRange, Rules: [ValueNumbersMax]Rule{Any, Any, AtMost},
		Reason:   "Least, first and greatest size of a send buffer; the third bounds what one client who does not read can hold.",
		TooSmall: "Stalled clients hold up to this each instead of what was planned for.",
		Manual:   "tcp(7)", Default: "4096 16384 4194304",
	},
	{
		Name: "net.ipv4.tcp_max_orphans", OS: Linux, Kind: Sysctl, Unit: "connections", Need: needOrphans, Rules: atLeast,
		Reason:   "Connections that the server has closed while the last bytes are under way, as after a drain.",
		TooSmall: "They are reset (\"too many orphaned sockets\") and their clients lose the reason why.",
		Manual:   "tcp(7)", Default: "by memory",
	},
	{
		Name: "net.ipv4.tcp_max_tw_buckets", OS: Linux, Kind: Sysctl, Unit: "connections", Need: needTimeWait, Rules: atLeast,
		Reason:   "Connections that this side closed first are kept for a minute in a small form.",
		TooSmall: "They are dropped early (\"time wait bucket table overflow\"), which is mostly harmless.",
		Manual:   "tcp(7)", Default: "by memory, at most 262144",
	},
	{
		Name: "net.ipv4.tcp_fin_timeout", OS: Linux, Kind: Sysctl, Unit: "s", Need: many(finTimeoutSeconds), Rules: atMost,
		Reason:   "How long a connection waits for a client that never closes its side.",
		TooSmall: "Half-closed connections of vanished phones pile up.",
		Manual:   "tcp(7)", Default: "60",
	},
	{
		Name: "net.ipv4.tcp_ehash_entries", OS: Linux, Kind: Loader, Unit: "buckets", Need: needHashBuckets, Rules: atLeast, Since: Release{6, 1},
		Boot:     "thash_entries",
		Reason:   "Every segment finds its connection in this table, whose size is chosen at boot: thash_entries on the kernel's command line.",
		TooSmall: "CPU time goes into long chains, for each packet; nothing is refused.",
		Manual:   "kernel: networking/ip-sysctl", Default: "one for each 128 KiB of memory, at most 524288",
	},
	{
		Name: "net.ipv4.ip_local_port_range", OS: Linux, Kind: Sysctl, Unit: "port", Need: needPortRange, Required: true,
		Rules:    [ValueNumbersMax]Rule{AtMost, AtLeast, Any},
		Reason:   "A load generator needs a port for each connection of each of its addresses.",
		TooSmall: "connect(2) fails with EADDRNOTAVAIL, and searching for the last free ports takes long before that.",
		Manual:   "ip(7)", Default: "32768 60999",
	},
	{
		Name: "net.ipv4.tcp_tw_reuse", OS: Linux, Kind: Sysctl, Unit: "flag", Need: needReuse, Rules: atLeast,
		Reason:   "A load generator that comes back uses the ports of closed connections again after a second.",
		TooSmall: "Its ports are gone for a minute after each run.",
		Manual:   "tcp(7)", Default: "2: on the loopback only",
	},
	{
		Name: "net.netfilter.nf_conntrack_max", OS: Linux, Kind: Sysctl, Unit: "connections", Need: needTracked, Rules: atLeast, Required: true, Optional: true,
		Reason:   "Where a firewall follows connections it needs an entry for each, also for two minutes after it was closed. Better: do not track the chat port.",
		TooSmall: "Packets of new connections are dropped (\"nf_conntrack: table full, dropping packet\").",
		Manual:   "kernel: networking/nf_conntrack-sysctl", Default: "by memory, at most 262144",
	},
	{
		Name: "vm.max_map_count", OS: Linux, Kind: Sysctl, Unit: "mappings", Need: needMaps, Rules: atLeast,
		Reason:   "The Go runtime's heap is made of mappings.",
		TooSmall: "The process ends with \"cannot allocate memory\" while there is enough.",
		Manual:   "proc_sys_vm(5)", Default: "65530",
	},
	{
		Name: "vm.overcommit_memory", OS: Linux, Kind: Sysctl, Unit: "mode", Need: fixed(1), Rules: atMost,
		Reason:   "The Go runtime reserves address space ahead of use; in mode 2 that counts as memory.",
		TooSmall: "The process ends with \"cannot allocate memory\" while there is enough.",
		Manual:   "proc_sys_vm(5)", Default: "0",
	},
	{
		Name: "SO_REUSEPORT", OS: Linux, Kind: PerSocket, Unit: "listeners", Need: needLoops, Rules: atLeast,
		Reason:   "`--reuseport` opens a listener for each loop, each with an accept queue of its own.",
		TooSmall: "One loop accepts for all.",
		Manual:   "socket(7)", Default: "1",
	},
	{
		Name: "TCP_NODELAY", OS: Linux, Kind: PerSocket, Unit: "flag", Need: fixed(1), Rules: atLeast,
		Reason:   "A loop writes once a turn what it has for a client; waiting for more would only delay it.",
		TooSmall: "Small messages wait for the acknowledgement of earlier ones.",
		Manual:   "tcp(7)", Default: "0; the server sets it on listeners and connections inherit it",
	},
}
