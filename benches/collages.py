"""Photographs with boxes where there are none: pieces of photographs of some kinds pasted on photographs of others.

    python benches/collages.py SCENES OUT

SCENES/train and SCENES/test hold a folder of pictures for each kind of scene. OUT gets VOC's layout: `trainval` made of
SCENES/train alone, `test` of SCENES/test. What is to be found is an ellipse that shows a part of a picture of a kind in
KINDS; the rest is a picture of one of GROUNDS, as bright on the whole, so that light alone tells nothing. Packages: numpy
and pillow.
"""

import argparse
from pathlib import Path

import numpy
from PIL import Image

KINDS = ("forest", "highway", "store", "tallbuilding")
GROUNDS = ("coast", "mountain", "opencountry", "livingroom")
SIDE, OBJECTS = 200, (60, 111)  # pixels
COUNTS = {"trainval": ("train", 240), "test": ("test", 240)}


def main():
    parser = argparse.ArgumentParser(description="Collages of scenes, with boxes")
    parser.add_argument("scenes", type=Path)
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    for folder in ("JPEGImages", "Annotations", "ImageSets/Main"):
        (arguments.out / folder).mkdir(parents=True, exist_ok=True)
    for seed, (name, (part, count)) in enumerate(COUNTS.items()):
        draw = numpy.random.default_rng(seed)
        files = {kind: sorted((arguments.scenes / part / kind).iterdir()) for kind in KINDS + GROUNDS}
        shown = {}
        for number in range(count):
            picture = f"{part}{number:04}"
            shown[picture] = collage(arguments.out, picture, files, draw)
        sets = arguments.out / "ImageSets/Main"
        (sets / f"{name}.txt").write_text("".join(f"{picture}\n" for picture in shown))
        for kind in KINDS:
            lines = (f"{picture} {1 if kind in kinds else -1:2}\n" for picture, kinds in shown.items())
            (sets / f"{kind}_{name}.txt").write_text("".join(lines))


def collage(out, picture, files, draw):
    """Writes a picture of one to three objects that do not overlap, and its annotation."""
    canvas = square(files, draw.choice(GROUNDS), SIDE, SIDE, draw)
    boxes = []
    for _ in range(draw.integers(1, 4)):
        width, height = draw.integers(*OBJECTS, 2)
        left, top = draw.integers(SIDE - width), draw.integers(SIDE - height)
        right, bottom = left + width, top + height
        if any(left < r and l < right and top < b and t < bottom for _, l, t, r, b in boxes):
            continue
        kind = draw.choice(KINDS)
        y, x = numpy.mgrid[:height, :width]
        inside = ((x + 0.5) * 2 / width - 1) ** 2 + ((y + 0.5) * 2 / height - 1) ** 2 <= 1
        part = square(files, kind, width, height, draw)
        canvas[top:bottom, left:right][inside] = part[inside]
        boxes.append((kind, left, top, right, bottom))
    Image.fromarray(canvas.round().clip(0, 255).astype("uint8")).save(out / f"JPEGImages/{picture}.jpg", quality=95)
    (out / f"Annotations/{picture}.xml").write_text(annotation(picture, boxes))
    return {kind for kind, *_ in boxes}


def square(files, kind, width, height, draw):
    """A part of a picture of this kind, at its own scale, with mean 128 and deviation 50."""
    grey = numpy.asarray(Image.open(draw.choice(files[kind])).convert("L"), float)
    top, left = (draw.integers(max(have - want, 0) + 1) for have, want in zip(grey.shape, (height, width)))
    part = grey[top : top + height, left : left + width]
    part = numpy.pad(part, ((0, height - part.shape[0]), (0, width - part.shape[1])), "reflect")
    return (part - part.mean()) / max(part.std(), 1) * 50 + 128


def annotation(picture, boxes):
    objects = "".join(
        f"<object><name>{kind}</name><difficult>0</difficult><bndbox><xmin>{left + 1}</xmin><ymin>{top + 1}</ymin>"
        f"<xmax>{right}</xmax><ymax>{bottom}</ymax></bndbox></object>\n"
        for kind, left, top, right, bottom in boxes
    )
    size = f"<size><width>{SIDE}</width><height>{SIDE}</height><depth>3</depth></size>"
    return f"<annotation><filename>{picture}.jpg</filename>{size}\n{objects}</annotation>\n"


if __name__ == "__main__":
    main()
