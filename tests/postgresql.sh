#!/usr/bin/env bash
# A PostgreSQL for the tests, of its own: in a new temporary folder, on a socket there (no port), with a random password.
#   eval "$(tests/postgresql.sh start)"   installs Debian's package if need be (as root); exports
#                                         DERM_KIT_TEST_DATABASE_URL and DERM_KIT_TEST_POSTGRESQL (the folder)
#   tests/postgresql.sh again             starts the one that was killed
#   tests/postgresql.sh stop              ends it and removes the folder
set -euo pipefail

programs() { # the folder with the newest server's programs, nothing where there is none
  {
    find /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null || echo /nowhere)" -name initdb 2>/dev/null || true
    command -v initdb || true
  } | sort -V | tail -1 | xargs -r dirname
}

serve() { # once it answers
  owner "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
    -o "-c listen_addresses='' -c unix_socket_directories=$folder -c max_connections=200" start >/dev/null
}

require_folder() {
  folder=${DERM_KIT_TEST_POSTGRESQL:-}
  if [[ "$folder" != /tmp/derm-kit-postgresql.* || ! -d "$folder" ]]; then
    echo "DERM_KIT_TEST_POSTGRESQL names no folder that 'start' made and that is still there." >&2
    exit 1
  fi
  cd "$folder"
}

owner() { # it refuses to run as root
  if [ "$(id -u)" != 0 ]; then
    "$@"
  elif command -v runuser >/dev/null; then
    runuser -u postgres -- "$@"
  else
    su -s /bin/sh -c 'exec "$@"' postgres -- sh "$@"
  fi
}

undone() { # nothing is left behind, and eval fails as well
  status=$?
  if [ -n "${folder:-}" ]; then
    cat "$folder/log" >&2 2>/dev/null || true
    owner "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
    cd /
    rm -rf "$folder"
  fi
  echo false
  exit "$status"
}

case "${1:-}" in
  start)
    trap undone EXIT
    if [ -z "$(programs)" ]; then
      if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
        echo "Install PostgreSQL's server first: only root on Debian or Ubuntu gets it from here." >&2
        exit 1
      fi
      apt-get update -qq >&2
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql >/dev/null
    fi
    bin=$(programs)
    folder=$(cd / && owner mktemp -d /tmp/derm-kit-postgresql.XXXXXX) # not TMPDIR: a socket's path is short
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    cd "$folder"
    owner sh -c 'umask 077; cat >"$1"' sh "$folder/password" <<<"$password"
    owner "$bin/initdb" -D "$folder/data" -U derm_kit -E UTF8 --locale=C -A scram-sha-256 \
      --pwfile="$folder/password" >/dev/null
    serve
    trap - EXIT
    echo "export DERM_KIT_TEST_POSTGRESQL=$folder"
    echo "export DERM_KIT_TEST_DATABASE_URL=postgresql://derm_kit:$password@/postgres?host=$folder"
    ;;
  again)
    require_folder
    bin=$(programs)
    serve
    ;;
  stop)
    require_folder
    owner "$(programs)/pg_ctl" -D "$folder/data" -m fast stop >/dev/null || true # it may have ended by itself
    cd /
    rm -rf "$folder"
    ;;
  *)
    echo "usage: tests/postgresql.sh start|again|stop" >&2
    exit 2
    ;;
esac
