#!/usr/bin/env bash
# All static checks: rustfmt, clippy (warnings are errors), cargo-deny, gofmt and vet, shell syntax, and names that must not be in the repo.
# cargo-deny is built once into BALLAST_CACHE when it is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${BALLAST_CACHE:-$HOME/.cache/ballast}
deny_version=0.20.2

step() { printf '\n== %s\n' "$*"; }

step rustfmt
cargo fmt --check

step clippy
cargo clippy --locked --all-targets -- -D warnings

step "cargo-deny (licences, bans, sources)"
deny="$cache/cargo-tools/bin/cargo-deny"
if ! [ -x "$deny" ] || [ "$("$deny" --version)" != "cargo-deny $deny_version" ]; then
  echo "building cargo-deny $deny_version once (about 4 minutes on 2 cores)"
  cargo install cargo-deny --locked --version "$deny_version" --root "$cache/cargo-tools" --target-dir "$cache/cargo-tools/target" --quiet
fi
"$deny" check --hide-inclusion-graph bans licenses sources

step "known faults of dependencies (snapshot of RustSec; tests/audit/refresh.sh takes a new one)"
tests/audit/run.sh "$deny"

step "Go: gofmt, vet"
for module in examples/go-app tests/cluster/tools tests/cluster/keda tests/cluster/otelcol tests/cluster/health; do
  unformatted=$(gofmt -l "$module")
  [ -z "$unformatted" ] || { echo "not gofmt'ed: $unformatted"; exit 1; }
done
(cd examples/go-app && go vet ./...)

step "shell syntax"
git ls-files '*.sh' .ci/run | while read -r script; do bash -n "$script"; done

step "files past 600 lines"
git ls-files 'src/*.rs' | xargs wc -l | awk '$2 != "total" && $1 > 600 {print; bad = 1} END {exit bad}'
echo ok
