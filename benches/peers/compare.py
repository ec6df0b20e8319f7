"""Ours and PyTorch in turns on the same machine: pictures a second and memory.

    cargo build --release -p context-encoder-cli
    python benches/peers/compare.py matrix --quick
    python benches/peers/compare.py scaling

Only one of the two runs at any moment, in rounds (ours, PyTorch, ours, ...), and only while nobody else uses the
processor. `matrix` compares both presets, training and filling, at several batch sizes; `scaling` compares `recommended`
network over batch size, picture size and threads and draws the result. PyTorch is tried in every mode of `modes.py`;
`--quick` tries each for a moment and then compares the best two (and the best in 16 bits, which is reported apart);
`scaling` does so with a few modes and compares the best.
`--device cuda --pytorch-device cuda` compares on a graphics card, with a program that was built with that feature.
`--malloc keep` lets the allocator of both keep its memory; report such results beside the others, never mixed.

Writes OUT/NAME.json after each comparison, then OUT/NAME.md and for scaling OUT/NAME.png; `report.py` makes the latter
two again. Time for `matrix --quick`: half an hour. Packages: torch, and matplotlib for the plot.
"""

import argparse
import json
import os
import platform
import statistics
import sys
from pathlib import Path

import report
from modes import MODES, of_task
from worker import KEEP_MEMORY, Failed, Worker

HERE = Path(__file__).parent
PRESETS = ["authors", "recommended"]
BATCHES = {"train": (16, 64), "infer": (1, 16, 64)}
SCALES = {"batch": (1, 4, 16, 64), "size": (64, 128, 256), "threads": (1, 2)}
# What stands still while another thing is varied.
SCALING_BATCH, SIZE = 16, 128
# The preset `recommended`'s fastest modes; --modes takes others.
SCALING_MODES = ("channels-last", "rewritten-channels-last", "folded-channels-last", "compile", "compile-channels-last")


