#!/bin/sh
# Installs the servers that `make bench-peers` compares with, from the system's packages, where that is possible without asking anybody: as root or
# with `sudo -n`. Nothing is started: the packages' services are held back while they are installed, and disabled where this script installed them.
# What cannot be installed is named; the comparison leaves it out. Always exits with 0.
set -u
PATH=$PATH:/usr/sbin:/usr/local/sbin

missing=""
command -v mosquitto >/dev/null 2>&1 || missing="$missing mosquitto"
command -v nats-server >/dev/null 2>&1 || missing="$missing nats-server"
command -v ejabberdctl >/dev/null 2>&1 || missing="$missing ejabberd"
[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
  echo "not installed, and there is no apt-get:$missing; the rest is measured"
  exit 0
fi
as=""
if [ "$(id -u)" != 0 ]; then
  if ! sudo -n true 2>/dev/null; then
    echo "not installed, and installing needs root:$missing; the rest is measured"
    exit 0
  fi
  as="sudo -n"
fi

# invoke-rc.d and deb-systemd-invoke ask this program whether a service may start; 101 says no. One that is there already stays as it is.
policy=/usr/sbin/policy-rc.d
made=""
if [ ! -e $policy ]; then
  printf '#!/bin/sh\nexit 101\n' | $as tee $policy >/dev/null && $as chmod 755 $policy && made=yes
  if [ -z "$made" ]; then
    echo "not installed, because their services could not be held back:$missing; the rest is measured"
    exit 0
  fi
elif $as $policy mosquitto start >/dev/null 2>&1; [ $? != 101 ]; then
  echo "not installed, because this system's $policy would start their services:$missing; the rest is measured"
  exit 0
fi
trap '[ -z "$made" ] || $as rm -f $policy' EXIT
trap 'exit 130' INT TERM

$as apt-get update -q >/dev/null 2>&1
for package in $missing; do
  if $as env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends "$package" >/dev/null 2>&1; then
    echo "installed $package"
    if [ -d /run/systemd/system ]; then
      $as systemctl disable --quiet "$package" 2>/dev/null
    fi
  else
    echo "could not be installed: $package; the rest is measured"
  fi
done
exit 0
