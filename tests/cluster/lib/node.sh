# shellcheck shell=bash
# The node: containerd, CNI bridge, kubelet, scheduler, kube-proxy and DNS on this machine. Sourced by up.sh; how it is taken down
# stands in node-down.sh.
#
# All of the node listens on the bridge's own address, which the host and every pod reach, and nobody else.

node_addresses() {
  API_ADDRESS=10.88.64.1 POD_CIDR=10.88.64.0/24 BRIDGE=ballast0 NODE_NAME=ballast-node DNS_SERVICE_IP=10.96.0.10
}

# Kernel settings that the bridge needs or kubelet changes, put back by down.sh.
node_sysctls="net.ipv4.ip_forward vm.overcommit_memory vm.panic_on_oom kernel.panic kernel.panic_on_oops
  kernel.keys.root_maxkeys kernel.keys.root_maxbytes"
# Where parts write whatever their configuration says; down.sh removes those that were not there before.
node_directories="/var/lib/kubelet /var/lib/cni /var/log/containers /var/log/pods /run/containerd /opt/cni /run/netns"

check_node() {
  ((EUID == 0)) || { log "the node form needs root: it makes network links, mounts and containers (the plane form does not)"; exit 3; }
  "$here/deps.sh" node
  ((${#DIR} <= 70)) || die "--dir $DIR: at most 70 characters, containerd's sockets lie below it"
  ! ip link show "$BRIDGE" >/dev/null 2>&1 || die "network link $BRIDGE exists: another node form runs here (or ended without down.sh)"
  ! iptables-save -t nat 2>/dev/null | grep -q '^:KUBE-SERVICES' || die "this machine is already a Kubernetes node (iptables chain KUBE-SERVICES)"
  [[ -z $(ls -A /var/lib/kubelet 2>/dev/null) ]] || die "this machine is already a Kubernetes node (/var/lib/kubelet is not empty)"
  [[ -z $(ip -4 route show root "$POD_CIDR"; ip -4 route show root "$SERVICE_CIDR") ]] || die "a route to $POD_CIDR or $SERVICE_CIDR exists; the node form needs both for itself"
}

node_env() {
  local name before='' made=''
  for name in $node_sysctls; do before+="$name=$(sysctl -n "$name"),"; done
  for name in $node_directories; do [[ -d $name ]] || made+="$name,"; done
  cat <<ENV
NODE_NAME=$NODE_NAME
NODE_ADDRESS=$API_ADDRESS
POD_CIDR=$POD_CIDR
BRIDGE=$BRIDGE
DNS_SERVICE_IP=$DNS_SERVICE_IP
CONTAINERD_SOCKET=$DIR/containerd.sock
PROMETHEUS_SERVICE_URL=http://prometheus.monitoring.svc:9090
SYSCTLS_BEFORE=$before
DIRECTORIES_MADE=$made
ENV
}

make_bridge() {
  # A fixed hardware address: a bridge otherwise takes that of its ports, and pods keep sending to the old one.
  ip link add "$BRIDGE" address 0a:58:0a:58:40:01 type bridge
  ip addr add "$API_ADDRESS/${POD_CIDR#*/}" dev "$BRIDGE"
  # Traffic between two pods that goes through a Service must pass iptables both ways, or the answer comes from the wrong address.
  ip link set "$BRIDGE" type bridge nf_call_iptables 1
  ip link set "$BRIDGE" up
  sysctl -q -w net.ipv4.ip_forward=1
  # Docker and firewalls set the default of FORWARD to DROP.
  iptables -w 10 -I FORWARD -i "$BRIDGE" -m comment --comment ballast-test-cluster -j ACCEPT
  iptables -w 10 -I FORWARD -o "$BRIDGE" -m comment --comment ballast-test-cluster -j ACCEPT
}

start_containerd() {
  mkdir -p "$DIR/containerd" "$DIR/cni/conf"
  cat >"$DIR/cni/conf/10-ballast.conflist" <<JSON
{"cniVersion": "1.0.0", "name": "ballast", "plugins": [{
  "type": "bridge", "bridge": "$BRIDGE", "isGateway": true, "hairpinMode": true,
  "ipam": {"type": "host-local", "dataDir": "$DIR/cni/networks", "routes": [{"dst": "0.0.0.0/0"}],
           "ranges": [[{"subnet": "$POD_CIDR", "gateway": "$API_ADDRESS"}]]}}]}
JSON
  # restrict_oom_score_adj: in a sandboxed virtual machine even root may not lower it, and runc then fails with "can't get final
  # child's PID from pipe".
  cat >"$DIR/containerd/config.toml" <<TOML
version = 2
root = "$DIR/containerd/data"
state = "$DIR/containerd/state"
disabled_plugins = ["io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.tracing.processor.v1.otlp"]
[grpc]
  address = "$DIR/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$DIR/cni/conf"
TOML
  start containerd containerd --config "$DIR/containerd/config.toml"
  "$BIN/mkimage" --name "$pause_image" --out "$DIR/pause.tar" "$BIN/pause:/pause"
  wait_for containerd "$timeout" ctr --address "$DIR/containerd.sock" version
  "$here/import.sh" --dir "$DIR" "$DIR/pause.tar"
}
pause_image=ballast.test/pause:test

start_kubelet() {
  mkdir -p "$DIR/kubelet"
  # Pods reach nothing outside, so they get no outside name server or search domain either.
  : >"$DIR/kubelet/resolv.conf"
  identity kubelet "system:node:$NODE_NAME" system:nodes
  certificate kubelet-server "system:node:$NODE_NAME" system:nodes "DNS:$NODE_NAME,IP:$API_ADDRESS"
  cat >"$DIR/kubelet/config.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $API_ADDRESS
port: $PORT_KUBELET
healthzPort: $PORT_KUBELET_HEALTH
tlsCertFile: $DIR/pki/kubelet-server.crt
tlsPrivateKeyFile: $DIR/pki/kubelet-server.key
authentication:
  anonymous: {enabled: false}
  webhook: {enabled: true}
  x509: {clientCAFile: $DIR/pki/ca.crt}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://$DIR/containerd.sock
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
makeIPTablesUtilChains: false
volumePluginDir: $DIR/kubelet/volume-plugins
podLogsDir: $DIR/pod-logs
resolvConf: $DIR/kubelet/resolv.conf
clusterDNS: [$DNS_SERVICE_IP]
clusterDomain: $CLUSTER_DOMAIN
maxPods: 200
YAML
  # --containerd, for all that kubelet calls it deprecated, is how its cAdvisor finds a socket elsewhere than /run/containerd; without it
  # container metrics lack the labels pod and container.
  start kubelet "$BIN/kubelet" --config="$DIR/kubelet/config.yaml" --root-dir="$DIR/kubelet" --cert-dir="$DIR/kubelet/pki" \
    --kubeconfig="$DIR/pki/kubelet.kubeconfig" --hostname-override="$NODE_NAME" --node-ip="$API_ADDRESS" --containerd="$DIR/containerd.sock" --housekeeping_interval=5s
}

# Service addresses work as in any cluster, the API server's own included, which in-cluster clients use.
start_proxy() {
  identity proxy system:kube-proxy
  cat >"$DIR/proxy.yaml" <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $DIR/pki/proxy.kubeconfig}
hostnameOverride: $NODE_NAME
clusterCIDR: $POD_CIDR
detectLocalMode: ClusterCIDR
bindAddress: $API_ADDRESS
healthzBindAddress: 127.0.0.1:$PORT_PROXY_HEALTH
metricsBindAddress: 127.0.0.1:$PORT_PROXY_METRICS
# The defaults change kernel settings of the whole machine.
iptables: {localhostNodePorts: false}
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
YAML
  start kube-proxy "$BIN/kube-proxy" --config="$DIR/proxy.yaml"
}

start_dns() {
  identity coredns coredns system:masters
  cat >"$DIR/Corefile" <<COREFILE
$CLUSTER_DOMAIN:$PORT_DNS {
  bind $API_ADDRESS
  errors
  kubernetes $CLUSTER_DOMAIN {
    kubeconfig $DIR/pki/coredns.kubeconfig
  }
}
COREFILE
  start coredns "$BIN/coredns" -conf "$DIR/Corefile"
  host_service kube-system kube-dns "$DNS_SERVICE_IP" dns:UDP:53:"$PORT_DNS" dns-tcp:TCP:53:"$PORT_DNS"
}

start_node() {
  start_containerd
  start_kubelet
  start_scheduler
  start_proxy
  start_dns
}

node_ready() {
  [[ $(kubectl get node "$NODE_NAME" -o 'jsonpath={.status.conditions[?(@.type=="Ready")].status}') == True ]] &&
    fetch "http://127.0.0.1:$PORT_PROXY_HEALTH/healthz"
}
