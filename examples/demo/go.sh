#!/usr/bin/env bash
# Three signals of Go services at work, on a real Kubernetes with one node: a run queue that grows before CPU does, a memory guard that
# holds scale-in near GOMEMLIMIT, a brake that stops growth while requests wait for the database pool. Ends with exit code 0 only if each did.
#
#   make demo-go              DEMO_KEEP=1 make demo-go    keeps the cluster (make cluster-down ends it)
#   examples/demo/go.sh --together     all three at a time, told one after the other: half the time
#
# Needs what demo.sh needs. Load goes to Services and pods of this cluster only, for 5 minutes at most.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/lib.sh"

# What there is of `web` in a namespace: the policy's fields, size, pods, address.
policy() { kubectl -n "$1" get scalepolicy web -o jsonpath="$2"; }
size() { kubectl -n "$1" get deployment web -o jsonpath='{.spec.replicas}'; }
url() { echo "http://$(kubectl -n "$1" get service web -o jsonpath='{.spec.clusterIP}'):8080$2"; }
known() { [[ $(policy "$1" '{.status.conditions[?(@.type=="ScalingActive")].status} {.status.metricsText}') =~ ^True\ [^\<]+$ ]]; }
ready() { [[ $(kubectl -n "$1" get deployment web -o jsonpath='{.status.readyReplicas}') == "$2" ]]; }
sized() { [[ $(size "$1") == "$2" ]]; }
# shellcheck disable=SC2053 # The second one is a pattern.
says() { [[ $(policy "$1" '{.status.decision.message}') == $2 ]]; }

# What Ballast said of the size, on the workload.
events() {
  printf '\nkubectl -n %s describe deployment web, Events about its size:\n' "$1"
  kubectl -n "$1" describe deployment web | sed -n '/^Events:/,$p' | grep -E 'Type|----|ScalingHeld|SuccessfulRescale'
}

# What is seen of a policy, where it is new.
seen=''
watch_policy() {
  local now
  now=$(policy "$1" '{.status.currentReplicas}{"\t"}{.status.metricsText}{"\t"}{.status.decision.message}')
  [[ $now == "$seen" ]] || printf '%4ds  size %s  %-66s %s\n' $((SECONDS - begun)) "$(cut -f1 <<<"$now")" "$(cut -f2 <<<"$now")" "$(cut -f3 <<<"$now")"
  seen=$now
}

# --- 1 -------------------------------------------------------------------------------------------------------------------------------------

steps=(8 16 24 32 40)

# 1.12 times a second: hey's workers tick together, and no scrape interval is a multiple of that.
bursts() { hey -disable-keepalive -z "${3}s" -c "$2" -q 1.12 "$(url "$1" '/work?ms=5')" >"$work/$1-$2"; }
ramp() {
  local at_once
  trap 'kill $(jobs -p) 2>/dev/null; exit 0' TERM
  for at_once in "${steps[@]}" 48; do
    echo "$at_once" >"$work/at-once"
    bursts queue "$at_once" 12 & bursts cpu "$at_once" 12 &
    wait
  done
}

watch_twins() {
  local now=()
  mapfile -t now < <(for namespace in queue cpu; do policy $namespace '{.status.currentReplicas}{"\n"}{.status.metricsText}{"\n"}'; done)
  [[ ${now[*]} == "$seen" ]] || printf '%4ds %8s    %s  %-44s %s  %s\n' $((SECONDS - begun)) "$(cat "$work/at-once")" "${now[@]}"
  seen=${now[*]}
}
# The first change of the size: when (seconds of the epoch), and why.
first_time() { date -d "$(policy "$1" '{.status.scaleEvents[-1:].time}')" +%s; }
first_reason() { policy "$1" '{.status.scaleEvents[-1:].reason}'; }
both_grown() { [[ -n $(first_reason queue) && -n $(first_reason cpu) ]]; }
# CPU that pods used in the 30 s up to a moment, in percent of the request, as the kernel counted it.
used() {
  promtool query instant --time="$2" "$PROMETHEUS_URL" "100 * avg(rate(process_cpu_seconds_total{namespace=\"$1\"}[30s])) / 0.25" |
    sed -nE 's/.*=> ([0-9]+).*/\1/p'
}
p95() { sed -nE 's/.*95%+ in ([0-9.]+) secs.*/\1/p' "$work/$1-$2"; }

run_queue() {
  local begun=$SECONDS epoch namespace at_once
  local -A grown
  say "1. The run queue grows before CPU does"
  cat <<'TEXT'
The same service twice, 0.25 CPU per pod, under the same load: bursts of small requests, 5 ms of CPU each, every 0.9 s; every 12 s there are more
of them at once. Both policies have CPU at 70 % of the request; that of namespace queue has the preset go-run-queue besides.

TEXT
  epoch=$(date +%s)
  ramp & loads+=($!)
  printf '%5s %8s    %-47s %s\n' time "at once" "queue: size, metrics" "cpu: size, metrics"
  meanwhile() { watch_twins; }
  sleep 1
  # On a machine that is busy with other work the pods may not get the CPU that the second one would grow by.
  until_ 150 "both have grown" both_grown || [[ -n $(first_reason queue) ]]
  end_loads
  echo
  grown[cpu]=$(date +%s)
  for namespace in queue cpu; do
    [[ -n $(first_reason $namespace) ]] || { printf '%-5s never grew\n' $namespace; continue; }
    grown[$namespace]=$(first_time $namespace)
    printf '%-5s grew after %d s, when it used %s %% of its CPU\n      %s\n' $namespace \
      $((grown[$namespace] - epoch)) "$(used $namespace "${grown[$namespace]}")" "$(first_reason $namespace)"
  done
  printf '\n95 of 100 requests took at most\n%8s %10s %10s\n' "at once" queue cpu
  for at_once in "${steps[@]}"; do
    [[ -z $(p95 queue "$at_once" 2>/dev/null) || -z $(p95 cpu "$at_once" 2>/dev/null) ]] ||
      printf '%8d %8.0fms %8.0fms\n' "$at_once" "$(p95 queue "$at_once")e3" "$(p95 cpu "$at_once")e3"
  done
  echo
  promise "queue grew by its run queue" "$(first_reason queue | grep -c ': go-run-queue' || true)"
  promise "it did so $((grown[cpu] - grown[queue])) s before the one that has CPU only" $((grown[queue] < grown[cpu]))
  promise "when it used $(used queue "${grown[queue]}") % of its CPU, below the target of 70 %" $(($(used queue "${grown[queue]}") < 70))
}

