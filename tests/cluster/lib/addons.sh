# shellcheck shell=bash
# Parts beside Kubernetes itself: metrics-server, Prometheus, kwok; they run as processes of the host. Sourced by up.sh and down.sh.
# They act as cluster administrators: what is tested is not their rights.

kubectl() { "$BIN/kubectl" --kubeconfig "$DIR/kubeconfig" "$@"; }

# host_service NAMESPACE NAME CLUSTER-IP PORT-NAME:PROTOCOL:PORT:HOST-PORT...: a Service whose endpoint is a process of this host.
# CLUSTER-IP may be empty.
host_service() {
  local namespace=$1 name=$2 ip=$3 spec ports='' endpoints='' part protocol port target
  shift 3
  for spec in "$@"; do
    IFS=: read -r part protocol port target <<<"$spec"
    ports+="{name: $part, protocol: $protocol, port: $port},"
    endpoints+="{name: $part, protocol: $protocol, port: $target},"
  done
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: $namespace}
---
apiVersion: v1
kind: Service
metadata: {name: $name, namespace: $namespace}
spec:
  ports: [$ports]
  ${ip:+clusterIP: $ip}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: $name-host, namespace: $namespace, labels: {kubernetes.io/service-name: $name}}
addressType: IPv4
endpoints: [{addresses: [$API_ADDRESS], conditions: {ready: true}}]
ports: [$endpoints]
YAML
}

# start_metrics_server [FLAG...]
start_metrics_server() {
  local config=$DIR/pki/metrics-server.kubeconfig
  identity metrics-server metrics-server system:masters
  # 10 s is the shortest that metrics-server accepts; its time-out for a kubelet must be shorter.
  start metrics-server "$BIN/metrics-server" --kubeconfig="$config" --authentication-kubeconfig="$config" \
    --authorization-kubeconfig="$config" --bind-address=127.0.0.1 --secure-port="$PORT_METRICS_SERVER" \
    --cert-dir="$DIR/metrics-server" --metric-resolution=10s --kubelet-request-timeout=5s --kubelet-use-node-status-port \
    --kubelet-preferred-address-types=InternalIP --kubelet-certificate-authority="$DIR/pki/ca.crt" "$@"
  # The API server calls a process on loopback through a Service that is only another name for localhost.
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: v1
kind: Service
metadata: {name: metrics-server, namespace: kube-system}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.metrics.k8s.io}
spec:
  group: metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  insecureSkipTLSVerify: true
  service: {name: metrics-server, namespace: kube-system, port: $PORT_METRICS_SERVER}
YAML
  wait_for metrics-server "$timeout" metrics_available
}

# The list is served empty before the first scrape, so an item must be there.
metrics_available() { kubectl get --raw /apis/metrics.k8s.io/v1beta1/nodes | grep -q '"usage"'; }

# start_prometheus [FLAG...]
start_prometheus() {
  mkdir -p "$DIR/prometheus/targets"
  identity prometheus prometheus system:masters
  prometheus_config >"$DIR/prometheus/prometheus.yml"
  start prometheus "$BIN/prometheus" --config.file="$DIR/prometheus/prometheus.yml" --storage.tsdb.path="$DIR/prometheus/data" \
    --web.listen-address="$API_ADDRESS:$PORT_PROMETHEUS" --web.enable-lifecycle --web.enable-remote-write-receiver "$@"
  if [[ $CLUSTER_FORM == node ]]; then
    host_service monitoring prometheus '' "web:TCP:9090:$PORT_PROMETHEUS"
  fi
  wait_for prometheus "$timeout" fetch "$PROMETHEUS_URL/-/ready"
}

