#!/usr/bin/env bash
# PostgreSQL 15 from Debian's packages, over a new database in a temporary folder and on a port that is free. It refuses to
# run as root: whoever is root runs it as the user that the package has made.
# usage: postgres.sh start|stop|url
set -euo pipefail

CACHE=${INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wharf}
STATE=$CACHE/servers/postgres
BIN=/usr/lib/postgresql/15/bin
USER_NAME=wharf
PASSWORD=interopPostgres000000000000000001

install() {
  [ -x "$BIN/initdb" ] && return 0
  local as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends postgresql-15 >/dev/null
}

as_ordinary_user() {
  if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
  stop
  install
  mkdir -p "$STATE"
  local folder port
  # Not below the caller's home, which the other user may not enter.
  folder=$(as_ordinary_user mktemp -d /tmp/wharf-postgres.XXXXXX)
  port=$(free_port)
  echo "$folder" >"$STATE/folder"
  echo "$port" >"$STATE/port"
  as_ordinary_user bash -c "echo $PASSWORD >$folder/password"
  (cd "$folder" && as_ordinary_user "$BIN/initdb" --pgdata="$folder/data" --username="$USER_NAME" \
    --pwfile="$folder/password" --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 >"$STATE/initdb.log")
  (cd "$folder" && as_ordinary_user "$BIN/pg_ctl" --pgdata="$folder/data" --log="$folder/log" --wait \
    --options="-c listen_addresses=127.0.0.1 -c port=$port -c unix_socket_directories=$folder -c max_connections=400" \
    start >"$STATE/start.log")
  echo "postgres is up at 127.0.0.1:$port"
}

stop() {
  [ -s "$STATE/folder" ] || return 0
  local folder
  folder=$(cat "$STATE/folder")
  (cd "$folder" 2>/dev/null && as_ordinary_user "$BIN/pg_ctl" --pgdata="$folder/data" --mode=immediate stop \
    >/dev/null 2>&1) || true
  as_ordinary_user rm -rf "$folder"
  rm -f "$STATE/folder"
  echo "postgres is down"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  url) echo "postgres://$USER_NAME:$PASSWORD@127.0.0.1:$(cat "$STATE/port")/postgres" ;;
  *)
    echo "usage: $0 start|stop|url" >&2
    exit 2
    ;;
esac
