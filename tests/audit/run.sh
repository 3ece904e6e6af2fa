#!/usr/bin/env bash
# Holds Cargo.lock against the committed snapshot of the RustSec advisories, with cargo-deny and the exceptions of deny.toml. Needs no network.
#
#   run.sh CARGO_DENY [DIRECTORY]     the program, and the package to look at (this one)
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
deny=$1 package=${2:-$here/../..}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

date=$(zcat "$here/advisories.txt.gz" | sed -n '1s/.* up to \([0-9-]*\),.*/\1/p')
age=$((($(date +%s) - $(date -d "$date" +%s)) / 86400))
echo "advisories up to $date, $age days old"
[ "$age" -lt 90 ] || echo "WARNING: faults found since are not seen; run tests/audit/refresh.sh where the network is" >&2
[ "$age" -lt 365 ] || { echo "too old to be called an audit" >&2; exit 1; }

# Where this version of cargo-deny looks for the default database; were it another, the check would fail.
db=$work/fetched/advisory-db-3157b0e258782691
mkdir -p "$db"
zcat "$here/advisories.txt.gz" | (cd "$db" && awk '
  /^== / { if (file) { print "```\n\n# " id >file; close(file) }
           file = $2; id = $2; sub(/.*\//, "", id); sub(/\.md$/, "", id); dir = $2; sub(/\/[^\/]*$/, "", dir)
           if (!(dir in made)) { system("mkdir -p " dir); made[dir] }
           print "```toml" >file; next }
  file { print >file }
  END { print "```\n\n# " id >file }
')
# cargo-deny goes by the age of the commit, which is of now; that of the advisories was looked at above.
git -C "$db" init --quiet --initial-branch main
commit() { git -C "$db" add --all && git -C "$db" -c user.name=audit -c user.email=audit@localhost commit --quiet --message snapshot; }
commit
{
  cat "$here/../../deny.toml"
  printf 'db-path = "%s"\n' "$work/fetched"
} >"$work/deny.toml"
audit() { "$deny" --manifest-path "$package/Cargo.toml" --config "$work/deny.toml" --frozen check --hide-inclusion-graph advisories; }
audit

# What can't fail shows nothing: with an advisory on a crate that is in every Cargo.lock here it must.
mkdir -p "$db/crates/serde"
printf '```toml\n[advisory]\nid = "RUSTSEC-2000-0001"\npackage = "serde"\ndate = "2000-01-01"\n[versions]\npatched = []\n```\n\n# planted\n' \
  >"$db/crates/serde/RUSTSEC-2000-0001.md"
commit
if audit >"$work/planted" 2>&1 || ! grep -q RUSTSEC-2000-0001 "$work/planted"; then
  cat "$work/planted" >&2
  echo "the audit finds nothing, not even what was planted" >&2
  exit 1
fi
