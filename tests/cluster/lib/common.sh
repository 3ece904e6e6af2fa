# shellcheck shell=bash
# What every script of the test cluster uses: messages, the caches, ports, and processes that are started, watched and stopped
# by process id. Sourced, not run. Expects `here` to be the directory tests/cluster.

log() { printf 'cluster: %s\n' "$*" >&2; }
die() { log "$*"; exit 1; }

# Prints the comment at the top of a script: it is the script's manual.
usage() {
  sed -n '2,/^[^#]/s/^# \{0,1\}//p' "$1"
  exit 0
}

# A proxy for the way out must not get what is meant for the cluster.
export NO_PROXY="${NO_PROXY:-${no_proxy:-}},localhost,127.0.0.1,10.88.64.0/24,10.96.0.0/16" && export no_proxy=$NO_PROXY

cache=${BALLAST_CACHE:-$HOME/.cache/ballast}

# module_bin MODULE: the directory of the programs built from that module; its name changes with every input of the build.
module_bin() {
  local hash
  hash=$(cd "$here/$1" && find . -type f \( -name '*.go' -o -name 'go.*' \) ! -name '*_test.go' | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-12)
  echo "$cache/$1-$hash/bin"
}

# --- the state directory -------------------------------------------------------------------------------------------------

# Sets DIR from --dir or the form's default. Paths are written into files that a shell reads, so they can't hold blanks.
use_dir() {
  DIR=$(realpath -m -- "$1")
  [[ $DIR != *[[:space:]]* ]] || die "--dir '$DIR': blanks are not supported"
}

# Reads DIR/env, which up.sh writes.
load_env() {
  [[ -f $DIR/env ]] || die "no cluster in $DIR (start one with: up.sh plane|node --dir $DIR)"
  set -a
  # shellcheck disable=SC1091
  . "$DIR/env"
  set +a
}

# --- ports -----------------------------------------------------------------------------------------------------------------

listening() { (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null; }

# Reserves a block of twenty ports for DIR and prints its first. Blocks lie below the range the kernel hands out by itself. The
# reservation is a file that names DIR, so that clusters starting at the same moment get different blocks.
reserve_ports() {
  local base port owner taken
  mkdir -p "$cache/ports"
  exec 8>"$cache/ports/lock"
  flock 8
  for ((base = 21000; base < 31000; base += 20)); do
    owner=$(cat "$cache/ports/$base" 2>/dev/null || true)
    [[ -n $owner && $owner != "$DIR" && -d $owner ]] && continue
    taken=
    for ((port = base; port < base + 20; port++)); do
      listening 127.0.0.1 "$port" && taken=1 && break
    done
    [[ -n $taken ]] && continue
    echo "$DIR" >"$cache/ports/$base"
    echo "$base"
    exec 8>&-
    return
  done
  exec 8>&-
  die "no twenty free ports in a row between 21000 and 31000"
}

release_ports() {
  local file
  for file in "$cache"/ports/[0-9]*; do
    [[ -f $file && $(cat "$file") == "$DIR" ]] && rm -f "$file"
  done
  return 0
}

# --- processes -------------------------------------------------------------------------------------------------------------

# start NAME COMMAND...: runs it detached, output to logs/NAME.log, its id in pids/NAME. The variable in its environment marks the
# process as this cluster's own, so that nothing else is ever signalled, whatever a stale pid file says.
start() {
  local name=$1
  shift
  running "$name" && die "$name already runs in $DIR"
  BALLAST_CLUSTER_DIR=$DIR setsid nohup "$@" </dev/null >>"$DIR/logs/$name.log" 2>&1 7>&- 8>&- 9>&- &
  echo $! >"$DIR/pids/$name"
  # The mark appears once the new process has become the command.
  local i
  for ((i = 0; i < 50; i++)); do
    running "$name" && return
    sleep 0.02
  done
  tail_log "$name"
  die "$name did not start"
}

# Whether process $1 is alive and belongs to the cluster in DIR. A zombie has an empty environment and counts as gone.
# One process, not a pipe: with pipefail, a grep that has seen enough would fail the tr in front of it on a busy machine.
ours() { grep -qzxF "BALLAST_CLUSTER_DIR=$DIR" "/proc/$1/environ" 2>/dev/null; }

running() {
  local pid
  pid=$(cat "$DIR/pids/$1" 2>/dev/null) && ours "$pid"
}

# Names of the processes that were started and not stopped.
process_names() { (cd "$DIR/pids" 2>/dev/null && printf '%s\n' *) | grep -vxF '*' || true; }

# Ids of every process of this cluster, children included.
our_processes() {
  local dir
  for dir in /proc/[0-9]*; do
    ours "${dir#/proc/}" && echo "${dir#/proc/}"
  done
  return 0
}

# stop NAME [SECONDS]: SIGTERM, then SIGKILL after SECONDS (default 10).
stop() {
  local name=$1 limit=${2:-10} pid i
  if running "$name"; then
    pid=$(cat "$DIR/pids/$name")
    kill -TERM "$pid" 2>/dev/null || true
    for ((i = 0; i < limit * 10; i++)); do
      ours "$pid" || break
      sleep 0.1
    done
    if ours "$pid"; then
      log "$name does not end by itself after $limit s; killing it"
      kill -KILL "$pid" 2>/dev/null || true
      sleep 0.2
    fi
  fi
  rm -f "$DIR/pids/$name"
}

tail_log() {
  log "last lines of $DIR/logs/$1.log:"
  tail -n 20 "$DIR/logs/$1.log" | cut -c1-400 >&2
}

# wait_for WHAT SECONDS COMMAND...: until the command succeeds. A process of the cluster that has ended meanwhile, or the time
# limit, fails with the log of what died, or of WHAT when it is a process.
wait_for() {
  local what=$1 limit=$2 end name
  shift 2
  end=$((SECONDS + limit))
  until "$@" >/dev/null 2>&1; do
    for name in $(process_names); do
      if ! running "$name"; then
        tail_log "$name"
        die "$name died"
      fi
    done
    if ((SECONDS >= end)); then
      [[ -f $DIR/logs/$what.log ]] && tail_log "$what"
      die "$what is not ready after $limit s"
    fi
    sleep 0.2
  done
}

# expect WHAT SECONDS PATTERN COMMAND...: until the command's output has the pattern; says how long it took and what it saw.
expect() {
  local what=$1 begin=$SECONDS limit=$2 pattern=$3 output
  shift 3
  until output=$("$@" 2>&1) && grep -qE -- "$pattern" <<<"$output"; do
    ((SECONDS < begin + limit)) || die "FAILED: $what: $(tail -c 500 <<<"$output")"
    sleep 0.5
  done
  log "ok, $((SECONDS - begin)) s: $what: $(grep -E -m1 -- "$pattern" <<<"$output" | cut -c1-120)"
}

fetch() { curl --silent --show-error --fail --max-time 3 "$@"; }
