#!/bin/sh
#
# A whole capacity run on one FreeBSD box: is it tuned, addresses, server, load, and what a connection costs the kernel.
#
#	run.sh [-c CONNECTIONS] [-o DIR] [-p PROGRAM] [-i INTERFACE] [-a FIRST] [-t SECONDS] [-l ADDRESS] [-m ADDRESS] [-f] [-- flags of serve]
#
#	-c  connections (100000)                    -o  where reports and logs go (./capacity-CONNECTIONS)
#	-p  the program (trunkline)                 -i  interface of the source addresses (lo0)
#	-a  the first source address (127.0.0.2)    -t  how long all connections are held (60)
#	-l  where clients connect (127.0.0.1:5222)  -m  where the server answers operators (127.0.0.1:5280)
#	-f  go on although `trunkline tune check` says that the box is not fit
#
# Server and generator share the box, so that memory is what the run is for; for figures of speed take two boxes (docs/freebsd.md).
# Everything that was changed is undone at the end, after Ctrl-C too. In DIR: tune.txt, before and after (measure.sh), zones.txt,
# status.json of the full server, bench.txt, server.log.
# Exit status: 0; 1 something failed, or not all came; 2 wrong arguments; 3 it went through, and the kernel refused something meanwhile.

set -eu

here=$(dirname "$0")
connections=100000
out=
program=trunkline
interface=lo0
first=127.0.0.2
hold=60
listen=127.0.0.1:5222
admin=127.0.0.1:5280
force=
server=
bench=
each=25000 # connections from one address: what `trunkline bench connect` uses

usage() {
	sed -n '5,10s/^#	*//p' "$0" >&2
	exit 2
}

say() { echo "run.sh: $1"; }

die() {
	echo "run.sh: $1" >&2
	exit 1
}

while getopts c:o:p:i:a:t:l:m:f flag; do
	case "${flag}" in
	c) connections=${OPTARG} ;;
	o) out=${OPTARG} ;;
	p) program=${OPTARG} ;;
	i) interface=${OPTARG} ;;
	a) first=${OPTARG} ;;
	t) hold=${OPTARG} ;;
	l) listen=${OPTARG} ;;
	m) admin=${OPTARG} ;;
	f) force=yes ;;
	*) usage ;;
	esac
done
shift $((OPTIND - 1))
case "${connections}${hold}" in
*[!0-9]*) usage ;;
esac
[ "${connections}" -ge 1 ] || usage
: "${out:=capacity-${connections}}"

# finish ends what was started and undoes what was changed, whatever happened.
# shellcheck disable=SC2317 # the trap calls it
finish() {
	status=$?
	trap - EXIT INT TERM
	for pid in ${bench} ${server}; do
		kill -TERM "${pid}" 2> /dev/null || continue
		wait "${pid}" 2> /dev/null || :
	done
	sh "${here}/aliases.sh" undo > /dev/null || echo "run.sh: aliases.sh undo failed: see above" >&2
	exit "${status}"
}

# open_connections prints how many the server has, or 0.
open_connections() {
	"${program}" status --admin "${admin}" --json 2> /dev/null | awk -F'[:,]' '/^  "connections"/ { print $2 + 0; found = 1; exit } END { if (!found) print 0 }'
}

# running says whether a process of ours still runs.
running() { kill -0 "$1" 2> /dev/null; }

tuned() {
	say "is the box fit for ${connections} connections, and for opening them itself?"
	code=0
	"${program}" tune check --connections "${connections}" --outbound "${connections}" --outbound-addresses "${need}" > "${out}/tune.txt" 2>&1 || code=$?
	[ "${code}" -eq 0 ] && return 0
	cat "${out}/tune.txt"
	[ -n "${force}" ] || die "it is not, or it can't be told: see above; -f goes on nevertheless"
	say "going on nevertheless"
}

addresses() {
	need=$(sh "${here}/aliases.sh" need "${connections}" "${each}")
	if [ "${need}" -gt 1 ]; then
		sh "${here}/aliases.sh" add "${interface}" "${first}" $((need - 1)) || die "no source addresses"
	fi
}

serve() {
	"${program}" serve --data off --transport plain --listen "${listen}" --admin "${admin}" --address-connections -1 --address-accepts none \
		--address-handshakes none --accepts none --max-connections 0 "$@" > "${out}/server.log" 2>&1 < /dev/null &
	server=$!
	waited=0
	until "${program}" status --admin "${admin}" > /dev/null 2>&1; do
		running "${server}" || { tail -n 5 "${out}/server.log" >&2; die "the server ended"; }
		[ "${waited}" -lt 60 ] || die "the server does not answer: see ${out}/server.log"
		sleep 1
		waited=$((waited + 1))
	done
}

# load starts the generator and waits until the server has all connections, then looks.
load() {
	"${program}" bench connect --connections "${connections}" --transport plain --server "${listen}" --admin "${admin}" --hold "${hold}s" > "${out}/bench.txt" 2>&1 &
	bench=$!
	until [ "$(open_connections)" -ge "${connections}" ]; do
		running "${bench}" || { tail -n 5 "${out}/bench.txt" >&2; die "the generator ended before all were connected"; }
		sleep 1
	done
	sh "${here}/measure.sh" snapshot "${out}/after"
	"${program}" status --admin "${admin}" --json > "${out}/status.json"
	say "all ${connections} are connected"
	wait "${bench}" || { tail -n 5 "${out}/bench.txt" >&2; die "the generator failed"; }
	bench=
}

mkdir -p "${out}" || die "${out} can't be made"
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
addresses
tuned # behind the addresses, whose ports count
serve "$@"
sh "${here}/measure.sh" snapshot "${out}/before"
load
code=0
sh "${here}/measure.sh" compare "${out}/before" "${out}/after" "${connections}" > "${out}/zones.txt" || code=$?
cat "${out}/zones.txt" "${out}/bench.txt"
[ "${code}" -eq 0 ] || [ "${code}" -eq 3 ] || die "zones could not be compared"
say "everything is in ${out}"
exit "${code}"
