#!/usr/bin/env bash
# Ceph's RADOS Gateway, the store behind many providers: one monitor, one daemon that keeps objects in memory, one gateway.
# Debian has it as packages, which are installed if they are missing. What it kept is gone when it stops.
# usage: ceph.sh start|stop|status|env|wipe
set -euo pipefail

NAME=ceph
PORT=${CEPH_S3_PORT:-18395}
ACCESS_KEY=AKIAINTEROPCEPH00001
SECRET_KEY=interopCephSecretKey00000000000000000001
. "$(dirname "$(readlink -f "$0")")/lib.sh"

CONF=$DATA/ceph.conf

need_packages() {
  local missing=() program as_root=
  for program in radosgw ceph-mon ceph-osd; do
    command -v "$program" >/dev/null || missing+=("$program")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

configure() {
  local cluster
  cluster=$(cat /proc/sys/kernel/random/uuid)
  mkdir -p "$DATA"/{mon,osd,run}
  cat >"$CONF" <<INI
[global]
fsid = $cluster
mon initial members = a
mon host = [v2:127.0.0.1:$((PORT + 1)),v1:127.0.0.1:$((PORT + 2))]
public addr = 127.0.0.1
ms bind port min = $((PORT + 3))
ms bind port max = $((PORT + 40))
keyring = $DATA/keyring
run dir = $DATA/run
admin socket =
log to file = false
log to stderr = true
mon cluster log to file = false
mon data = $DATA/mon
mon allow pool size one = true
mon data avail crit = 1
osd data = $DATA/osd
osd objectstore = memstore
memstore device bytes = 8G
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
rgw frontends = beast endpoint=127.0.0.1:$PORT
rgw gc processor period = 60
INI
  monmaptool --create --fsid "$cluster" --addv a "[v2:127.0.0.1:$((PORT + 1)),v1:127.0.0.1:$((PORT + 2))]" \
    "$DATA/monmap" >/dev/null
  ceph-authtool -C "$DATA/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph-authtool "$DATA/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
  ceph-mon -c "$CONF" --mkfs -i a --monmap "$DATA/monmap" --keyring "$DATA/keyring" >"$DATA/mkfs.log" 2>&1
}

# run: what `launch` starts. The three daemons end with it.
run_daemons() {
  local pids=() osd
  trap 'kill "${pids[@]}" 2>/dev/null; wait' EXIT
  trap 'exit 0' TERM INT
  ceph-mon -c "$CONF" -i a -f &
  pids+=($!)
  osd=$(cat /proc/sys/kernel/random/uuid)
  ceph -c "$CONF" --connect-timeout "$START_SECONDS_MAX" osd new "$osd"
  ceph -c "$CONF" auth get-or-create osd.0 mon 'allow profile osd' osd 'allow *' >>"$DATA/keyring"
  ceph-osd -c "$CONF" -i 0 --mkfs --osd-uuid "$osd"
  ceph-osd -c "$CONF" -i 0 -f &
  pids+=($!)
  radosgw-admin -c "$CONF" user create --uid interop --display-name interop \
    --access-key "$ACCESS_KEY" --secret-key "$SECRET_KEY" >/dev/null
  radosgw -c "$CONF" -n client.admin -f &
  pids+=($!)
  wait -n
}

start_server() {
  need_packages
  rm -rf "$DATA"
  configure
  launch "$(readlink -f "$0")" run
  wait_until_up /
}

if [ "${1:-}" = run ]; then run_daemons; else main "$@"; fi
