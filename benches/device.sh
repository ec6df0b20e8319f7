#!/usr/bin/env bash
# Everything about one device, with programs that were built elsewhere: does it compute what the processor computes, how
# fast, and how fast is PyTorch beside it. Needs no Rust; PyTorch only for the last part.
#
#     benches/device.sh PROGRAM DEVICE [OUT]
#     benches/device.sh target/release/context-encoder cuda
#
# Writes OUT (runs/device) and prints a short table last. PyTorch tries every mode and compiles some of them: SECONDS_EACH=1
# and ROUNDS=2 shorten that, PYTORCH=no leaves it out. On a processor take FULL= (narrow networks only) and BATCHES=16.
set -uo pipefail
[[ $# -ge 2 ]] || { sed -n '2,10p' "$0" >&2; exit 2; }
program=$(realpath "$1") device=$2 out=${3:-runs/device}
seconds=${SECONDS_EACH:-4} rounds=${ROUNDS:-4} full=${FULL---full}
read -ra batches <<<"${BATCHES:-64 256}"
here=$(realpath "$(dirname "$0")")
mkdir -p "$out" && out=$(realpath "$out")
failed=0

echo "== conformance on $device"
for scale in '' ${full:+"$full"}; do
  name=conformance${scale:+-full}
  # shellcheck disable=SC2086 # no option or one
  "$program" conformance --device "$device" --passes 2 $scale >"$out/$name.txt" 2>"$out/$name.log" || failed=1
  grep -h '^pass\|^error' "$out/$name.log"
  grep -h FAILED "$out/$name.txt"
done

echo "== pictures a second on $device"
measure() { # NAME OPTION...
  local name=$1
  shift
  "$program" bench --device "$device" --seconds "$seconds" --markdown "$@" >"$out/$name.md" || failed=1
}
both=(--preset authors --preset recommended)
measure train "${both[@]}" --task train "${batches[@]/#/--batch=}"
measure infer "${both[@]}" --task infer --batch=1 "${batches[@]/#/--batch=}"
measure run --task run --batch="${batches[0]}" --workers "$(nproc)"

if [[ ${PYTORCH:-yes} != no ]] && python3 -c 'import torch' 2>/dev/null; then
  echo '== PyTorch beside it, in turns'
  theirs=$(python3 -c 'import torch; print("cuda" if torch.cuda.is_available() else "cpu")')
  case $device in cpu | flex | ndarray | cubecl-cpu) theirs=cpu ;; esac
  python3 "$here/peers/compare.py" matrix --ours "$program" --device "$device" --pytorch-device "$theirs" --quick \
    --batches "${batches[@]}" --rounds "$rounds" --seconds "$seconds" --out "$out/peers" >"$out/peers.log" 2>&1 || failed=1
fi

printf '\n== %s, %s\n' "$device" "$(date -I)"
for name in conformance conformance-full; do
  [[ -f $out/$name.log ]] && grep -h '^pass' "$out/$name.log" | sed "s/^/$name, /"
done
for table in train infer run; do cat "$out/$table.md"; done
[[ -f $out/peers/matrix.md ]] && cat "$out/peers/matrix.md"
exit $failed
