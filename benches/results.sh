#!/usr/bin/env bash
# Measures the network that ships, as docs/results.md has it. Each argument is a folder of pictures; the first folder after
# --gallery is where nearest neighbours come from. A minute or two for each folder on two cores.
#
#     benches/results.sh [--gallery DIR] DIR...
#
# Writes runs/results/NAME.md and NAME.html for each.
set -euo pipefail
gallery=()
if [[ ${1:-} == --gallery ]]; then
  gallery=(--gallery "$(realpath "$2")")
  shift 2
fi
[[ $# -gt 0 ]] || { sed -n '2,7p' "$0" >&2; exit 2; }
mapfile -t folders < <(realpath "$@")
cd "$(dirname "$0")/.."
cargo build --release --quiet -p context-encoder-cli
mkdir -p runs/results
for folder in "${folders[@]}"; do
  name=$(basename "$folder")
  "${CARGO_TARGET_DIR:-target}/release/context-encoder" evaluate "$folder" "${gallery[@]}" --mirror \
    --markdown "runs/results/$name.md" --report "runs/results/$name.html"
done