# Labels as users of kube-prometheus know them: namespace, pod, container, node, job, and app.
prometheus_config() {
  cat <<YAML
global: {scrape_interval: $PROMETHEUS_SCRAPE_INTERVAL, scrape_timeout: $PROMETHEUS_SCRAPE_INTERVAL, evaluation_interval: $PROMETHEUS_SCRAPE_INTERVAL}
scrape_configs:
- job_name: prometheus
  static_configs: [{targets: ['$API_ADDRESS:$PORT_PROMETHEUS']}]
# A test adds targets of its own by writing JSON files here; they are taken up at once.
- job_name: files
  file_sd_configs: [{files: ['$DIR/prometheus/targets/*.json']}]
YAML
  [[ $CLUSTER_FORM == node ]] || return 0
  cat <<YAML
- job_name: kubernetes-pods
  kubernetes_sd_configs: [{role: pod, kubeconfig_file: $DIR/pki/prometheus.kubeconfig}]
  relabel_configs:
  - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scrape], regex: 'true', action: keep}
  - {source_labels: [__meta_kubernetes_pod_phase], regex: Pending|Succeeded|Failed, action: drop}
  - {source_labels: [__meta_kubernetes_pod_container_init], regex: 'true', action: drop}
  # Discovery gives one target per declared port. With an annotated port only that one is kept, or a container without any.
  - {source_labels: [__meta_kubernetes_pod_container_port_number], target_label: __tmp_port}
  - {source_labels: [__tmp_port, __meta_kubernetes_pod_annotation_prometheus_io_port], regex: ';(.+)', target_label: __tmp_port, replacement: '\$1'}
  - {source_labels: [__tmp_port], target_label: __tmp_wanted}
  - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_port], regex: '(.+)', target_label: __tmp_wanted}
  - {source_labels: [__tmp_port], target_label: __tmp_wanted, action: keepequal}
  - {source_labels: [__meta_kubernetes_pod_ip, __tmp_port], regex: '(.+);(.+)', target_label: __address__, replacement: '\$1:\$2'}
  - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_path], regex: '(.+)', target_label: __metrics_path__}
  - {source_labels: [__meta_kubernetes_pod_annotation_prometheus_io_scheme], regex: '(https?)', target_label: __scheme__}
  - {source_labels: [__meta_kubernetes_namespace], target_label: namespace}
  - {source_labels: [__meta_kubernetes_pod_name], target_label: pod}
  - {source_labels: [__meta_kubernetes_pod_container_name], target_label: container}
  - {source_labels: [__meta_kubernetes_pod_node_name], target_label: node}
  - {source_labels: [__meta_kubernetes_pod_label_app_kubernetes_io_name], target_label: app}
  - {source_labels: [__meta_kubernetes_pod_label_app], regex: '(.+)', target_label: app}
# container_cpu_usage_seconds_total and its like, as kube-prometheus has them.
- job_name: kubelet
  scheme: https
  metrics_path: /metrics/cadvisor
  tls_config: {ca_file: $DIR/pki/ca.crt, cert_file: $DIR/pki/prometheus.crt, key_file: $DIR/pki/prometheus.key}
  static_configs: [{targets: ['$API_ADDRESS:$PORT_KUBELET'], labels: {node: $NODE_NAME}}]
YAML
}

# start_kwok [FLAG...]: a fake node that takes every pod, and the scheduler that sends them there.
start_kwok() {
  identity kwok kwok system:masters
  running kube-scheduler || start_scheduler
  # A kwok that was stopped still holds the node's lease, and a new one would wait 40 s for it.
  kubectl delete lease kwok-node --namespace kube-node-lease --ignore-not-found >/dev/null
  start kwok "$BIN/kwok" --kubeconfig="$DIR/pki/kwok.kubeconfig" --config="$here/lib/kwok-stages.yaml" --manage-all-nodes=true \
    --node-lease-duration-seconds=40 --server-address="127.0.0.1:$PORT_KWOK" "$@"
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: v1
kind: Node
metadata: {name: kwok-node, labels: {kubernetes.io/hostname: kwok-node, type: kwok}}
status:
  allocatable: {cpu: "10000", memory: 100000Gi, pods: "100000"}
  capacity: {cpu: "10000", memory: 100000Gi, pods: "100000"}
YAML
  wait_for kwok "$timeout" kubectl wait --for=condition=Ready node/kwok-node --timeout=1s
}

# part_processes NAME: the processes of a part that up.sh adds, in the order in which they are stopped; else the one process itself.
part_processes() {
  case $1 in
    keda) printf '%s\n' keda-metrics-apiserver keda-operator ;;
    *) echo "$1" ;;
  esac
}

# stop_part NAME [SECONDS]
stop_part() {
  local name
  [[ $1 != keda ]] || remove_keda_api
  for name in $(part_processes "$1"); do stop "$name" "${@:2}"; done
}
