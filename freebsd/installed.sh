#!/bin/sh
# Installs the package on this FreeBSD machine, takes the service through its life, measures a thousand connections, and removes it again.
# For a machine that is thrown away afterwards, such as that of a test: THROWAWAY=1 says that this is one.
#
#	THROWAWAY=1 sh freebsd/installed.sh out/freebsd-amd64/trunkline-VERSION.pkg

set -eu

[ $# -eq 1 ] || { sed -n '5s/^#	*//p' "$0" >&2; exit 2; }
if [ "$(uname -s)" != FreeBSD ] || [ "${THROWAWAY:-}" != 1 ]; then
	echo "installed.sh: for a FreeBSD machine that is thrown away afterwards, and THROWAWAY=1" >&2
	exit 2
fi

says() {
	echo "== $1"
	shift
	"$@"
}

# fails runs a command that must not succeed.
fails() {
	if "$@"; then
		echo "installed.sh: this should have failed: $*" >&2
		exit 1
	fi
}

says "install" pkg add "$1"
says "checksums" pkg check -s trunkline
sysrc trunkline_enable=YES
says "start" service trunkline start
says "status" service trunkline status
fails service trunkline start
mv /var/log/trunkline.log /var/log/trunkline.log.0
says "reload" service trunkline reload
fails service trunkline upgrade
says "restart" service trunkline restart
grep -q "drained, goodbye" /var/log/trunkline.log # the first server came to its end, and the log is the new one
says "daily check" env daily_trunkline_enable=YES sh /usr/local/etc/periodic/daily/520.trunkline || [ $? -eq 1 ]
says "stop" service trunkline stop
fails service trunkline status
says "a capacity run" sh /usr/local/libexec/trunkline/run.sh -f -c 1000 -o /tmp/trunkline-capacity -t 5
says "remove" pkg delete -y trunkline
fails test -e /usr/local/bin/trunkline
echo "installed.sh: done"
