# shellcheck shell=bash
# KEDA, the rival of the benchmarks: its operator and its metrics API server as processes on loopback, with the rights and under the
# user of a real installation. Sourced by up.sh and down.sh.

# start_keda PROGRAMS [FLAG...]: flags of the operator; --kube-api-qps=N and --kube-api-burst=N go to the metrics API server too.
# Environment variables named KEDA_* reach both.
start_keda() {
  local programs=$1 config=$DIR/pki/keda.kubeconfig certs=$DIR/keda/certs flag shared=()
  shift
  for flag in "$@"; do
    [[ $flag != --kube-api-qps=* && $flag != --kube-api-burst=* ]] || shared+=("$flag")
  done
  mkdir -p "$certs"
  keda_manifests "$programs/../config"
  # The service account's own name and group: an administrator would be exempt from the API server's limits, which would flatter KEDA.
  identity keda system:serviceaccount:keda:keda-operator system:serviceaccounts
  # Operator and metrics API server show each other the same certificate, as with KEDA's own rotation of them.
  certificate keda-server keda "" "DNS:keda-metrics-apiserver.keda.svc,DNS:localhost,IP:127.0.0.1"
  cp "$DIR/pki/keda-server.crt" "$certs/tls.crt"
  cp "$DIR/pki/keda-server.key" "$certs/tls.key"
  cp "$DIR/pki/ca.crt" "$certs/ca.crt"

  local environment=(env KUBECONFIG="$config" WATCH_NAMESPACE= POD_NAMESPACE=keda KEDA_CLUSTER_OBJECT_NAMESPACE=keda)
  start keda-operator "${environment[@]}" "$programs/keda-operator" --zap-log-level=info --zap-encoder=console --zap-time-encoding=rfc3339 \
    --enable-cert-rotation=false --cert-dir="$certs" --metrics-bind-address="127.0.0.1:$PORT_KEDA_OPERATOR" \
    --health-probe-bind-address="127.0.0.1:$PORT_KEDA_HEALTH" --metrics-service-bind-address="127.0.0.1:$PORT_KEDA_GRPC" "$@"
  wait_for keda-operator "$timeout" fetch "http://127.0.0.1:$PORT_KEDA_HEALTH/readyz"
  start keda-metrics-apiserver "${environment[@]}" "$programs/keda-adapter" --zap-log-level=error \
    --authentication-kubeconfig="$config" --authorization-kubeconfig="$config" --lister-kubeconfig="$config" \
    --bind-address=127.0.0.1 --secure-port="$PORT_KEDA_APISERVER" --client-ca-file="$certs/ca.crt" --cert-dir="$certs" \
    --tls-cert-file="$certs/tls.crt" --tls-private-key-file="$certs/tls.key" \
    --metrics-service-address="127.0.0.1:$PORT_KEDA_GRPC" --port="$PORT_KEDA_APISERVER_METRICS" "${shared[@]}"
  wait_for keda-metrics-apiserver "$timeout" keda_available
}

# keda_manifests DIRECTORY: what KEDA's release installs, from its own source, but for the two Deployments and the webhooks.
keda_manifests() {
  kubectl apply --server-side --force-conflicts -f "$1/general/namespace.yaml" >/dev/null
  kubectl kustomize "$1/crd" >"$DIR/keda/crds.yaml"
  kubectl apply --server-side --force-conflicts -f "$DIR/keda/crds.yaml" >/dev/null
  kubectl wait --for=condition=Established --timeout="${timeout}s" -f "$DIR/keda/crds.yaml" >/dev/null
  kubectl apply --server-side --force-conflicts -f "$1/service_account/service_account.yaml" -f "$1/rbac/role.yaml" \
    -f "$1/rbac/role_binding.yaml" -f "$1/metrics-server/role.yaml" -f "$1/metrics-server/role_binding.yaml" >/dev/null
  kubectl apply --server-side --force-conflicts -f - >/dev/null <<YAML
apiVersion: v1
kind: Service
metadata: {name: keda-metrics-apiserver, namespace: keda}
spec: {type: ExternalName, externalName: localhost}
---
apiVersion: apiregistration.k8s.io/v1
kind: APIService
metadata: {name: v1beta1.external.metrics.k8s.io}
spec:
  group: external.metrics.k8s.io
  version: v1beta1
  groupPriorityMinimum: 100
  versionPriority: 100
  caBundle: $(base64 -w0 "$DIR/pki/ca.crt")
  service: {name: keda-metrics-apiserver, namespace: keda, port: $PORT_KEDA_APISERVER}
YAML
}

keda_available() { kubectl wait --for=condition=Available --timeout=1s apiservice/v1beta1.external.metrics.k8s.io; }

# An APIService that nobody answers for would keep the API server from deleting any namespace.
remove_keda_api() {
  running kube-apiserver || return 0
  kubectl delete apiservice v1beta1.external.metrics.k8s.io --ignore-not-found --timeout=10s >/dev/null ||
    log "the APIService v1beta1.external.metrics.k8s.io is still there"
}
