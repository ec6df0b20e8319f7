"""A graphics card in minutes: ours and PyTorch, all warmed up side by side and then measured in turns.

    python benches/peers/card.py --ours context-encoder --device cuda --pytorch-device cuda --out runs/card

Choosing kernels takes a minute of one core for each network and compiling PyTorch's modes half of that, so all peers of a
case start at once, on as many cores as there are; those that are not ready after `--warm-limit` seconds are left out and
named. Then each measures in its turn, and again in each round, while the others wait: ratios of one round are comparable,
whoever else uses the machine. Each case is appended to OUT/card.jsonl as soon as it is measured, and OUT/card.md is
written anew; after `--limit` seconds no further case begins.
"""

import argparse
import json
import statistics
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from modes import MODES, of_task
from worker import Failed, Worker

HERE = Path(__file__).parent
PRESETS = ["authors", "recommended"]


def main():
    arguments = parse()
    arguments.out.mkdir(parents=True, exist_ok=True)
    lines = arguments.out / "card.jsonl"
    lines.unlink(missing_ok=True)
    start, cases = time.monotonic(), []
    for task in arguments.tasks:
        for batch in arguments.batches:
            for preset in arguments.presets:
                if time.monotonic() - start > arguments.limit:
                    print(f"no time for {preset} {task} {batch}", flush=True)
                    continue
                cases.append(measured(preset, task, batch, arguments))
                with lines.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(cases[-1]) + "\n")
                (arguments.out / "card.md").write_text(table(cases), encoding="utf-8")
    print(table(cases))


def measured(preset, task, batch, arguments):
    """Pictures a second of each peer in each round, and why others are missing."""
    peers = dict(commands(preset, task, batch, arguments))
    case = {"preset": preset, "task": task, "batch": batch, "rates": {}, "missing": {}, "warm_seconds": {}}
    workers = {}

    def warm(name):
        since = time.monotonic()
        try:
            workers[name] = Worker(peers[name], limit=arguments.warm_limit)
            case["warm_seconds"][name] = round(time.monotonic() - since, 1)
        except Failed as reason:
            case["missing"][name] = str(reason)

    with ThreadPoolExecutor(len(peers)) as pool:
        list(pool.map(warm, peers))
    try:
        for _ in range(arguments.rounds):
            for name, worker in workers.items():
                if name in case["missing"]:
                    continue
                try:
                    answer = worker.ask(arguments.seconds)
                    case["rates"].setdefault(name, []).append(round(answer["images"] / answer["seconds"], 1))
                except Failed as reason:
                    case["missing"][name] = str(reason)
    finally:
        for worker in workers.values():
            worker.close()
    print(json.dumps(case), flush=True)
    return case


def commands(preset, task, batch, arguments):
    """Every peer's name and command."""
    options = [f"--task={task}", f"--batch={batch}", f"--size={arguments.size}"]
    for precision in arguments.precisions if task == "train" else ["f32"]:
        command = [str(arguments.ours.resolve()), "bench", "--worker", f"--preset={preset}"]
        yield f"ours {precision}", [*command, *options, f"--device={arguments.device}", f"--precision={precision}"]
    for mode in of_task(task, arguments.pytorch_device):
        if arguments.modes and mode not in arguments.modes:
            continue
        command = [sys.executable, str(HERE / "pytorch.py"), "--worker", f"--preset={preset}", f"--mode={mode}"]
        yield mode, [*command, *options, f"--device={arguments.pytorch_device}"]


def table(cases):
    """The median of each peer, PyTorch's best mode, and our best beside it by rounds."""
    head = ["preset", "task", "batch", "ours, pictures/s", "PyTorch's best mode", "pictures/s", "ratio", "not measured"]
    rows = [head, ["---"] * len(head)]
    for case in cases:
        rates = {name: statistics.median(rates) for name, rates in case["rates"].items()}
        ours = {name: rate for name, rate in rates.items() if name.startswith("ours ")}
        theirs = {name: rate for name, rate in rates.items() if name not in ours}
        best, own = (max(some, key=some.get, default=None) for some in (theirs, ours))
        ratio = "-"
        if best and own:
            pairs = zip(case["rates"][own], case["rates"][best])
            ratio = f"{statistics.median(ours_rate / their_rate for ours_rate, their_rate in pairs):.2f}"
        shown = ", ".join(f"{name.removeprefix('ours ')} {rate:.0f}" for name, rate in ours.items()) or "-"
        missing = ", ".join(f"{name} ({reason})" for name, reason in case["missing"].items())
        rows.append([case["preset"], case["task"], str(case["batch"]), shown])
        rows[-1] += [best or "-", f"{theirs[best]:.0f}" if best else "-", ratio, missing or "-"]
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)


def parse():
    parser = argparse.ArgumentParser(description="Ours and PyTorch on one card, warmed side by side, measured in turns")
    parser.add_argument("--ours", type=Path, default=Path("target/release/context-encoder"))
    parser.add_argument("--out", type=Path, default=Path("runs/card"))
    parser.add_argument("--presets", nargs="+", choices=PRESETS, default=PRESETS)
    parser.add_argument("--tasks", nargs="+", choices=("train", "infer"), default=["train", "infer"])
    parser.add_argument("--batches", nargs="+", type=int, default=[64, 256])
    parser.add_argument("--precisions", nargs="+", choices=("f32", "bf16", "f16"), default=["f32", "bf16"])
    parser.add_argument("--modes", nargs="*", choices=MODES, help="of PyTorch; all of the device without it")
    parser.add_argument("--size", type=int, default=128)
    parser.add_argument("--device", default="cuda", help="ours, by the program's name for it")
    parser.add_argument("--pytorch-device", choices=("cpu", "cuda"), default="cuda")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=1.5, help="of each round and peer")
    parser.add_argument("--warm-limit", type=float, default=150.0, help="seconds until a peer must be ready")
    parser.add_argument("--limit", type=float, default=300.0, help="seconds after which no further case begins")
    return parser.parse_args()


if __name__ == "__main__":
    main()
