#!/usr/bin/env bash
# Proves that KEDA scales on a plane, and prints what it saw.
#
#   check.sh [--dir DIR]
#
# Starts a plane of its own in DIR (default: a temporary directory) with kwok, Prometheus, the stock autoscaler and KEDA, and stops it at
# the end. An exporter serves a queue's length; a ScaledObject (scaledobject.yaml) wants a replica per ten items. Seen: the generated
# HorizontalPodAutoscaler, two replicas to six and back, the fallback when Prometheus is away, and nothing left of KEDA once it is stopped.
# Beside it stands the policy that `ballast convert` makes of the ScaledObject in the cluster, at first as a recommendation; it takes over when the
# ScaledObject is deleted. BALLAST names the binary (default: target/debug/ballast).
# About a minute; each wait is bounded. Exit code 1 names the first thing that fails.
set -euo pipefail

keda=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
here=$(dirname "$keda")
. "$here/lib/common.sh"
. "$here/lib/addons.sh"
. "$here/keda/part.sh"

case ${1:-} in
  --dir) use_dir "$2" ;;
  '') use_dir "$(mktemp -d)/plane" ;;
  *) usage "$0" ;;
esac
ballast=${BALLAST:-$here/../../target/debug/ballast}
[[ -x $ballast ]] || die "no $ballast: cargo build, or name it in BALLAST"
programs=$("$here/build.sh" keda)
BIN=$("$here/build.sh" plane)
finish() {
  [[ $1 == 0 ]] || kubectl describe scaledobject,hpa,scalepolicy >&2 || true
  "$here/down.sh" --dir "$DIR" >&2
  rmdir --ignore-fail-on-non-empty "$(dirname "$DIR")"
}
trap 'finish $?' EXIT
trap 'exit 130' INT TERM

queue() { printf '# TYPE queue_items gauge\nqueue_items{queue="web"} %s\n' "$1" >"$DIR/queue.prom.new" && mv "$DIR/queue.prom.new" "$DIR/queue.prom"; }
replicas() { kubectl get deployment web -o 'jsonpath={.spec.replicas}/{.status.availableReplicas}'; }
hpa() { kubectl get hpa keda-hpa-web -o "jsonpath=$1"; }
metric() {
  kubectl get --raw '/apis/external.metrics.k8s.io/v1beta1/namespaces/default/s0-prometheus?labelSelector=scaledobject.keda.sh%2Fname%3Dweb' |
    sed 's/.*"value":"\([^"]*\)".*/\1/'
}

"$here/up.sh" plane --dir "$DIR" --with-kwok --with-prometheus --with-hpa --scrape-interval 1s \
  --hpa-flags "--horizontal-pod-autoscaler-sync-period=2s"
load_env
queue 20
port=$((PORT_API + 19))
start exporter "$programs/exporter" "127.0.0.1:$port" "$DIR/queue.prom"
echo "[{\"targets\": [\"127.0.0.1:$port\"]}]" >"$DIR/prometheus/targets/queue.json"
"$here/up.sh" keda --dir "$DIR"

kubectl apply -f - >/dev/null <<YAML
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: ballast.test/none:none}]}
YAML
sed "s|PROMETHEUS_URL|$PROMETHEUS_URL|" "$keda/scaledobject.yaml" | kubectl apply -f - >/dev/null
expect "the ScaledObject is ready" 60 '^True' kubectl get scaledobject web \
  -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status} (HPA {.status.hpaName})'
expect "KEDA's autoscaler asks for an external metric" 30 '^External s0-prometheus ' hpa '{.spec.metrics[0].type} {.spec.metrics[0].external.metric.name} target {.spec.metrics[0].external.target.averageValue}, {.spec.minReplicas} to {.spec.maxReplicas} replicas'
expect "the metrics API gives Prometheus' value" 60 '^20$' metric
expect "20 items: two replicas wanted" 60 '^2$' hpa '{.status.desiredReplicas}'

kubectl apply --server-side -f "$here/../../crds" >/dev/null
kubectl wait --for=condition=Established --timeout=30s -f "$here/../../crds" >/dev/null
# A plane has no kubelet, so that port is free.
start ballast "$ballast" run --kubeconfig "$KUBECONFIG" --admin-address "127.0.0.1:$PORT_KUBELET" --leader-elect=false --sync-period=1s \
  --checkpoint-interval=0s --prometheus-url "$PROMETHEUS_URL"
wait_for ballast 30 fetch "http://127.0.0.1:$PORT_KUBELET/readyz"
policy() { kubectl get scalepolicy web -o "jsonpath=$1"; }
mode() { kubectl patch scalepolicy web --type=merge -p "{\"spec\": {\"mode\": \"$1\"}}" >/dev/null; }
KUBECONFIG=$KUBECONFIG "$ballast" convert -n default scaledobject/web --source default | sed 's/^spec:/&\n  mode: Recommend/' | kubectl apply -f - >/dev/null
expect "the converted policy agrees" 30 '^2 Steady 15 4$' policy '{.status.decision.wanted} {.status.decision.verdict} {.spec.fallback.holdSeconds} {.spec.fallback.replicas.count}'

queue 60
expect "the policy recommends six" 30 '^6$' policy '{.status.decision.wanted}'
expect "60 items: two replicas to six, all available" 60 '^6/6$' replicas
log "    reason: $(kubectl get events --field-selector involvedObject.name=keda-hpa-web,reason=SuccessfulRescale -o 'jsonpath={.items[-1:].message}')"
queue 20
expect "20 items: back to two" 60 '^2/2$' replicas
stop prometheus
expect "Prometheus away: the fallback's four" 60 '^4/4$' replicas
expect "the ScaledObject says so" 30 '^True' kubectl get scaledobject web -o 'jsonpath={.status.conditions[?(@.type=="Fallback")].status}'
log "    operator: $(awk '/VmRSS/ {print $2 / 1024 " MiB"}' "/proc/$(cat "$DIR/pids/keda-operator")/status"), metrics API server: $(
  awk '/VmRSS/ {print $2 / 1024 " MiB"}' "/proc/$(cat "$DIR/pids/keda-metrics-apiserver")/status")"

expect "the policy would fall back to four too" 30 'Fallback 4' policy '{.status.decision.reason} {.status.decision.to}'
[[ -z $(policy '{.status.scaleEvents}') ]] || die "FAILED: a recommendation was written"
mode Enforce
expect "the policy waits for KEDA's autoscaler to go" 30 'also scaled by HorizontalPodAutoscaler/keda-hpa-web' policy '{.status.decision.message}'

kubectl delete scaledobject web --timeout=30s >/dev/null
expect "without its ScaledObject the autoscaler goes" 30 '^$' kubectl get hpa --output name --ignore-not-found
expect "the policy has taken over, and nothing moved" 30 '^Fallback 4 4$' policy '{.status.decision.reason} {.status.decision.from} {.status.decision.to}'
expect "still four" 5 '^4/4$' replicas
stop ballast
pids=$(cat "$DIR/pids/keda-operator" "$DIR/pids/keda-metrics-apiserver")
"$here/down.sh" --dir "$DIR" --only keda
for pid in $pids; do ! ours "$pid" || die "FAILED: process $pid of KEDA still runs"; done
[[ -z $(kubectl get apiservice v1beta1.external.metrics.k8s.io --ignore-not-found -o name) ]] || die "FAILED: the APIService is left"
log "ok: stopped, processes and APIService are gone"
log "all checks of KEDA passed in $SECONDS s"
