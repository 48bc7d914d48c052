#!/bin/sh
# fuzz.sh PACKAGE TARGET TIME: one fuzz target for a time.
#
# When the time ends while a worker is between two inputs, the go command now and then reports its own deadline as a failure ("context deadline exceeded", golang/go
# issue 75804). That is no finding: nothing was written to testdata. The run is then done again, at most twice; everything else fails at once.
set -u
out=$(mktemp)
trap 'rm -f "$out"' EXIT
for try in 1 2 3; do
	"${GO:-go}" test -run '^$' -fuzz "^$2\$" -fuzztime "$3" "$1" >"$out" 2>&1 && { cat "$out"; exit 0; }
	cat "$out"
	grep -q 'Failing input written\|panic:\|DATA RACE' "$out" && exit 1
	grep -q '^ *context deadline exceeded$' "$out" || exit 1
	echo "fuzz.sh: the deadline of the run itself, nothing found; try $try"
done
exit 1
