# What the demos share: the cluster, Ballast in it, and a tidy end. Sourced. Needs `root`, the project's folder.

say() { printf '\n\033[1m== %s\033[0m\n' "$*"; }

# begin NAME: where everything is kept, and that all of it goes at the end.
begin() {
  cache=${BALLAST_CACHE:-$HOME/.cache/ballast}
  export BALLAST_CACHE=$cache
  dir=${DEMO_DIR:-$cache/run/$1}
  work=$(mktemp -d)
  loads=()
  started=$SECONDS
  missed=0
  cd "$root"
  trap finish EXIT
  trap 'exit 130' INT TERM
}

finish() {
  local code=$?
  trap - EXIT INT TERM
  end_loads
  rm -rf "$work"
  ((code == 0)) || [[ ${CLUSTER_DIR:-} != "$dir" ]] || explain_failure || true
  if [[ ${DEMO_KEEP:-} == 1 ]]; then
    say "kept: export KUBECONFIG=$dir/kubeconfig; end it with tests/cluster/down.sh --dir $dir"
  elif [[ -d $dir ]]; then
    say "taking everything down"
    tests/cluster/down.sh --dir "$dir" >"$cache/demo-down.log" 2>&1 || { tail -20 "$cache/demo-down.log"; code=1; }
  fi
  say "$( ((code == 0)) && echo "done" || echo "FAILED") after $((SECONDS - started)) s"
  exit "$code"
}

explain_failure() {
  say "what the controller said last"
  kubectl --namespace ballast-system logs deployment/ballast --tail=40 2>/dev/null || true
  kubectl get sp,deployments,pods -A -o wide 2>/dev/null || true
  kubectl get events -A --sort-by=.lastTimestamp 2>/dev/null | tail -30 || true
}

end_loads() {
  local pid
  for pid in "${loads[@]}"; do kill "$pid" 2>/dev/null || true; done
  loads=()
}

# Everything that runs here, from source: the cluster's programs, Ballast (also as kubectl's plugin) and the Go service, both as images.
build() {
  say "programs of the cluster, Ballast and the Go service (the first time takes minutes)"
  tests/cluster/deps.sh node
  local bin target
  bin=$(tests/cluster/build.sh all | tail -n 1)
  cargo build --locked
  target=$(cargo metadata --locked --no-deps --format-version 1 | sed -E 's/.*"target_directory":"([^"]+)".*/\1/')
  mkdir "$work/bin"
  ln -s "$target/debug/ballast" "$work/bin/ballast"
  ln -s "$target/debug/ballast" "$work/bin/kubectl-ballast"
  export PATH=$work/bin:$bin:$PATH
  strip -o "$work/ballast" "$target/debug/ballast"
  (cd examples/go-app && CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.version=demo' -o "$work/go-app" .)
  mkimage --name ballast.test/ballast:demo --out "$work/ballast.tar" --ldd --user 65532:65532 --expose 8080/tcp "$work/ballast:/ballast"
  mkimage --name ballast.test/go-app:demo --out "$work/go-app.tar" --user 65532:65532 --expose 8080/tcp "$work/go-app:/go-app"
}

# start_cluster OPTION...: of tests/cluster/up.sh.
start_cluster() {
  tests/cluster/down.sh --dir "$dir" >/dev/null 2>&1 || true
  tests/cluster/up.sh node --dir "$dir" --with-metrics-server "$@"
  . "$dir/env"
  export KUBECONFIG
  tests/cluster/import.sh --dir "$dir" "$work/ballast.tar" "$work/go-app.tar"
}

# install_ballast OPTION...: of Helm, beside the image and a scale-in window that is short enough to watch.
install_ballast() {
  helm install ballast deploy/chart/ballast --namespace ballast-system --create-namespace --wait --timeout 90s \
    --set image.repository=ballast.test/ballast --set image.tag=demo --set image.pullPolicy=Never \
    --set downscaleStabilization=20s --set log.format=text "$@" >"$work/helm.log" || { cat "$work/helm.log"; exit 1; }
}

# until_ SECONDS WHAT COMMAND...: until the command succeeds; `meanwhile` is called every second.
until_() {
  local end=$((SECONDS + $1)) what=$2
  shift 2
  while true; do
    meanwhile
    "$@" && return 0
    ((SECONDS < end)) || { say "not in time: $what"; return 1; }
    sleep 1
  done
}
meanwhile() { :; }

# check WHAT NUMBER: whether something is as it should be; 0 is not.
check() {
  if (($2)); then printf '  ok    %s\n' "$1"; else printf '  MISSED %s\n' "$1"; return 1; fi
}

# The same, and the demo goes on: it ends with `exit "$missed"`.
promise() { check "$1" "$2" || missed=1; }
