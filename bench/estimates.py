"""How close estimated cycles come to those that the RTL counts, by statistics of the same images and of others."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trispike import api
from trispike.book import Book
from trispike.estimate import Estimate, estimate
from trispike.simulation import simulate
from trispike_hw.architecture import preset
from trispike_sim.report import ImageReport

from .cases import Data, Run, Skipped

CHECKED = (
    (Run("LeNet-5", "small", 6), 400),
    (Run("ResNet-8", "base", 8), 120),
    (Run("DS-CNN", "base", 8, silent=3), 250),
    (Run("LeNet-5", "large", 6), 400),
    (Run("DS-CNN", "large", 8, silent=3), 120),
)
"""Networks on presets, and images that the RTL runs and the statistics do not know: fewer where simulating is slow."""

SAME = 3
"""Images that RTL and estimate both know."""

SEED = 7
"""Of the order in which images are dealt out: the files are sorted, or begin with the easier ones."""


def accuracy(run: Run, data: Data, fresh: int) -> list[dict[str, Any]]:
    """Two rows: `SAME` images that the RTL runs, estimated by their own statistics, and `fresh` images, estimated by
    the statistics of all others. Errors as `errors` says.

    Raises:
        Skipped: if there are not enough images, or the network runs in chapters, which the estimate does not time.
    """
    program = api.compile(
        data.model, preset(run.preset), calibration=data.calibration, time_steps=run.time_steps, silent=run.silent
    )
    if isinstance(program, Book):
        raise Skipped("the estimate times one program")
    if len(data.images) <= fresh:
        raise Skipped(f"there are {len(data.images)} images, and {fresh} for the RTL alone")
    images = np.random.default_rng(SEED).permutation(data.images)
    ran, others = images[:fresh], images[fresh:]
    report = simulate(program, ran, engine="verilator", stalls=False)
    rows = []
    for which, known, counted in (
        ("the same", ran[:SAME], report.images[:SAME]),
        ("others", others, report.images),
    ):
        found = {"statistics": which, "statistics_images": len(known), "rtl_images": len(counted)}
        rows.append(run.names | {"bit_exact": report.bit_exact} | found | errors(estimate(program, known), counted))
    return rows


def errors(estimated: Estimate, images: Sequence[ImageReport]) -> dict[str, Any]:
    """Cycles of the RTL from RUN to the answer, means over `images`, and how far the estimate is from them, in percent:
    in all, in each layer, and in the layer where that is most."""
    cycles = float(np.mean([image.cycles for image in images]))
    layers = {}
    for number, layer in enumerate(estimated.layers):
        counted = float(np.mean([image.layers[number].cycles for image in images]))
        layers[layer.name] = {"cycles": round(counted), "error_percent": _percent(layer.cycles, counted)}
    worst = max(layers, key=lambda name: abs(layers[name]["error_percent"]))
    return {
        "cycles": round(cycles),
        "error_percent": _percent(estimated.cycles, cycles),
        "worst_layer": worst,
        "worst_layer_cycles": layers[worst]["cycles"],
        "worst_error_percent": layers[worst]["error_percent"],
        "layers": layers,
    }


def _percent(estimated: float, counted: float) -> float:
    return round(100 * (estimated / counted - 1), 2)
