#!/usr/bin/env bash
# Takes a new snapshot of the RustSec advisory database, of which only what decides is kept: which versions of which crate have a known fault.
#
#   refresh.sh [CLONE]     a clone of https://github.com/rustsec/advisory-db, bare or not; without one it is cloned, which needs the network
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
clone=${1:-}
if [ -z "$clone" ]; then
  clone=$(mktemp -d)
  trap 'rm -rf "$clone"' EXIT
  git clone --quiet --bare --depth 1 https://github.com/rustsec/advisory-db "$clone"
fi

# The metadata is the first fenced block of each file. Lists may have several lines.
keep='
  function wanted(key) { return key ~ /^(id|package|date|withdrawn|informational|patched|unaffected|arch|os)$/ }
  FNR == 1 { block = 0; list = 0; section = "" }
  /^```toml/ && !block { block = 1; next }
  /^```/ { block = block ? 2 : 0; next }
  block != 1 || /^[ \t]*(#|$)/ { next }
  list { if (keep) print; if (/\]/) list = 0; next }
  /^\[/ { section = $0; if (section !~ /functions/) print; next }
  section ~ /functions/ { next }
  { key = $1; sub(/=.*/, "", key); keep = wanted(key); if (keep) print; if (/=[ \t]*\[/ && !/\]/) list = 1 }
'
{
  echo "# Advisories of RustSec up to $(git -C "$clone" log -1 --format=%cs), commit $(git -C "$clone" rev-parse HEAD); facts only. Made by refresh.sh."
  git -C "$clone" ls-tree -r --name-only HEAD -- crates | grep '\.md$' | LC_ALL=C sort | while read -r file; do
    echo "== $file"
    git -C "$clone" show "HEAD:$file" | awk "$keep"
  done
} | gzip -9 -n >"$here/advisories.txt.gz"
zcat "$here/advisories.txt.gz" | head -1
