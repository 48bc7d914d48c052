#!/bin/sh
# Runs shellcheck over every shell script of the project: files whose first line names sh or bash, or that end in .sh.
# Exit status: 0 clean, 1 not, 2 no shellcheck here.

set -eu

cd "$(dirname "$0")/../.."
command -v shellcheck > /dev/null || exit 2

# scripts prints their names. Outside a git checkout every file is looked at, but for what was built.
scripts() {
	{ git ls-files --cached --others --exclude-standard 2> /dev/null || find . -type f -not -path './.git/*' -not -path './bin/*' -not -path './out/*'; } |
		while read -r file; do
			[ -f "${file}" ] || continue
			case "${file}" in
			*/testdata/render/*) ;; # below
			*.sh | */rc.subr) echo "${file}" ;;
			*.go | *.md | *.mod | *.sum | *.txt | *.svg | *.json) ;;
			*) ! head -n 1 "${file}" | grep -aqE '^#!.*[/ ](ba)?sh( |$)' || echo "${file}" ;;
			esac
		done
}

list=$(scripts)
count=$(echo "${list}" | wc -l)
if [ "${count}" -lt 6 ]; then
	echo "found ${count} shell scripts: the list is broken" >&2
	exit 1
fi
# shellcheck disable=SC2086 # the names have no spaces
shellcheck ${list}

# What package tuning renders: ulimit -n, which is not in POSIX, is in the shells of FreeBSD and Linux, and unquoted words join a list's tabs.
for rendered in tuning/testdata/render/*/sh.*; do
	[ ! -f "${rendered}" ] || shellcheck -e SC3045,SC2116,SC2086 "${rendered}"
done
echo "shellcheck: ${count} scripts, and those that are rendered, are clean"
