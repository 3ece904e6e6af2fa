#!/usr/bin/env bash
# A Go service moves from its HPA to a policy and back, under load, on a real Kubernetes with one node: convert, shadow, report, hand-over,
# back. Ends with exit code 0 only if no step moved a replica, and if each of the two scaled while it was its turn.
#
#   make demo-migrate         DEMO_KEEP=1 make demo-migrate    keeps the cluster (make cluster-down ends it)
#
# Needs what demo.sh needs. Load goes to a Service of this cluster only, for 4 minutes at most.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/lib.sh"
cd "$root"

cache=${BALLAST_CACHE:-$HOME/.cache/ballast}
export BALLAST_CACHE=$cache
dir=${DEMO_DIR:-$cache/run/demo-migrate}
work=$(mktemp -d)
loads=()
started=$SECONDS

finish() {
  local code=$?
  trap - EXIT INT TERM
  for pid in "${loads[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
  if [[ ${DEMO_KEEP:-} == 1 ]]; then
    say "kept: export KUBECONFIG=$dir/kubeconfig; end it with tests/cluster/down.sh --dir $dir"
  elif [[ -d $dir ]]; then
    ((code == 0)) || kubectl describe hpa,sp,deployment web || true
    say "taking everything down"
    tests/cluster/down.sh --dir "$dir" >"$cache/demo-down.log" 2>&1 || { tail -20 "$cache/demo-down.log"; code=1; }
  fi
  say "$( ((code == 0)) && echo "done" || echo "FAILED") after $((SECONDS - started)) s"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

say "programs of the cluster, Ballast and the Go service (the first time takes minutes)"
tests/cluster/deps.sh node
bin=$(tests/cluster/build.sh all | tail -n 1)
export PATH=$bin:$PATH
cargo build --locked
target=$(cargo metadata --locked --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]+)".*/\1/')
ballast() { "$target/debug/ballast" "$@"; }
strip -o "$work/ballast" "$target/debug/ballast"
(cd examples/go-app && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.version=demo' -o "$work/go-app" .)
mkimage --name ballast.test/ballast:demo --out "$work/ballast.tar" --ldd --user 65532:65532 --expose 8080/tcp "$work/ballast:/ballast"
mkimage --name ballast.test/go-app:demo --out "$work/go-app.tar" --user 65532:65532 --expose 8080/tcp "$work/go-app:/go-app"

say "a Kubernetes with one node, metrics-server and the stock HPA"
tests/cluster/down.sh --dir "$dir" >/dev/null 2>&1 || true
tests/cluster/up.sh node --dir "$dir" --with-metrics-server --with-hpa \
  --hpa-flags "--horizontal-pod-autoscaler-sync-period=5s --horizontal-pod-autoscaler-downscale-stabilization=20s"
. "$dir/env"
export KUBECONFIG
tests/cluster/import.sh --dir "$dir" "$work/ballast.tar" "$work/go-app.tar"

size() { kubectl get deployment web -o jsonpath='{.spec.replicas}'; }
own_moves() { kubectl get scalepolicy web -o jsonpath='{.status.scaleEvents[*].to}' 2>/dev/null | wc -w; }
grown() { (($(size) > $1)); }
acted() { (($(own_moves) > 0)); }
small() { (($(size) == 2)); }
# until SECONDS WHAT CONDITION...: shows each new size meanwhile.
until_() {
  local end=$((SECONDS + $1)) what=$2 last='' now
  shift 2
  while true; do
    now=$(size)
    [[ $now == "$last" ]] || printf '%4ds  %s replicas\n' $((SECONDS - started)) "$now"
    last=$now
    "$@" && return 0
    ((SECONDS < end)) || { say "not in time: $what"; return 1; }
    sleep 1
  done
}
# load SECONDS WORKERS: 6 requests a second each, of 5 ms CPU.
load() {
  hey -disable-keepalive -z "${1}s" -c "$2" -q 6 "http://$(kubectl get service web -o jsonpath='{.spec.clusterIP}'):8080/work?ms=5" >"$work/load-${#loads[@]}" &
  loads+=($!)
}
missed=0
promise() { check "$1" "$2" || missed=1; }

say "the service under its HPA; Ballast beside it"
kubectl apply -f examples/demo/migrate/web.yaml
helm install ballast deploy/chart/ballast --namespace ballast-system --create-namespace --wait --timeout 90s \
  --set image.repository=ballast.test/ballast --set image.tag=demo --set image.pullPolicy=Never \
  --set downscaleStabilization=20s --set log.format=text --set 'extraArgs={--sync-period=5s}' >"$work/helm.log" || { cat "$work/helm.log"; exit 1; }
kubectl rollout status deployment/web --timeout=90s
until_ 60 "the HPA knows the load and has its minimum" small

say "ballast convert -n default hpa/web"
ballast convert -n default hpa/web

say "ballast adopt default/web --shadow"
ballast adopt default/web --shadow

say "load: the HPA scales, the policy recommends"
load 240 3
before=$(size)
until_ 90 "the HPA scales out" grown "$before"
sleep 15
promise "the HPA scaled out from $before to $(size), and the policy wrote nothing" $(($(own_moves) == 0))

say "ballast adopt default/web --report"
ballast adopt default/web --report

say "ballast adopt default/web --hand-over"
before=$(size)
ballast adopt default/web --hand-over
after=$(size)
promise "no jump at the hand-over: $before replicas before, $after after" $((before == after))
promise "the HPA is gone" $(($(kubectl get hpa -o name | wc -l) == 0))

say "more load: the policy scales"
load 60 5
until_ 90 "the policy scales out" acted
promise "the policy scaled out from $after to $(size)" $(($(size) > after))

say "ballast adopt default/web --back"
before=$(size) moves=$(own_moves)
ballast adopt default/web --back
after=$(size)
promise "no jump on the way back: $before replicas before, $after after" $((before == after))

say "the load ends: the HPA scales in"
for pid in "${loads[@]}"; do kill "$pid" 2>/dev/null || true; done
loads=()
until_ 150 "the HPA scales in" small
promise "the HPA scaled in to 2, and the policy wrote nothing" $(($(own_moves) == moves))
kubectl get events --field-selector involvedObject.name=web,reason=SuccessfulRescale \
  -o custom-columns=TIME:.lastTimestamp,BY:.source.component,OBJECT:.involvedObject.kind,MESSAGE:.message
exit "$missed"
