#!/usr/bin/env bash
# s3fs as a command: `s3_mount.sh put|get|list|copy|delete BUCKET KEY …`. Each mounts the bucket, does it with the tools that
# everyone has, and unmounts. `s3_mount.sh works` says whether this machine lets anyone mount.
set -euo pipefail

verb=$1
if [ "$verb" = works ]; then
  [ -c /dev/fuse ] && command -v s3fs fusermount >/dev/null && [ "$(id -u)" = 0 ]
  exit
fi

bucket=$2
mount=$HOME/mount
passwords=$HOME/s3fs-password
mkdir -p "$mount"
(umask 077 && echo "$AWS_ACCESS_KEY_ID:$AWS_SECRET_ACCESS_KEY" >"$passwords")
# In the foreground, so that its end can be waited for.
s3fs "$bucket" "$mount" -f -o "url=$INTEROP_ENDPOINT,use_path_request_style,passwd_file=$passwords,sigv4" \
  -o "multipart_size=5,parallel_count=2" >&2 &
trap 'fusermount -u "$mount" && wait' EXIT
for _ in $(seq 100); do
  ! mountpoint -q "$mount" || break
  sleep 0.05
done
mountpoint -q "$mount"

case $verb in
  put) mkdir -p "$(dirname "$mount/$3")" && cp "$4" "$mount/$3" ;;
  get) cp "$mount/$3" "$4" ;;
  list) (cd "$mount" && find "$3" -type f) ;;
  copy) mkdir -p "$(dirname "$mount/$4")" && cp "$mount/$3" "$mount/$4" ;;
  delete) rm "$mount/$3" ;;
esac
