#!/usr/bin/env bash
# Trains the networks that ship, as weights/README.md has them. Minutes on a graphics card; on two cores most of a day.
#
#     weights/train.sh FRONTS TEST PHOTOS
#
# FRONTS are the building fronts, PHOTOS is a folder of photographs of all sorts. Pictures of both that are in TEST too, byte
# for byte, are not trained on. Writes runs/weights/* and there fronts-128.safetensors and photo-128.safetensors.
# DEVICE=cuda trains on a card, with the program built for it. SHORTER=100 does a hundredth of the steps and BATCH=2 takes
# batches of 2, to see that everything works.
set -euo pipefail
[[ $# -eq 3 ]] || { sed -n '2,9p' "$0" >&2; exit 2; }
fronts=$(realpath "$1") test=$(realpath "$2") photos=$(realpath "$3")
cd "$(dirname "$0")/.."
device=${DEVICE:-cpu} shorter=${SHORTER:-1} batch=${BATCH:-128}
features=()
[[ $device == cpu ]] || features=(--features "${device%%:*}")
cargo build --release --quiet -p context-encoder-cli "${features[@]}"
program="${CARGO_TARGET_DIR:-target}/release/context-encoder" out=$PWD/runs/weights

# train NAME STEPS [OPTION...] [KEY=VALUE...]: a run in runs/weights/NAME.
train() {
  local name=$1 steps=$(($2 / shorter)) arguments=()
  shift 2
  for each in batch_size=$batch schedule=cosine ema_decay=0.998 objective.kind=reconstruction workers=5 log_every=25 \
    validate_every=0 samples_every=0 "$@"; do
    [[ $each == *=* ]] && each=--set=$each
    arguments+=("$each")
  done
  "$program" train --device "$device" --run "$out/$name" "${arguments[@]}" "--set=steps=$((steps > 0 ? steps : 1))"
}
weights() { echo "init_from=$out/$1/model.safetensors"; }

drawn=(--preset recommended model.fill=smooth data.pictures=400000 augmentation.color=15 generator_lr=1.5e-3)
real=(--preset recommended --data "$fronts" --exclude "$test" --resize 256 model.fill=smooth augmentation.smallest=128
  augmentation.color=15)
train fronts-1 800 "${drawn[@]}"
train fronts-2 635 "${drawn[@]}" data.scenes=streets "$(weights fronts-1)"
train fronts-3 2300 "${drawn[@]}" data.scenes=streets "$(weights fronts-2)"
train fronts-4 700 "${real[@]}" generator_lr=1e-3 "$(weights fronts-3)"
train fronts-5 180 "${real[@]}" objective.kind=joint generator_lr=3e-4 discriminator_lr=1e-4 "$(weights fronts-4)"
"$program" interpolate "$out/fronts-4/model.safetensors" "$out/fronts-5/model.safetensors" --alpha 0.8 --precision f16 \
  -o "$out/fronts-128.safetensors"

photo=(--preset photo --data "$photos" --exclude "$test" --resize 200 augmentation.smallest=128 augmentation.color=20 validation_pictures=160)
train photo-1 800 "${photo[@]}" generator_lr=1.5e-3
train photo-2 3300 "${photo[@]}" generator_lr=2e-3 "$(weights photo-1)"
train photo-3 1150 "${photo[@]}" generator_lr=1e-3 "$(weights photo-2)"
"$program" convert "$out/photo-3/model.safetensors" "$out/photo-128.safetensors" --precision f16
