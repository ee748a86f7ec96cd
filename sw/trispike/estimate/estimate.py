"""Cycles of a program before any simulation."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..program import Program
from .machine import ImageCycles, image_cycles
from .statistics import Progress, Statistics, assumed, measured
from .timings import Timings, timings_of


@dataclass(frozen=True)
class LayerEstimate:
    """Means per image: `cycles` from the end of the layer before to its own, `events` of all lanes, `additions`, and
    `useful_share`, additions / (processing elements x cycles)."""

    name: str
    cycles: float
    events: float
    additions: float
    useful_share: float


@dataclass(frozen=True)
class Estimate:
    """What an image is estimated to cost, in the terms of `trispike simulate`.

    `cycles` from RUN to the last word of the answer, `input_cycles` before RUN; means over `timed_images`, which stand
    for `images` images, or, if `assumed`, over one of made-up spikes.
    """

    architecture: str
    processing_elements: int
    cycles: float
    input_cycles: float
    additions: float
    useful_share: float
    images: int
    timed_images: int
    assumed: bool
    layers: tuple[LayerEstimate, ...]

    def to_dict(self) -> dict[str, Any]:
        """The estimate in types that JSON knows."""
        return asdict(self)


def estimate(
    program: Program, x: np.ndarray | None = None, *, progress: Progress | None = None, timings: Timings | None = None
) -> Estimate:
    """The cycles of `program` with the spikes of images `x`, real [N, C, H, W], or with assumed ones; `timings` are
    those of its architecture unless given.

    Raises:
        InputError: if the network does not take `x`.
    """
    statistics = assumed(program.network) if x is None else measured(program.network, x, progress)
    return of_statistics(program, statistics, timings or timings_of(program.arch))


def of_statistics(program: Program, statistics: Statistics, timings: Timings) -> Estimate:
    """The cycles of `program` with these spikes."""
    images: list[ImageCycles] = []
    for trains in statistics.trains:
        images.append(image_cycles(program, trains, timings, images[-1].next_lane if images else 0))
    elements = program.arch.pes
    layers = []
    for name in dict.fromkeys(program.layer_names):
        parts = [part for image in images for part in image.parts if part.name == name]
        cycles = sum(part.cycles for part in parts) / len(images)
        additions = statistics.additions[name]
        layers.append(
            LayerEstimate(
                name=name,
                cycles=cycles,
                events=sum(part.events for part in parts) / len(images),
                additions=additions,
                useful_share=additions / (elements * cycles),
            )
        )
    run = sum(image.run for image in images) / len(images)
    loading = sum(image.input for image in images) / len(images)
    additions = sum(layer.additions for layer in layers)
    return Estimate(
        architecture=program.arch.name,
        processing_elements=elements,
        cycles=run,
        input_cycles=loading,
        additions=additions,
        useful_share=additions / (elements * (run + loading)),
        images=statistics.images,
        timed_images=len(images),
        assumed=statistics.assumed,
        layers=tuple(layers),
    )
