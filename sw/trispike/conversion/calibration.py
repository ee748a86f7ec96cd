"""Calibration: which images the converter looks at, and the real activations that they cause."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..float_reference import run
from ..graph import Graph
from ..inputs import checked_images

MAX_IMAGES = 512
_RANDOM_IMAGES = 64
_MAX_BYTES = 1 << 29


@dataclass(frozen=True)
class Calibration:
    """Calibration images float32 [N, C, H, W] and the outputs float32 [N, C, H, W] of all graph nodes for them."""

    images: np.ndarray
    activations: Mapping[str, np.ndarray]
    random: bool


def calibrate(graph: Graph, images: np.ndarray | None, time_steps: int, max_images: int = MAX_IMAGES) -> Calibration:
    """Run `graph` on calibration images: at most `max_images`, spread evenly, fewer where memory demands it.

    Without images, normally distributed ones are made up, always the same.

    Raises:
        InputError: if `images` is no finite real array [N, C, H, W] that fits the network, N >= 1.
    """
    random = images is None
    if images is None:
        images = np.random.default_rng(0).standard_normal((_RANDOM_IMAGES, *graph.input_shape))
    images = checked_images(np.asarray(images), graph.input_shape, "calibration images", dtype=np.float32)
    largest = max(int(np.prod(shape)) for shape in (graph.input_shape, *(node.shape for node in graph.nodes)))
    per_image = 4 * sum(int(np.prod(node.shape)) for node in graph.nodes) + 2 * time_steps * largest
    count = min(len(images), max_images, max(1, _MAX_BYTES // per_image))
    chosen = images[np.arange(count) * len(images) // count]
    return Calibration(chosen, run(graph, chosen, keep=True)[1], random)
