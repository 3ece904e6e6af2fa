#!/usr/bin/env bash
# Runs test files beside each other, JOBS at a time, and shows what each said when it has ended: most of a test against a cluster is waiting.
# Usage: tests/beside.sh JOBS NAME…   (names of files in tests/, without .rs)
# All are run whatever fails; exit code 0 = all passed. JOBS=1 for a look at one after the other.
set -euo pipefail
cd "$(dirname "$0")/.."
jobs=$1
shift

one() {
  local out status=0
  out=$("${CARGO:-cargo}" test --locked --test "$1" -- --nocapture 2>&1) || status=$?
  exec 9>"$turn"
  flock 9
  printf '\n== %s\n%s\n' "$1" "$out"
  [ "$status" = 0 ] || { printf 'FAILED: tests/%s.rs\n' "$1"; return 1; }
}
export -f one

"${CARGO:-cargo}" test --locked --no-run "${@/#/--test=}"
turn=$(mktemp) # Whoever holds it prints.
trap 'rm -f "$turn"' EXIT
export turn
printf '%s\n' "$@" | xargs -P "$jobs" -I{} bash -c 'one {}'
