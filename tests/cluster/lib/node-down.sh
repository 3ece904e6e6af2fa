# shellcheck shell=bash
# Takes the node of node.sh down and says what could not be removed. Sourced by down.sh; expects the cluster's env to be loaded.

# Containers have their own environment and thus no mark; their control groups tell them.
container_processes() {
  find /sys/fs/cgroup -path '*/kubepods*' -name cgroup.procs -exec cat {} + 2>/dev/null | sort -nu
}

node_mounts() { awk -v d="$DIR/" 'index($2, d) == 1 || $2 ~ "^/var/lib/kubelet/" {print $2}' /proc/mounts | sort -r; }

stop_node() {
  # Without controllers nothing is made again while pods are being deleted; kubelet then stops them in good order.
  stop kube-controller-manager
  stop kube-scheduler
  if running kube-apiserver && running kubelet; then
    timeout 40 "$CLUSTER_BIN/kubectl" --kubeconfig "$DIR/kubeconfig" delete pods --all --all-namespaces --grace-period=2 \
      --ignore-not-found >/dev/null 2>&1 || log "not every pod could be deleted in 40 s; its containers will be killed"
  fi
  stop kubelet
  local ctr=(timeout 20 ctr --address "$DIR/containerd.sock" --namespace k8s.io) task
  if running containerd; then
    for task in $("${ctr[@]}" tasks list -q 2>/dev/null); do
      "${ctr[@]}" tasks delete --force "$task" >/dev/null 2>&1 || true
    done
  fi
  stop containerd
}

clean_node() {
  local pid mount pair directory
  for pid in $(container_processes); do kill -KILL "$pid" 2>/dev/null || true; done
  for mount in $(node_mounts); do umount "$mount" 2>/dev/null || umount --lazy "$mount" 2>/dev/null || true; done
  ip link delete "$BRIDGE" 2>/dev/null || true
  clean_iptables iptables
  clean_iptables ip6tables
  for pair in ${SYSCTLS_BEFORE//,/ }; do sysctl -q -w "$pair" >/dev/null 2>&1 || true; done
  for ((i = 0; i < 20; i++)); do
    [[ -n $(container_processes) ]] || break
    sleep 0.1
  done
  find /sys/fs/cgroup -depth -type d -path '*/kubepods*' -exec rmdir {} + 2>/dev/null || true
  for directory in ${DIRECTORIES_MADE//,/ }; do rm -rf "$directory"; done
}

# Removes the chains of kube-proxy and the rules that lead to them, and make_bridge's rules.
clean_iptables() {
  local table chain
  command -v "$1" >/dev/null || return 0
  for table in mangle nat filter; do
    # xargs reads the quotes around comments as a shell would.
    "$1-save" -t "$table" 2>/dev/null | grep -E '^-A [^ ]+ .*(-j KUBE-|ballast-test-cluster)' | grep -v '^-A KUBE-' | sed 's/^-A/-D/' |
      xargs -r -L1 "$1" -w 10 -t "$table" || true
    for chain in $("$1-save" -t "$table" 2>/dev/null | sed -n 's/^:\(KUBE-[^ ]*\).*/\1/p'); do "$1" -w 10 -t "$table" -F "$chain" || true; done
    for chain in $("$1-save" -t "$table" 2>/dev/null | sed -n 's/^:\(KUBE-[^ ]*\).*/\1/p'); do "$1" -w 10 -t "$table" -X "$chain" || true; done
  done
}

node_left() {
  local pid command
  for pid in $(container_processes); do echo "container process $pid"; done
  ip -o link show "$BRIDGE" 2>/dev/null | sed 's/^[0-9]*: \([^:@]*\).*/network link \1/'
  for command in iptables ip6tables; do
    "$command-save" 2>/dev/null | grep -E '^:KUBE-|ballast-test-cluster' | sed "s/^/$command rule /" || true
  done
}
