#!/usr/bin/env bash
# Trains the networks that ship, and the three losses side by side, as docs/results.md has them. An hour and a half on two
# cores that do nothing else. Pictures of PICTURES that are in TEST too, byte for byte, are not trained on.
#
#     weights/train.sh PICTURES TEST
#
# Writes runs/weights/{reconstruction,joint,region,loss-*} and beside them centre-128.safetensors and region-128.safetensors.
# SHORTER=100 does a hundredth of the steps, to see that everything works.
set -euo pipefail
[[ $# -eq 2 ]] || { sed -n '2,8p' "$0" >&2; exit 2; }
pictures=$(realpath "$1") test=$(realpath "$2")
cd "$(dirname "$0")/.."
cargo build --release --quiet -p context-encoder-cli
shorter=${SHORTER:-1}
program="${CARGO_TARGET_DIR:-target}/release/context-encoder"

# train NAME SETTING...: a run in runs/weights/NAME.
train() {
  local name=$1
  shift
  local settings=(batch_size=32 generator_lr=1e-3 discriminator_lr=1e-4 schedule=cosine ema_decay=0.998
    augmentation.smallest=128 augmentation.color=15 workers=1 log_every=50 "$@")
  "$program" train --data "$pictures" --exclude "$test" --resize 300 --preset recommended --run "runs/weights/$name" \
    "${settings[@]/#/--set=}"
}

train reconstruction steps=$((2400 / shorter)) model.fill=smooth objective.kind=reconstruction
train joint steps=$((800 / shorter)) model.fill=smooth objective.kind=joint generator_lr=3e-4 \
  init_from="$PWD/runs/weights/reconstruction/model.safetensors"
"$program" interpolate runs/weights/reconstruction/model.safetensors runs/weights/joint/model.safetensors --alpha 0.9 \
  --precision f16 -o runs/weights/centre-128.safetensors

train region steps=$((2000 / shorter)) model.fill=smooth model.width=32 model.prediction=whole masks.kind=random-region
"$program" convert runs/weights/region/model.safetensors runs/weights/region-128.safetensors --precision f16

for loss in reconstruction adversarial joint; do
  train "loss-$loss" steps=$((1000 / shorter)) model.width=32 "objective.kind=$loss"
done
