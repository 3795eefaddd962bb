#!/usr/bin/env bash
# An nginx for the tests: installs Debian's package if there is none (as root), and prints where the program is. Nothing
# is started: each test starts its own, on a free port.
set -euo pipefail
PATH="$PATH:/usr/sbin:/sbin"
if ! command -v nginx >/dev/null; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "Install nginx first: only root on Debian or Ubuntu gets it from here." >&2
    exit 1
  fi
  apt-get update -qq >&2
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx >/dev/null # not started
fi
command -v nginx
