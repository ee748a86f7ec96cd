"""`trispike verilog`: the accelerator as one Verilog file."""

from pathlib import Path
from typing import Annotated

import typer

from ..files import atomic_output
from . import options
from .console import say


def command(
    output: Annotated[Path, typer.Option("-o", "--output", help="Verilog file to write.", metavar="FILE.v")],
    preset: options.Preset = None,
    arch: options.Arch = None,
    verbose: options.Verbose = False,
) -> None:
    """Write the RTL of an architecture as Verilog."""
    architecture = options.architecture(preset, arch)
    from trispike_hw.verilog import generate  # slow to import, and wanted here alone

    with atomic_output(output) as file:
        text = generate(architecture)
        file.write(text.encode())
    say(f"wrote {output}: architecture {architecture.name}, {len(text.splitlines())} lines")
