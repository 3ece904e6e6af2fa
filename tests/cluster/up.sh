#!/usr/bin/env bash
# Starts a real Kubernetes on this machine, without a container registry.
#
#   up.sh plane|node [--dir DIR] [OPTION...]
#   up.sh hpa|kwok|metrics-server|prometheus|keda [--dir DIR] [-- FLAG...]    adds one part to a running cluster
#
# plane   etcd, API server and controllers on 127.0.0.1. No node: pods exist and stay Pending until a test patches their status,
#         or kwok plays the nodes. Needs no root. Several planes can run side by side, each in its own DIR.
# node    plane, and containerd, kubelet, scheduler, kube-proxy and DNS: real pods. Needs root; one per machine.
#
# Options
#   --dir DIR                where everything of this cluster is kept (default: ${BALLAST_CACHE:-~/.cache/ballast}/run/FORM)
#   --with-hpa               the stock HorizontalPodAutoscaler controller, as a process of its own
#   --with-kwok              plane: a fake node on which pods become Running and Ready, and the scheduler
#   --with-metrics-server    node: the metrics API from the kubelet, every 10 s
#   --with-prometheus        Prometheus; node: scrapes pods annotated prometheus.io/scrape=true and the kubelet
#   --scrape-interval TIME   of Prometheus (default 5s)
#   --api-flags "FLAG..."    more flags for kube-apiserver, such as --feature-gates=HPAScaleToZero=true
#   --controller-flags "..." more flags for kube-controller-manager
#   --hpa-flags "FLAG..."    more flags for the stock autoscaler, such as --horizontal-pod-autoscaler-sync-period=2s
#   --timeout SECONDS        for each part to become ready (default 120)
#
# DIR then holds kubeconfig (an administrator's), env (KEY=VALUE lines, see README.md), logs/ and pids/. Builds what is missing
# with build.sh. If a part dies or is late, its log's tail is shown and everything is stopped; the logs stay. Stop with down.sh.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/common.sh"
. "$here/lib/certificates.sh"
. "$here/lib/plane.sh"
. "$here/lib/node.sh"
. "$here/lib/addons.sh"
. "$here/keda/part.sh"

[[ $# -gt 0 && $1 != -h && $1 != --help ]] || usage "$0"
form=$1
shift
dir='' timeout=120 scrape_interval=5s
with=() api_flags=() controller_flags=() hpa_flags=() part_flags=()
while (($#)); do
  # Splitting on blanks is what the *-flags options promise.
  # shellcheck disable=SC2206
  case $1 in
    --dir) dir=$2 && shift ;;
    --with-hpa | --with-kwok | --with-metrics-server | --with-prometheus) with+=("${1#--with-}") ;;
    --scrape-interval) scrape_interval=$2 && shift ;;
    --api-flags) api_flags+=($2) && shift ;;
    --controller-flags) controller_flags+=($2) && shift ;;
    --hpa-flags) hpa_flags+=($2) && shift ;;
    --timeout) timeout=$2 && shift ;;
    --) shift && part_flags=("$@") && break ;;
    *) die "unknown option: $1 (see up.sh --help)" ;;
  esac
  shift
done

start_part() {
  case $1 in
    hpa) start_hpa "${hpa_flags[@]}" "${part_flags[@]}" ;;
    kwok) start_kwok "${part_flags[@]}" ;;
    metrics-server) start_metrics_server "${part_flags[@]}" ;;
    prometheus) start_prometheus "${part_flags[@]}" ;;
    keda) start_keda "$keda_programs" "${part_flags[@]}" ;;
  esac
  log "$1 is ready, $SECONDS s"
}

case $form in
  plane | node) ;;
  # One part for a running cluster.
  hpa | kwok | metrics-server | prometheus | keda)
    use_dir "${dir:-$cache/run/plane}"
    load_env
    case $form in
      hpa) BIN=$("$here/build.sh" kube-controller-manager) ;;
      kwok) BIN=$("$here/build.sh" kwok kube-scheduler kubectl) ;;
      keda) BIN=$("$here/build.sh" kubectl) && keda_programs=$("$here/build.sh" keda) ;;
      *) BIN=$("$here/build.sh" "$form" kubectl) ;;
    esac
    for name in $(part_processes "$form"); do ! running "$name" || die "$name already runs in $DIR"; done
    trap '[[ $? == 0 ]] || stop_part "$form"' EXIT
    SECONDS=0
    set_controller_common
    start_part "$form"
    exit 0
    ;;
  *) die "unknown form: $form (plane, node; or hpa, kwok, metrics-server, prometheus, keda to add)" ;;
