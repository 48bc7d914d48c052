#!/bin/sh
# Counts the kevent(2) calls that each poller makes for one wake-up, message and so on: docs/adr/0013-kqueue.md has the table.
# With truss(1) on FreeBSD; elsewhere through the translator FBSDRUN, a program that writes its trace to FBSDRUN_TRACE.
set -eu
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
GOOS=freebsd CGO_ENABLED=0 "${GO:-go}" test -c -o "$work/netpoll.test" ./netpoll

# calls NAME N: kevent calls of the poller when NAME is done N times. Its queue is the last that is opened, after that of Go's runtime.
calls() {
	set -- "$work/netpoll.test" -test.run '^$' -test.bench "^BenchmarkPollerCalls\$/^$1\$" -test.benchtime "$2x"
	rm -f "$work/trace"
	if [ "$(uname -s)" = FreeBSD ]; then
		truss -f -o "$work/trace" "$@" >/dev/null
	else
		FBSDRUN_TRACE=$work/trace "${FBSDRUN:?names the translator}" "$@" >/dev/null
	fi
	queue=$(sed -n 's/.* kqueue() *= \([0-9][0-9]*\).*/\1/p' "$work/trace" | tail -1)
	grep -c " kevent($queue," "$work/trace"
}

printf '%-24s %s\n' 'poller, what is done' 'kevent calls for one'
for kind in native gnet; do
	for what in wake message connection room; do
		few=$(calls "$kind/$what" 100)
		many=$(calls "$kind/$what" 1100)
		awk -v name="$kind, $what" -v n="$((many - few))" 'BEGIN { printf "%-24s %.2f\n", name, n / 1000 }'
	done
done
