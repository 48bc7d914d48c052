#!/bin/sh
# capacity.sh - holds very many idle encrypted sessions in one server on this machine, and measures what they take.
#
#   bench/capacity.sh [-n CONNECTIONS] [-b TRUNKLINE] [-o OUT] [-d DEVICES] [-c] [-- flags of `trunkline bench capacity`]
#
#   -n   sessions, 1000000 unless it is given
#   -b   the program, bin/trunkline unless it is given
#   -o   directory for capacity.json and capacity.html, out/capacity unless it is given
#   -d   directory that keeps the devices and their tickets: they are registered first, and another run does without that
#   -c   only checks whether this machine can do it
#
# Linux and FreeBSD. Server and generator are both here, over loopback: take 9 KB of memory for each session. Nothing of the
# system is changed; what is missing is said, with the command that mends it. Exit status: 0; 1 something was lost or went wrong; 2 wrong usage
# or the machine can't do it.
# shellcheck disable=SC3045 # ulimit -n and -H: every shell of both systems has them
set -eu

n=1000000 program=bin/trunkline out=out/capacity devices="" only=""
usage() { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' >&2; exit 2; }
while [ $# -gt 0 ]; do
	case $1 in
	-n) [ $# -ge 2 ] || usage; n=$2; shift 2 ;;
	-b) [ $# -ge 2 ] || usage; program=$2; shift 2 ;;
	-o) [ $# -ge 2 ] || usage; out=$2; shift 2 ;;
	-d) [ $# -ge 2 ] || usage; devices=$2; shift 2 ;;
	-c) only=yes; shift ;;
	--) shift; break ;;
	*) usage ;;
	esac
done
case $n in '' | *[!0-9]* | 0*) usage ;; esac
[ -x "$program" ] || { echo "capacity.sh: there is no program $program: make build, or -b" >&2; exit 2; }

per_source=25000 # connections of one source address: below what the system hands out as ports
sources=$(((n + per_source - 1) / per_source))
missing=0
lack() { # what, have, need, remedy
	missing=1
	echo "capacity.sh: $1 is $2, $n sessions need $3: $4" >&2
}
least() { # name, have, need, remedy
	case $2 in unlimited | infinity) return 0 ;; '' | *[!0-9]*) return 0 ;; esac
	[ "$2" -ge "$3" ] || lack "$@"
}

# What a process may hold, and what the system may hold. Both ends of each connection are here.
ulimit -n "$(ulimit -Hn)" 2>/dev/null || true
least "the descriptor limit of a process" "$(ulimit -n)" $((n + 1000)) "ulimit -n $((n + 1000)), as root; on Linux fs.nr_open bounds it"
case $(uname -s) in
Linux)
	get() { cat "/proc/sys/$(echo "$1" | tr . /)" 2>/dev/null || true; }
	least fs.nr_open "$(get fs.nr_open)" $((n + 1000)) "sysctl fs.nr_open=$((n + 100000))"
	least fs.file-max "$(get fs.file-max)" $((2 * n + 10000)) "sysctl fs.file-max=$((2 * n + 100000))"
	least net.core.somaxconn "$(get net.core.somaxconn)" 512 "sysctl net.core.somaxconn=65535"
	ports=$(get net.ipv4.ip_local_port_range | awk '{ print $2 - $1 + 1 }')
	least "the range of net.ipv4.ip_local_port_range" "$ports" 28000 "sysctl net.ipv4.ip_local_port_range='1024 65535'"
	memory=$(awk '/^MemAvailable/ { print int($2 / 1024) }' /proc/meminfo)
	tcp=$(get net.ipv4.tcp_mem | awk '{ print int($3 / 256) }')
	least "the memory that TCP may have (net.ipv4.tcp_mem), in MB," "$tcp" $((n / 1000 + 64)) "sysctl net.ipv4.tcp_mem with a higher third number"
	;;
FreeBSD)
	get() { sysctl -n "$1" 2>/dev/null || true; }
	least kern.maxfilesperproc "$(get kern.maxfilesperproc)" $((n + 1000)) "sysctl kern.maxfilesperproc=$((n + 100000))"
	least kern.maxfiles "$(get kern.maxfiles)" $((2 * n + 10000)) "sysctl kern.maxfiles=$((2 * n + 100000))"
	least kern.ipc.maxsockets "$(get kern.ipc.maxsockets)" $((2 * n + 10000)) "kern.ipc.maxsockets=$((2 * n + 100000)) in /boot/loader.conf"
	least kern.ipc.soacceptqueue "$(get kern.ipc.soacceptqueue)" 512 "sysctl kern.ipc.soacceptqueue=65535"
	ports=$(($(get net.inet.ip.portrange.last) - $(get net.inet.ip.portrange.first) + 1))
	least "the range of net.inet.ip.portrange" "$ports" 28000 "sysctl net.inet.ip.portrange.first=1024"
	memory=$(($(get hw.physmem) / 1048576))
	i=2
	while [ "$i" -le "$sources" ]; do
		ifconfig lo0 | grep -q "inet 127\.0\.0\.$i " || { lack "source address 127.0.0.$i" "not there" "it" "for i in \$(jot $((sources - 1)) 2); do ifconfig lo0 alias 127.0.0.\$i/32; done"; break; }
		i=$((i + 1))
	done
	;;
*)
	echo "capacity.sh: $(uname -s) is not known here: Linux or FreeBSD" >&2
	exit 2
	;;
esac
least "memory, in MB," "$memory" $((n * 9 / 1024 + 512)) "fewer sessions, or a larger machine"
[ "$sources" -le 239 ] || lack "the most source addresses" 239 "$sources" "fewer sessions"

# Both ends are sockets of this machine; the server's own check knows more limits. What is only its advice does not stop the run.
if "$program" tune check --help >/dev/null 2>&1; then
	"$program" tune check --connections "$n" || echo "capacity.sh: that is what a server of $n connections should have; the run may do with less" >&2
fi
if [ "$missing" != 0 ]; then
	echo "capacity.sh: this machine can't hold $n sessions as it is set" >&2
	exit 2
fi
[ -z "$only" ] || { echo "capacity.sh: this machine can hold $n sessions"; exit 0; }

if [ -n "$devices" ]; then
	"$program" bench capacity --connections "$n" --devices "$devices" --enrol
	set -- --devices "$devices" "$@"
fi
exec "$program" bench capacity --connections "$n" --out "$out" "$@"
