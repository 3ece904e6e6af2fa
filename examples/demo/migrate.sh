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

explain_failure() { kubectl describe hpa,sp,deployment web; }

begin demo-migrate
build
say "a Kubernetes with one node, metrics-server and the stock HPA"
start_cluster --with-hpa --hpa-flags "--horizontal-pod-autoscaler-sync-period=5s --horizontal-pod-autoscaler-downscale-stabilization=20s"

size() { kubectl get deployment web -o jsonpath='{.spec.replicas}'; }
own_moves() { kubectl get scalepolicy web -o jsonpath='{.status.scaleEvents[*].to}' 2>/dev/null | wc -w; }
grown() { (($(size) > $1)); }
acted() { (($(own_moves) > 0)); }
small() { (($(size) == 2)); }
last_size=''
# Each new size, as it is seen.
meanwhile() {
  local now
  now=$(size)
  [[ $now == "$last_size" ]] || printf '%4ds  %s replicas\n' $((SECONDS - started)) "$now"
  last_size=$now
}
# load SECONDS WORKERS: 6 requests a second each, of 5 ms CPU.
load() {
  hey -disable-keepalive -z "${1}s" -c "$2" -q 6 "http://$(kubectl get service web -o jsonpath='{.spec.clusterIP}'):8080/work?ms=5" >"$work/load-${#loads[@]}" &
  loads+=($!)
}

say "the service under its HPA; Ballast beside it"
kubectl apply -f examples/demo/migrate/web.yaml
install_ballast --set 'extraArgs={--sync-period=5s}'
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
end_loads
until_ 150 "the HPA scales in" small
promise "the HPA scaled in to 2, and the policy wrote nothing" $(($(own_moves) == moves))
kubectl get events --field-selector involvedObject.name=web,reason=SuccessfulRescale \
  -o custom-columns=TIME:.lastTimestamp,BY:.source.component,OBJECT:.involvedObject.kind,MESSAGE:.message
exit "$missed"
