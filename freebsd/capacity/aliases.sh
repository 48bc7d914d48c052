#!/bin/sh
#
# Source addresses for a load generator. One address has at most 64,512 ports towards one server address and port, so 2.4 million
# connections need many addresses.
#
#	aliases.sh add INTERFACE FIRST COUNT   add COUNT addresses from FIRST on, and widen the range of ports
#	aliases.sh undo                        take away what `add` added, and set the ports back
#	aliases.sh need CONNECTIONS [EACH]     how many addresses that takes, at EACH (25000) connections of one
#
# What was changed stands in /var/run/trunkline-aliases (or $TRUNKLINE_ALIASES) before it is changed, so that `undo` works after a crash too.
# EACH is what `trunkline bench` uses: the search for a free port gets slow past half of the range.
# Exit status: 0; 1 it could not be done, and nothing is left changed; 2 wrong arguments.

set -eu

state=${TRUNKLINE_ALIASES:-/var/run/trunkline-aliases}
most=4096 # addresses: 100 million connections

usage() {
	sed -n '6,8s/^#	*//p' "$0" >&2
	exit 2
}

die() {
	echo "aliases.sh: $1" >&2
	exit "${2:-1}"
}

# whole succeeds for a number without a sign and at most nine digits.
whole() {
	case "$1" in
	'' | *[!0-9]* | ??????????*) return 1 ;;
	esac
}

# number_of prints an IPv4 address as one number, or fails.
number_of() {
	echo "$1" | awk -F. '
		NF != 4 { exit 1 }
		{
			for (i = 1; i <= 4; i++) { if ($i !~ /^[0-9]+$/ || $i > 255) exit 1; n = n * 256 + $i }
			printf "%.0f\n", n
		}'
}

address_of() {
	echo "$(($1 >> 24 & 255)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))"
}

# set_port NAME VALUE keeps the old value and sets a new one.
set_port() {
	old=$(sysctl -n "$1") || return 1
	echo "sysctl $1 ${old}" >> "${state}"
	sysctl -q "$1=$2" > /dev/null
}

add() {
	interface=$1
	first=$(number_of "$2") || die "$2 is no IPv4 address" 2
	whole "$3" || usage
	if [ "$3" -lt 1 ] || [ "$3" -gt "${most}" ]; then
		die "between 1 and ${most} addresses, not $3" 2
	fi
	[ ! -e "${state}" ] || die "${state} is there: run \`aliases.sh undo' first"
	ifconfig "${interface}" > /dev/null || die "there is no interface ${interface}"
	: > "${state}" || die "${state} can't be written"
	{
		# The last port first: the kernel wants first <= last at each step.
		set_port net.inet.ip.portrange.last 65535 &&
			set_port net.inet.ip.portrange.first 1024 &&
			set_port net.inet.ip.portrange.randomized 0
	} || failed "the range of ports can't be set"
	there=$(addresses "${interface}")
	i=0
	while [ "${i}" -lt "$3" ]; do
		address=$(address_of $((first + i)))
		if has "${address}"; then
			echo "aliases.sh: ${interface} has ${address} already; it stays when the others go"
		else
			echo "alias ${interface} ${address}" >> "${state}"
			ifconfig "${interface}" inet "${address}/32" alias || failed "${address} can't be added to ${interface}"
		fi
		i=$((i + 1))
	done
	echo "${interface}: $3 addresses from $2 to $(address_of $((first + $3 - 1))), ports 1024 to 65535. Take them away with: aliases.sh undo"
}

# addresses prints those of an interface, between spaces.
addresses() {
	echo " $(ifconfig "$1" 2> /dev/null | awk '$1 == "inet" { printf "%s ", $2 }')"
}

# has says whether an address is among ${there}.
has() {
	case "${there}" in
	*" $1 "*) return 0 ;;
	esac
	return 1
}

failed() {
	undo > /dev/null
	die "$1; everything is as it was"
}

# undo goes through the list backwards. What can't be undone is said, and stays in the list.
undo() {
	if [ ! -e "${state}" ]; then
		echo "aliases.sh: nothing to undo"
		return 0
	fi
	left=
	there=
	of=
	sed -n '1!G;h;$p' "${state}" > "${state}.back"
	while read -r kind name value; do
		case "${kind}" in
		alias)
			[ "${name}" = "${of}" ] || there=$(addresses "${name}")
			of=${name}
			! has "${value}" || ifconfig "${name}" inet "${value}" -alias || left="${kind} ${name} ${value}
${left}"
			;;
		sysctl)
			[ "$(sysctl -n "${name}")" = "${value}" ] || sysctl -q "${name}=${value}" > /dev/null || left="${kind} ${name} ${value}
${left}"
			;;
		esac
	done < "${state}.back"
	rm "${state}.back"
	if [ -n "${left}" ]; then
		printf '%s' "${left}" > "${state}"
		die "this could not be undone: ${left}"
	fi
	rm "${state}"
	echo "aliases.sh: undone"
}

case "${1:-}" in
add)
	[ $# -eq 4 ] || usage
	add "$2" "$3" "$4"
	;;
undo)
	[ $# -eq 1 ] || usage
	undo
	;;
need)
	[ $# -eq 2 ] || [ $# -eq 3 ] || usage
	whole "$2" || usage
	whole "${3:-25000}" || usage
	[ "${3:-25000}" -ge 1 ] || usage
	echo $((($2 + ${3:-25000} - 1) / ${3:-25000}))
	;;
*) usage ;;
esac
