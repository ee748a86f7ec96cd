"""`trispike verilog`: the accelerator as one Verilog file."""

from pathlib import Path
from typing import Annotated

import typer

from trispike_hw.bus import BUSES
from trispike_hw.devices import DEVICES

from ..files import atomic_output
from . import options
from .console import say

_PRIMITIVES = "; ".join(f"{device.name}: {device.description}" for device in DEVICES.values())


def command(
    output: Annotated[Path, typer.Option("-o", "--output", help="Verilog file to write.", metavar="FILE.v")],
    preset: options.Preset = None,
    arch: options.Arch = None,
    device: Annotated[str, typer.Option(help=f"What the Verilog may be made of. {_PRIMITIVES}.")] = "generic",
    bus: Annotated[str, typer.Option(help=f"Ports of the top module: {', '.join(BUSES)}.")] = BUSES[0],
    verbose: options.Verbose = False,
) -> None:
    """Write the RTL of an architecture as Verilog."""
    if device not in DEVICES:
        raise typer.BadParameter(f"there is no device {device!r}; choose {' or '.join(DEVICES)}")
    if bus not in BUSES:
        raise typer.BadParameter(f"there is no bus {bus!r}; choose {' or '.join(BUSES)}")
    architecture = options.architecture(preset, arch)
    from trispike_hw.verilog import generate  # slow to import, and wanted here alone

    with atomic_output(output) as file:
        text = generate(architecture, device=DEVICES[device], bus=bus)
        file.write(text.encode())
    say(f"wrote {output}: architecture {architecture.name}, {len(text.splitlines())} lines")
