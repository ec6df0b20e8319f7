"""Scores of formula pictures by numpy and scikit-image: what tests/integration/parity/scores.rs compares with.

    python tests/parity/make_scores.py

Needs numpy and scikit-image; writes tests/parity/fixtures/expected_scores.json. The pictures come from formulas that
the test repeats, so nothing but numbers is stored.
"""

import json
from pathlib import Path

import numpy as np
from skimage.metrics import structural_similarity

SIDE = 128
OVERLAPS = {"paper": 7, "authors": 4, "hidden": 0}


def truth(seed):
    y, x = np.mgrid[0:SIDE, 0:SIDE]
    channels = [(x * x // 9 + seed * 7 * y) % 256, (x * y // 5 + 31 * seed) % 256, (3 * x + 5 * y + x * seed) % 256]
    return np.stack(channels, -1).astype(np.uint8)


def filled(seed, overlap):
    """The truth with its hole made flatter and darker."""
    picture = truth(seed).copy()
    first, last = SIDE // 4 + overlap, SIDE * 3 // 4 - overlap
    hole = picture[first:last, first:last].astype(np.int64)
    picture[first:last, first:last] = (hole * 3 // 4 + 11 * (seed + 1)).astype(np.uint8)
    return picture


def gradient(picture):
    values = picture.astype(np.float64)
    right = np.zeros_like(values)
    below = np.zeros_like(values)
    right[:, :-1] = values[:, 1:] - values[:, :-1]
    below[:-1] = values[1:] - values[:-1]
    return np.hypot(right, below).sum()


def scores(picture, true):
    a, b = picture / 255.0, true / 255.0
    difference = a - b
    similarity = structural_similarity(
        a, b, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=1, channel_axis=2, full=True
    )[1]
    return {
        "l1": 100 * np.abs(difference).mean(),
        "l2": 100 * (difference**2).mean(),
        "psnr": 10 * np.log10(1 / (difference**2).mean()),
        "ssim": similarity[5:-5, 5:-5].mean(),
        "sharpness": gradient(picture) / gradient(true),
    }


def main():
    rows = {}
    for protocol, overlap in OVERLAPS.items():
        first, last = SIDE // 4, SIDE * 3 // 4
        pairs = [(filled(seed, overlap), truth(seed)) for seed in range(4)]
        square = [scores(f[first:last, first:last], t[first:last, first:last]) for f, t in pairs]
        first, last = first + overlap, last - overlap
        hole = [scores(f[first:last, first:last], t[first:last, first:last]) for f, t in pairs]
        mean = lambda all: {key: float(np.mean([one[key] for one in all])) for key in all[0]}
        rows[protocol] = {"square": mean(square), "hole": mean(hole)}
    path = Path(__file__).parent / "fixtures" / "expected_scores.json"
    path.write_text(json.dumps(rows, indent=1) + "\n")


main()
