#!/usr/bin/env bash
# Builds the programs of the test cluster from Go modules (tools/go.mod, keda/go.mod, otelcol/go.mod, health/go.mod) into a cache.
#
#   build.sh [all|plane|node|NAME...]
#   build.sh keda|keda-config|otelcol|health
#
# plane: etcd, kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, prometheus.  node: plane and what a real node, its
# images and its load need.  all: node and kwok, helm, promtool (the default). keda: the rival of the benchmarks, a module of its own
# that nothing else needs, so it is not part of all; its manifests are laid beside its programs, in ../config, by keda-config alone too. otelcol: the OpenTelemetry
# Collector, likewise. health: what Argo CD, Flux and Helm make of an object, likewise.
#
# The cache is ${BALLAST_CACHE:-$HOME/.cache/ballast}/tools-<hash of tools/>, so a program is linked once per state of tools/, and
# keda-<hash of keda/>, otelcol-<hash> and health-<hash> likewise; what changes little links fast from Go's own build cache. Concurrent callers wait for one another.
# Progress goes to stderr; the last line on stdout is the directory with the programs. Needs Go (see tools/go.mod for the version) and
# nothing else.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
. "$here/lib/common.sh"

k8s=k8s.io/kubernetes/cmd
# Name, package, and the seconds it took on two cores with an empty Go build cache, in build order: the first ones carry the
# shared packages.
steps="
kube-apiserver           $k8s/kube-apiserver                               190
kube-controller-manager  $k8s/kube-controller-manager                      52
etcd                     ./etcd                                            7
kubectl                  $k8s/kubectl                                      17
kube-scheduler           $k8s/kube-scheduler                               5
kubelet                  $k8s/kubelet                                      14
kube-proxy               $k8s/kube-proxy                                   5
coredns                  ./coredns                                         7
metrics-server           sigs.k8s.io/metrics-server/cmd/metrics-server     5
mkimage                  ./mkimage                                         2
pause                    ./pause                                           1
probe                    ./probe                                           1
hey                      github.com/rakyll/hey                             1
prometheus               github.com/prometheus/prometheus/cmd/prometheus   51
promtool                 github.com/prometheus/prometheus/cmd/promtool     3
kwok                     sigs.k8s.io/kwok/cmd/kwok                         7
helm                     helm.sh/helm/v4/cmd/helm                          17
"
keda=github.com/kedacore/keda/v2
module=tools
tags=remove_all_sd,enable_kubernetes_sd
if [[ $* == keda-config ]]; then
  module=keda steps=
elif [[ $* == keda ]]; then
  module=keda tags=
  # The adapter is KEDA's metrics API server.
  steps="
keda-adapter             $keda/cmd/adapter                                 1050
keda-operator            $keda/cmd/operator                                40
exporter                 ./exporter                                        1
"
elif [[ $* == otelcol ]]; then
  module=otelcol
  steps="
otelcol                  .                                                 60
"
elif [[ $* == health ]]; then
  module=health
  steps="
health                   .                                                 40
"
fi
plane="kube-apiserver kube-controller-manager etcd kubectl kube-scheduler prometheus"
node="$plane kubelet kube-proxy coredns metrics-server mkimage pause probe hey"
all=$(awk 'NF {print $1}' <<<"$steps")

wanted=()
# The lists are words.
# shellcheck disable=SC2206
for arg in "${@:-all}"; do
  case $arg in
    plane) wanted+=($plane) ;;
    node) wanted+=($node) ;;
    all) wanted+=($all) ;;
    keda-config) [[ $* == keda-config ]] || die "keda-config is made alone" ;;
    keda) [[ $module == keda ]] || die "keda is built alone"
          wanted+=($all) ;;
    -h | --help) usage "$0" ;;
    *) grep -qx -- "$arg" <<<"$all" || die "unknown program: $arg (known: plane, node, all, $(tr '\n' ' ' <<<"$all"))"
       wanted+=("$arg") ;;
  esac
done

bin=$(module_bin "$module")
mkdir -p "$bin"
missing() {
  for name in "${wanted[@]}"; do [[ -x $bin/$name ]] || echo "$name"; done | sort -u
  [[ $module != keda || -d $bin/../config ]] || echo keda-config
}
if [[ -z $(missing) ]]; then
  echo "$bin"
  exit 0
fi

command -v go >/dev/null || die "Go is not installed; version $(awk '$1 == "go" {print $2}' "$here/$module/go.mod") or newer is needed"
exec 9>"$bin/../lock"
if ! flock -n 9; then
  log "another build of the same tools is running; waiting for it"
  flock 9
  if [[ -z $(missing) ]]; then
    echo "$bin"
    exit 0
  fi
fi

cd "$here/$module"
# One setting of cgo and paths for all: else Go compiles the shared packages twice.
# The tags leave out Prometheus' service discoveries but that of Kubernetes: the others link every cloud's client.
export CGO_ENABLED=0 GOWORK=off GOFLAGS="-buildvcs=false -trimpath -mod=readonly${tags:+ -tags=$tags}"
version_of() { go list -m -f '{{.Version}}' "$1"; }

# The version is set at link time: from source alone, servers and clients call themselves v0.0.0-master.
link_flags() {
  local version package=k8s.io/component-base/version
  case $1 in
    $k8s/*)
      version=$(version_of k8s.io/kubernetes)
      echo "-X $package.gitVersion=$version -X $package.gitMajor=$(cut -d. -f1 <<<"${version#v}")" \
        "-X $package.gitMinor=$(cut -d. -f2 <<<"$version") -X $package.gitTreeState=clean"
      ;;
    # Release 3.15.0 is version v0.315.0 of the module.
    */prometheus/cmd/*)
      version=$(version_of github.com/prometheus/prometheus)
      [[ $version =~ ^v0\.([0-9]+)([0-9]{2})\.([0-9]+) ]] &&
        echo "-X github.com/prometheus/common/version.Version=${BASH_REMATCH[1]}.$((10#${BASH_REMATCH[2]})).${BASH_REMATCH[3]}"
      ;;
    $keda/*)
      version=$(version_of "$keda")
      echo "-X $keda/version.Version=${version#v}"
      ;;
    helm.sh/*) echo "-X ${1%/cmd/helm}/internal/version.version=$(version_of "${1%/cmd/helm}")" ;;
  esac
}

if [[ $module == keda && ! -d $bin/../config ]]; then
  rm -rf "$bin/../config.new"
  cp -r "$(go mod download "$keda" && go list -m -f '{{.Dir}}' "$keda")/config" "$bin/../config.new"
  # The module cache is read-only.
  chmod -R u+w "$bin/../config.new"
  mv "$bin/../config.new" "$bin/../config"
fi

todo=$(missing)
remaining=$(awk 'NR == FNR {want[$1]; next} $1 in want {s += $3} END {print s + 0}' <(echo "$todo") <(echo "$steps"))
log "building $(wc -w <<<"$todo") programs into $bin; about ${remaining} s with an empty Go build cache on two cores, far less with a warm one"
while read -r name package expected; do
  if [[ -z $name ]] || ! grep -qx -- "$name" <<<"$todo"; then continue; fi
  begin=$SECONDS
  log "  $name ..."
  go build -ldflags "-s -w $(link_flags "$package")" -o "$bin/.$name" "$package" >&2
  mv "$bin/.$name" "$bin/$name"
  remaining=$((remaining - expected))
  log "  $name: $((SECONDS - begin)) s; at most about ${remaining} s to go"
done <<<"$steps"
log "built in $SECONDS s"
echo "$bin"
