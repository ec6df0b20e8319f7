"""Sixty photographs that no weights were trained on, each with an irregular hole: what fills are compared on.

    python benches/fills/pictures.py FACADES VOC CALTECH OUT

FACADES is a folder of pictures, VOC has VOC's layout (its image set `test` is used), CALTECH a folder of pictures for each
class. The same folders give the same files: OUT/truth (longer side 512), OUT/mask (white is hidden) and OUT/holed (the
hole in magenta, so that whoever looks under it shows that). Packages: numpy and pillow.
"""

import argparse
from pathlib import Path

import numpy
from PIL import Image, ImageDraw

SIDE = 512
SHARES = (0.02, 0.2)  # of the picture that is hidden
HOLES = 5  # at most, in a picture
LONGEST = 2  # longer side over shorter: more leaves too little of the picture at this size


def main():
    parser = argparse.ArgumentParser(description="Photographs with holes")
    parser.add_argument("facades", type=Path)
    parser.add_argument("voc", type=Path)
    parser.add_argument("caltech", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--counts", type=int, nargs=3, default=(30, 18, 12), help="of each of the three")
    arguments = parser.parse_args()
    draw = numpy.random.default_rng(2016)
    names = (arguments.voc / "ImageSets/Main/test.txt").read_text().split()
    classes = sorted(folder for folder in arguments.caltech.iterdir() if folder.is_dir())
    sources = {
        "facade": [sorted(arguments.facades.iterdir())],
        "voc": [[arguments.voc / f"JPEGImages/{name}.jpg" for name in sorted(names)]],
        "caltech": [sorted(folder.iterdir()) for folder in classes],
    }
    for folder in ("truth", "mask", "holed"):
        (arguments.out / folder).mkdir(parents=True, exist_ok=True)
    for (source, groups), count in zip(sources.items(), arguments.counts):
        for file in choose(groups, count, draw):
            name = f"{source}_{file.stem}.png" if source != "caltech" else f"{source}_{file.parent.name}.png"
            picture = Image.open(file).convert("RGB")
            scale = SIDE / max(picture.size)
            picture = picture.resize([round(side * scale) for side in picture.size], Image.LANCZOS)
            mask = holes(picture.size, draw)
            picture.save(arguments.out / "truth" / name)
            mask.save(arguments.out / "mask" / name)
            picture.paste((255, 0, 255), mask=mask)
            picture.save(arguments.out / "holed" / name)


def choose(groups, count, draw):
    """As many pictures of each group (one more of some), from the half of it that is enlarged least."""
    chosen = []
    for place, group in enumerate(draw.permutation(len(groups))[:count]):
        sizes = {file: Image.open(file).size for file in groups[group]}
        files = [file for file, size in sizes.items() if max(size) <= LONGEST * min(size)]
        files = [files[at] for at in draw.permutation(len(files))]
        files.sort(key=lambda file: -min(max(sizes[file]), SIDE))
        largest = files[: (len(files) + 1) // 2]
        want = len(range(place, count, len(groups)))
        chosen += [largest[at] for at in draw.permutation(len(largest))[:want]]
    return chosen


def holes(size, draw):
    """One to HOLES strokes and blobs; what they hide together is even on a logarithmic scale between SHARES."""
    target = numpy.exp(draw.uniform(*numpy.log(SHARES)))
    count = draw.integers(1, HOLES + 1)
    while True:
        mask = Image.new("L", size)
        parts = draw.dirichlet([4] * count) * target * size[0] * size[1]
        for area in parts:
            (stroke if draw.random() < 0.5 else blob)(mask, area, draw)
        hidden = (numpy.asarray(mask) > 0).mean()
        if SHARES[0] <= hidden <= SHARES[1] and abs(hidden / target - 1) < 0.25:
            return mask


def blob(mask, area, draw):
    """A closed curve around a point: an ellipse with a few waves."""
    angle = numpy.linspace(0, 2 * numpy.pi, 90, endpoint=False)
    radius = 1 + sum(draw.normal(0, 0.3 / k) * numpy.cos(k * angle + draw.uniform(0, 6.3)) for k in range(2, 7))
    stretch = draw.uniform(0.6, 1)
    radius = radius.clip(0.3) * numpy.sqrt(area / (numpy.pi * stretch))
    points = numpy.stack([numpy.cos(angle), numpy.sin(angle) * stretch]) * radius
    turn = draw.uniform(0, 6.3)
    x, y = numpy.array([[numpy.cos(turn), -numpy.sin(turn)], [numpy.sin(turn), numpy.cos(turn)]]) @ points
    left, top = draw.uniform(0.08, 0.92, 2) * mask.size
    ImageDraw.Draw(mask).polygon(list(zip(x + left, y + top)), fill=255)


def stroke(mask, area, draw):
    """A brush that wanders and is pressed more or less, until its trace has the area."""
    place = draw.uniform(0.1, 0.9, 2) * mask.size
    width = draw.uniform(0.35, 0.8) * min(numpy.sqrt(area), 90)
    direction, covered, brush = draw.uniform(0, 6.3), numpy.pi * width**2 / 4, ImageDraw.Draw(mask)
    pressed = width
    while True:
        x, y = place
        brush.ellipse([x - pressed / 2, y - pressed / 2, x + pressed / 2, y + pressed / 2], fill=255)
        if covered >= area:
            return
        direction += draw.normal(0, 0.12)
        ahead = place + [2 * numpy.cos(direction), 2 * numpy.sin(direction)]
        if not ((ahead > 0) & (ahead < mask.size)).all():
            direction += numpy.pi / 2
            continue
        place, covered = ahead, covered + 2 * pressed
        pressed = numpy.clip(pressed + draw.normal(0, 0.6), width / 2, width * 1.4)


if __name__ == "__main__":
    main()
