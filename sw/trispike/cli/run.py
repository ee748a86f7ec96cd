"""`trispike run`: images in, answers out."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from .. import image
from ..device import DEVICES, is_device, open_device
from ..files import atomic_output, load_images
from ..link.line import DEFAULT_BAUD
from . import options
from .console import progress, say


def command(
    directory: options.ImageDirectory,
    input_file: options.InputFile,
    output: Annotated[
        Path, typer.Option(help="File for `integers`, int64, and `logits`, float32, [N, classes].", metavar="Y.npz")
    ],
    device: Annotated[str, typer.Option(help=f"What computes: {' or '.join(DEVICES)}.")] = "golden",
    engine: options.Engine = None,
    baud: Annotated[int, typer.Option(help="Bits a second of a serial port.", metavar="RATE", min=1)] = DEFAULT_BAUD,
    preset: options.DemandedPreset = None,
    arch: options.DemandedArch = None,
    verbose: options.Verbose = False,
) -> None:
    """Compute the answers of images on a device."""
    if not is_device(device):
        raise typer.BadParameter(f"there is no device {device!r}; choose {' or '.join(DEVICES)}")
    program = image.load(directory, options.demanded_architecture(preset, arch))
    x = load_images(input_file, program.network.input_shape)
    with atomic_output(output) as file:
        with progress(f"{device} device") as report:
            answer = open_device(device, engine=engine, baud=baud).run(program, x, progress=report)
        np.savez(file, integers=answer.integers, logits=answer.logits)
    say(f"wrote {output}: {len(x)} images, {program.network.classes} classes")
