"""Fills the pictures of `pictures.py` by other methods and by the program, one after the other, and times them.

    cargo build --release -p context-encoder-cli
    python benches/fills/peers.py SET OUT [NAME...]
    python benches/fills/peers.py SET OUT ours=target/release/context-encoder "region=PROGRAM --weights FILE"

SET holds `holed` and `mask`. Without names all methods of METHODS run; NAME=COMMAND is a program to which
`inpaint IN --mask MASK --output OUT` and then what follows its path are given. Writes OUT/NAME/*.png and
OUT/NAME/seconds.csv: of each picture, seconds that passed and those of the processor, on one thread (--threads), of the
fill alone; of a program all from its start to the file. Pictures that exist already are skipped, so a stopped run goes
on. The processor is busy for 5 s a picture with shift-map, half a minute with fsr-best, a second or less with others.
Packages: numpy, scipy, opencv-contrib-python and patchmatch-cython.
"""

import argparse
import os
import resource
import shlex
import subprocess
import time
from pathlib import Path

import cv2
import numpy
from scipy import sparse
from scipy.sparse.linalg import spsolve


def main():
    parser = argparse.ArgumentParser(description="Fills by other methods")
    parser.add_argument("set", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("names", nargs="*", default=list(METHODS), help="NAME=COMMAND or a method's name")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    cv2.setNumThreads(arguments.threads)
    for variable in ("RAYON_NUM_THREADS", "OMP_NUM_THREADS"):
        os.environ[variable] = str(arguments.threads)
    for name in arguments.names:
        name, _, command = name.partition("=")
        (arguments.out / name).mkdir(parents=True, exist_ok=True)
        for holed in sorted((arguments.set / "holed").iterdir()):
            out, mask = arguments.out / name / holed.name, arguments.set / "mask" / holed.name
            if out.exists():
                continue
            if command:
                program, *options = shlex.split(command)
                files = [holed, "--mask", mask, "--output", out, "--quiet"]
                _, seconds = timed(lambda: subprocess.run([program, "inpaint", *files, *options], check=True))
            else:
                picture = cv2.imread(str(holed))
                hidden = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
                fill, seconds = timed(lambda: METHODS[name](picture, hidden))
                picture[hidden > 0] = fill[hidden > 0]  # what was visible stays, as with ours
                cv2.imwrite(str(out), picture)
            with open(arguments.out / name / "seconds.csv", "a", encoding="utf-8") as file:
                file.write(f"{holed.name},{seconds[0]:.3f},{seconds[1]:.3f}\n")


def timed(fill):
    """What `fill` returns, and the seconds that passed and those of the processor, children included."""
    before = time.perf_counter(), processor()
    filled = fill()
    return filled, (time.perf_counter() - before[0], processor() - before[1])


def processor():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def harmonic(picture, hidden):
    """Each hidden pixel the mean of its neighbours in the picture."""
    height, width = hidden.shape
    laplace = sparse.kron(laplacian(height), sparse.eye(width)) + sparse.kron(sparse.eye(height), laplacian(width))
    inside, pixels = hidden.ravel() > 0, picture.reshape(-1, 3).astype(float)
    rows = laplace.tocsr()[inside]
    pixels[inside] = spsolve(rows[:, inside].tocsc(), -(rows[:, ~inside] @ pixels[~inside]))
    return pixels.round().clip(0, 255).astype("uint8").reshape(picture.shape)


def laplacian(length):
    step = sparse.diags([-1.0, 1.0], [0, 1], (length - 1, length))
    return step.T @ step


def patchmatch(picture, hidden):
    import patchmatch_cython

    return patchmatch_cython.inpaint_pyramid(picture, hidden > 0, seed=0)


def xphoto(algorithm):
    def fill(picture, hidden):
        filled = numpy.zeros_like(picture)
        lab = cv2.cvtColor(picture, cv2.COLOR_BGR2Lab)
        cv2.xphoto.inpaint(lab, 255 - hidden, filled, algorithm)  # its mask is 0 where hidden
        return cv2.cvtColor(filled, cv2.COLOR_Lab2BGR)

    return fill


METHODS = {
    "harmonic": harmonic,
    "telea": lambda picture, hidden: cv2.inpaint(picture, hidden, 5, cv2.INPAINT_TELEA),
    "navier-stokes": lambda picture, hidden: cv2.inpaint(picture, hidden, 5, cv2.INPAINT_NS),
    "patchmatch": patchmatch,
    "fsr-fast": xphoto(cv2.xphoto.INPAINT_FSR_FAST),
    "fsr-best": xphoto(cv2.xphoto.INPAINT_FSR_BEST),
    "shift-map": xphoto(cv2.xphoto.INPAINT_SHIFTMAP),
}

if __name__ == "__main__":
    main()
