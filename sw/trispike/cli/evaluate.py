"""`trispike evaluate`: accuracy and work of a compiled network on labelled data."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from .. import float_reference, image, importers
from ..errors import InputError
from ..evaluation import Evaluation, evaluate
from ..files import load_images, load_labels
from . import options
from .console import progress, show_json, show_table


def command(
    directory: options.ImageDirectory,
    data: Annotated[
        Path, typer.Option(help="File with x, float32 [N, C, H, W], and labels, integers [N].", metavar="D.npz")
    ],
    time_steps: Annotated[
        str | None, typer.Option(help="Numbers of time steps, such as 2,4,6,8 (default: the image's).", metavar="T,T")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="Float network to compare with: .onnx or .pt2.", metavar="FILE")
    ] = None,
    as_json: options.Json = False,
    verbose: options.Verbose = False,
) -> None:
    """Measure accuracy, agreement with the float network, spikes and additions on the golden model."""
    network = image.load(directory).network
    steps = [network.time_steps] if time_steps is None else _numbers(time_steps)
    x = load_images(data, network.input_shape)
    labels = load_labels(data, len(x))
    if labels is None and model is None:
        raise InputError(f"{data} holds no labels to compare with; add them, or give --model")
    graph = None if model is None else importers.load(model, x[:1])
    float_answers = None if graph is None else float_reference.run(graph, x)
    with progress("images evaluated") as report:
        rows = evaluate(network, x, labels, float_answers, steps, report)
    if as_json:
        show_json({"network": network.name, "images": len(x), "rows": [asdict(row) for row in rows]})
        return
    columns = ("T", "accuracy", "agreement", "mean squared error", "spikes", "additions")
    show_table(f"{network.name}: {len(x)} images", columns, [_cells(row) for row in rows])


def _numbers(text: str) -> list[int]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"--time-steps must be whole numbers with commas between them, not {text}")
    return [int(part) for part in parts]


def _cells(row: Evaluation) -> tuple[object, ...]:
    shares = ["" if share is None else f"{100 * share:.2f} %" for share in (row.accuracy, row.agreement)]
    error = "" if row.mean_squared_error is None else f"{row.mean_squared_error:.4g}"
    return row.time_steps, *shares, error, f"{row.spikes:.0f}", f"{row.additions:.0f}"
