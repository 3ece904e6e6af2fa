# shellcheck shell=bash
# The control plane: etcd, API server, controller manager. Sourced by up.sh.

start_etcd() {
  # --unsafe-no-fsync: the data need not survive the machine, and on slow disks fsync is most of a write's time.
  start etcd "$BIN/etcd" --name test --data-dir "$DIR/etcd" --unsafe-no-fsync --log-level warn \
    --listen-client-urls "$ETCD_URL" --advertise-client-urls "$ETCD_URL" \
    --listen-peer-urls "http://127.0.0.1:$PORT_ETCD_PEER" --initial-advertise-peer-urls "http://127.0.0.1:$PORT_ETCD_PEER" \
    --initial-cluster "test=http://127.0.0.1:$PORT_ETCD_PEER" --quota-backend-bytes 8589934592
}

# start_apiserver [FLAG...]
start_apiserver() {
  local endpoints=()
  # Endpoints may not be loopback addresses, so on a plane the Service "kubernetes" has none.
  [[ $API_ADDRESS == 127.0.0.1 ]] && endpoints=(--endpoint-reconciler-type=none)
  certificate apiserver kube-apiserver "" "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.$CLUSTER_DOMAIN,IP:127.0.0.1,IP:$API_ADDRESS,IP:$KUBERNETES_SERVICE_IP"
  certificate apiserver-kubelet-client kube-apiserver-kubelet-client system:masters
  certificate front-proxy-client front-proxy-client
  identity admin kubernetes-admin system:masters
  cp "$DIR/pki/admin.kubeconfig" "$DIR/kubeconfig"
  # No --enable-aggregator-routing: with it the API server looks for endpoints and refuses Services of type ExternalName, which are
  # the way to an aggregated API that is a process on loopback; those in pods are reached through kube-proxy.
  # One authority signs both user and front-proxy certificates, so the front proxy's name must be pinned: else any client
  # certificate could speak for any user.
  start kube-apiserver "$BIN/kube-apiserver" --etcd-servers="$ETCD_URL" \
    --bind-address="$API_ADDRESS" --advertise-address="$API_ADDRESS" --secure-port="$PORT_API" "${endpoints[@]}" \
    --tls-cert-file="$DIR/pki/apiserver.crt" --tls-private-key-file="$DIR/pki/apiserver.key" --client-ca-file="$DIR/pki/ca.crt" \
    --service-account-issuer="https://kubernetes.default.svc.$CLUSTER_DOMAIN" --service-account-key-file="$DIR/pki/service-account.pub" \
    --service-account-signing-key-file="$DIR/pki/service-account.key" --service-cluster-ip-range="$SERVICE_CIDR" \
    --authorization-mode=Node,RBAC --enable-admission-plugins=NodeRestriction --allow-privileged=true \
    --kubelet-client-certificate="$DIR/pki/apiserver-kubelet-client.crt" --kubelet-client-key="$DIR/pki/apiserver-kubelet-client.key" \
    --kubelet-certificate-authority="$DIR/pki/ca.crt" --kubelet-preferred-address-types=InternalIP \
    --proxy-client-cert-file="$DIR/pki/front-proxy-client.crt" --proxy-client-key-file="$DIR/pki/front-proxy-client.key" \
    --requestheader-client-ca-file="$DIR/pki/ca.crt" --requestheader-allowed-names=front-proxy-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- "$@"
}

api_ready() { fetch --cacert "$DIR/pki/ca.crt" "$API_SERVER/readyz"; }

# start_controller_manager [FLAG...]: every controller but the horizontal pod autoscaler, which is a process of its own
# (start_hpa), so that it can be measured, restarted and left out.
start_controller_manager() {
  identity controller-manager system:kube-controller-manager
  start kube-controller-manager "$BIN/kube-controller-manager" --controllers='*,-horizontal-pod-autoscaler-controller' \
    --bind-address=127.0.0.1 --secure-port="$PORT_CONTROLLER_MANAGER" "${controller_common[@]}" \
    --service-account-private-key-file="$DIR/pki/service-account.key" --root-ca-file="$DIR/pki/ca.crt" \
    --cluster-signing-cert-file="$DIR/pki/ca.crt" --cluster-signing-key-file="$DIR/pki/ca.key" \
    --kube-api-qps=500 --kube-api-burst=1000 --concurrent-deployment-syncs=20 --concurrent-replicaset-syncs=20 "$@"
}

# start_hpa [FLAG...]: the stock autoscaler alone.
start_hpa() {
  start hpa "$BIN/kube-controller-manager" --controllers=horizontal-pod-autoscaler-controller \
    --bind-address=127.0.0.1 --secure-port="$PORT_HPA" "${controller_common[@]}" "$@"
  wait_for hpa 60 fetch --insecure "https://127.0.0.1:$PORT_HPA/healthz"
}

set_controller_common() {
  local config=$DIR/pki/controller-manager.kubeconfig
  controller_common=(--kubeconfig="$config" --authentication-kubeconfig="$config" --authorization-kubeconfig="$config"
    --use-service-account-credentials=true --leader-elect=false)
}

# A pod can only be created once its namespace has a service account.
service_account_ready() { "$BIN/kubectl" --kubeconfig "$DIR/kubeconfig" get serviceaccount default; }

start_scheduler() {
  local config=$DIR/pki/scheduler.kubeconfig
  identity scheduler system:kube-scheduler
  start kube-scheduler "$BIN/kube-scheduler" --kubeconfig="$config" --authentication-kubeconfig="$config" \
    --authorization-kubeconfig="$config" --leader-elect=false --bind-address=127.0.0.1 --secure-port="$PORT_SCHEDULER"
}
