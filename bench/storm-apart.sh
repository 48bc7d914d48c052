#!/bin/sh
# A storm against a server that has processor 0 for itself (Linux: taskset), with live pairs and crowd on processor 1: what the storm does
# to those who are connected, and not what the generator does to the server. Arguments go to `trunkline bench storm`.
set -eu
bin=${TRUNKLINE:-bin/trunkline}
addr=127.0.0.1:${PORT:-15222}
admin=127.0.0.1:${ADMIN_PORT:-15280}
data=$(mktemp -d)
GOMAXPROCS=2 taskset -c 0 "$bin" serve --loops 1 --registration open --data "$data" --listen "$addr" --admin "$admin" --log-level warn \
	--handshake-share "${SHARE:-5}" --address-connections -1 --address-accepts none --address-handshakes none --accepts none \
	--messages none --controls none --conversations none >/dev/null &
server=$!
trap 'kill "$server" 2>/dev/null; wait "$server" 2>/dev/null; rm -r "$data"' EXIT
tries=50
until "$bin" status --admin "$admin" >/dev/null 2>&1; do
	tries=$((tries - 1))
	[ "$tries" -gt 0 ] || { echo "storm-apart: the server does not answer on $admin" >&2; exit 1; }
	sleep 0.1
done
taskset -c 1 "$bin" bench storm --server "$addr" --admin "$admin" --clients 4000 "$@"
