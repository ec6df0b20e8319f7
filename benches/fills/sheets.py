"""Fills to look at: side by side, or two at a time with their names hidden, and the count of the votes.

    python benches/fills/sheets.py show  SET OUT NAME=FOLDER...
    python benches/fills/sheets.py blind SET OUT OURS=FOLDER PEER=FOLDER...
    python benches/fills/sheets.py count OUT VOTES...

SET holds `truth`, `mask` and `holed`. `show` puts the photograph, its hole and all fills into rows, `--zoom` the
surroundings of the largest hole alone. `blind` draws 30 pictures and shows ours and a peer's fill of each as A and B, in
an order that is drawn (--seed), pairs of all peers mixed, each beside the hole; OUT/key.csv tells which is which, so look
into it afterwards. A vote is a line such as `17 A`, `18 B` or `19 tie`; `count` prints for each peer how many went where.
Packages: numpy, pillow and scipy.
"""

import argparse
import csv
from pathlib import Path

import numpy
import scipy.ndimage
from PIL import Image, ImageDraw, ImageFont, ImageOps

CELL = (240, 200)
LABEL = 18  # pixels of height
PAIRS = 10  # on a sheet, in two columns
WHITE = (255, 255, 255)


def main():
    parser = argparse.ArgumentParser(description="Fills to look at")
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("show", "blind"):
        command = commands.add_parser(name)
        command.add_argument("set", type=Path)
        command.add_argument("out", type=Path)
        command.add_argument("fills", nargs="+", metavar="NAME=FOLDER")
        command.add_argument("--format", choices=("png", "jpg"), default="png")
        if name == "show":
            command.add_argument("--zoom", action="store_true")
            command.add_argument("--rows", type=int, default=6, help="pictures on a sheet")
        else:
            command.add_argument("--pictures", type=int, default=30)
            command.add_argument("--seed", type=int, default=0)
    command = commands.add_parser("count")
    command.add_argument("out", type=Path)
    command.add_argument("votes", nargs="+", type=Path)
    arguments = parser.parse_args()
    if arguments.command == "count":
        return count(arguments)
    arguments.out.mkdir(parents=True, exist_ok=True)
    folders = {name: Path(folder) for name, _, folder in (fill.partition("=") for fill in arguments.fills)}
    (show if arguments.command == "show" else blind)(arguments, folders)


def show(arguments, folders):
    columns = {"photograph": arguments.set / "truth", "hole": arguments.set / "holed"} | folders
    files = sorted((arguments.set / "truth").iterdir())
    for first in range(0, len(files), arguments.rows):
        rows = files[first : first + arguments.rows]
        sheet = Sheet((len(columns) * CELL[0], len(rows) * (CELL[1] + LABEL)))
        for row, file in enumerate(rows):
            box = surroundings(arguments.set / "mask" / file.name) if arguments.zoom else None
            for column, (name, folder) in enumerate(columns.items()):
                corner = column * CELL[0], row * (CELL[1] + LABEL)
                sheet.put(folder / file.name, box, corner, CELL, file.stem if column == 0 else name)
        sheet.save(arguments.out / f"{first // arguments.rows:02}.{arguments.format}")


def blind(arguments, folders):
    draw = numpy.random.default_rng(arguments.seed)
    files = sorted(file.name for file in (arguments.set / "truth").iterdir())
    files = draw.permutation(files)[: arguments.pictures]
    ours, *peers = folders
    pairs = draw.permutation([(file, peer) for peer in peers for file in files])
    half = CELL[0] // 2, CELL[1] // 2
    width, height = half[0] + 2 * CELL[0] + 20, CELL[1] + LABEL
    with open(arguments.out / "key.csv", "w", newline="", encoding="utf-8") as out:
        key = csv.writer(out)
        key.writerow(["pair", "picture", "peer", "ours is"])
        for first in range(0, len(pairs), PAIRS):
            sheet = Sheet((2 * width, PAIRS // 2 * height))
            for place, (file, peer) in enumerate(pairs[first : first + PAIRS]):
                shown = [folders[ours], folders[peer]]
                swapped = draw.random() < 0.5
                key.writerow([first + place + 1, file, peer, "AB"[swapped]])
                box = surroundings(arguments.set / "mask" / file)
                left, top = place % 2 * width, place // 2 * height
                sheet.put(arguments.set / "holed" / file, box, (left, top), half, f"{first + place + 1}")
                for letter, folder in zip("AB", reversed(shown) if swapped else shown):
                    corner = left + half[0] + "AB".index(letter) * CELL[0], top
                    sheet.put(folder / file, box, corner, CELL, f"{first + place + 1} {letter}")
            sheet.save(arguments.out / f"{first // PAIRS:02}.{arguments.format}")


def count(arguments):
    key = {row["pair"]: row for row in csv.DictReader((arguments.out / "key.csv").open(encoding="utf-8"))}
    votes = {row["peer"]: {"ours": 0, "tie": 0, "peer": 0} for row in key.values()}
    lines = [line for file in arguments.votes for line in file.read_text(encoding="utf-8").splitlines() if line.strip()]
    for line in lines:
        pair, _, vote = line.strip().partition(" ")
        if pair not in key or vote not in ("A", "B", "tie"):
            raise SystemExit(f"a vote is a pair of 1 to {len(key)} and A, B or tie: {line}")
        winner = "tie" if vote == "tie" else "ours" if vote == key[pair]["ours is"] else "peer"
        votes[key[pair]["peer"]][winner] += 1
    print("| peer | ours preferred | tie | peer preferred | ours % |\n|---|---|---|---|---|")
    for peer, given in votes.items():
        share = 100 * given["ours"] / max(sum(given.values()), 1)
        print(f"| {peer} | {given['ours']} | {given['tie']} | {given['peer']} | {share:.0f} |")


def surroundings(mask):
    """Left, top, right and bottom of the largest hole with half its size around, as wide and high as a cell."""
    hidden = numpy.asarray(Image.open(mask).convert("L")) > 127
    holes, _ = scipy.ndimage.label(hidden)
    rows, columns = scipy.ndimage.find_objects(holes)[numpy.bincount(holes[hidden]).argmax() - 1]
    scale = max(2 * (columns.stop - columns.start) / CELL[0], 2 * (rows.stop - rows.start) / CELL[1], 0.4)
    box = []
    for span, cell, length in ((columns, CELL[0], hidden.shape[1]), (rows, CELL[1], hidden.shape[0])):
        size = min(round(scale * cell), length)
        start = min(max((span.start + span.stop - size) // 2, 0), length - size)
        box.append((start, start + size))
    return box[0][0], box[1][0], box[0][1], box[1][1]


class Sheet:
    def __init__(self, size):
        self.canvas = Image.new("RGB", size, WHITE)
        self.draw, self.font = ImageDraw.Draw(self.canvas), ImageFont.load_default(LABEL - 5)

    def put(self, file, box, corner, size, label):
        """The part of a picture, in the cell at the corner, below the label."""
        picture = Image.open(file).convert("RGB").crop(box)
        picture = ImageOps.contain(picture, (size[0] - 4, size[1]), Image.BICUBIC)
        self.draw.text(corner, label[: size[0] // 7], (0, 0, 0), self.font)
        self.canvas.paste(picture, (corner[0], corner[1] + LABEL))

    def save(self, file):
        self.canvas.save(file, quality=92)


if __name__ == "__main__":
    main()
