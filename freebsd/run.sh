#!/bin/sh
# Runs the FreeBSD build: tests, a server with clients that is killed in between, and two benchmarks. `make freebsd-run` calls it.
#
# On FreeBSD it runs natively. On Linux/amd64 it runs through a program that translates FreeBSD's system calls; FBSDRUN names that
# program, or the folder with its sources and Makefile, which is built into a temporary folder. docs/freebsd-run.md says what such a run
# shows and what it cannot show.
#
#   FBSDRUN   the translator (default ../shared/fbsdrun); without one the run is skipped, and says so
#   PACKAGES  what is tested (default: netpoll, codec and below, shard, store, tuning; empty: nothing)
#   SHORT     1: tests with -short and shorter benchmarks
#   GO        the go command (default go)
#   TRUNKLINE_FREEBSD_REQUIRED   1: a skip is a failure
set -eu
cd "$(dirname "$0")/.."

go=${GO:-go}
packages=${PACKAGES-./netpoll ./codec/... ./shard ./store ./tuning}
short=${SHORT:-0}
seconds=5
[ "$short" = 1 ] && seconds=1

work=$(mktemp -d)
server= # process of the server, when it runs
finish() {
	if [ -n "$server" ]; then
		kill -9 "$server" 2>/dev/null || true
	fi
	rm -rf "$work"
}
trap finish EXIT
trap 'exit 130' INT TERM

fail() {
	echo "freebsd-run: $*" >&2
	exit 1
}

skip() {
	[ "${TRUNKLINE_FREEBSD_REQUIRED:-0}" = 1 ] && fail "$*, and the run is required"
	echo "freebsd-run: skipped: $*"
	exit 0
}

step() {
	echo "== $*"
}

# The translator, or nothing on FreeBSD itself.
runner=
case $(uname -s)/$(uname -m) in
FreeBSD/*) ;;
Linux/x86_64)
	named=${FBSDRUN:-../shared/fbsdrun}
	if [ -d "$named" ]; then
		step "the translator in $named is built"
		make -s -C "$named" OUT="$work/runner" >"$work/make.log" 2>&1 || {
			cat "$work/make.log" >&2
			skip "the translator in $named can't be built"
		}
		runner=$work/runner/fbsdrun
	elif [ -x "$named" ]; then
		runner=$(cd "$(dirname "$named")" && pwd)/$(basename "$named")
	elif [ -n "${FBSDRUN:-}" ]; then
		fail "FBSDRUN is $FBSDRUN, and there is no such program or folder"
	else
		skip "this is not FreeBSD, and FBSDRUN names no translator of its system calls"
	fi
	;;
*) skip "this is $(uname -s)/$(uname -m), neither FreeBSD nor Linux/x86_64" ;;
esac
export CGO_ENABLED=0 GOOS=freebsd
if [ -n "$runner" ]; then
	export GOARCH=amd64
fi

# A translator says on its standard error which call it does not know.
unknown_calls() {
	if [ -n "$runner" ] && grep -h '^fbsdrun:' "$@" | sort | uniq -c | sort -rn >"$work/unknown" && [ -s "$work/unknown" ]; then
		cat "$work/unknown"
		fail "the translator does not know calls that the build makes"
	fi
}

trunkline() {
	${runner:+"$runner"} "$work/trunkline" "$@"
}

tests() {
	step "tests of $packages"
	set -- -count=1 -timeout 20m
	[ "$short" = 1 ] && set -- "$@" -short
	[ -n "$runner" ] && set -- "$@" -exec "$runner"
	# shellcheck disable=SC2086 # packages are words
	if ! "$go" test "$@" $packages >"$work/tests.log" 2>&1; then
		cat "$work/tests.log" >&2
		fail "tests"
	fi
	cat "$work/tests.log"
	unknown_calls "$work/tests.log"
}

# start_server starts a server on loopback, the second time on the port of the first, and waits until it says where.
address=127.0.0.1:0
start_server() {
	# No function: the process that is killed must be the server, not a shell before it.
	${runner:+"$runner"} "$work/trunkline" serve --listen "$address" --admin 127.0.0.1:0 --data "$work/data" >"$work/serve.log" 2>&1 &
	server=$!
	tries=0
	until grep -q 'Ctrl-C drains' "$work/serve.log"; do
		kill -0 "$server" 2>/dev/null || { cat "$work/serve.log" >&2; fail "the server has ended"; }
		tries=$((tries + 1))
		[ "$tries" -le 300 ] || { cat "$work/serve.log" >&2; fail "the server does not begin"; }
		sleep 0.1
	done
	address=$(awk '$1 == "chat" { print $2; exit }' "$work/serve.log")
	key=$(awk '$1 == "key" { print $2; exit }' "$work/serve.log")
}

# has says whether a file has a text, and shows the file when it has not.
has() {
	grep -qF -- "$2" "$1" && return 0
	cat "$1" >&2
	fail "there is no \"$2\""
}

client() {
	verb=$1
	user=$2
	shift 2
	trunkline "$verb" --user "$user" --server "$address" --state "$work/state$user" "$@" 2>>"$work/client.log" || {
		cat "$work/client.log" "$work/serve.log" >&2
		fail "$verb of user $user"
	}
}

# whole starts a server, lets one user write to another who is away, kills the server, and looks for the message.
whole() {
	step "a server with two clients, killed and started anew"
	start_server
	for user in 1001 1002; do
		trunkline token --user "$user" --keys "$work/data/keys" >"$work/token"
		client register "$user" --server-key "$key" --token-file "$work/token" >"$work/out"
		has "$work/out" '"new":true'
	done
	client send 1001 --to 1002 --wait server 'before the crash' >"$work/out"
	has "$work/out" '"tick":"server"'
	kill -9 "$server"
	wait "$server" 2>/dev/null || true
	start_server
	client recv 1002 --timeout 30s >"$work/out"
	has "$work/out" '"text":"before the crash"'
	client send 1002 --to 1001 --wait server 'after it' >"$work/out"
	client recv 1001 --timeout 30s >"$work/out"
	has "$work/out" '"text":"after it"'
	kill -TERM "$server"
	wait "$server" || fail "the server ended with status $?"
	server=
	has "$work/serve.log" 'drained, goodbye'
	unknown_calls "$work/serve.log" "$work/client.log"
	echo "ok: both messages arrived, the one before the crash too"
}

# load runs two benchmarks, each with a server of its own. Only what arrived is looked at: a translator's figures say nothing of FreeBSD.
load() {
	step "bench connect"
	trunkline bench connect --connections 1000 --hold 1s --quiet >"$work/connect.log" 2>&1 || {
		cat "$work/connect.log" >&2
		fail "bench connect"
	}
	head -1 "$work/connect.log"
	has "$work/connect.log" 'with 1000'
	step "bench message"
	trunkline bench message --pairs 50 --duration "${seconds}s" --quiet >"$work/message.log" 2>&1 || {
		cat "$work/message.log" >&2
		fail "bench message"
	}
	for word in 'lost' 'duplicated' 'reordered' 'damaged'; do
		awk -v word="$word" '$1 == word { seen = $2 == 0 } END { exit !seen }' "$work/message.log" || { cat "$work/message.log" >&2; fail "messages $word"; }
	done
	head -1 "$work/message.log"
	sed -n 's/^sent, arrived */sent, arrived /p' "$work/message.log"
	unknown_calls "$work/connect.log" "$work/message.log"
}

if [ -n "$packages" ]; then
	tests
fi
step "the server is built"
"$go" build -o "$work/trunkline" ./cmd/trunkline || fail "the build"
trunkline version
whole
load
step "freebsd-run: ok"
