# BEGIN trunkline
# For 100000 connections on Linux 6.12 with 8 cores and 16.0 GiB of memory:
# trunkline tune render --format linux-sysctl.d --os linux --release 6.12 --arch amd64 --cores 8 --memory 17179869184 --page 4096 --connections 100000
# What stands between BEGIN and END is replaced by `trunkline tune apply`.
#
# fs.nr_open: The most that RLIMIT_NOFILE of any process can be.
# If it does not fit: setrlimit(2) fails with EPERM, also for root; a service with a higher
# LimitNOFILE does not start. See proc_sys_fs(5).
# 1048576 by itself on such a box, which is enough: no line.
#
# fs.file-max: Open files of all processes.
# If it does not fit: accept(2) fails with ENFILE and the kernel logs "VFS: file-max limit reached";
# nobody else can open a file either. See proc_sys_fs(5).
# unlimited by itself on such a box, which is enough: no line.
#
# fs.epoll.max_user_watches: Every connection is watched by the epoll of its loop, and this bounds
# those of one user.
# If it does not fit: epoll_ctl(2) fails with ENOSPC, and the connection is closed. See epoll(7).
# 3579139 by itself on such a box, which is enough: no line.
#
# net.core.somaxconn: How many connections may wait to be accepted. Restart the server after raising
# it: it is read at listen(2).
# If it does not fit: In a storm handshakes are dropped and repeated by the clients after 1, 3, 7
# seconds; ListenOverflows counts them. See listen(2).
# 4096 by itself on such a box, which is enough: no line.
#
# net.ipv4.tcp_max_syn_backlog: Half-open connections of one listener; somaxconn bounds them too.
# If it does not fit: With tcp_syncookies connects are answered from a cookie, which forgets
# options; without, they are dropped. See tcp(7).
# Advice: the connections can be held without it.
net.ipv4.tcp_max_syn_backlog = 8192
#
# net.ipv4.tcp_syncookies: Connects are answered from a cookie when there are too many half-open
# ones.
# If it does not fit: A storm, or one attacker, keeps everybody out. See tcp(7).
# Advice: the connections can be held without it.
# 1 by itself on such a box, which is enough: no line.
#
# net.core.netdev_max_backlog: Packets that wait for one core: on the loopback, behind a tunnel, or
# spread by RPS.
# If it does not fit: Packets of a burst are dropped before TCP sees them. See kernel:
# admin-guide/sysctl/net.
# Advice: the connections can be held without it.
net.core.netdev_max_backlog = 16384
#
# net.ipv4.tcp_mem: What the buffers of all TCP sockets hold together: above the second number they
# shrink, above the third nothing more is given.
# If it does not fit: Windows shrink, then sockets with waiting data are killed ("TCP: out of memory
# -- consider tuning tcp_mem"). See tcp(7).
# 196608 262144 393216 by itself on such a box, which is enough: no line.
#
# net.ipv4.tcp_rmem: Least, first and greatest size of a receive buffer; the third bounds what one
# client can make a busy loop keep.
# If it does not fit: Floods hold up to this each instead of what was planned for. See tcp(7).
# Advice: the connections can be held without it.
# Such a box has it by itself; 0 0 262144 would do.
net.ipv4.tcp_rmem = 4096 131072 262144
#
# net.ipv4.tcp_wmem: Least, first and greatest size of a send buffer; the third bounds what one
# client who does not read can hold.
# If it does not fit: Stalled clients hold up to this each instead of what was planned for. See
# tcp(7).
# Advice: the connections can be held without it.
# Such a box has it by itself; 0 0 262144 would do.
net.ipv4.tcp_wmem = 4096 16384 262144
#
# net.ipv4.tcp_max_orphans: Connections that the server has closed while the last bytes are under
# way, as after a drain.
# If it does not fit: They are reset ("too many orphaned sockets") and their clients lose the reason
# why. See tcp(7).
# Advice: the connections can be held without it.
# 65536 by itself on such a box, which is enough: no line.
#
# net.ipv4.tcp_max_tw_buckets: Connections that this side closed first are kept for a minute in a
# small form.
# If it does not fit: They are dropped early ("time wait bucket table overflow"), which is mostly
# harmless. See tcp(7).
# Advice: the connections can be held without it.
# 65536 by itself on such a box, which is enough: no line.
#
# net.ipv4.tcp_fin_timeout: How long a connection waits for a client that never closes its side.
# If it does not fit: Half-closed connections of vanished phones pile up. See tcp(7).
# Advice: the connections can be held without it.
net.ipv4.tcp_fin_timeout = 30
#
# net.netfilter.nf_conntrack_max: Where a firewall follows connections it needs an entry for each,
# also for two minutes after it was closed. Better: do not track the chat port.
# If it does not fit: Packets of new connections are dropped ("nf_conntrack: table full, dropping
# packet"). See kernel: networking/nf_conntrack-sysctl.
-net.netfilter.nf_conntrack_max = 324920
#
# vm.max_map_count: The Go runtime's heap is made of mappings.
# If it does not fit: The process ends with "cannot allocate memory" while there is enough. See
# proc_sys_vm(5).
# Advice: the connections can be held without it.
# 65530 by itself on such a box, which is enough: no line.
#
# vm.overcommit_memory: The Go runtime reserves address space ahead of use; in mode 2 that counts as
# memory.
# If it does not fit: The process ends with "cannot allocate memory" while there is enough. See
# proc_sys_vm(5).
# Advice: the connections can be held without it.
# 0 by itself on such a box, which is enough: no line.
# END trunkline
