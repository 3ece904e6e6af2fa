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
cd "$root"

cache=${BALLAST_CACHE:-$HOME/.cache/ballast}
export BALLAST_CACHE=$cache
dir=${DEMO_DIR:-$cache/run/demo}
load_seconds=${DEMO_LOAD:-75}
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
    ((code == 0)) || explain_failure
    say "taking everything down"
    tests/cluster/down.sh --dir "$dir" >"$cache/demo-down.log" 2>&1 || { tail -20 "$cache/demo-down.log"; code=1; }
  fi
  say "$( ((code == 0)) && echo "done" || echo "FAILED") after $((SECONDS - started)) s"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT TERM

say "programs of the cluster (the first time takes minutes)"
tests/cluster/deps.sh node
bin=$(tests/cluster/build.sh all | tail -n 1)
export PATH=$bin:$PATH

say "Ballast and the Go service"
cargo build --locked
target=$(cargo metadata --locked --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]+)".*/\1/')
ballast=$target/debug/ballast
strip -o "$work/ballast" "$ballast"
(cd examples/go-app && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.version=demo' -o "$work/go-app" .)
mkimage --name ballast.test/ballast:demo --out "$work/ballast.tar" --ldd --user 65532:65532 --expose 8080/tcp "$work/ballast:/ballast"
mkimage --name ballast.test/go-app:demo --out "$work/go-app.tar" --user 65532:65532 --expose 8080/tcp "$work/go-app:/go-app"

say "a Kubernetes with one node, metrics-server and Prometheus"
tests/cluster/down.sh --dir "$dir" >/dev/null 2>&1 || true
tests/cluster/up.sh node --dir "$dir" --with-metrics-server --with-prometheus --scrape-interval 5s
. "$dir/env"
export KUBECONFIG
tests/cluster/import.sh --dir "$dir" "$work/ballast.tar" "$work/go-app.tar"

say "Ballast by its Helm chart, then the Go service under three policies"
helm install ballast deploy/chart/ballast --namespace ballast-system --create-namespace --wait --timeout 90s \
  --set image.repository=ballast.test/ballast --set image.tag=demo --set image.pullPolicy=Never \
  --set prometheus.url="$PROMETHEUS_SERVICE_URL" --set downscaleStabilization=20s --set log.format=text \
  --set 'extraArgs={--record-looks=16}' >"$work/helm.log" || { cat "$work/helm.log"; exit 1; }
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
check_promises "$work"
