#!/usr/bin/env bash
# Runs a command with a PostgreSQL server of its own: on loopback, in a temporary folder, without
# durability (it is thrown away). FIRSTLIGHT_TEST_DATABASE_URL tells the command where it is, and
# POSTGRES_BIN where its programs are.
# A database is a thousand files, and most tests have one of their own: in memory, where there is room,
# one is made seven times as fast as on a disk.
set -eu

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
if [ -z "$bin" ]; then
  echo "PostgreSQL is missing: apt-get install -y --no-install-recommends postgresql" >&2
  exit 1
fi

room=$(df --output=avail /dev/shm 2>/dev/null | tail -n 1)
if [ "${POSTGRES_FSYNC:-off}" = off ] && [ -w /dev/shm ] && [ "${room:-0}" -gt 3000000 ]; then
  memory=/dev/shm
fi
folder=$(mktemp -d ${memory:+-p "$memory"})
as_owner=()
if [ "$(id -u)" -eq 0 ]; then # which initdb refuses
  chown postgres "$folder"
  as_owner=(setpriv --reuid postgres --regid postgres --init-groups)
fi
stop() {
  "${as_owner[@]}" "$bin/pg_ctl" -D "$folder/data" -m immediate stop >/dev/null 2>&1 || true
  rm -rf "$folder"
}
trap stop EXIT

port=$(node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
(
  cd "$folder"
  "${as_owner[@]}" "$bin/initdb" -D "$folder/data" -U firstlight -A trust -E UTF8 --locale=C.UTF-8 --no-sync >/dev/null
  cat >>"$folder/data/postgresql.conf" <<SETTINGS
listen_addresses = '127.0.0.1'
port = $port
unix_socket_directories = ''
max_connections = 400
${memory:+max_wal_size = 256MB}
fsync = ${POSTGRES_FSYNC:-off}
full_page_writes = ${POSTGRES_FSYNC:-off}
shared_buffers = ${POSTGRES_SHARED_BUFFERS:-128MB}
SETTINGS
  "${as_owner[@]}" "$bin/pg_ctl" -D "$folder/data" -l "$folder/log" -w start >/dev/null
)
export POSTGRES_BIN="$bin"
export FIRSTLIGHT_TEST_DATABASE_URL="postgres://firstlight@127.0.0.1:$port/postgres"
"$@"
