#!/usr/bin/env bash
# Stops a cluster that up.sh started and removes all it made.
#
#   down.sh [--dir DIR] [--keep-logs]     DIR's cluster (default: every cluster under ${BALLAST_CACHE:-~/.cache/ballast}/run)
#   down.sh --all                         every cluster that this user started, wherever its DIR is; what crashed tests left, too
#   down.sh --dir DIR --only NAME         one part, such as hpa or keda; the cluster stays
#
# Order: pods, kubelet, containers left, containerd, the other processes, mounts, network links, iptables rules, files. Processes are
# ended by their ids, and only when they carry this cluster's mark. Can be called again at any time, also after a crash. Exit code 1
# when something is left, with its name.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/common.sh"
. "$here/lib/node-down.sh"
. "$here/lib/addons.sh"
. "$here/keda/part.sh"

dir='' only='' keep_logs='' all=
while (($#)); do
  case $1 in
    --dir) dir=$2 && shift ;;
    --only) only=$2 && shift ;;
    --keep-logs) keep_logs=1 ;;
    --all) all=1 ;;
    -h | --help) usage "$0" ;;
    *) die "unknown option: $1 (see down.sh --help)" ;;
  esac
  shift
done

if [[ -z $dir ]]; then
  [[ -z $only ]] || die "--only needs --dir"
  status=0
  # Port reservations name the directories outside of the cache.
  mapfile -t found < <({
    printf '%s\n' "$cache"/run/*/
    [[ -z $all ]] || cat "$cache"/ports/[0-9]* 2>/dev/null
  } | xargs -r realpath -m | sort -u)
  for dir in "${found[@]}"; do
    [[ ! -d $dir ]] || "${BASH_SOURCE[0]}" --dir "$dir" ${keep_logs:+--keep-logs} || status=1
  done
  exit $status
fi

use_dir "$dir"
if [[ -n $only ]]; then
  [[ ! -f $DIR/env ]] || load_env
  BIN=${CLUSTER_BIN:-}
  stop_part "$only" 30
  exit 0
fi
if [[ ! -d $DIR ]]; then
  log "nothing in $DIR"
  exit 0
fi
# A directory that some other program filled is not ours to remove.
[[ -f $DIR/.ballast-cluster || -z $(ls -A "$DIR") ]] || die "$DIR holds no cluster; nothing removed"

[[ ! -f $DIR/env ]] || load_env
[[ ${CLUSTER_FORM:-} != node ]] || stop_node
# What asks the API server goes before it, and etcd goes last.
for name in $(process_names); do
  [[ $name == kube-apiserver || $name == etcd ]] || stop "$name"
done
stop kube-apiserver
stop etcd
# Children that outlived their parents, such as containerd's shims.
for pid in $(our_processes); do
  kill -KILL "$pid" 2>/dev/null || true
done
[[ ${CLUSTER_FORM:-} != node ]] || clean_node

left=()
for ((i = 0; i < 20; i++)); do
  [[ -n $(our_processes) ]] || break
  sleep 0.1
done
for pid in $(our_processes); do left+=("process $pid ($(tr '\0' ' ' <"/proc/$pid/cmdline" | cut -c1-60))"); done
while read -r mount; do left+=("mount $mount"); done < <(awk -v d="$DIR/" 'index($2, d) == 1 {print $2}' /proc/mounts)
[[ ${CLUSTER_FORM:-} != node ]] || while read -r thing; do left+=("$thing"); done < <(node_left)

if ((${#left[@]})); then
  log "left behind, so $DIR is kept:"
  printf '  %s\n' "${left[@]}" >&2
  exit 1
fi
release_ports
if [[ -n $keep_logs ]]; then
  find "$DIR" -mindepth 1 -maxdepth 1 ! -name logs ! -name .ballast-cluster -exec rm -rf {} +
else
  rm -rf "$DIR"
fi
log "$DIR: stopped; no process, mount, network link or iptables rule is left"
