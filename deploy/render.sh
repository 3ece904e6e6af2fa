#!/usr/bin/env bash
# Writes what is generated here: the chart's copy of the CRDs, and the plain manifest, which is the chart with its default values in
# namespace ballast-system. Helm: $HELM, else the one that tests/cluster/build.sh builds.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
helm=${HELM:-$(tests/cluster/build.sh helm | tail -n 1)/helm}

rm -f deploy/chart/ballast/files/crds/*.yaml
cp crds/*.yaml deploy/chart/ballast/files/crds/

mkdir -p deploy/manifests
{
  echo "# Made by deploy/render.sh from the chart in deploy/chart/ballast; do not edit. kubectl apply --server-side -f ballast.yaml"
  echo "apiVersion: v1"
  echo "kind: Namespace"
  echo "metadata: {name: ballast-system}"
  # Nobody's Helm manages this copy.
  "$helm" template ballast deploy/chart/ballast --namespace ballast-system |
    sed -E '/^ *helm\.sh\/chart:/d; s/(app\.kubernetes\.io\/managed-by:) Helm/\1 kubectl/'
} >deploy/manifests/ballast.yaml
