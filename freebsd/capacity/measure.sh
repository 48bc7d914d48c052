#!/bin/sh
#
# What a connection costs the kernel of FreeBSD, zone by zone: look before and after the connections are there, and divide.
#
#	measure.sh snapshot FILE                     keep what vmstat(8) and sysctl(8) say now
#	measure.sh compare BEFORE AFTER [CONNECTIONS]  bytes for each connection; without a number, for each socket that was added
#
# A zone's line is its item size times the items that were added. It leaves out what the allocator keeps free; the growth of wired memory,
# at the end, has that too, and everything else that the system did meanwhile. On loopback both ends are counted: a client that runs on
# the same box has a socket, a control block, a file and perhaps a knote of its own.
# Exit status: 0; 1 it could not be measured; 2 wrong arguments; 3 measured, and the kernel refused something meanwhile.

set -eu

usage() {
	sed -n '3,6s/^#	*//p' "$0" >&2
	exit 2
}

die() {
	echo "measure.sh: $1" >&2
	exit 1
}

# snapshot writes what is compared later: a head that names it, counters, then vmstat's own tables.
snapshot() {
	zones=$(vmstat -z) || die "vmstat -z does not answer"
	types=$(vmstat -m) || die "vmstat -m does not answer"
	{
		echo "trunkline-snapshot 1"
		for name in kern.openfiles kern.ipc.numopensockets vm.stats.vm.v_wire_count hw.pagesize kern.osrelease; do
			value=$(sysctl -n "${name}" 2> /dev/null) || value=unknown
			echo "counter ${name} ${value}"
		done
		echo "${zones}" | sed 's/^/zone /'
		echo "${types}" | sed 's/^/type /'
	} > "$1" || die "$1 can't be written"
}

check() {
	[ -r "$1" ] || die "$1 can't be read"
	head -n 1 "$1" | grep -q '^trunkline-snapshot 1$' || die "$1 is no snapshot of measure.sh"
}

compare() {
	check "$1"
	check "$2"
	awk -v connections="$3" '
		# part cuts a line of vmstat -z: a name that may have spaces, a colon, then numbers with commas between.
		function part(line,    at) {
			at = match(line, /: +[0-9]+, /)
			if (!at) return 0
			zone = substr(line, 1, at - 1)
			return split(substr(line, at + 1), field, ",") >= 6
		}
		# kilobytes cuts a line of vmstat -m: a name that may have spaces, items, memory with a unit, requests.
		function kilobytes(line,    n, i, word, unit) {
			n = split(line, word, " ")
			for (i = 2; i < n; i++) if (word[i] ~ /^[0-9]+$/ && word[i + 1] ~ /^[0-9]+[KMG]?$/) break
			if (i >= n) return -1
			zone = word[1]
			for (unit = 2; unit < i; unit++) zone = zone " " word[unit]
			unit = substr(word[i + 1], length(word[i + 1]))
			if (unit == "K") return word[i + 1] * 1024
			if (unit == "M") return word[i + 1] * 1048576
			if (unit == "G") return word[i + 1] * 1073741824
			return word[i + 1] + 0
		}
		FNR == 1 { file++ }
		$1 == "counter" { count[file, $2] = $3; next }
		$1 == "zone" && part(substr($0, 6)) {
			size[zone] = field[1] + 0; used[file, zone] = field[3] + 0; failed[file, zone] = field[6] + 0
			if (!(zone in seen)) { seen[zone] = ++zones; names[zones] = zone }
		}
		$1 == "type" {
			bytes = kilobytes(substr($0, 6))
			if (bytes >= 0 && (zone == "filedesc" || zone == "kqueue" || zone == "pcb")) grown[zone] += (file == 2 ? bytes : -bytes)
		}
		function line(name, each, more, bytes) {
			printf "%-22s %9s %12s %14s %14.1f\n", name, each, more, (more == "" ? "" : sprintf("%.3f", more / connections)), bytes / connections
		}
		END {
			if (!zones || !((1, "kern.openfiles") in count)) { print "measure.sh: no zones in the snapshots" > "/dev/stderr"; exit 1 }
			added = count[2, "kern.ipc.numopensockets"] - count[1, "kern.ipc.numopensockets"]
			if (!connections) connections = added
			if (connections <= 0) { print "measure.sh: no more sockets than before; say how many connections" > "/dev/stderr"; exit 1 }
			printf "%d connections, %d more sockets, %d more files, FreeBSD %s\n\n", connections, added, count[2, "kern.openfiles"] - count[1, "kern.openfiles"], count[2, "kern.osrelease"]
			printf "%-22s %9s %12s %14s %14s\n", "zone", "bytes", "more items", "a connection", "bytes of it"
			for (i = 1; i <= zones; i++) {
				zone = names[i]; more[i] = used[2, zone] - used[1, zone]; cost[i] = more[i] * size[zone]
				order[i] = i
			}
			for (i = 2; i <= zones; i++) for (j = i; j > 1 && cost[order[j]] > cost[order[j - 1]]; j--) { t = order[j]; order[j] = order[j - 1]; order[j - 1] = t }
			for (i = 1; i <= zones; i++) {
				z = order[i]
				if (cost[z] / connections < 1 && more[z] / connections < 0.01) continue
				line(names[z], size[names[z]], more[z], cost[z]); total += cost[z]
			}
			# Buffers of these types that are larger than 64 KiB are in no zone: the tables that grow with the descriptors.
			for (zone in grown) if (grown[zone] > 65536) { line(zone " (malloc)", "", "", grown[zone]); tables += grown[zone] }
			line("sum", "", "", total + tables)
			if (count[1, "vm.stats.vm.v_wire_count"] != "unknown" && count[2, "hw.pagesize"] != "unknown")
				line("wired memory", "", "", (count[2, "vm.stats.vm.v_wire_count"] - count[1, "vm.stats.vm.v_wire_count"]) * count[2, "hw.pagesize"])
			for (i = 1; i <= zones; i++) if (failed[2, names[i]] > failed[1, names[i]]) {
				printf "\nthe kernel refused %d of zone %s meanwhile", failed[2, names[i]] - failed[1, names[i]], names[i]; status = 3
			}
			if (status) print ""
			exit status
		}' "$1" "$2"
}

case "${1:-}" in
snapshot)
	[ $# -eq 2 ] || usage
	snapshot "$2"
	;;
compare)
	[ $# -eq 3 ] || [ $# -eq 4 ] || usage
	case "${4:-0}" in
	*[!0-9]*) usage ;;
	esac
	compare "$2" "$3" "${4:-0}"
	;;
*) usage ;;
esac
