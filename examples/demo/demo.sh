#!/usr/bin/env bash
# The whole story on this machine: a real Kubernetes with one node, a Go service under three policies, real load, and Ballast scaling
# it out and in. Ends with exit code 0 only if every policy scaled out and in, with reasons that carry numbers.
#
#   make demo                 DEMO_KEEP=1 make demo    keeps the cluster (make cluster-down ends it)
#
# Needs Linux, root, Rust, Go; installs or builds the rest (tests/cluster/README.md). Load goes to Services of this cluster only,
# for DEMO_LOAD seconds (default 75).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
. "$here/lib.sh"
. "$here/table.sh"
load_seconds=${DEMO_LOAD:-75}

begin demo
build
say "a Kubernetes with one node, metrics-server and Prometheus"
start_cluster --with-prometheus --scrape-interval 5s

say "Ballast by its Helm chart, then the Go service under three policies"
install_ballast --set prometheus.url="$PROMETHEUS_SERVICE_URL" --set 'extraArgs={--record-looks=16}'
kubectl apply -k examples/demo
for deployment in "${deployments[@]}"; do kubectl rollout status "deployment/$deployment" --timeout=90s; done

say "at rest, until every metric is known"
table_until 75 all_known || { say "a metric is still unknown"; exit 1; }
explain go-app

say "load for $load_seconds s"
url() { echo "http://$(kubectl get service "$1" -o jsonpath='{.spec.clusterIP}'):8080/work?ms=$2"; }
hey -disable-keepalive -z "${load_seconds}s" -c 4 -q 6 "$(url go-app 5)" >"$work/load-go-app" & loads+=($!)
hey -disable-keepalive -z "${load_seconds}s" -c 3 -q 6 "$(url go-app-deployment 5)" >"$work/load-go-app-deployment" & loads+=($!)
hey -disable-keepalive -z "${load_seconds}s" -c 10 -q 9 "$(url myapp-deployment 1)" >"$work/load-myapp-deployment" & loads+=($!)
load_end=$((SECONDS + load_seconds + 5))
table_until "$load_seconds" some_scaled_out && explain "$telling"
table_until $((load_end - SECONDS)) load_ended || true
wait "${loads[@]}" || true
loads=()

say "the load has ended"
table_until 90 some_held && explain "$telling"
table_until 120 all_scaled_in || say "not everything is back at its size of rest"
explain myapp-deployment

show_all
replay_all
check_promises
exit "$missed"
