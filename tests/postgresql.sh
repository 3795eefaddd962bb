#!/usr/bin/env bash
# A PostgreSQL for the tests, of its own: in a new temporary folder, on a socket there (no port), with a random password.
#   eval "$(tests/postgresql.sh start)"   installs Debian's package if need be (as root); exports
#                                         DERM_KIT_TEST_DATABASE_URL and DERM_KIT_TEST_POSTGRESQL (the folder)
#   tests/postgresql.sh stop              ends it and removes the folder
set -euo pipefail

programs() { { find /usr/lib/postgresql/*/bin "$(pg_config --bindir 2>/dev/null || echo /nowhere)" -name initdb \
  2>/dev/null || true; } | sort -V | tail -1 | xargs -r dirname; }
owner() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; } # it refuses to run as root

case "${1:-}" in
  start)
    if [ -z "$(programs)" ]; then
      apt-get update -qq >&2
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq postgresql >/dev/null
    fi
    bin=$(programs)
    folder=$(cd / && owner mktemp -d /tmp/derm-kit-postgresql.XXXXXX)
    password=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')
    cd "$folder"
    owner sh -c 'umask 077; cat >"$1"' sh "$folder/password" <<<"$password"
    owner "$bin/initdb" -D "$folder/data" -U derm_kit -E UTF8 --locale=C.UTF-8 -A scram-sha-256 \
      --pwfile="$folder/password" >/dev/null
    owner "$bin/pg_ctl" -D "$folder/data" -w -l "$folder/log" \
      -o "-c listen_addresses='' -c unix_socket_directories=$folder -c max_connections=200" start >/dev/null
    echo "export DERM_KIT_TEST_POSTGRESQL=$folder"
    echo "export DERM_KIT_TEST_DATABASE_URL=postgresql://derm_kit:$password@/postgres?host=$folder"
    ;;
  stop)
    cd "$DERM_KIT_TEST_POSTGRESQL"
    owner "$(programs)/pg_ctl" -D "$DERM_KIT_TEST_POSTGRESQL/data" -m fast stop >/dev/null
    cd /
    rm -rf "$DERM_KIT_TEST_POSTGRESQL"
    ;;
  *)
    echo "usage: tests/postgresql.sh start|stop" >&2
    exit 2
    ;;
esac
