#!/usr/bin/env bash
# Builds the library for browsers, into the target folder: `web/package`, which npm can publish, and `web/site`, the page,
# which any server of files can serve. Needs the target's standard library: `rustup target add wasm32-unknown-unknown`.
set -euo pipefail
cd "$(dirname "$0")"
target=$(realpath -m "${CARGO_TARGET_DIR:-../../target}")
export CARGO_TARGET_DIR=$target
out=$target/web

# The crate and the program that writes its JavaScript have one version, which Cargo.toml pins.
version=$(sed -n 's/^wasm-bindgen = "=\(.*\)"$/\1/p' Cargo.toml)
bindgen=$out/tools/bin/wasm-bindgen
if [[ "$("$bindgen" --version 2>/dev/null)" != "wasm-bindgen $version" ]]; then
  cargo install --root "$out/tools" wasm-bindgen-cli --version "=$version"
fi

cp ../../Cargo.lock . # the same versions as the program; what is not needed is dropped
built=$(mktemp -d "$out/building.XXXXXX") # what was built before stays until all of it is there
trap 'rm -rf "$built"' EXIT
mkdir "$built/package" "$built/site"

# A module of this name, of the crate with these features.
module() {
  cargo build --release --target wasm32-unknown-unknown "${@:2}"
  "$bindgen" --target web --out-dir "$built/package" --out-name "$1" \
    "$target/wasm32-unknown-unknown/release/context_encoder_web.wasm"
}
export RUSTFLAGS='-C target-feature=+simd128'
module context_encoder
module context_encoder_webgpu --features webgpu
cp npm/* ../../LICENSE-* ../../weights/photo-128.safetensors "$built/package"

# The program's page, with an engine of its own.
cp ../cli/page/* "$built/site"
cp page/* "$built/site" # its engine takes the place of the program's
cp -r "$built/package" "$built/site/context-encoder"
rm "$built/site/context-encoder/"{package.json,*.md,*.d.ts}

for part in package site; do
  rm -rf "${out:?}/$part"
  mv "$built/$part" "$out"
done
