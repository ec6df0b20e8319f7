#!/usr/bin/env bash
# Everything about one graphics card in eight minutes, with a program that was built elsewhere: does it compute what the
# processor computes, how fast, how fast is PyTorch beside it, where the time goes, and does it learn. Needs no Rust; PyTorch
# only for the comparison. It takes the program, this folder and, for the training, a folder of pictures.
#
#     benches/device.sh PROGRAM DEVICE [OUT] [PICTURES]
#     benches/device.sh target/release/context-encoder cuda runs/device pictures
#
# Every part has a time limit and writes its results into OUT (runs/device) as they come; a short table comes last. Shorter
# or longer: PEERS, CONFORMANCE, TRAINING (seconds of each part), BATCHES. On a processor: PEERS_OPTIONS="--pytorch-device cpu"; PYTHON=false
# leaves PyTorch out.
set -uo pipefail
[[ $# -ge 2 ]] || { sed -n '2,14p' "$0" >&2; exit 2; }
program=$(realpath "$1") device=$2 out=${3:-runs/device} pictures=${4:-}
peers=${PEERS:-240} conformance=${CONFORMANCE:-120} training=${TRAINING:-60} python=${PYTHON:-python3}
read -ra batches <<<"${BATCHES:-64 256}"
read -ra options <<<"${PEERS_OPTIONS:-}"
here=$(realpath "$(dirname "$0")")
mkdir -p "$out" && out=$(realpath "$out")
failed=0 start=$SECONDS
say() { echo "== $((SECONDS - start)) s: $*"; }
within() { # SECONDS COMMAND...: 124 when the time is over
  timeout --kill-after=5 "$@"
}

say "speed on $device, and PyTorch beside it"
if "$python" -c 'import torch' 2>/dev/null; then
  within $((peers + 180)) "$python" "$here/peers/card.py" --ours "$program" --device "$device" --batches "${batches[@]}" \
    --limit "$peers" --out "$out/peers" ${options[@]+"${options[@]}"} >"$out/peers.log" 2>&1 || failed=1
else
  echo 'no PyTorch here: ours alone'
  within "$peers" "$program" bench --device "$device" --preset authors --preset recommended --task train --task infer \
    "${batches[@]/#/--batch=}" --seconds 1 --markdown >"$out/bench.md" 2>"$out/bench.log" || failed=1
fi

say 'start with kernels from before'
within 120 "$program" warm --device "$device" --batch "${batches[0]}" >"$out/warm.txt" 2>&1 || failed=1
tail -n 1 "$out/warm.txt"

say 'profile by kernel'
# CubeCL reads its configuration where it is started. The store is the program's own, found by its name.
mkdir -p "$out/profile"
store=$(find "${XDG_CACHE_HOME:-$HOME/.cache}/cubecl" -name 'context-encoder-*.db' -size +1M 2>/dev/null | head -n 1)
{
  if [[ -n $store ]]; then printf '[environment]\nname = "%s"\npath = "global"\n' "$(basename "$store" .db)"; fi
  printf '[compilation]\ncache = true\n[profiling]\nlogger = { level = "basic", file = "%s" }\n' "$out/profile/kernels.txt"
} >"$out/profile/cubecl.toml"
(cd "$out/profile" && within 90 "$program" bench --device "$device" --task train --batch "${batches[0]}" --seconds 0.3 \
  >bench.txt 2>&1) || failed=1

if [[ -n $pictures ]]; then
  say "training on $pictures for $training s"
  within "$training" "$program" train --data "$pictures" --device "$device" --run "$out/run" \
    --set "batch_size=${batches[0]}" --set steps=1000000 --set "workers=$(nproc)" >"$out/train.txt" 2>&1
  tail -n 2 "$out/run/log.csv"
fi

say "conformance on $device"
within "$conformance" "$program" conformance --device "$device" >"$out/conformance.txt" 2>"$out/conformance.log" || failed=1
printf '%s of %s checks pass\n' "$(grep -c 'ok$' "$out/conformance.txt")" "$(wc -l <"$out/conformance.txt")"
grep FAILED "$out/conformance.txt"

printf '\n== %s, %s, after %s s\n' "$device" "$(date -I)" $((SECONDS - start))
for table in "$out/peers/card.md" "$out/bench.md"; do if [[ -f $table ]]; then cat "$table"; fi; done
exit $failed
