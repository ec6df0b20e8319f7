#!/usr/bin/env bash
# The paper's Table 2 at the scale of one core and one night: a context encoder, an autoencoder, a denoising autoencoder and
# random weights, three seeds of each, on pictures with boxes and class masks and on pictures of many classes.
#
#     benches/features.sh VOC CLASSES PICTURES
#
# VOC is a folder in PASCAL VOC's layout (one year or the development kit), CLASSES holds train/CLASS and test/CLASS, PICTURES
# is what to pretrain on, without labels. What is done stays in runs/features (or $RUN), so that the same command goes on where
# it was stopped. SIZE, WIDTH, STEPS, BATCH, LR, HEAD_STEPS, DETECTION_STEPS, SEGMENTATION_STEPS, HEAD_LR, SEEDS, MASKS and
# SIDE_OF_DETECTION choose other settings; DEVICE=cuda WIDTH=64 STEPS=7960 BATCH=64 LR=1e-3 HEAD_LR=2e-4 WORKERS=5 is the
# whole AlexNet, for a graphics card.
set -euo pipefail
[[ $# -eq 3 ]] || { sed -n '2,12p' "$0" >&2; exit 2; }
voc=$(realpath "$1") classes=$(realpath "$2") pictures=$(realpath "$3")
cd "$(dirname "$0")/.."
size=${SIZE:-131} width=${WIDTH:-16} steps=${STEPS:-12000} run=${RUN:-runs/features} device=${DEVICE:-cpu}
features=()
if [[ $device == cpu ]]; then export RAYON_NUM_THREADS=${RAYON_NUM_THREADS:-1}; else features=(--features "${device%%:*}"); fi
cargo build --release --quiet -p context-encoder-cli ${features[@]+"${features[@]}"}
common=(--pictures "$pictures" --masks "${MASKS:-random-block}" --size "$size" --width "$width" --seeds "${SEEDS:-0,1,2}"
  --data-dependent-init --pretrained "$run/pretrained" --device "$device" --lr "${HEAD_LR:-5e-4}"
  --pretrain steps="$steps" --pretrain batch_size="${BATCH:-16}" --pretrain lr="${LR:-2e-3}" --pretrain schedule=cosine
  --pretrain workers="${WORKERS:-0}" --pretrain data.resize=$((size * 13 / 10)) --pretrain augmentation.smallest="$size"
  --pretrain augmentation.color=20 --pretrain model.batch_norm=true)
program() { nice -n 19 "${CARGO_TARGET_DIR:-target}/release/context-encoder" reproduce "$@" "${common[@]}"; }
mkdir -p "$run"
program table2 --voc "$voc" --side "${SIDE_OF_DETECTION:-448}" --count 600 --steps "${HEAD_STEPS:-600}" --detection-steps "${DETECTION_STEPS:-3000}" \
  --segmentation-steps "${SEGMENTATION_STEPS:-1000}" --run "$run/voc" | tee "$run/table2.md"
program classes "$classes" --steps "${HEAD_STEPS:-600}" --run "$run/classes" | tee "$run/classes.md"
