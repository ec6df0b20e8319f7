"""From a result of `compare.py` to a Markdown table and, for scaling, a plot.

    python benches/peers/report.py runs/peers/matrix.json

Packages: matplotlib, for the plot only.
"""

import json
import statistics
import sys
from pathlib import Path

MIB = 2**20
DISTURBED_CORES = 0.1
LABELS = {"batch": "pictures in a batch", "size": "side of the picture, pixels", "threads": "threads"}
TASKS = {"train": "training", "infer": "filling"}


def write(path):
    results = json.loads(path.read_text(encoding="utf-8"))
    text = markdown(results)
    path.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text)
    if results["kind"] == "scaling":
        plot(results, path.with_suffix(".png"))


def markdown(results):
    machine = results["machine"]
    versions = next((case["versions"] for case in results["cases"] if case["versions"]["theirs"]), None)
    lines = [
        f"{machine['processor']}, {machine['cores']} cores; {results['rounds']} rounds of {results['seconds']:g} s "
        f"each in turns; allocator: {results['malloc']}.",
    ]
    devices = {case["device"] for case in results["cases"] if "device" in case}
    if devices:
        lines.append(f"Ours on {', '.join(sorted(devices))}; on a card, memory is the card's.")
    if versions:
        lines.append(f"context-encoder {versions['ours']['context-encoder']}, PyTorch {versions['theirs']['torch']}.")
    lines += ["", "32 bits on both sides, PyTorch in its fastest mode:", "", *table(results, False)]
    if any(pair["bf16"] for case in results["cases"] for pair in case["pairs"]):
        lines += ["", "Ours in 32 bits, PyTorch with 16-bit autocast:", "", *table(results, True)]
    unavailable = {f"{mode}: {why}" for case in results["cases"] for mode, why in case["unavailable"].items()}
    if unavailable:
        lines += ["", "Not run:", "", *(f"- {reason}" for reason in sorted(unavailable))]
    return "\n".join(lines) + "\n"


def table(results, bf16):
    rows = [
        "| preset | task | size | batch | threads | ours, pictures/s | PyTorch, pictures/s | its mode "
        "| ratio min / median / max | peak memory, ours | PyTorch |",
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for case in results["cases"]:
        pair = fastest(case, bf16)
        if pair is None:
            continue
        ratios = [mine / their for mine, their in zip(pair["ours"], pair["theirs"])]
        ratio = f"{min(ratios):.2f} / **{statistics.median(ratios):.2f}** / {max(ratios):.2f}"
        mark = " (disturbed)" if pair["others"] > DISTURBED_CORES else ""
        cells = [
            case["preset"],
            case["task"],
            case["size"],
            case["batch"],
            case["threads"],
            f"{statistics.median(pair['ours']):.1f}",
            f"{statistics.median(pair['theirs']):.1f}",
            pair["mode"],
            ratio + mark,
            memory(pair["ours_peak_bytes"]),
            memory(pair["theirs_peak_bytes"]),
        ]
        rows.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return rows


def fastest(case, bf16):
    """The comparison with PyTorch's fastest mode of a precision."""
    pairs = [pair for pair in case["pairs"] if pair["bf16"] == bf16]
    return max(pairs, key=lambda pair: statistics.median(pair["theirs"]), default=None)


def along(scale, cases):
    """Those that differ from the first, which is in the middle of all scales, in one thing at most; in its order."""
    fixed = [key for key in LABELS if key != scale]
    chosen = [case for case in cases if all(case[key] == cases[0][key] for key in fixed)]
    return sorted(chosen, key=lambda case: case[scale])


def memory(bytes_held):
    return "-" if bytes_held is None else f"{bytes_held / MIB:.0f} MiB"


def plot(results, path):
    """A row for each task, a column for each thing that is varied; ranges are minimum and maximum of the rounds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    tasks = [task for task in TASKS if any(case["task"] == task for case in results["cases"])]
    figure, axes = plt.subplots(len(tasks), len(LABELS), figsize=(12, 3.4 * len(tasks)), squeeze=False)
    for row, task in zip(axes, tasks):
        for axis, (scale, label) in zip(row, LABELS.items()):
            cases = [case for case in results["cases"] if case["task"] == task and fastest(case, False)]
            cases = along(scale, cases)
            at = [case[scale] for case in cases]
            for name, colour in (("ours", "tab:orange"), ("theirs", "tab:blue")):
                title = "ours" if name == "ours" else "PyTorch, fastest mode"
                rounds = [fastest(case, False)[name] for case in cases]
                middle = [statistics.median(values) for values in rounds]
                spread = [
                    [centre - min(values) for centre, values in zip(middle, rounds)],
                    [max(values) - centre for centre, values in zip(middle, rounds)],
                ]
                axis.errorbar(at, middle, yerr=spread, marker="o", capsize=3, color=colour, label=title)
            axis.set(xlabel=label, xticks=at, ylim=(0, None), title=TASKS[task])
            if scale != "threads":
                axis.set_xscale("log", base=2)
                axis.set_xticks(at, [str(value) for value in at])
            axis.minorticks_off()
        row[0].set_ylabel("pictures a second")
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    plt.close(figure)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
