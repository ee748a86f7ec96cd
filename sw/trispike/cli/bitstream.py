"""`trispike bitstream`: an architecture as a file to load into a board."""

from pathlib import Path
from typing import Annotated

import typer

from ..errors import DeviceError
from ..files import atomic_output
from ..synthesis.bitstream import Bitstream, build_bitstream, write_scripts
from ..synthesis.boards import BOARDS
from . import options
from .console import say, show_json, show_table

_KNOWN = "; ".join(f"{board.name}: {board.description}" for board in BOARDS.values())


def command(
    board: Annotated[str, typer.Option(help=f"Board. {_KNOWN}.", metavar="NAME")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Bitstream to write.", metavar="FILE")] = None,
    scripts_only: Annotated[
        Path | None,
        typer.Option(
            help="Directory to write the scripts and sources of the build to, instead of running it.", metavar="DIR"
        ),
    ] = None,
    preset: options.Preset = None,
    arch: options.Arch = None,
    clock: Annotated[float | None, typer.Option(help="Clock; default: the board's.", metavar="MHZ", min=1.0)] = None,
    memory: Annotated[
        bool | None,
        typer.Option(
            help="Whether the design has the board's memory outside the chip; default: yes, but not on icebreaker.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Runs of place and route at the most, until one reaches the clock.", metavar="N", min=1)
    ] = 3,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Build the bitstream of a board: synthesis, place and route, and a verdict on the clock."""
    if board not in BOARDS:
        raise typer.BadParameter(f"there is no board {board!r}; choose {', '.join(BOARDS)}")
    if (output is None) == (scripts_only is None):
        raise typer.BadParameter("give either -o or --scripts-only")
    target = BOARDS[board]
    named = target.preset if preset is None and arch is None else preset
    architecture = options.architecture(named, arch)
    mhz = clock or target.mhz
    if scripts_only is not None:
        files = write_scripts(target, architecture, mhz, scripts_only, memory=memory)
        say(f"wrote {len(files)} files to {scripts_only}; not run on hardware")
        return
    assert output is not None
    with atomic_output(output) as file:
        say(f"building {architecture.name} for {board} at {mhz:g} MHz; the first time takes many minutes")
        built = build_bitstream(target, architecture, mhz, memory=memory, seeds=seeds)
        _report(board, built, as_json)
        if built.missed:
            name, reached, wanted = built.missed[0]
            raise DeviceError(
                f"{architecture.name} on {board} reaches {reached:.1f} MHz of the {wanted:.1f} MHz of clock {name}; "
                f"build it with --clock {int(reached)} or less"
            )
        file.write(built.content)
    say(f"wrote {output}: {len(built.content)} bytes; load it, then run --device serial:PORT")


def _report(board: str, built: Bitstream, as_json: bool) -> None:
    if as_json:
        show_json({
            "board": board,
            "clocks": [dict(zip(("name", "reached_mhz", "wanted_mhz"), row, strict=True)) for row in built.clocks],
            "resources": [dict(zip(("name", "used", "available"), row, strict=True)) for row in built.resources],
        })  # fmt: skip
        return
    resources = [(name, used, of, f"{used / of:.1%}") for name, used, of in built.resources]
    show_table(f"{board}: resources", ("kind", "used", "available", "share"), resources)
    clocks = [
        (name, f"{reached:.1f}", f"{wanted:.1f}", "reached" if reached >= wanted else "missed")
        for name, reached, wanted in built.clocks
    ]
    show_table(f"{board}: clocks", ("clock", "MHz reached", "MHz wanted", "verdict"), clocks)
