"""`trispike estimate`: cycles of an image before any simulation."""

from pathlib import Path
from typing import Annotated

import typer

from .. import image
from ..book import Book
from ..errors import InputError
from ..estimate import Estimate, LayerEstimate, estimate
from ..files import load_images
from . import options
from .console import progress, say, show_json, show_table


def command(
    directory: options.ImageDirectory,
    data: Annotated[
        Path | None,
        typer.Option(help="Images whose spikes count, x float32 [N, C, H, W] (default: assumed).", metavar="X.npz"),
    ] = None,
    images: Annotated[int | None, typer.Option(help="Use the first N images only.", metavar="N", min=1)] = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Estimate the cycles per layer and in total from the image and the spikes of example images."""
    if images is not None and data is None:
        raise typer.BadParameter("--images counts those of --data; give both")
    program = image.load(directory)
    if isinstance(program, Book):
        raise InputError(
            f"{directory} holds {len(program.chapters)} chapters, but the estimate times one program; "
            f"trispike inspect gives the cycles by which the chapters were chosen"
        )
    x = None if data is None else load_images(data, program.network.input_shape)[:images]
    if x is not None and not len(x):
        raise InputError(f"{data} holds no image; give at least one")
    with progress("images") as advance:
        found = estimate(program, x, progress=advance)
    if found.assumed:
        say("note: the spikes are assumed; --data X.npz measures them")
    if as_json:
        show_json(found.to_dict())
    else:
        _show(found)


def _show(found: Estimate) -> None:
    def row(name: str, of: LayerEstimate | Estimate) -> tuple[object, ...]:
        return name, round(of.cycles), round(of.additions), f"{of.useful_share:.3f}"

    rows = [
        ("input", round(found.input_cycles), "", ""),
        *(row(layer.name, layer) for layer in found.layers),
        ("run, RUN to answer", round(found.cycles), round(found.additions), ""),
        ("all, input to answer", round(found.cycles + found.input_cycles), "", f"{found.useful_share:.3f}"),
    ]
    source = "assumed spikes" if found.assumed else f"{found.timed_images} typical of {found.images} images"
    show_table(f"{found.architecture}: {source} (estimated)", ("layer", "cycles", "additions", "useful share"), rows)