def main():
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    name = arguments.command + ("-keep" if arguments.malloc == "keep" else "")
    results = {"kind": arguments.command, "machine": machine(), "malloc": arguments.malloc, "cases": []}
    results |= {"rounds": arguments.rounds, "seconds": arguments.seconds}
    for case in (matrix if arguments.command == "matrix" else scaling)(arguments):
        print(" ".join(f"{key} {value}" for key, value in case.items()), flush=True)
        results["cases"].append(case | compare(case, arguments))
        (arguments.out / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    report.write(arguments.out / f"{name}.json")


def matrix(arguments):
    for preset in arguments.presets:
        for task in arguments.tasks:
            for batch in arguments.batches or BATCHES[task]:
                yield dict(preset=preset, task=task, batch=batch, size=SIZE, threads=arguments.threads)


def scaling(arguments):
    for task in arguments.tasks:
        middle = dict(preset="recommended", task=task, batch=SCALING_BATCH, size=SIZE, threads=arguments.threads)
        yield middle
        for scale, values in SCALES.items():
            yield from (middle | {scale: value} for value in values if value != middle[scale])


def compare(case, arguments):
    """All rounds of one case, mode by mode."""
    probed, unavailable = {}, {}
    scales = arguments.command == "scaling"
    asked = arguments.modes or (SCALING_MODES if scales else MODES)
    modes = [mode for mode in of_task(case["task"], arguments.pytorch_device) if mode in asked]
    if arguments.quick or scales:
        for mode in modes:
            try:
                with theirs(case, mode, arguments) as peer:
                    measured = peer.measure(arguments.probe_seconds)
            except Failed as reason:
                unavailable[mode] = str(reason)
                print(f"  {mode}: {reason}", flush=True)
            else:
                probed[mode] = speed(measured)
                print(f"  {mode}: {probed[mode]:.2f}, others used {measured['others']:.2f} cores", flush=True)
        modes = best(probed, 1 if scales else 2)
    pairs = []
    with ours(case, arguments) as our_peer:
        for mode in modes:
            try:
                with theirs(case, mode, arguments) as peer:
                    pairs.append(in_turns(our_peer, peer, arguments) | {"mode": mode, "bf16": MODES[mode].bf16})
            except Failed as reason:
                unavailable[mode] = str(reason)
                continue
            pair = pairs[-1]
            medians = statistics.median(pair["ours"]), statistics.median(pair["theirs"])
            print(f"  ours {medians[0]:.2f}, {mode} {medians[1]:.2f} pictures/s", flush=True)
        ours_on = our_peer.ready["device"]
        versions = {"ours": our_peer.ready["versions"], "theirs": peer.ready["versions"] if pairs else None}
    return {"pairs": pairs, "probed": probed, "unavailable": unavailable, "versions": versions, "device": ours_on}


def best(probed, count):
    """The fastest modes in 32 bits and, where more than one is asked for, the fastest one in 16 bits."""
    order = sorted(probed, key=probed.get, reverse=True)
    half = [mode for mode in order if MODES[mode].bf16]
    return [mode for mode in order if not MODES[mode].bf16][:count] + (half[:1] if count > 1 else [])


def in_turns(our_peer, their_peer, arguments):
    """Pictures a second of each round, the most memory of both, and how busy others were at worst."""
    pair = {"ours": [], "theirs": [], "others": 0.0}
    for _ in range(arguments.rounds):
        for name, peer in (("ours", our_peer), ("theirs", their_peer)):
            measured = peer.measure(arguments.seconds)
            pair[name].append(speed(measured))
            pair[f"{name}_peak_bytes"] = measured["card_bytes"] or measured["peak_bytes"]
            pair["others"] = max(pair["others"], measured["others"])
        pair["ours_base_bytes"] = our_peer.ready["base_bytes"]
        pair["theirs_base_bytes"] = their_peer.ready["base_bytes"]
    return pair


def speed(measured):
    return measured["images"] / measured["seconds"]


def ours(case, arguments):
    options = case | {"preset": case["preset"], "device": arguments.device}
    return start([str(arguments.ours.resolve()), "bench"], options, ("preset", "task", "batch", "size", "device"), case, arguments)


def theirs(case, mode, arguments):
    command = [sys.executable, str(HERE / "pytorch.py")]
    options = case | {"mode": mode, "device": arguments.pytorch_device}
    return start(command, options, ("preset", "task", "batch", "size", "threads", "mode", "device"), case, arguments)


def start(command, options, names, case, arguments):
    threads = str(case["threads"])
    environment = {"RAYON_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    if arguments.malloc == "keep":
        environment |= KEEP_MEMORY
    return Worker([*command, "--worker", *(f"--{name}={options[name]}" for name in names)], environment)


def machine():
    """The processor's name and number of cores."""
    name = platform.processor()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return {"processor": name, "cores": os.cpu_count(), "system": platform.system()}


def parse():
    parser = argparse.ArgumentParser(description="Ours and PyTorch in turns")
    parser.add_argument("command", choices=("matrix", "scaling"))
    parser.add_argument("--ours", type=Path, default=Path("target/release/context-encoder"))
    parser.add_argument("--out", type=Path, default=Path("runs/peers"))
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--tasks", nargs="+", choices=BATCHES, default=list(BATCHES))
    parser.add_argument("--batches", nargs="+", type=int, help="instead of 16, 64 for train and 1, 16, 64 for infer")
    parser.add_argument("--modes", nargs="+", choices=MODES, help="of PyTorch; all without it")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--device", default="cpu", help="ours, by the program's name for it")
    parser.add_argument("--pytorch-device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each round and peer")
    parser.add_argument("--quick", action="store_true", help="probe all modes, compare the best two")
    parser.add_argument("--probe-seconds", type=float, default=2.0)
    parser.add_argument("--malloc", choices=("default", "keep"), default="default")
    return parser.parse_args()


if __name__ == "__main__":
    main()
