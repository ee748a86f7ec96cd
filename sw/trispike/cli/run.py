"""`trispike run`: images in, answers out."""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from .. import image
from ..device import DEVICES, open_device
from ..files import atomic_output, load_images
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
    preset: options.DemandedPreset = None,
    arch: options.DemandedArch = None,
    verbose: options.Verbose = False,
) -> None:
    """Compute the answers of images on a device."""
    if device not in DEVICES:
        raise typer.BadParameter(f"there is no device {device!r}; choose {' or '.join(DEVICES)}")
    program = image.load(directory, options.demanded_architecture(preset, arch))
    x = load_images(input_file, program.network.input_shape)
    with atomic_output(output) as file:
        with progress(f"{device} device") as report:
            answer = open_device(device, engine=engine).run(program, x, progress=report)
        np.savez(file, integers=answer.integers, logits=answer.logits)
    say(f"wrote {output}: {len(x)} images, {program.network.classes} classes")
