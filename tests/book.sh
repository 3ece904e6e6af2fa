#!/usr/bin/env bash
# Makes the site of docs/ in target/book, and checks that it fetches nothing from elsewhere. mdbook (MPL-2.0, 12 MB; a tool of the developer, no
# part of the program) is built once into BALLAST_CACHE when it is missing, in some minutes: without its server and its watch mode, not needed here.
set -euo pipefail
cd "$(dirname "$0")/.."
cache=${BALLAST_CACHE:-$HOME/.cache/ballast}
mdbook_version=0.5.4

mdbook="$cache/cargo-tools/bin/mdbook"
if ! [ -x "$mdbook" ] || [ "$("$mdbook" --version)" != "mdbook v$mdbook_version" ]; then
  echo "building mdbook $mdbook_version once (some minutes on 2 cores)"
  cargo install mdbook --locked --version "$mdbook_version" --no-default-features --features search \
    --root "$cache/cargo-tools" --target-dir "$cache/cargo-tools/target" --quiet
fi

rm -rf target/book
"$mdbook" build docs
if grep -rnoE --include='*.html' '(src|srcset)="https?:[^"]*|<link[^>]+href="https?:[^"]*|url\(["'\'']?https?:[^)]*' target/book; then
  echo "the site fetches the above from elsewhere"
  exit 1
fi
echo "target/book/index.html: $(find target/book -name '*.html' | wc -l) pages, $(du -sh target/book | cut -f1)"