esac

# The defaults here are fixed, so that tests can name them; the ports are not.
CLUSTER_DOMAIN=cluster.local SERVICE_CIDR=10.96.0.0/16 KUBERNETES_SERVICE_IP=10.96.0.1
API_ADDRESS=127.0.0.1
[[ $form == node ]] && node_addresses

use_dir "${dir:-$cache/run/$form}"
if [[ -f $DIR/env && -n $(our_processes) ]]; then
  die "a cluster already runs in $DIR (stop it with: down.sh --dir $DIR)"
fi
# What a crashed run left there would be in the way.
[[ ! -d $DIR ]] || "$here/down.sh" --dir "$DIR" >&2
[[ $form == node ]] && check_node
for part in "${with[@]}"; do
  [[ $part != metrics-server || $form == node ]] || die "--with-metrics-server needs the node form: a plane has no kubelet to ask"
  [[ $part != kwok || $form == plane ]] || die "--with-kwok needs the plane form: the node form runs real pods"
done
"$here/deps.sh" plane
programs=("$form")
[[ " ${with[*]} " != *" kwok "* ]] || programs+=(kwok)
BIN=$("$here/build.sh" "${programs[@]}")

SECONDS=0
mkdir -p "$DIR/logs" "$DIR/pids"
: >"$DIR/.ballast-cluster"
base=$(reserve_ports)
write_env() {
  cat >"$DIR/env" <<ENV
CLUSTER_FORM=$form
CLUSTER_DIR=$DIR
CLUSTER_BIN=$BIN
CLUSTER_DOMAIN=$CLUSTER_DOMAIN
KUBECONFIG=$DIR/kubeconfig
API_ADDRESS=$API_ADDRESS
API_SERVER=https://$API_ADDRESS:$base
CA_FILE=$DIR/pki/ca.crt
ETCD_URL=http://127.0.0.1:$((base + 1))
SERVICE_CIDR=$SERVICE_CIDR
KUBERNETES_SERVICE_IP=$KUBERNETES_SERVICE_IP
PROMETHEUS_URL=http://$API_ADDRESS:$((base + 7))
PROMETHEUS_SCRAPE_INTERVAL=$scrape_interval
PORT_API=$base
PORT_ETCD_PEER=$((base + 2))
PORT_CONTROLLER_MANAGER=$((base + 3))
PORT_HPA=$((base + 4))
PORT_SCHEDULER=$((base + 5))
PORT_METRICS_SERVER=$((base + 6))
PORT_PROMETHEUS=$((base + 7))
PORT_KWOK=$((base + 8))
PORT_KUBELET=$((base + 9))
PORT_KUBELET_HEALTH=$((base + 10))
PORT_PROXY_HEALTH=$((base + 11))
PORT_PROXY_METRICS=$((base + 12))
PORT_DNS=$((base + 13))
PORT_KEDA_OPERATOR=$((base + 14))
PORT_KEDA_HEALTH=$((base + 15))
PORT_KEDA_GRPC=$((base + 16))
PORT_KEDA_APISERVER=$((base + 17))
PORT_KEDA_APISERVER_METRICS=$((base + 18))
ENV
  [[ $form != node ]] || node_env >>"$DIR/env"
}
write_env
load_env

# On a failure nothing may keep running, but the logs must stay to be read.
trap '[[ $? == 0 ]] || "$here/down.sh" --dir "$DIR" --keep-logs >&2' EXIT
trap 'exit 130' INT TERM

[[ $form != node ]] || make_bridge
make_authority
start_etcd
start_apiserver "${api_flags[@]}"
wait_for kube-apiserver "$timeout" api_ready
log "API server is ready, $SECONDS s"
set_controller_common
start_controller_manager "${controller_flags[@]}"
[[ $form != node ]] || start_node
wait_for kube-controller-manager "$timeout" service_account_ready
log "controllers are ready, $SECONDS s"
if [[ $form == node ]]; then
  wait_for kubelet "$timeout" node_ready
  log "node $NODE_NAME is Ready, $SECONDS s"
fi
for part in "${with[@]}"; do start_part "$part"; done
log "$form is up in $SECONDS s; export KUBECONFIG=$DIR/kubeconfig"
log "kubectl: $BIN/kubectl; settings: $DIR/env; stop: $here/down.sh --dir $DIR"