# --- 2 -------------------------------------------------------------------------------------------------------------------------------------

# Every pod keeps so many MiB from now on.
keep() {
  local ip
  for ip in $(kubectl -n memory get pods -o jsonpath='{.items[?(@.status.phase=="Running")].status.podIP}'); do
    curl --fail --silent --show-error --max-time 20 --output /dev/null "http://$ip:8080/heap?mb=$1"
  done
}
guards() { [[ $(policy memory '{.status.currentMetrics[1].holds}') == true ]]; }

memory_guard() {
  local begun=$SECONDS
  say "2. A guard holds scale-in near GOMEMLIMIT"
  echo "Requests drive (10/s per replica), memory guards. GOMEMLIMIT is 100 MiB. At first there are 32 requests a second."
  echo
  # A part of the load stays: a service that is left without any is held for another reason.
  hey -disable-keepalive -z 150s -c 2 -q 4 "$(url memory /)" >"$work/stays" & local stays=$!
  hey -disable-keepalive -z 120s -c 6 -q 4 "$(url memory /)" >"$work/goes" & loads+=($!)
  meanwhile() { watch_policy memory; }
  until_ 90 "three replicas serve" ready memory 3
  printf '\nEach pod comes to keep 85 MiB.\n\n'
  keep 85
  until_ 60 "the guard is above its target" guards
  end_loads
  loads+=("$stays")
  printf '\nOf the load a quarter is left.\n\n'
  until_ 120 "the guard holds what the requests ask for" says memory 'held at 3: wants [12]; go-memory-headroom*holds scale-in*'
  sleep 10
  events memory
  promise "three replicas stay, and the reason names the guard" $(($(size memory) == 3))
  printf '\nThe memory is given back.\n\n'
  keep 0
  until_ 150 "scale-in" sized memory 1
  watch_policy memory
  events memory
  promise "one replica is left, a scale-in window after the guard had let go" $(($(size memory) == 1))
}

# --- 3 -------------------------------------------------------------------------------------------------------------------------------------

callers() { hey -z 120s -c 24 -t 60 "$(url database "$1")" >"$work/database" & loads+=($!); }

pool_brake() {
  local begun=$SECONDS
  say "3. A brake stops growth into a saturated database"
  echo "Requests in flight drive (8 per replica), waiting for the connection pool brakes. 24 callers ask for queries of 200 ms; the pool has 2 connections."
  echo
  meanwhile() { watch_policy database; }
  callers '/query?ms=200'
  until_ 90 "the brake holds what the requests ask for" says database 'held at 1: wants 3; sql-pool-wait*holds growth*'
  sleep 10
  events database
  promise "one replica stays, and the reason names the brake" $(($(size database) == 1))
  printf '\nThe database is quick again; the same callers wait for work of the service itself.\n\n'
  end_loads
  callers '/work?ms=30'
  until_ 90 "growth" sized database 3
  watch_policy database
  end_loads
  events database
  promise "three replicas, which the requests had asked for all along" $(($(size database) == 3))
}

# -------------------------------------------------------------------------------------------------------------------------------------------

# A scenario in a shell of its own, which takes its load along.
alone() {
  trap end_loads EXIT
  trap 'exit 143' INT TERM
  loads=() missed=0
  "$1"
  exit "$missed"
}

one_by_one() {
  local scenario
  for scenario in "$@"; do
    # Not in a condition, where -e would be off.
    set +e
    (set -e && alone "$scenario")
    (($? == 0)) || missed=1
    set -e
  done
}

together() {
  local scenario index pids=()
  for scenario in "$@"; do
    alone "$scenario" >"$work/$scenario.log" 2>&1 & pids+=($!)
  done
  loads=("${pids[@]}")
  for index in "${!pids[@]}"; do
    wait "${pids[index]}" || missed=1
    cat "$work/${*:index + 1:1}.log"
  done
  loads=()
}

begin demo-go
build
say "a Kubernetes with one node, metrics-server and Prometheus"
start_cluster --with-prometheus --scrape-interval 5s

say "Ballast by its Helm chart, then one Go service in four namespaces under four policies"
install_ballast --set prometheus.url="$PROMETHEUS_SERVICE_URL"
kubectl apply -k examples/demo/go
for namespace in queue cpu memory database; do kubectl -n $namespace rollout status deployment/web --timeout=90s; done
for namespace in queue cpu memory database; do until_ 90 "$namespace: every metric is known" known $namespace; done
kubectl ballast status -A

if [[ ${1:-} == --together ]]; then
  together run_queue memory_guard pool_brake
else
  one_by_one run_queue memory_guard pool_brake
fi

say "kubectl ballast status -A"
kubectl ballast status -A
exit "$missed"
