#!/usr/bin/env bash
# Gives container images to the node of a running cluster, without a registry.
#
#   import.sh [--dir DIR] ARCHIVE...
#
# ARCHIVE is a docker-archive, such as mkimage or "docker save" writes. Pods name the image as it is named there and need
# imagePullPolicy: Never or IfNotPresent. Needs root, as the node form does.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/common.sh"

dir=$cache/run/node
case ${1:-} in
  --dir) dir=$2 && shift 2 ;;
  '' | -h | --help) usage "$0" ;;
esac
use_dir "$dir"
load_env
[[ $CLUSTER_FORM == node ]] || die "the cluster in $DIR is a $CLUSTER_FORM; only the node form runs images"
for archive in "$@"; do
  ctr --address "$CONTAINERD_SOCKET" --namespace k8s.io images import "$archive" >/dev/null
  log "imported $archive"
done
