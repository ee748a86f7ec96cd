"""The bundled network on the RTL: what `make sim` runs.

Compiles it for preset small, co-simulates ten held-out images and says whether the RTL agrees with the golden model.
"""

import argparse
import sys

import numpy as np

from .. import api
from ..book import Book
from ..errors import TrispikeError
from ..program import Program
from ..simulation import simulate
from . import CALIBRATION_SET, MODEL, load_digits

IMAGES = 10


def compile_digits(preset: str = "small") -> Program | Book:
    """The bundled network, calibrated on the bundled training images."""
    return api.compile(MODEL, preset, calibration=load_digits(CALIBRATION_SET).x)


def demonstrate(program: Program | Book, images: int = IMAGES, engine: str | None = None) -> bool:
    """Run the first `images` held-out digits on the RTL, print what it answers, and return whether it is bit-exact."""
    digits = load_digits()
    report = simulate(program, digits.x[:images], engine=engine, stalls=False)
    steps = program.network.time_steps
    print(f"digits on preset {program.arch.name}, T = {steps}, RTL simulated by {report.engine} {report.version}")
    print("image  digit  predicted  cycles  bit-exact")
    for number, (label, image) in enumerate(zip(digits.labels, report.images, strict=False)):
        predicted = int(np.argmax(image.integers))
        print(f"{number:5}  {label:5}  {predicted:9}  {image.cycles:6}  {'yes' if image.bit_exact else 'NO'}")
    right = int(np.sum(report.integers.argmax(axis=1) == digits.labels[:images]))
    print(f"{right} of {images} right, {round(np.mean(report.cycles))} cycles per image")
    print(report.explain())
    return report.bit_exact


def main() -> int:
    parser = argparse.ArgumentParser(description="Run the bundled network on the RTL, bit by bit.")
    parser.add_argument("--preset", default="small", help="preset (small)")
    parser.add_argument("--images", type=int, default=IMAGES, help=f"held-out images to run ({IMAGES})")
    parser.add_argument("--engine", help="simulator: icarus or verilator (what is there)")
    arguments = parser.parse_args()
    try:
        return 0 if demonstrate(compile_digits(arguments.preset), arguments.images, arguments.engine) else 1
    except TrispikeError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
