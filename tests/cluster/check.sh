#!/usr/bin/env bash
# Proves that a running node form does what a cluster does, with a pod of its own namespace that it removes again.
#
#   check.sh [--dir DIR]
#
# Image import, Deployment, pod address from the host, logs and exec, in-cluster access to the API server, Services by address and
# by name, and, when they run, the metrics API and Prometheus. Exit code 1 names the first thing that fails. About 40 s with
# the metrics API, which needs two measurements of a new pod; 5 s without.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/common.sh"
. "$here/lib/addons.sh"

dir=$cache/run/node
case ${1:-} in
  --dir) dir=$2 ;;
  '') ;;
  *) usage "$0" ;;
esac
use_dir "$dir"
load_env
BIN=$("$here/build.sh" node)
[[ $CLUSTER_FORM == node ]] || die "the cluster in $DIR is a $CLUSTER_FORM"
namespace=ballast-cluster-check

cleanup() { kubectl delete namespace "$namespace" --ignore-not-found --wait=true --timeout=60s >/dev/null; }
trap cleanup EXIT

"$BIN/mkimage" --name ballast.test/probe:test --out "$DIR/probe.tar" --base --expose 8080/tcp "$BIN/probe:/probe"
"$here/import.sh" --dir "$DIR" "$DIR/probe.tar"
kubectl apply -f - >/dev/null <<YAML
apiVersion: v1
kind: Namespace
metadata: {name: $namespace}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: view, namespace: $namespace}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: default, namespace: $namespace}]
---
apiVersion: v1
kind: Service
metadata: {name: probe, namespace: $namespace}
spec: {selector: {app: probe}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: probe, namespace: $namespace}
spec:
  replicas: 2
  selector: {matchLabels: {app: probe}}
  template:
    metadata:
      labels: {app: probe}
      annotations: {prometheus.io/scrape: "true", prometheus.io/port: "8080"}
    spec:
      securityContext: {runAsNonRoot: true}
      containers:
      - name: probe
        image: ballast.test/probe:test
        imagePullPolicy: Never
        ports: [{containerPort: 8080}]
        resources: {requests: {cpu: 50m, memory: 16Mi}}
        readinessProbe: {httpGet: {path: /, port: 8080}, periodSeconds: 1}
        securityContext: {readOnlyRootFilesystem: true, allowPrivilegeEscalation: false}
YAML
k() { kubectl --namespace "$namespace" "$@"; }
expect "two pods become available" 60 '^2$' k get deployment probe -o 'jsonpath={.status.availableReplicas}'
pod=$(k get pods -l app=probe -o 'jsonpath={.items[0].metadata.name}')
ip=$(k get pod "$pod" -o 'jsonpath={.status.podIP}')
other=$(k get pods -l app=probe -o 'jsonpath={.items[1].status.podIP}')
service=$(k get service probe -o 'jsonpath={.spec.clusterIP}')
expect "the host reaches a pod" 5 '^ok$' fetch "http://$ip:8080/"
expect "kubectl logs" 5 'listening' k logs "$pod"
expect "kubectl exec" 5 '^probe of' k exec "$pod" -- /probe --version
expect "a pod asks the API server with its service account" 10 '"kind": ?"PodList"' fetch "http://$ip:8080/api"
expect "a pod reaches another pod" 5 '^ok$' fetch "http://$ip:8080/get?url=http://$other:8080/"
expect "a pod reaches a Service by address" 10 '^ok$' fetch "http://$ip:8080/get?url=http://$service/"
expect "a pod reaches a Service by name" 10 '^ok$' fetch "http://$ip:8080/get?url=http://probe.$namespace.svc/"
expect "the host reaches a Service" 10 '^ok$' fetch "http://$service/"
if running prometheus; then
  expect "Prometheus scrapes the pods" 30 "\"pod\":\"$pod\"" fetch --get "$PROMETHEUS_URL/api/v1/query" \
    --data-urlencode "query=probe_requests_total{namespace=\"$namespace\",app=\"probe\",container=\"probe\",node=\"$NODE_NAME\",job=\"kubernetes-pods\"}"
  expect "Prometheus has the pods' CPU from the kubelet" 30 "\"pod\":\"$pod\"" fetch --get "$PROMETHEUS_URL/api/v1/query" \
    --data-urlencode "query=container_cpu_usage_seconds_total{namespace=\"$namespace\",container=\"probe\"}"
  expect "a pod reaches Prometheus by name" 10 'Healthy' fetch "http://$ip:8080/get?url=$PROMETHEUS_SERVICE_URL/-/healthy"
fi
if running metrics-server; then
  "$BIN/hey" -z 20s -c 2 -q 5 "http://$ip:8080/burn" >/dev/null
  expect "the metrics API has the pod's CPU" 40 '"cpu":"[1-9]' kubectl get --raw "/apis/metrics.k8s.io/v1beta1/namespaces/$namespace/pods/$pod"
  expect "kubectl top pods" 5 "$pod +[0-9]+m" k top pods
fi
log "all checks passed in $SECONDS s"
