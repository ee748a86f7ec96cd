"""`trispike flash`: the weights of an image as a file for a board's flash."""

from pathlib import Path
from typing import Annotated

import typer

from trispike_hw.memory.flash import FLASH_OFFSET, FLASH_WORDS

from .. import image
from ..errors import PlacementError
from ..external import external_words
from ..files import atomic_output
from . import options
from .console import say


def command(
    directory: options.ImageDirectory,
    output: Annotated[Path, typer.Option("-o", "--output", help="File to write.", metavar="FILE")],
    verbose: options.Verbose = False,
) -> None:
    """Write the weights that an image streams in, for boards whose memory outside the chip is their flash."""
    program = image.load(directory)
    if program.external is None:
        raise PlacementError(
            f"network {program.network.name} has all its weights on the chip of architecture {program.arch.name}; "
            f"run it without a flash file"
        )
    words = external_words(program.external, program.arch)
    if len(words) > FLASH_WORDS:
        raise PlacementError(
            f"network {program.network.name} has {4 * len(words)} bytes of weights outside the chip, but the flash has "
            f"{4 * FLASH_WORDS} for them; use a board with SDRAM, or a smaller network"
        )
    with atomic_output(output) as file:
        file.write(words.astype("<u4").tobytes())
    say(f"wrote {output}: {4 * len(words)} bytes; write it to the flash from byte {FLASH_OFFSET} on")
