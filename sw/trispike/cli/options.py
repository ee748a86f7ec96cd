"""Options and arguments that several verbs take."""

from pathlib import Path
from typing import Annotated

import typer

from trispike_hw.architecture import PRESETS, Architecture, load, preset

DEFAULT_PRESET = "small"


def _set_verbose(context: typer.Context, value: bool) -> bool:
    context.obj.verbose = value
    return value


Verbose = Annotated[
    bool, typer.Option("-v", "--verbose", callback=_set_verbose, help="Show the whole traceback of an error.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of tables.")]
Preset = Annotated[
    str | None, typer.Option(help=f"Architecture: {', '.join(PRESETS)} (default {DEFAULT_PRESET}).", metavar="NAME")
]
Arch = Annotated[Path | None, typer.Option(help="Architecture from a TOML file instead of a preset.", metavar="FILE")]
DemandedPreset = Annotated[
    str | None,
    typer.Option("--preset", help="Refuse an image for another architecture than this.", metavar="NAME"),
]
DemandedArch = Annotated[
    Path | None, typer.Option("--arch", help="Refuse an image for another architecture than this.", metavar="FILE")
]
ImageDirectory = Annotated[Path, typer.Argument(help="Image written by `trispike compile`.", metavar="DIR")]
InputFile = Annotated[
    Path,
    typer.Option("--input", help="File with x, float32 [N, C, H, W], preprocessed.", metavar="X.npz"),
]
Engine = Annotated[
    str | None, typer.Option(help="Simulator: icarus or verilator (default: the quicker one).", metavar="NAME")
]


def architecture(preset_name: str | None, file: Path | None) -> Architecture:
    """The architecture that --preset or --arch names.

    Raises:
        typer.BadParameter: if both are given.
        ArchitectureError: if it does not exist or is not valid.
    """
    if preset_name is not None and file is not None:
        raise typer.BadParameter("--preset and --arch exclude each other; give one of them")
    return load(file) if file is not None else preset(preset_name or DEFAULT_PRESET)


def demanded_architecture(preset_name: str | None, file: Path | None) -> Architecture | None:
    """What --preset or --arch of a verb that reads an image demand of it: None if neither is given."""
    return None if preset_name is None and file is None else architecture(preset_name, file)
